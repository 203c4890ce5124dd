"""The data stages from the command line: good input, and bad input in one clear message."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dpam.cli import main
from dpam.utils.reading import read_csv, read_json

CUSTOM = json.dumps({"labels": "mine.csv", "score_range": [0, 10], "higher_is_better": True})


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = ["image,score,reference"]
    for number in range(6):
        Image.new("RGB", (50, 40), (number, 9, 9)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{number},scene{number // 2}")
    (folder / "mine.csv").write_text("\n".join(rows) + "\n")
    return folder


def run(stage: str, root: Path, output: Path, name: str = "mine", more: Sequence[str] = ()) -> int:
    own = ["--custom", CUSTOM] if name == "mine" else []
    return main([stage, name, "--root", str(root), *own, *more, "--output", str(output)])


def near(folder: Path) -> list[str]:
    """Where draw-splits reads near-duplicates, and where it says which stand apart."""
    verified, output = folder / "verified.json", folder / "near_duplicates.csv"
    if not verified.exists():
        verified.write_text('{"near_duplicates": []}')
    return ["--verified", str(verified), "--near-duplicates", str(output)]


def test_validation_sets_that_say_too_little_are_named_together(root, tmp_path, capsys):
    assert run("normalise-labels", root, tmp_path / "labels.csv") == 0
    arguments = ["--seed", "1", "--count", "2", "--output", str(tmp_path / "splits.csv")]
    assert main(["draw-splits", str(tmp_path / "labels.csv"), *arguments, *near(tmp_path)]) == 0
    said = capsys.readouterr().err
    names = "split00, split01, authors"
    assert f"{names}: the validation set is 2 images of one reference: too few to select" in said
    assert said.count("too few to select") == 1


def test_verify_normalise_draw(root, tmp_path):
    assert run("verify-download", root, tmp_path / "verified.json") == 0
    verified = read_json(tmp_path / "verified.json")
    assert verified["counts"] == {"images": 6, "references": 3, "without_label": 0}
    assert set(verified) == {
        "dataset",
        "title",
        "counts",
        "folders",
        "bytes",
        "fingerprint",
        "versions",
        "findings",
        "accepted",
        "left_out",
        "near_duplicates",
        "perceptual_hashes",
    }
    assert verified["folders"] == {".": 6}
    assert run("normalise-labels", root, tmp_path / "labels.csv") == 0
    labels = read_csv(tmp_path / "labels.csv", ["image", "reference", "label", "label_kind"])
    assert labels["label"].tolist() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    splits = tmp_path / "splits.csv"
    arguments = ["--seed", "20", "--count", "4", "--output", str(splits), *near(tmp_path)]
    assert main(["draw-splits", str(tmp_path / "labels.csv"), *arguments]) == 0
    table = pd.read_csv(splits)
    names = ["split00", "split01", "split02", "split03", "authors", "whole"]
    assert list(table.columns) == ["image", *names]
    first = splits.read_bytes()
    assert main(["draw-splits", str(tmp_path / "labels.csv"), *arguments]) == 1  # it is there
    for made in (splits, tmp_path / "near_duplicates.csv"):
        made.unlink()
    assert main(["draw-splits", str(tmp_path / "labels.csv"), *arguments]) == 0
    assert splits.read_bytes() == first


def refused(capsys, status: int, output: Path, *expected: str) -> None:
    message = capsys.readouterr().err
    assert status == 1
    assert not output.exists()
    assert "Traceback" not in message
    for text in expected:
        assert text in message


def test_missing_dataset(tmp_path, capsys):
    output = tmp_path / "verified.json"
    status = run("verify-download", tmp_path / "nowhere", output, name="spaq")
    refused(capsys, status, output, "SPAQ (11,125 images)", "TestImage/", "github.com/h4nwei/SPAQ")


def test_unknown_dataset(tmp_path, capsys):
    output = tmp_path / "labels.csv"
    status = run("normalise-labels", tmp_path, output, name="imagenet")
    refused(capsys, status, output, "imagenet: no such dataset", "kadid10k")


def test_several_broken_files_are_listed(root, tmp_path, capsys):
    output = tmp_path / "verified.json"
    (root / "0.png").write_bytes(b"")
    (root / "1.png").write_bytes((root / "1.png").read_bytes()[:50])
    (root / "2.png").unlink()
    Image.new("RGB", (50, 40)).save(root / "stray.png")
    status = run("verify-download", root, output)
    refused(
        capsys, status, output, "0.png: does", "1.png: does", "2.png: has a", "stray.png: has no"
    )


def test_allowed_findings_are_recorded_and_their_labels_left_out(root, tmp_path, capsys):
    (root / "0.png").write_bytes(b"")
    (root / "2.png").unlink()
    output, labels = tmp_path / "verified.json", tmp_path / "labels.csv"
    options = ["--root", str(root), "--custom", CUSTOM]
    verify = ["verify-download", "mine", *options, "--output", str(output), "--threads", "1"]
    assert main([*verify, "--allow", "undecodable 0.png", "missing_image"]) == 0
    assert "accepted: 2.png: has a label but is not there" in capsys.readouterr().err
    assert read_json(output)["left_out"] == ["0.png", "2.png"]
    arguments = ["normalise-labels", "mine", *options, "--output", str(labels)]
    refused(capsys, main(arguments), labels, "2.png: no such image")
    assert main([*arguments, "--verified", str(output)]) == 0
    assert pd.read_csv(labels)["image"].tolist() == ["1.png", "3.png", "4.png", "5.png"]
    assert "2 image(s) left out, as allowed" in capsys.readouterr().err


def test_an_archive_is_unpacked_and_photographs_that_look_alike_are_named(root, tmp_path, capsys):
    picture = Image.effect_mandelbrot((64, 48), (-2, -1.5, 1, 1.5), 50).convert("RGB")
    for number in range(6):
        picture.save(root / f"{number}.png", compress_level=number)
    subsets = ["train"] * 2 + ["test"] * 4
    for number in range(6, 10):
        noise = np.random.default_rng(number).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / f"{number}.png")
        subsets.append("train")
    lines = ["image,score,split", *(f"{i}.png,{i},{subset}" for i, subset in enumerate(subsets))]
    (root / "mine.csv").write_text("\n".join(lines))
    packed = tmp_path / "packed"
    shutil.make_archive(str(packed / "mine"), "zip", root)
    assert run("verify-download", packed, tmp_path / "verified.json") == 0
    assert (packed / "mine" / "5.png").exists()
    assert run("normalise-labels", packed, tmp_path / "labels.csv") == 0
    assert pd.read_csv(tmp_path / "labels.csv")["image"][0] == "mine/0.png"
    splits = ["--seed", "1", "--output", str(tmp_path / "splits.csv"), *near(tmp_path)]
    assert main(["draw-splits", str(tmp_path / "labels.csv"), *splits]) == 0
    said = capsys.readouterr().err
    assert "near-duplicates stand in different subsets of authors, official, whose" in said
    pairs = pd.read_csv(tmp_path / "near_duplicates.csv")
    splits = pd.read_csv(tmp_path / "splits.csv").set_index("image")
    for name in splits:
        apart = splits.loc[pairs["image"], name].array != splits.loc[pairs["other"], name].array
        assert (pairs["splits"].str.contains(name) == apart).all()
        assert apart.any() == (name in ("authors", "official")), "of others all are kept together"


def test_unusable_labels_are_listed(root, tmp_path, capsys):
    output = tmp_path / "labels.csv"
    (root / "mine.csv").write_text("image,score\n0.png,nan\n1.png,11\n2.png,3\n2.png,3\n")
    status = run("normalise-labels", root, output)
    refused(
        capsys, status, output, "0.png: no number", "1.png: label 11", "2.png: labelled 2 times"
    )


def test_too_few_groups(tmp_path, capsys):
    output = tmp_path / "splits.csv"
    (tmp_path / "labels.csv").write_text("image,reference,official\na.png,x,\nb.png,y,\n")
    arguments = [str(tmp_path / "labels.csv"), "--seed", "1", "--output", str(output)]
    arguments += near(tmp_path)
    refused(capsys, main(["draw-splits", *arguments]), output, "at least 3 references", "found 2")


def test_of_many_findings_that_are_only_reported_one_is_said(root, tmp_path, capsys):
    for number in (1, 3, 5):
        (root / f"{number}.png").write_bytes((root / f"{number - 1}.png").read_bytes())
    output = tmp_path / "verified.json"
    assert run("verify-download", root, output) == 0
    said = capsys.readouterr().err
    assert said.count("has the same content") == 1
    assert f"and 2 more such findings, all in {output}" in said
    assert len(read_json(output)["findings"]) == 3
    again = tmp_path / "again" / "verified.json"
    assert run("verify-download", root, again, more=["--allow", "odd_size"]) == 0
    said = capsys.readouterr().err
    assert "odd_size: is allowed, but was not found" in said
    assert "and 2 more such findings" in said


def test_make_demo_data(tmp_path, capsys):
    folder = tmp_path / "demo_authentic"
    arguments = ["--photographs", "china", "--crops", "2", "--seed", "1", "--output", str(folder)]
    assert main(["make-demo-data", "demo_authentic", *arguments]) == 0
    assert len(list((folder / "1024x768").iterdir())) == 2
    assert "demo_authentic: 2 images made in" in capsys.readouterr().err
    output = tmp_path / "verified.json"
    assert run("verify-download", folder, output, name="demo_authentic") == 0
