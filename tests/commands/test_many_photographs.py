"""Photographs of any number: listed in chunks, scored, gathered into one table."""

import os
import sys
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from samples import photograph, save_network

from dpam.cli import main

pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")


def call(*arguments) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def model(tmp_path):
    return save_network(tmp_path / "model.safetensors")


def write(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        Image.fromarray(photograph(seed)).save(folder / name)
    return [folder / name for name in names]


def test_every_line_of_the_list_has_a_row_in_its_order(model, tmp_path, monkeypatch):
    good = write(tmp_path / "photos", "z, 1.png", 'say "a".png', "ü [2].png", "b.png")
    broken = tmp_path / "photos/broken.jpg"
    broken.write_bytes(b"broken")
    lines = [good[0], good[2], broken, good[1], tmp_path / "gone [1].png", good[3], good[0]]
    (tmp_path / "list.txt").write_text("".join(f"{line}\n" for line in lines))
    assert call("list-photographs", tmp_path / "list.txt", "--per-job", 3, "--output-dir",
                tmp_path / "lists") == 0  # fmt: skip
    chunks = sorted((tmp_path / "lists").iterdir())
    assert [chunk.name for chunk in chunks] == ["00000.txt", "00001.txt", "00002.txt"]
    assert "".join(chunk.read_text() for chunk in chunks) == (tmp_path / "list.txt").read_text()
    scores = tmp_path / "scores"
    for chunk in chunks:
        with monkeypatch.context() as patch, chunk.open() as names:
            patch.setattr(sys, "stdin", names)
            output = scores / f"{chunk.stem}.csv"
            failures = output.with_suffix(".failures.txt")
            assert call("predict", "-", "--checkpoint", model, "--output", output,
                        "--failures", failures) == 0  # fmt: skip
    table = tmp_path / "scores.parquet"
    assert call("gather-scores", tmp_path / "lists", scores, "--output", table) == 0
    found = pd.read_parquet(table)
    assert list(found.columns) == [
        *("image", "score", "score_100", "spread_100", "low", "high", "error")
    ]
    assert found["image"].tolist() == [str(line) for line in lines]
    assert found["score"].isna().tolist() == [False, False, True, False, True, False, False]
    assert found["error"].isna().tolist() == [True, True, False, True, False, True, True]
    assert "expected an image" in found["error"][2]
    assert "gone [1].png" in found["error"][4]
    assert found["score"][0] == pytest.approx(found["score"][6], rel=1e-5)  # of another batch

    (scores / "00001.csv").write_text("image,score,score_100,spread_100,low,high\n")
    assert call("gather-scores", tmp_path / "lists", scores, "--output", table) == 1
    assert len(pd.read_parquet(table)) == len(lines)


def test_shards_are_chunks_whose_images_are_scored_where_they_are(
    model, tmp_path, monkeypatch, capsys
):
    """As img2dataset writes them: images and what is known of them in tar files."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "1.png", "2.png", "3.png")
    files = {"0: a.png": "1.png", "0.json": "1.png", "1.png": None, "2.png": "2.png"}
    Path("broken").write_bytes(b"broken")
    for shard in ("shard-0.tar", "shard-1.tar"):
        with tarfile.open(shard, "w") as archive:
            for name, source in files.items():
                archive.add(source or "broken", name)
    Path("none.tar").write_bytes(b"no archive")
    Path("list.txt").write_text("3.png\n./shard-0.tar\nshard-1.tar\nnone.tar\n2.png\n1.png\n")
    assert call("list-photographs", "list.txt", "--per-job", 5, "--output-dir", "lists") == 0
    assert "3 photographs, 3 archives" in capsys.readouterr().err
    chunks = sorted(Path("lists").iterdir())
    assert [len(chunk.read_text().splitlines()) for chunk in chunks] == [1, 1, 1, 1, 2]
    for chunk in chunks:
        output, failures = f"scores/{chunk.stem}.csv", f"scores/{chunk.stem}.failures.txt"
        with monkeypatch.context() as patch, chunk.open() as names:
            patch.setattr(sys, "stdin", names)
            written = "--output", output, "--failures", failures
            assert call("predict", "-", "--checkpoint", model, *written) == 0
    assert call("gather-scores", "lists", "scores", "--output", "scores.parquet") == 0
    found = pd.read_parquet("scores.parquet")
    inside = ["0: a.png", "2.png", "1.png"]  # what cannot be read is behind the others
    shards = [f"shard-{number}.tar/{name}" for number in "01" for name in inside]
    assert found["image"].tolist() == ["3.png", *shards, "none.tar", "2.png", "1.png"]
    wrong = found[found["score"].isna()]
    assert wrong["image"].tolist() == ["shard-0.tar/1.png", "shard-1.tar/1.png", "none.tar"]
    assert wrong["error"].str.contains("expected an (?:image|archive)").all()
    Path("scores/00001.csv").write_text("image,score,score_100,spread_100,low,high\n")
    Path("scores/00001.failures.txt").write_text("")
    assert call("gather-scores", "lists", "scores", "--output", "again.parquet") == 1
    assert "no row for shard-0.tar; remove this file" in capsys.readouterr().err


def test_names_that_are_not_utf_8_stay_what_they_are_and_are_shown_escaped(
    model, tmp_path, monkeypatch
):
    try:
        write(tmp_path / "photos", "a.png", os.fsdecode(b"caf\xe9.png"), "u\u2028v.png")
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    lists, scores = tmp_path / "lists", tmp_path / "scores"
    assert call("list-photographs", tmp_path / "photos", "--output-dir", lists) == 0
    assert b"/caf\xe9.png\n" in (lists / "00000.txt").read_bytes()
    with (lists / "00000.txt").open(encoding="utf-8") as names:
        monkeypatch.setattr(sys, "stdin", names)
        output = scores / "00000.csv"
        failures = output.with_suffix(".failures.txt")
        assert call("predict", "-", "--checkpoint", model, "--output", output,
                    "--failures", failures) == 0  # fmt: skip
    table = tmp_path / "scores.parquet"
    assert call("gather-scores", lists, scores, "--output", table) == 0
    found = pd.read_parquet(table)
    assert [Path(name).name for name in found["image"]] == [
        "a.png", "caf\\xe9.png", "u\u2028v.png"
    ]  # fmt: skip
    assert found["score"].notna().all()


def test_folders_and_names_that_no_list_can_hold_are_all_named(tmp_path, capsys):
    write(tmp_path / "photos", "1.png", "2\n.png")
    (tmp_path / "photos/a.nef").write_bytes(b"raw")
    (tmp_path / "empty").mkdir()
    out = tmp_path / "lists"
    places = tmp_path / "photos", tmp_path / "empty"
    assert call("list-photographs", *places, "--output-dir", out) == 1
    said = capsys.readouterr().err
    assert "a line break in the name: " in said
    assert "empty: no image in this folder" in said
    assert not out.exists()
    (tmp_path / "photos/2\n.png").unlink()
    assert call("list-photographs", tmp_path / "photos", "--output-dir", out) == 0
    assert "passed over, no images by their names: 1 .nef" in capsys.readouterr().err


def test_folders_and_patterns_in_a_list_stand_for_their_images(tmp_path, capsys):
    write(tmp_path / "photos/deep", "1.png", "2.png")
    write(tmp_path / "more", "3.png")
    lines = [tmp_path / "photos", tmp_path / "gone [1].png", tmp_path / "more/*.png"]
    (tmp_path / "list.txt").write_text("".join(f"{line}\n" for line in lines))
    assert call("list-photographs", tmp_path / "list.txt", "--output-dir", tmp_path / "lists") == 0
    names = (tmp_path / "lists/00000.txt").read_text().splitlines()
    assert [Path(name).name for name in names] == ["1.png", "2.png", "gone [1].png", "3.png"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text(f"{tmp_path}/empty\n")
    assert call("list-photographs", tmp_path / "list.txt", "--output-dir", tmp_path / "no") == 1
    assert "empty: no image in this folder" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_folders_stand_for_their_images_and_nothing_is_an_error(tmp_path, capsys):
    write(tmp_path / "photos", "1.png")
    write(tmp_path / "photos/deep", "2.png")
    out = tmp_path / "lists"
    out.mkdir()  # an empty one may be there
    assert call("list-photographs", tmp_path / "photos", "--output-dir", out) == 0
    assert call("list-photographs", tmp_path / "photos", "--output-dir", out) == 1
    assert [file.name for file in out.iterdir()] == ["00000.txt"]
    names = (out / "00000.txt").read_text().split()
    assert [Path(name).name for name in names] == ["1.png", "2.png"]
    assert call("list-photographs", tmp_path / "photos", "--output-dir", tmp_path / "photos") == 1
    assert (tmp_path / "photos/deep/2.png").exists()
    (tmp_path / "empty.txt").write_text("\n")
    assert call("list-photographs", tmp_path / "empty.txt", "--output-dir", tmp_path / "no") == 1
    assert call("list-photographs", tmp_path / "none.txt", "--output-dir", tmp_path / "no") == 1
    said = capsys.readouterr().err
    assert "empty.txt: no photograph is named there" in said
    assert "none.txt: no such file" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.txt", "lists", "photos"]
