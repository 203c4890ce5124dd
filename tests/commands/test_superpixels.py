"""`dpam superpixels`, and the preparation of images by each method."""

import os

import numpy as np
import pytest
from PIL import Image
from samples import photograph

from dpam.cli import main
from dpam.figures.photographs import OUTLINE
from dpam.pack.preparation import Preparation
from dpam.pack.preparing import prepare, prepare_all
from dpam.superpixels.methods import METHODS
from dpam.superpixels.slico import slico


def how(method, **settings):
    return Preparation("whole", 64, method, 12, None, 20, 10, 3, **settings)


def test_pictures_label_maps_and_numbers(tmp_path, capsys):
    rgb = photograph(0)
    Image.fromarray(rgb).save(tmp_path / "a photo [1].png")
    (tmp_path / "text.png").write_text("no image")
    out = tmp_path / "out"
    status = main(["superpixels", str(tmp_path), "--region-size", "20", "--output-dir", str(out)])
    said = capsys.readouterr()
    assert status == 3
    assert "1 of 2 photographs were not segmented" in said.err
    assert "text.png: expected an image" in said.err
    labels = np.asarray(Image.open(out / "a photo [1]-slic-labels.png"))
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels, slico(rgb, 20, 10, 10, "numba"))
    header, row = (line.split() for line in said.out.strip().split("\n"))
    numbers = dict(zip(header[::-1], row[::-1], strict=False))
    assert int(numbers["superpixels"]) == labels.max() + 1
    assert int(numbers["smallest"]) == np.bincount(labels.reshape(-1)).min()
    assert 0.5 < float(numbers["explained"]) <= 1
    drawn = np.asarray(Image.open(out / "a photo [1]-slic.png"))
    border = (drawn == OUTLINE).all(axis=2)
    assert drawn.shape == rgb.shape
    np.testing.assert_array_equal(drawn[~border], rgb[~border])
    assert border[:, 1:][labels[:, 1:] != labels[:, :-1]].all()
    assert len(list(out.iterdir())) == 2


def test_a_name_that_is_not_utf_8_is_escaped(tmp_path, capsys):
    picture = tmp_path / os.fsdecode(b"caf\xe9.png")
    Image.fromarray(photograph(0)).save(picture)
    assert main(["superpixels", str(picture), "--output-dir", str(tmp_path)]) == 0
    assert r"caf\xe9.png" in capsys.readouterr().out


def test_photographs_of_one_name_are_refused_before_any_is_drawn(tmp_path, capsys):
    for name in ("a.png", "b.png", "b.jpg"):
        Image.fromarray(photograph(0)).save(tmp_path / name)
    assert main(["superpixels", str(tmp_path), "--output-dir", str(tmp_path / "out")]) == 1
    one, other = tmp_path / "b.jpg", tmp_path / "b.png"
    assert f"{one} and {other} would both be drawn as" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unknown_choices_are_refused(tmp_path, capsys):
    for option, message in (
        (["--method", "snic"], "superpixel method 'snic' is not available; choose from: slic, rim"),
        (["--backend", "gpu"], "superpixel backend 'gpu' is not available; choose from: numba"),
        (["--rim", "slow"], "settings of RIM 'slow' is not available; choose from: paper, dpam"),
    ):
        assert main(["superpixels", str(tmp_path / "a.png"), *option]) == 1
        assert message in capsys.readouterr().err


def test_rim_prepares_squares_of_a_batch(monkeypatch):
    monkeypatch.setitem(METHODS, "rim", METHODS["rim"]._replace(side=48))
    prepared = prepare_all([photograph(0), photograph(1, 60, 72)], how("rim"))
    for one, segmentation in prepared:
        assert segmentation.image.shape == (48, 48, 3)
        assert segmentation.label_map.shape == (48, 48)
        assert one.mean.shape == (12, 3)
        assert np.isfinite(one.covariance).all()
        assert one.pixels.shape == (64, 64, 3)
    assert prepare_all([], how("rim")) == []


@pytest.mark.parametrize("backend", ["numba", "scikit-image"])
def test_the_backend_decides_who_computes_slic(backend):
    rgb = photograph(2)
    _, segmentation = prepare(rgb, how("slic", backend=backend))
    np.testing.assert_array_equal(segmentation.label_map, slico(rgb, 20, 10, 3, backend))
