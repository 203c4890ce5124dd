"""`dpam predict`, `dpam info` and a checkpoint of the authors, on files."""

import hashlib
import io
import json
import os
import re
import sys
import unicodedata
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from samples import photograph, save_network
from scipy.stats import spearmanr

import dpam
from dpam.cli import main
from dpam.errors import DpamError
from dpam.evaluation.metrics import evaluate as metrics_of
from dpam.model import DPAM
from dpam.model.checkpoint import load_checkpoint, save_checkpoint, to_authors


def call(*arguments) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def model(tmp_path):
    return save_network(tmp_path / "model.safetensors", spread=0.15)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for number in range(5):
        Image.fromarray(photograph(number)).save(folder / f"{number}.png")
    Image.fromarray(photograph(5, 100, 120)).save(folder / "deep/5.png")
    return folder


def printed(capsys) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(capsys.readouterr().out))


def test_scores_are_those_of_the_library(model, photos, capsys):
    assert call("predict", "-r", photos, "--checkpoint", model, "--workers", 3) == 0
    table = printed(capsys)
    expected = list(dpam.load(model).rate(table["image"].tolist()))
    assert len(expected) == 6
    np.testing.assert_allclose(table["score"], [row.score for row in expected], rtol=1e-5)
    np.testing.assert_allclose(
        table["spread_100"], [row.spread_100 for row in expected], rtol=1e-3, atol=1e-5
    )
    assert table["spread_100"].min() > 0


@pytest.mark.parametrize("interval", [None, {"coverage": 0.9, "half_width": 0.3, "images": 40}])
def test_scores_in_words_on_a_terminal_and_intervals_in_columns(
    model, photos, tmp_path, capsys, monkeypatch, interval
):
    net, about = load_checkpoint(model)
    told = tmp_path / "told.safetensors"
    save_checkpoint(told, net, about | ({"interval": interval} if interval else {}))
    common = "predict", photos, "--checkpoint", told
    expected = list(dpam.load(told).rate([photos / f"{number}.png" for number in range(5)]))
    assert call(*common) == 0
    table = printed(capsys)
    if interval is None:
        assert table[["low", "high"]].isna().all(axis=None)
    else:
        np.testing.assert_allclose(table["low"], [row.low for row in expected], rtol=1e-4)
        np.testing.assert_allclose(table["high"], [row.high for row in expected], rtol=1e-4)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert call(*common) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "from 0, worst, to 100, best; in brackets: MOS from 1 to 5, higher is better"
    for line, row, number in zip(lines, expected, range(5), strict=True):
        assert line.startswith(f"{row} ")
        assert line.endswith(f" ({row.score:.4f})  {photos}/{number}.png")
    assert call("info", told) == 0
    card = capsys.readouterr().out
    assert ("no farther from the score than 30.0 of 100" in card) == (interval is not None)


def test_only_a_terminal_is_told_that_it_loads(model, photos, capsys, monkeypatch):
    for at_terminal in (False, True):
        monkeypatch.setattr("dpam.commands.predict.own_terminal", lambda there=at_terminal: there)
        assert call("predict", photos / "0.png", "--checkpoint", model) == 0
        assert ("loading model.safetensors" in capsys.readouterr().err) == at_terminal


def test_the_exit_status_counts_failures_and_the_rest_is_scored(model, photos, capsys):
    (photos / "2.png").write_bytes(b"broken")
    Image.new("RGB", (31, 60)).save(photos / "3.png")
    none = photos / "none.jpg"
    assert call("predict", photos, none, "--checkpoint", model) == 3
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1 + 3
    lines = err.splitlines()
    assert len(lines) == 4
    assert "2.png: expected an image" in lines[0]
    assert "3.png: the image is 31x60" in lines[1]
    assert "none.jpg: no such file" in lines[2]
    assert lines[3].startswith("3 scored in")
    assert lines[3].endswith("; 3 failed")


def test_a_list_on_standard_input(model, photos, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{photos}/4.png\n\n{photos}/deep\n"))
    assert call("predict", "-", "--checkpoint", model) == 0
    assert [name[-5:] for name in printed(capsys)["image"]] == ["4.png", "5.png"]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_stopped_run_goes_on(model, photos, tmp_path, capsys, ending):
    output = tmp_path / f"scores.{ending}"
    common = "predict", "-r", photos, "--checkpoint", model, "--output", output, "--batch-size", 1
    assert call(*common) == 0
    whole = output.read_bytes()
    output.write_bytes(whole[: len(whole) * 2 // 3])
    capsys.readouterr()
    assert call(*common, "--resume", "--sort", "best") == 0
    out, err = capsys.readouterr()
    assert output.read_bytes() == whole
    assert "passed over" in err
    assert int(err.split()[0]) in range(1, 6), "only the missing ones are scored"
    table = pd.read_csv(io.StringIO(out))
    assert len(table) == 6
    assert table["score_100"].is_monotonic_decreasing
    assert call(*common, "--resume") == 0
    assert capsys.readouterr().err.startswith("0 scored")


def test_scores_of_two_checkpoints_do_not_stand_in_one_table(model, photos, tmp_path, capsys):
    output, other = tmp_path / "scores.csv", tmp_path / "other.safetensors"
    net, about = load_checkpoint(model)
    save_checkpoint(other, net, about | {"seed": 21})
    assert call("predict", photos, "--checkpoint", model, "--output", output) == 0
    before = output.read_bytes()
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert json.loads((tmp_path / "scores.csv.json").read_text())["checkpoint"]["sha256"] == digest
    capsys.readouterr()
    assert call("predict", photos, "--checkpoint", other, "--output", output, "--resume") == 1
    assert f"scores.csv: begun with the checkpoint {model}" in capsys.readouterr().err
    assert output.read_bytes() == before


def test_scores_of_other_views_do_not_stand_in_one_table(model, photos, tmp_path, capsys):
    common = "predict", photos, "--checkpoint", model, "--output", tmp_path / "scores.csv"
    assert call(*common, "--views", 1) == 0
    capsys.readouterr()
    assert call(*common, "--resume") == 1
    assert "scores.csv: begun with views 1, found 5" in capsys.readouterr().err
    assert call(*common, "--resume", "--views", 1) == 0
    about = json.loads((tmp_path / "scores.csv.json").read_text())
    assert about["preparation"]["colour_profiles"] == "converted"


def test_what_is_no_image_by_its_name_is_counted(model, photos, capsys):
    (photos / "a.nef").write_bytes(b"raw")
    (photos / "b").write_bytes(b"whatever")
    assert call("predict", photos, "--checkpoint", model) == 0
    said, done = capsys.readouterr().err.splitlines()
    assert said.startswith("passed over, no images by their names: 1 .nef (convert raw files")
    assert done.startswith("5 scored")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_names_that_are_not_utf_8_stop_nothing(model, tmp_path, capsys, monkeypatch, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    folder = tmp_path / os.fsdecode(b"\xe9t\xe9 $x$")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    for seed, name in enumerate([b"\xff $\\frac$.png", b"z.png"]):
        Image.fromarray(photograph(seed)).save(folder / os.fsdecode(name))
    (folder / os.fsdecode(b"b\xff.png")).write_bytes(b"broken")
    stdin = io.TextIOWrapper(io.BytesIO(os.fsencode(folder) + b"\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    output, failures = tmp_path / f"scores.{ending}", tmp_path / "failures.txt"
    files = "--output", output, "--failures", failures, "--maps", tmp_path / "maps"
    assert call("predict", "-", "--checkpoint", model, *files) == 0
    out, err = capsys.readouterr()
    escaped = f"{tmp_path}/\\xe9t\\xe9 $x$"
    names = [f"{escaped}/z.png", f"{escaped}/\\xff $\\frac$.png"]
    assert out == "", "the table has all rows"
    assert failures.read_text().startswith(f"{escaped}/b\\xff.png: expected an image")
    assert f"{escaped}/b\\xff.png: expected an image" in err
    assert len(list((tmp_path / "maps").iterdir())) == 2
    assert call("predict", folder, "--checkpoint", model, *files, "--resume") == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("0 scored")
    assert call("predict", folder, "--checkpoint", model) == 3
    assert printed(capsys)["image"].tolist() == names


def test_the_best_and_those_good_enough(model, photos, capsys):
    assert call("predict", photos, "--checkpoint", model) == 0
    everything = printed(capsys)
    assert call("predict", photos, "--checkpoint", model, "--top", 2) == 0
    best = everything.sort_values("score_100", ascending=False)
    assert printed(capsys)["image"].tolist() == best["image"].tolist()[:2]
    least = float(best["score_100"].iloc[2])
    assert call("predict", photos, "--checkpoint", model, "--threshold", least) == 0
    kept = everything[everything["score_100"] >= least]
    assert printed(capsys)["image"].tolist() == kept["image"].tolist()


def test_labels_are_compared_with_and_the_authors_flags_are_understood(
    model, photos, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    native = [1.5, 4, 2.25, 3, 4.75]
    lines = "".join(f"{i}.png {value}\n" for i, value in enumerate(native))
    (tmp_path / "labels.txt").write_text(lines)
    flags = "--image_dir", photos, "--ckpt_slic", model, "--label_path", "labels.txt"
    assert call("predict", *flags, "--scatter", "scatter.svg") == 0
    out, err = capsys.readouterr()
    table = pd.read_csv(io.StringIO(out))
    numbers = metrics_of(table["score_100"].to_numpy() / 100, (np.array(native) - 1) / 4)
    assert f"SRCC {numbers['srcc']:.4f}, PLCC {numbers['plcc']:.4f}" in err
    assert f"KRCC {numbers['krcc']:.4f}" in err
    rmse = np.sqrt(np.mean((table["score"] - native) ** 2))
    assert float(err.split("RMSE ")[1].split()[0]) == pytest.approx(rmse, abs=5e-5)
    assert "labelled by labels.txt; RMSE: on a scale from 1 to 5" in err
    plot = (tmp_path / "scatter.svg").read_text()
    assert "<svg" in plot
    assert "label, 0 to 1:" in plot
    assert ">labels.txt<" in plot
    assert "MOS" not in plot, "the user's labels are not the network's"

    pd.DataFrame({"image": ["photos/0.png", "x.png"], "score": [2, 3]}).to_csv("l.csv")
    assert call("predict", photos, "--checkpoint", model, "--labels", "l.csv") == 0
    err = capsys.readouterr().err
    assert "(1 labelled" in err
    assert "l.csv: 1 of 5 photographs have a label; 1 labels are of others" in err
    (tmp_path / "l.csv").write_text("image,label\nx.png,3\n")
    assert call("predict", photos, "--checkpoint", model, "--labels", "l.csv") == 1
    assert "no photograph has a label" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "name", "writer"),
    [
        ("--scatter", "new/a.svg", "dpam.figures.style.save"),
        ("--page", "new/a.html", "dpam.commands.predict.write_text"),
        ("--failures", "new/a.txt", "dpam.commands.predict.write_text"),
    ],
)
def test_numbers_are_said_whatever_comes_of_the_files(
    model, photos, tmp_path, capsys, monkeypatch, option, name, writer
):
    def fill_disk(*_, **__):
        raise DpamError("the disk is full")

    monkeypatch.setattr(writer, fill_disk)
    (tmp_path / "l.csv").write_text("image,label\n0.png,2\n1.png,3\n")
    flags = "--labels", tmp_path / "l.csv", option, tmp_path / name
    assert call("predict", photos, "--checkpoint", model, *flags) == 1
    err = capsys.readouterr().err
    assert "5 scored" in err
    assert "(2 labelled" in err
    assert "the disk is full" in err


@pytest.mark.parametrize(
    ("option", "name"),
    [("--scatter", "a.svg"), ("--page", "a.html"), ("--failures", "a.txt"), ("--maps", "maps")],
)
def test_what_cannot_be_written_is_said_before_anything_is_scored(
    model, photos, tmp_path, capsys, option, name
):
    (tmp_path / "l.csv").write_text("image,label\n0.png,2\n1.png,3\n")
    (tmp_path / "file").write_text("")
    flags = "--labels", tmp_path / "l.csv", option, tmp_path / "file" / name
    assert call("predict", photos, "--checkpoint", model, *flags) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{name}: cannot be written: Not a directory" in said.err.replace("/*.png:", ":")


def test_labels_with_groups_are_compared_within_them_too(model, tmp_path, capsys):
    """Of a group of fewer than five photographs SRCC says nothing."""
    rng = np.random.default_rng(4)
    names = [f"{number}.png" for number in range(12)]
    for number, name in enumerate(names):
        Image.fromarray(photograph(number)).save(tmp_path / name)
    groups = ["snapshots"] * 5 + ["faults"] * 5 + ["few"] * 2
    table = pd.DataFrame({"image": names, "label": rng.uniform(1, 5, 12), "group": groups})
    table.sample(frac=1, random_state=1).to_csv(tmp_path / "labels.csv")
    flags = "--checkpoint", model, "--labels", tmp_path / "labels.csv"
    assert call("predict", tmp_path, *flags) == 0
    out, err = capsys.readouterr()
    score = pd.read_csv(io.StringIO(out)).sort_values("image", key=natural)["score_100"].to_numpy()
    label = table["label"].to_numpy()
    within = [spearmanr(score[rows], label[rows])[0] for rows in (slice(5), slice(5, 10))]
    assert f"SRCC within groups {np.mean(within):.4f}, PLCC" in err


def natural(names: pd.Series) -> pd.Series:
    return names.str.extract(r"(\d+)\.png$")[0].astype(int)


def test_scores_that_differ_by_less_than_is_printed_keep_their_order(tmp_path, capsys):
    """Also after a stop, when the scores are read from the table."""
    model = save_network(tmp_path / "model.safetensors")
    rng = np.random.default_rng(0)
    names = [f"{number}.png" for number in range(8)]
    for name in names:  # one photograph with noise that the network hardly sees
        noise = rng.integers(-1, 2, (80, 96, 3))
        Image.fromarray((photograph(0) + noise).clip(0, 255).astype(np.uint8)).save(tmp_path / name)
    exact = [rated.score for rated in dpam.load(model).rate([tmp_path / name for name in names])]
    assert np.ptp(exact) < 0.01
    labels = tmp_path / "labels.csv"
    pd.DataFrame({"image": names, "score": 2 + np.argsort(np.argsort(exact)) / 4}).to_csv(labels)
    output = tmp_path / "scores.csv"
    common = "predict", tmp_path, "--checkpoint", model, "--labels", labels, "--output", output
    for more in ([], ["--resume"]):
        assert call(*common, *more) == 0
        assert "SRCC 1.0000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("0.png,2\n./0.png,3\n1.png,4", ["0.png: labelled 2 times, as 0.png, ./0.png"]),
        ("5.png,2", ["5.png: may mean", "broad/5.png or", "deep/5.png; write the path"]),
        ("0.png,60\n1.png,0.99", ["0.png: label 60 outside 1 to 5", "1.png: label 0.99 outside"]),
        ("0.png,good\n1.png,2", ["0.png: no number as label"]),
        ("0,2\n1,3", ["no photograph has a label", "0.png meant? Names need their ending"]),
    ],
)
def test_labels_that_are_wrong_are_named_before_anything_is_scored(
    model, photos, tmp_path, capsys, lines, words
):
    (photos / "broad").mkdir()
    Image.fromarray(photograph(6)).save(photos / "broad/5.png")
    (tmp_path / "l.csv").write_text(f"image,label\n{lines}\n")
    output = tmp_path / "scores.csv"
    flags = "--checkpoint", model, "--labels", tmp_path / "l.csv", "--output", output
    assert call("predict", "-r", photos, *flags) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert not output.exists()
    for word in (str(tmp_path / "l.csv"), *words):
        assert word in err


def test_labels_find_photographs_as_they_find_images_of_a_dataset(model, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    composed = unicodedata.normalize("NFD", "é.png")
    for number, name in enumerate(["a.png", "B.PNG", composed]):
        Image.fromarray(photograph(number)).save(folder / name)
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(folder / "a.png", "deep/d.png")
    names = ["photos\\A.png", "./b.png", unicodedata.normalize("NFC", composed), "deep/D.png"]
    lines = "".join(f"{name},{number + 1}\n" for number, name in enumerate(names))
    (tmp_path / "l.csv").write_text(f"image,label\n{lines}")
    flags = "--checkpoint", model, "--labels", tmp_path / "l.csv"
    assert call("predict", folder, tmp_path / "more.zip", *flags) == 0
    assert "4 of 4 photographs have a label\n" in capsys.readouterr().err


def test_nothing_that_is_there_is_written_over(model, photos, tmp_path, capsys):
    """A table of hours, the labels, failures, a plot, pictures."""
    labels, mine = tmp_path / "labels.csv", tmp_path / "mine.txt"
    labels.write_text("image,label\n0.png,2\n1.png,3\n")
    mine.write_text("mine")
    (tmp_path / "plot.svg").write_text("mine")
    (tmp_path / "album").mkdir()
    (tmp_path / "album/mine.png").write_text("mine")
    output = tmp_path / "scores.csv"
    common = "predict", photos, "--checkpoint", model
    assert call(*common, "--output", output) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    for options, words in {
        ("--output", output): "scores.csv: exists already; go on with it by --resume, remove it",
        ("--output", labels, "--labels", labels): "labels.csv: exists already; remove it",
        ("--output", labels, "--resume"): "labels.csv: exists already; remove it",
        ("--failures", mine): "mine.txt: exists already",
        ("--output", output, "--resume", "--failures", mine): "mine.txt: exists already",
        ("--labels", labels, "--scatter", tmp_path / "plot.svg"): "plot.svg: exists already",
        ("--labels", labels, "--scatter", "plot.png"): "plot.png: expected a name that ends in .sv",
        ("--maps", tmp_path / "album"): "album: expected a new folder",
        ("--output", "a.csv", "--failures", "a.csv"): "a.csv: named for two things",
    }.items():
        assert call(*common, *options) == 1
        err = capsys.readouterr().err
        assert words in err
        assert len(err.splitlines()) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_stopped_run_goes_on_with_its_own_failures_and_maps(model, photos, tmp_path):
    (photos / "2.png").write_bytes(b"broken")
    output, failures, maps = (tmp_path / name for name in ("s.csv", "f.txt", "maps"))
    files = "--output", output, "--failures", failures, "--maps", maps
    common = "predict", photos, "--checkpoint", model, "--batch-size", 1, *files
    assert call(*common) == 0
    whole, drawn = output.read_bytes(), sorted(maps.iterdir())
    output.write_bytes(whole[: len(whole) // 2])
    assert call(*common, "--resume") == 0
    assert output.read_bytes() == whole
    assert sorted(maps.iterdir()) == drawn
    assert failures.read_text().count("2.png") == 1


def test_maps_are_no_photographs(model, photos, capsys, monkeypatch):
    """Below a folder that is scored they would be found, and scored."""
    common = "predict", photos, "--checkpoint", model, "--maps", photos / "deep/maps"
    assert call(*common, "-r") == 1
    assert f"lies in {photos}, whose folders are scored, too" in capsys.readouterr().err
    (photos.parent / "empty").mkdir()
    (photos / "link").symlink_to(photos.parent / "empty")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{photos}\n"))
    linked = "-r", "--checkpoint", model, "--maps", photos / "link"
    for place in (photos, "-"):
        assert call("predict", place, *linked) == 1
        assert f"lies in {photos}, whose folders are scored, too" in capsys.readouterr().err
    (photos / "link").unlink()
    assert call(*common) == 0
    assert len(printed(capsys)) == 5


def test_drawing_needs_matplotlib_before_anything_is_scored(model, photos, capsys, monkeypatch):
    monkeypatch.setattr("dpam.commands.predict.find_spec", lambda name: None)
    for option, file in (("--maps", "maps"), ("--scatter", "s.svg")):
        words = option, photos.parent / file, "--labels", model  # which is not read yet
        assert call("predict", photos, "--checkpoint", model, *words) == 1
        assert f"{option} draws with matplotlib: pip install matpl" in capsys.readouterr().err


def test_a_long_name_in_any_script_has_a_map(model, tmp_path):
    name = "\N{KATAKANA LETTER KA}" * 80
    Image.fromarray(photograph(0)).save(tmp_path / f"{name}.png")
    maps = tmp_path / "maps"
    assert call("predict", tmp_path, "--checkpoint", model, "--maps", maps) == 0
    (file,) = maps.iterdir()
    assert file.name.startswith(name[:26])


def test_the_log_names_what_failed(model, photos, tmp_path, capsys):
    (photos / "2.png").write_bytes(b"broken")
    file = tmp_path / "log.txt"
    assert call("predict", photos, "--checkpoint", model, "--log", file) == 3
    assert capsys.readouterr().err.count("2.png: expected an image") == 1
    assert file.read_text().count("2.png: expected an image") == 1


def test_a_photograph_that_is_named_twice_counts_once(model, photos, tmp_path, capsys):
    lines = "".join(f"{number}.png {1 + number / 2}\n" for number in range(5))
    (tmp_path / "labels.txt").write_text(lines)
    flags = "--checkpoint", model, "--labels", tmp_path / "labels.txt"
    assert call("predict", photos, *flags) == 0
    once = capsys.readouterr().err
    assert call("predict", photos, photos / "1.png", *flags) == 0
    twice = capsys.readouterr().err
    said = [re.search(r"SRCC .*labelled.*", text)[0] for text in (once, twice)]
    assert "(5 labelled by" in said[0]
    assert said[0] == said[1]


def test_maps_are_drawn_for_each_photograph(model, photos, tmp_path):
    assert call("predict", photos, "--checkpoint", model, "--maps", tmp_path / "maps") == 0
    files = sorted((tmp_path / "maps").iterdir())
    assert len(files) == 5
    assert files[0].name.startswith("0-")
    with Image.open(files[0]) as drawn:
        assert drawn.width > 1000


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "no photographs"),
        (["a.jpg", "--output", "a.csv", "--failures", "a.csv.json"], "named for two things"),
        (["a.jpg", "--resume"], "--resume needs --output"),
        (["a.jpg", "--output", "a.xls"], "a.xls: expected a name that ends in"),
        (["a.jpg", "--labels", "none.csv"], "none.csv: no such file"),
        (["a.jpg", "--dataset", "koniq10k"], "the file says tiny"),
        (["a.jpg", "--device", "tpu"], "device: expected auto, cpu"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_one_line(model, capsys, more, words):
    assert call("predict", "--checkpoint", model, *more) == 1
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1


def test_views_can_be_asked_for(model, photos, capsys):
    spreads = []
    for more in ([], ["--views", 1]):
        assert call("predict", photos, "--checkpoint", model, *more) == 0
        spreads.append(printed(capsys)["spread_100"])
    assert (spreads[0] > 0).all()
    assert (spreads[1] == 0).all()


def test_the_card_of_a_checkpoint(model, capsys):
    assert call("info", model) == 0
    card = capsys.readouterr().out
    count = sum(tensor.numel() for tensor in load_checkpoint(model)[0].parameters())
    assert f"{count:,}" in card
    for words in (
        "MOS from 1 to 5, higher is better",
        "test_vit",
        "mean 0.5 0.5 0.5",
        "Tiny",
        "crop",
    ):
        assert words in card


def test_a_checkpoint_of_the_authors_scores_photographs(photos, tmp_path, capsys, monkeypatch):
    """With a small network in the place of the published one."""
    torch.manual_seed(1)
    small = DPAM("test_vit", image_size=64, embed_dim=16)
    torch.save(to_authors(small.state_dict(), small), tmp_path / "authors.pt")
    monkeypatch.setattr(
        "dpam.inference.authors_checkpoint.DPAM",
        lambda: DPAM("test_vit", image_size=64, embed_dim=16),
    )
    monkeypatch.setattr("dpam.model.checkpoint.layout_of", lambda net: {
        name: tensor.shape for name, tensor in small.state_dict().items()
    })  # fmt: skip
    authors, ours = tmp_path / "authors.pt", tmp_path / "ours.safetensors"
    assert call("import-checkpoint", authors, ours) == 0
    capsys.readouterr()
    assert call("predict", photos, "--checkpoint", ours) == 1
    assert "does not say what it was trained on" in capsys.readouterr().err
    ours.unlink()
    assert call("import-checkpoint", authors, ours, "--dataset", "koniq10k") == 0
    about = load_checkpoint(ours)[1]
    assert about["score_range"] == [1, 5]
    assert about["preparation"]["superpixels"] == 135
    assert about["imported_from"]["file"] == "authors.pt"
    capsys.readouterr()
    assert call("info", ours) == 0
    assert "extremes that are not known: scores 0 to 100 only" in capsys.readouterr().out
    assert call("predict", photos / "0.png", "--checkpoint", ours) == 0
    imported = capsys.readouterr().out
    (row,) = pd.read_csv(io.StringIO(imported)).itertuples()
    assert row.score == row.score_100, "the scale that it learned is not known"
    lines = "".join(f"{number}.png {number + 1}\n" for number in range(5))
    (tmp_path / "labels.txt").write_text(lines)
    labels = "--labels", tmp_path / "labels.txt", "--scatter", tmp_path / "scatter.svg"
    assert call("predict", photos, "--checkpoint", ours, *labels) == 0
    assert "RMSE not defined" in capsys.readouterr().err
    direct = "predict", photos / "0.png", "--ckpt_slic", authors
    assert call(*direct, "--dataset", "koniq10k") == 0
    assert capsys.readouterr().out == imported
    assert call(*direct) == 1
    assert "--dataset" in capsys.readouterr().err
    ours.unlink()
    assert call("import-checkpoint", authors, ours, "--dataset", "nothing") == 1
    assert "no such dataset" in capsys.readouterr().err
    assert json.loads(json.dumps(about)) == about
    assert call("import-checkpoint", authors, ours, "--dataset", "live") == 0
    assert load_checkpoint(ours)[1]["predicts_dmos"] is True
