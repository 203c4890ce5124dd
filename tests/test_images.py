"""Reading image files, of any kind."""

import os
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, features

from dpam.datasets.inspection import inspect
from dpam.errors import DpamError
from dpam.images import HEIF, decode, is_image_name, rgb_of


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


def test_postscript_is_not_run_whatever_its_name(tmp_path, monkeypatch):
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch '{tmp_path}/canary'\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    Image.new("RGB", (40, 30)).save(tmp_path / "photo.eps")
    (tmp_path / "photo.eps").rename(tmp_path / "photo.jpg")
    with pytest.raises(DpamError, match=r"photo.jpg: expected an image, found something else"):
        decode(tmp_path / "photo.jpg")
    assert inspect(str(tmp_path / "photo.jpg")).error.startswith("expected an image")
    assert not (tmp_path / "canary").exists()
    with Image.open(tmp_path / "photo.jpg") as image, suppress(OSError):
        image.load()
    assert (tmp_path / "canary").exists(), "Pillow alone would have run it"


@pytest.mark.parametrize("name", ["a.jpg", "b.PNG", "c.tif", "d.mpo", "e.webp", "f.bmp"])
def test_photographs_are_known_by_their_names(name):
    assert is_image_name(name)
    assert not is_image_name(f".{name}")


@pytest.mark.parametrize("name", ["a.pdf", "b.eps", "c.ps", "d.mpg", "e.h5", "f.txt", "g.wmf", "h"])
def test_other_files_of_a_folder_are_no_photographs(name):
    assert not is_image_name(name)
