"""Decoding, resizing and texture against the released preprocessing's answers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features
from skimage import data

from dpam.errors import DpamError
from dpam.images import BLUR, HEIF, blur, decode, grey, resize_cubic, rgb_of, texture
from dpam.preparation import planes, resize

CASES = json.loads((Path(__file__).parent / "data/preprocessing.json").read_text())["cases"]
WHOLE = [case for case in CASES if case["recipe"] != "tid2013"]


def source(case):
    rgb = getattr(data, case["photo"])()[..., :3]
    return resize(rgb, *case["resized_to"]) if case["resized_to"] else rgb


def at(array, recorded):
    return array.reshape(-1)[recorded["index"]].astype(float)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['photo']}-{case['recipe']}")
def test_resized_photograph_is_the_released_one_exactly(case):
    bgr = source(case)[..., ::-1]
    assert list(bgr.shape) == case["image"]["shape"]
    np.testing.assert_array_equal(at(bgr, case["image"]), case["image"]["value"])


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: f"{case['photo']}-{case['recipe']}")
def test_grey_blur_and_network_image_are_the_released_ones(case):
    rgb = source(case)
    luma = grey(planes(rgb)[None])
    assert np.abs(at(luma.numpy(), case["gray"]) - case["gray"]["value"]).max() == 0
    assert np.abs(at(blur(luma).numpy(), case["blurred"]) - case["blurred"]["value"]).max() == 0
    network = (resize(rgb, 224, 224).transpose(2, 0, 1) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(
        at(network, case["vit_input"]), case["vit_input"]["value"], atol=1e-6
    )


def test_texture_wraps_as_uint8():
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 40, 50), np.uint8))
    luma = grey(image)
    difference = luma.numpy().astype(int) - blur(luma).numpy().astype(int)
    assert (difference < 0).any()
    np.testing.assert_allclose(texture(image).numpy(), difference % 256 / 255, atol=1e-7)


def test_blur_is_a_plain_convolution_with_a_mirrored_border():
    image = np.random.default_rng(1).integers(0, 256, (20, 24), np.uint8)
    kernel = np.array(BLUR)
    padded = np.pad(image.astype(int), 6, mode="reflect")
    expected = np.array(
        [[kernel @ padded[y : y + 13, x : x + 13] @ kernel for x in range(24)] for y in range(20)]
    )
    found = blur(torch.from_numpy(image)[None, None]).numpy()[0, 0]
    np.testing.assert_array_equal(found, (expected + 2**15) >> 16)
    gaussian = np.exp(-(np.arange(-6, 7) ** 2) / 8)
    assert np.abs(kernel / 256 - gaussian / gaussian.sum()).max() < 0.004
    assert kernel.sum() == 256


def test_signed_texture_is_the_difference_itself():
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 40, 50), np.uint8))
    luma = grey(image)
    difference = luma.numpy().astype(int) - blur(luma).numpy().astype(int)
    np.testing.assert_allclose(texture(image, "signed").numpy(), difference / 255, atol=1e-7)
    wrapped = texture(image).numpy()
    np.testing.assert_allclose(wrapped, (difference % 256) / 255, atol=1e-7)


def test_grey_and_blur_are_opencv_s_to_the_bit():
    cv2 = pytest.importorskip("cv2", reason="needs the extra opencv")
    image = np.random.default_rng(2).integers(0, 256, (61, 83, 3), np.uint8)
    luma = grey(planes(image))
    np.testing.assert_array_equal(luma[0].numpy(), cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    expected = cv2.GaussianBlur(luma[0].numpy(), (0, 0), 2)
    np.testing.assert_array_equal(blur(luma[None])[0, 0].numpy(), expected)


def test_resizing_keeps_the_type():
    floats = torch.rand(1, 30, 30)
    assert resize_cubic(floats, 11, 17).shape == (1, 11, 17)
    assert resize_cubic(floats, 11, 17).dtype == torch.float32
    assert resize_cubic((floats * 255).byte(), 11, 17).dtype == torch.uint8


def test_decode_lays_transparency_on_white_and_turns_upright(tmp_path):
    Image.new("RGBA", (40, 30), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (decode(tmp_path / "clear.png") == 255).all()
    lying = Image.new("RGB", (40, 30))
    exif = lying.getexif()
    exif[0x0112] = 6  # turn by 90 degrees
    lying.save(tmp_path / "lying.jpg", exif=exif)
    assert decode(tmp_path / "lying.jpg").shape == (40, 30, 3)


RAMP = np.linspace(0, 255, 40 * 40).reshape(40, 40)  # grey


@pytest.mark.parametrize(
    "stored",
    [
        RAMP.astype(np.uint8),
        (RAMP * 257).astype(np.uint16),
        (RAMP * 257).astype(np.int32),
        (RAMP / 255).astype(np.float32),
        RAMP.astype(np.float32),
    ],
    ids=["8 bit", "16 bit", "32 bit", "float to 1", "float to 255"],
)
def test_grey_of_any_depth_is_the_same_photograph(tmp_path, stored):
    Image.fromarray(stored).save(tmp_path / "grey.tif")
    found = decode(tmp_path / "grey.tif")
    assert found.shape == (40, 40, 3)
    assert np.abs(found - RAMP[..., None]).max() <= 1.01
    assert (found == found[..., :1]).all()


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "YCbCr", "HSV", "LAB", "RGBX", "RGBa"])
def test_every_mode_of_pillow_becomes_rgb(mode):
    red = Image.new("RGB", (40, 30), (200, 30, 60))
    if mode == "LAB":  # the colour (200, 30, 60) in it, D50; 128 is no hue
        image = Image.new("LAB", (40, 30), (109, 128 + 64, 128 + 27))
    elif mode == "P":
        image = red.quantize()
    elif mode == "RGBa":
        image = red.convert("RGBA").convert("RGBa")
    else:
        image = red.convert(mode)
    found = rgb_of(image)
    assert found.shape == (30, 40, 3)
    if mode != "1":
        assert np.abs(found[0, 0].astype(int) - (200, 30, 60)).max() < 12


def test_premultiplied_grey_is_laid_on_white():
    image = Image.new("LA", (40, 30), (100, 0)).convert("La")
    assert (rgb_of(image) == 255).all()


def test_images_up_to_the_limit_are_read_and_larger_ones_named(tmp_path, monkeypatch):
    Image.new("1", (120, 100)).save(tmp_path / "large.png")
    monkeypatch.setattr("dpam.images.LARGEST", 12_000)
    assert decode(tmp_path / "large.png").shape == (100, 120, 3)
    monkeypatch.setattr("dpam.images.LARGEST", 11_999)
    with pytest.raises(DpamError, match=r"large.png: the image has more than 11,999 pixels"):
        decode(tmp_path / "large.png")
    assert Image.MAX_IMAGE_PIXELS == 200_000_000


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read(tmp_path):
    Image.new("RGB", (40, 30), (200, 30, 60)).save(tmp_path / "a.avif")
    assert np.abs(decode(tmp_path / "a.avif").astype(int) - (200, 30, 60)).max() < 6


def test_heic_is_read_or_the_plugin_named(tmp_path):
    path = tmp_path / "a.heic"
    if HEIF:
        Image.new("RGB", (64, 48), (200, 30, 60)).save(path)
        assert np.abs(decode(path).astype(int) - (200, 30, 60)).max() < 6
    else:
        path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
        with pytest.raises(DpamError, match="pip install pillow-heif"):
            decode(path)


def test_resizing_computes_in_float64_what_comes_in_it():
    image = torch.rand(1, 30, 30, dtype=torch.float64)
    found = resize_cubic(image, 11, 17)
    assert found.dtype == torch.float64
    assert (found - resize_cubic(image.float(), 11, 17)).abs().max() > 0


def test_what_cannot_be_decoded_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.png").write_text("not an image")
    for name, reason in (
        ("half.png", "cannot be decoded"),
        ("text.png", "expected an image"),
        ("none.png", "no such file"),
    ):
        with pytest.raises(DpamError, match=f"{name}.*{reason}"):
            decode(tmp_path / name)
