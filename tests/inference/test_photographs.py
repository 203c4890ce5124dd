"""The forms in which a photograph may be given."""

import io

import numpy as np
import pytest
import torch
from icc import PROPHOTO, profile
from PIL import Image
from samples import photograph, preparation

from dpam.errors import DpamError
from dpam.imaging.filters import planes
from dpam.inference.photographs import is_one, rgb_array, unit_tensor

HOW = preparation("whole")
RGB = photograph(0)
GREY = RGB[..., 1]


def png(image: np.ndarray, **more) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", **more)
    return file.getvalue()


FORMS = [
    Image.fromarray(RGB),
    png(RGB),
    io.BytesIO(png(RGB)),
    RGB,
    RGB[:, ::-1][:, ::-1],
    RGB / 255,
    (RGB / 255).astype(np.float16),
    RGB.transpose(2, 0, 1),
    planes(RGB),
    planes(RGB).float() / 255,
    torch.from_numpy(RGB),
    (planes(RGB).double() / 255).requires_grad_(),
    planes(RGB).float() / 255 * 1.0019,  # rounding of a resize, say
]


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
def test_every_form_is_the_same_photograph(form):
    assert is_one(form)
    np.testing.assert_array_equal(rgb_array(form, HOW), RGB)
    if hasattr(form, "seek"):
        form.seek(0)
    tensor = unit_tensor(form, HOW)
    assert tensor.shape == (3, *RGB.shape[:2])
    np.testing.assert_allclose(tensor.detach().float() * 255, planes(RGB), atol=0.5)
    assert tensor.requires_grad == (isinstance(form, torch.Tensor) and form.requires_grad)


@pytest.mark.parametrize("form", [GREY, GREY[None], GREY[..., None], torch.from_numpy(GREY) / 255])
def test_grey_is_the_same_in_all_channels(form):
    np.testing.assert_array_equal(rgb_array(form, HOW), np.repeat(GREY[..., None], 3, axis=2))


def test_files_by_name(tmp_path):
    (tmp_path / "a.png").write_bytes(png(RGB))
    for form in (tmp_path / "a.png", str(tmp_path / "a.png")):
        assert is_one(form)
        np.testing.assert_array_equal(rgb_array(form, HOW), RGB)
    with (tmp_path / "a.png").open("rb") as file:
        np.testing.assert_array_equal(rgb_array(file, HOW), RGB)


@pytest.mark.parametrize(
    "many", [[RGB], (RGB, RGB), iter([RGB]), np.stack([RGB]), torch.zeros(0, 3, 40, 40)]
)
def test_several(many):
    assert not is_one(many)


def test_colour_profiles_of_images_in_memory_are_followed():
    form = png(RGB, icc_profile=profile(PROPHOTO, 1.8))
    followed = rgb_array(form, preparation("whole", colour_profiles="converted"))
    assert np.abs(followed.astype(int) - RGB).mean() > 5
    np.testing.assert_array_equal(rgb_array(form, HOW), RGB)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (np.zeros((40, 40, 4), np.uint8), r"found the shape \(40, 40, 4\)"),
        (np.zeros((2, 3, 40, 40, 3), np.uint8), r"found the shape \(2, 3, 40, 40, 3\)"),
        (torch.zeros(40), r"found the shape \(40,\)"),
        (np.full((40, 40, 3), 3.0), "floats from 0 to 1; found float64 from 3 to 3"),
        (planes(RGB).float(), "found float32 from .* to 255"),
        (planes(RGB).float() / 127.5 - 1, "found float32 from -1 to"),
        (np.full((40, 40, 3), np.nan), "found float64 from nan to nan"),
        (np.zeros((40, 40, 3), np.int64), "found int64"),
        (np.zeros((40, 40, 3), bool), "found bool"),
        (np.zeros((40, 40, 3), np.longdouble), "found float"),
        (np.zeros((40, 40, 3), ">f4"), "found >f4"),
        (np.zeros((40, 40, 3), object), "found object"),
        (torch.zeros(3, 40, 40, dtype=torch.complex64), "found complex64"),
        (np.zeros((31, 40, 3), np.uint8), "the photograph: the image is 40x31; at least 32x32"),
        (torch.zeros(3, 40, 3), "the image is 3x40; at least 32x32"),
        (b"nothing", "the photograph: expected an image"),
        (io.BytesIO(b"nothing"), "the photograph: expected an image"),
        ("none.png", "none.png: no such file"),
        (None, "expected the name of a file, .*; found NoneType"),
        (5, "found int"),
        ({"a": RGB}, "found dict"),
        (bytearray(b"png"), "found bytearray"),
    ],
)
def test_what_is_no_photograph_is_refused(form, words):
    with pytest.raises(DpamError, match=words):
        rgb_array(form, HOW)
    if form is None or isinstance(form, int | dict):
        with pytest.raises(DpamError, match=f"or several of them; {words[words.index('found') :]}"):
            is_one(form)


def test_a_strip_that_would_be_enlarged_beyond_what_can_be_held_is_refused(monkeypatch):
    strip = np.zeros((32, 6_000, 3), np.uint8)
    monkeypatch.setattr("dpam.pack.preparation.LARGEST", 64 * 12_000)
    crop = preparation("crop")
    assert rgb_array(strip, crop).shape == strip.shape
    monkeypatch.setattr("dpam.pack.preparation.LARGEST", 64 * 12_000 - 1)
    with pytest.raises(DpamError, match="the image is 6000x32; enlarged until squares of 64 fit"):
        rgb_array(strip, crop)
    assert rgb_array(strip, HOW).shape == strip.shape, "is made small"
