"""Baselines from images on disk to scores, by the commands."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageFilter
from samples import photograph

from dpam.cli import main
from dpam.datasets.splits import draw
from dpam.utils.reading import read_array

MODEL = {"backbone": "test_vit", "pretrained": False, "weights": None, "out_indices": [5]}
FEATURES = {"brisque_svr": "brisque.npy", "vit_ridge": "vit.npy"}
IMAGES = 40


def call(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blurred photographs, the blurrier the worse; labels, splits and both kinds of features."""
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for i in range(IMAGES):
        name = f"ünter 'quote' ({i}).png"
        image = Image.fromarray(photograph(i // 4)).filter(ImageFilter.GaussianBlur(0.4 * (i % 4)))
        image.save(folder / name)
        kind, level, score = ("a", "b")[i % 2], str(i % 4), 1 - 0.3 * (i % 4)
        rows.append([name, f"scene{i // 4}", kind, level, kind, "MOS", score])
    columns = ["image", "reference", "distortion", "level", "group", "label_kind", "label"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(folder / "labels.csv", index=False)
    none = pd.DataFrame(columns=["image", "other"], dtype=str)
    draw(table.assign(official=""), none, seed=1).to_csv(folder / "splits.csv", index=False)
    hashes = {name: f"{number:02x}" * 32 for number, name in enumerate(table["image"])}
    (folder / "verified.json").write_text(json.dumps({"perceptual_hashes": hashes}))
    out = ["--root", folder, "--output"]
    labels = folder / "labels.csv"
    brisque = folder / "brisque.npy"
    assert call("extract-brisque", labels, *out, brisque, "--threads", 1) == 0
    custom = {"labels": str(folder / "labels.csv"), "score_range": [0, 1], "higher_is_better": True}
    assert (
        call("extract-vit", "mine", "--custom", json.dumps(custom), "--labels", labels, "--model",
             json.dumps(MODEL), "--image-size", 64, *out, folder / "vit.npy") == 0
    )  # fmt: skip
    return folder


def train(data: Path, baseline: str, output: Path, *more: object) -> int:
    sides = []
    for side in ("--", "--test-"):
        sides += [f"{side}features", data / FEATURES[baseline]]
        sides += [f"{side}labels", data / "labels.csv", f"{side}splits", data / "splits.csv"]
    return call("train-baseline", baseline, *sides, "--output", output, *more)


@pytest.mark.parametrize("baseline", ["brisque_svr", "vit_ridge"])
def test_a_baseline_learns_blur_and_is_scored(data: Path, tmp_path: Path, baseline: str) -> None:
    features = read_array(data / FEATURES[baseline])
    assert features.dtype == np.float32
    assert len(features) == IMAGES
    assert train(data, baseline, tmp_path / "on-mine.csv") == 0
    table = pd.read_csv(tmp_path / "on-mine.csv")
    subsets = pd.read_csv(data / "splits.csv").set_index("image")["split00"]
    assert set(table["image"]) == set(subsets.index[subsets != "train"])
    assert table["image"].is_unique
    assert (table["subset"].to_numpy() == subsets[table["image"]]).all()
    means = table.groupby("group")["group_mean"].agg(["min", "max"])
    assert means.to_numpy() == pytest.approx(np.array([[0.7, 0.7], [0.4, 0.4]]))
    identity = {"dataset": "mine", "distortion": "all", "method": baseline, "split": "split00"}
    identity |= {"seed": 20, "test_dataset": "mine"}
    evaluated = ["evaluate", tmp_path / "on-mine.csv", "--identity", json.dumps(identity)]
    evaluated += ["--splits", data / "splits.csv"]
    evaluated += ["--verified", data / "verified.json", "--test-verified", data / "verified.json"]
    assert call(*evaluated, "--output", tmp_path / "on-mine.json") == 0
    result = json.loads((tmp_path / "on-mine.json").read_text())
    assert result["srcc"] > 0.7
    assert result["selection"] == "validation"
    assert result["validation"]["n"] == 4  # one reference
    assert result["floor"]["n"] == result["n"]
    assert 0 < result["floor"]["srcc"] < result["srcc"]


def test_one_distortion_type(data: Path, tmp_path: Path) -> None:
    assert train(data, "brisque_svr", tmp_path / "a.csv", "--distortion", "a") == 0
    table = pd.read_csv(tmp_path / "a.csv")
    assert set(table["distortion"]) == {"a"}
    assert len(table) == 6  # two images of each of one validation and two test references
    assert train(data, "brisque_svr", tmp_path / "c.csv", "--distortion", "c") == 1


def test_a_whole_dataset_is_for_tests_on_others(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, "brisque_svr", tmp_path / "own.csv", "--split", "whole") == 1
    assert "whole has no image in its test set" in capsys.readouterr().err
    other = tmp_path / "labels.csv"
    other.write_bytes((data / "labels.csv").read_bytes())
    options = ["--split", "whole", "--test-labels", other]
    assert train(data, "brisque_svr", tmp_path / "other.csv", *options) == 0
    table = pd.read_csv(tmp_path / "other.csv")
    assert len(table) == IMAGES
    assert set(table["subset"]) == {"test"}
    assert set(table["selection"]) == {"part of training"}
    assert table["group_mean"].isna().all()  # of another dataset's groups nothing was learnt


def test_features_of_other_labels_are_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "short.npy", np.zeros((3, 36)))
    options = ["--test-features", tmp_path / "short.npy"]
    assert train(data, "brisque_svr", tmp_path / "a.csv", *options) == 1
    assert "expected a row for each of the 40 images" in capsys.readouterr().err
    np.save(tmp_path / "object.npy", np.array([{}]), allow_pickle=True)
    options = ["--test-features", tmp_path / "object.npy"]
    assert train(data, "brisque_svr", tmp_path / "a.csv", *options) == 1
    assert "object.npy: expected an array (.npy)" in capsys.readouterr().err


def test_images_that_cannot_be_used_are_all_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (10, 40)).save(tmp_path / "small.png")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    pd.DataFrame({"image": ["small.png", "broken.png", "gone.png"]}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    options = ["--root", tmp_path, "--threads", 1, "--output", tmp_path / "a.npy"]
    assert call("extract-brisque", tmp_path / "labels.csv", *options) == 1
    said = capsys.readouterr().err
    for text in ("3 of 3 images", "small.png: the image is 10x40", "broken.png", "gone.png"):
        assert text in said
    assert not (tmp_path / "a.npy").exists()
