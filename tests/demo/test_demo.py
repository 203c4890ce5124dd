"""The demonstration data: deterministic, graded, honest about its labels and its photographs."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dpam.datasets import DATASETS, labels, splits
from dpam.datasets.verification import verify
from dpam.demo import make as demo
from dpam.demo.photographs import PHOTOGRAPHS, load
from dpam.errors import DpamError

SETTINGS = {"photographs": ["coffee", "chelsea", "china"], "seed": 3}
NAMES = ("demo_synthetic", "demo_authentic")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("demo")
    demo.make_demo(root / "demo_synthetic", "demo_synthetic", levels=2, **SETTINGS)
    demo.make_demo(root / "demo_authentic", "demo_authentic", crops=4, **SETTINGS)
    return root


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_settings_give_the_same_bytes(made, tmp_path):
    demo.make_demo(tmp_path / "a", "demo_synthetic", levels=2, **SETTINGS)
    assert contents(tmp_path / "a") == contents(made / "demo_synthetic")
    demo.make_demo(tmp_path / "b", "demo_authentic", crops=4, **SETTINGS)
    assert contents(tmp_path / "b") == contents(made / "demo_authentic")
    demo.make_demo(tmp_path / "c", "demo_authentic", crops=4, **{**SETTINGS, "seed": 4})
    assert contents(tmp_path / "c") != contents(made / "demo_authentic")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]  # nothing temporary


def test_an_image_does_not_depend_on_which_others_are_made(made, tmp_path):
    demo.make_demo(
        tmp_path / "one", "demo_authentic", photographs=["china"], crops=2, seed=SETTINGS["seed"]
    )
    some, all_of_them = contents(tmp_path / "one"), contents(made / "demo_authentic")
    for image in ("1024x768/china_001.jpg", "1024x768/china_002.jpg"):
        assert some[image] == all_of_them[image]


def test_native_layouts_are_complete_and_named_after_the_photographs(made):
    for name, count in (("demo_synthetic", 3 * 10 * 2), ("demo_authentic", 3 * 4)):
        assert verify(DATASETS[name], made / name)["counts"]["images"] == count
        table = labels.normalise(DATASETS[name].read_labels(made / name), DATASETS[name])
        assert set(table["reference"]) == {"coffee", "chelsea", "china"}
        assert table["label"].between(0, 1).all()
        assert set(table["label_kind"]) == {"pseudo-MOS (HaarPSI)"}
        assert table["raw_std"].isna().all()
    assert (made / "demo_synthetic" / "images" / "I02_01_02.png").exists()
    with Image.open(made / "demo_synthetic" / "images" / "I02.png") as reference:
        assert reference.size == (256, 192)
    with Image.open(made / "demo_authentic" / "1024x768" / "chelsea_004.jpg") as crop:
        assert crop.size == (192, 144)


def test_both_datasets_test_on_the_same_photographs(made):
    parts = []
    for name in NAMES:
        table = labels.normalise(DATASETS[name].read_labels(made / name), DATASETS[name])
        none = pd.DataFrame(columns=["image", "other"])
        drawn = splits.draw(table, none, 20)
        parts.append(dict(zip(table["reference"], drawn["split00"], strict=True)))
    assert parts[0] == parts[1]


def test_stronger_levels_have_lower_labels(made):
    table = DATASETS["demo_synthetic"].read_labels(made / "demo_synthetic")
    assert set(table["distortion"]) == set(DATASETS["demo_synthetic"].distortions)
    by_level = table.pivot_table("raw_label", ["reference", "distortion"], "level")
    assert (by_level["1"] - by_level["2"] > 0.5).all()


def test_labels_that_nobody_gave_are_empty(made):
    votes = pd.read_csv(made / "demo_authentic" / "koniq10k_scores_and_distributions.csv")
    assert votes.drop(columns=["image_name", "MOS"]).isna().all(axis=None)
    assert pd.read_csv(made / "demo_synthetic" / "dmos.csv")["var"].isna().all()
    assert "Nobody judged" in (made / "demo_synthetic" / "README.md").read_text()


def test_an_equal_image_has_the_best_label():
    image = np.asarray(load(PHOTOGRAPHS[0]))[None, :64, :48]
    flat = np.full_like(image, 128)
    assert demo.pseudo_mos(image, image).tolist() == [5.0]
    assert demo.pseudo_mos(image, flat)[0] < 3


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda one: one.name)
def test_every_photograph_is_shipped_large_enough_and_attributed(photograph):
    image = load(photograph)
    assert image.mode == "RGB"
    assert image.width >= 1.25 * demo.CROP_SIZE[0]
    assert image.height >= 1.25 * demo.CROP_SIZE[1]
    assert photograph.author
    assert photograph.licence
    assert photograph.source


@pytest.mark.parametrize(
    "settings",
    [{"photographs": ["lena"]}, {"photographs": []}, {"levels": 6}, {"crops": 0}, {"seed": -1}],
)
def test_wrong_settings(tmp_path, settings):
    with pytest.raises(DpamError):
        demo.make_demo(tmp_path / "x", "demo_authentic", **settings)
    assert not (tmp_path / "x").exists()


def test_other_peoples_files_are_left_alone(tmp_path):
    precious = tmp_path / "home" / "settings.json"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(DpamError, match="name another folder"):
        demo.make_demo(precious.parent, "demo_authentic", photographs=["china"], crops=1)
    assert precious.read_text() == "years of work"
    with pytest.raises(DpamError, match="name another folder"):
        demo.make_demo(precious, "demo_authentic", photographs=["china"], crops=1)
    (tmp_path / "empty").mkdir()
    demo.make_demo(tmp_path / "empty", "demo_authentic", photographs=["china"], crops=1)
    (tmp_path / "empty/notes.txt").write_text("mine")
    with pytest.raises(DpamError, match="not empty"):  # also its own, in which notes may lie
        demo.make_demo(tmp_path / "empty", "demo_authentic", photographs=["china"], crops=1)
