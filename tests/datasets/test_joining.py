"""Joined splits: what looks like another dataset's held-out image does not train."""

import json

import pandas as pd
import pytest

from dpam.cli import main
from dpam.datasets.joining import join_splits


def test_of_a_cluster_that_another_dataset_holds_out_nothing_trains():
    one = pd.DataFrame(
        {
            "image": ["a1", "a2", "b1", "c1", "d1"],
            "split00": ["train", "train", "train", "validation", "test"],
            "split01": ["test", "test", "train", "train", "train"],
            "whole": "train",
        }
    )
    other = pd.DataFrame(
        {
            "image": ["a1", "x", "y", "z"],
            "split00": ["test", "train", "validation", "train"],
            "split01": ["train", "train", "test", "validation"],
            "whole": "train",
            "official": "test",
        }
    )
    clusters = {"one": pd.Series(["a", "a", "b", "c", "d"]), "other": pd.Series(list("axyz"))}
    near = pd.DataFrame(
        [
            ("one/a2", "other/a1"),
            ("other/z", "one/d1"),
            ("other/x", "one/b1"),
            ("one/c1", "other/y"),
        ],
        columns=["image", "other"],
    )
    joined = join_splits({"one": one, "other": other}, clusters, near)
    assert joined.columns.tolist() == ["image", "split00", "split01", "whole"]
    assert joined["image"].tolist() == [
        *("one/a1", "one/a2", "one/b1", "one/c1", "one/d1"),
        *("other/a1", "other/x", "other/y", "other/z"),
    ]
    left = "left_out"
    # a1 looks like nothing, but has the reference of a2; two held-out images may look alike.
    assert joined["split00"].tolist() == [
        *(left, left, "train", "validation", "test"),
        *("test", "train", "validation", left),
    ]
    assert joined["split01"].tolist() == [
        *("test", "test", "train", left, left),
        *(left, "train", "test", "validation"),
    ]
    assert set(joined["whole"]) == {"train"}


@pytest.fixture
def two(tmp_path):
    """Two datasets of three images, the first of each with nearly the same hash."""
    stripes = [f"{'0123456789abcdef'[n] * 2}" * 32 for n in (3, 5, 9, 6, 12)]
    of = {"one": stripes[:3], "two": [f"{stripes[0][:-1]}0", *stripes[3:]]}
    for name, hashes in of.items():
        folder = tmp_path / name
        folder.mkdir()
        images = ["a.png", "b.png", "c.png"]
        labels = pd.DataFrame({"image": images, "reference": ""})
        labels.to_csv(folder / "labels.csv", index=False)
        subsets = ["test", "train", "validation"] if name == "one" else ["train", "test", "train"]
        pd.DataFrame({"image": images, "split00": subsets}).to_csv(
            folder / "splits.csv", index=False
        )
        found = {"dataset": name, "near_duplicates": []}
        found["perceptual_hashes"] = dict(zip(images, hashes, strict=True))
        (folder / "verified.json").write_text(json.dumps(found))
    return tmp_path


def call(folder, *names):
    files = {kind: [str(folder / name / kind) for name in names] for kind in FILES}
    return main(
        [
            *("join-splits", *files["splits.csv"], "--labels", *files["labels.csv"]),
            *("--verified", *files["verified.json"], "--output", str(folder / "joined.csv")),
            *("--near-duplicates", str(folder / "near.csv")),
        ]
    )


FILES = ("splits.csv", "labels.csv", "verified.json")


def test_images_are_found_by_their_hashes(two):
    assert call(two, "one", "two") == 0
    near = pd.read_csv(two / "near.csv")
    assert near[["image", "other"]].to_numpy().tolist() == [["one/a.png", "two/a.png"]]
    joined = pd.read_csv(two / "joined.csv").set_index("image")["split00"]
    assert joined["two/a.png"] == "left_out"
    assert (joined == "left_out").sum() == 1


def test_what_does_not_belong_together_is_refused(two, capsys):
    assert call(two, "one") == 1
    assert "of the same two or more datasets, found 1, 1 and 1 files" in capsys.readouterr().err
    assert call(two, "one", "one") == 1
    assert "one/verified.json: expected another dataset, found one again" in capsys.readouterr().err
    labels = pd.read_csv(two / "two/labels.csv")
    labels[::-1].to_csv(two / "two/labels.csv", index=False)
    assert call(two, "one", "two") == 1
    assert "draw the splits again" in capsys.readouterr().err
