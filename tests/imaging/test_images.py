"""Reading image files, of any kind."""

import os
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from icc import PROPHOTO, SRGB, in_prophoto, profile
from PIL import Image, ImageCms, TiffImagePlugin, features

from dpam.datasets.inspection import inspect
from dpam.errors import DpamError
from dpam.imaging.images import (
    HEIF,
    LARGEST,
    decode,
    higher_limit,
    is_image_name,
    register_plugins,
    rgb_of,
    upright_size,
)


def test_decode_lays_transparency_on_white_and_turns_upright(tmp_path):
    Image.new("RGBA", (40, 30), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (decode(tmp_path / "clear.png") == 255).all()
    lying = Image.new("RGB", (40, 30))
    exif = lying.getexif()
    exif[0x0112] = 6  # turn by 90 degrees
    lying.save(tmp_path / "lying.jpg", exif=exif)
    assert decode(tmp_path / "lying.jpg").shape == (40, 30, 3)


TURNED = {  # by orientation: how an upright image is stored
    1: lambda rgb: rgb,
    2: lambda rgb: rgb[:, ::-1],
    3: lambda rgb: rgb[::-1, ::-1],
    4: lambda rgb: rgb[::-1],
    5: lambda rgb: rgb.swapaxes(0, 1),
    6: lambda rgb: np.rot90(rgb, 1),
    7: lambda rgb: np.rot90(rgb.swapaxes(0, 1), 2),
    8: lambda rgb: np.rot90(rgb, -1),
}


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("orientation", TURNED)
def test_every_orientation_becomes_upright(tmp_path, orientation, ending):
    stored = Image.fromarray(np.ascontiguousarray(TURNED[orientation](COLOURS)))
    exif = stored.getexif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"a.{ending}", exif=exif)
    np.testing.assert_array_equal(decode(tmp_path / f"a.{ending}"), COLOURS)
    assert upright_size(tmp_path / f"a.{ending}") == COLOURS.shape[:2]


def test_other_entries_beside_the_orientation_stop_nothing(tmp_path):
    """Resolutions as text, as some programs leave them; nobody here reads them."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x0131] = "72 dpi"
    odd = exif.tobytes().replace(struct.pack(">H", 0x0131), struct.pack(">H", 0x011A))
    odd = odd.replace(struct.pack("<H", 0x0131), struct.pack("<H", 0x011A))
    Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=odd)
    assert decode(tmp_path / "a.jpg").shape == (40, 30, 3)


def write_tiff(path, planes, photometric, planar, left_out=None):
    """A TIFF of 16 bits, uncompressed, of (planes, H, W) uint16; without the tag `left_out`."""
    count, height, width = planes.shape
    pixels = (planes if planar else np.moveaxis(planes, 0, -1)).astype("<u2").tobytes()
    strips = count if planar else 1
    bits, starts, sizes = 8, 16, 32  # places of what is longer than an entry
    first = 48
    at = [first + number * len(pixels) // strips for number in range(strips)]
    size = [len(pixels) // strips] * strips
    entries = [
        *[(256, 3, 1, width), (257, 3, 1, height), (258, 3, count, 16 if count == 1 else bits)],
        *[(259, 3, 1, 1), (262, 3, 1, photometric)],
        *[(273, 4, strips, at[0] if strips == 1 else starts), (277, 3, 1, count)],
        *[(278, 3, 1, height), (279, 4, strips, size[0] if strips == 1 else sizes)],
        (284, 3, 1, 2 if planar else 1),
    ]
    content = struct.pack("<2sHI", b"II", 42, first + len(pixels))
    content += struct.pack("<4H", *[16] * 4)
    for numbers in (at, size):
        content += struct.pack("<4I", *numbers, *[0] * (4 - strips))
    entries = [entry for entry in entries if entry[0] != left_out]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    tail = struct.pack("<H", len(entries)) + directory + bytes(4)
    path.write_bytes(content + pixels + tail)


def test_tiffs_of_16_bits_are_read_as_they_are_or_refused(tmp_path):
    wide = np.moveaxis(COLOURS, -1, 0).astype(np.uint16) * 257
    write_tiff(tmp_path / "rgb.tif", wide, 2, planar=False)
    np.testing.assert_array_equal(decode(tmp_path / "rgb.tif"), COLOURS)
    for zero, name in ((1, "black"), (0, "white")):
        grey = wide[:1] if zero else 65535 - wide[:1]
        write_tiff(tmp_path / f"{name}.tif", grey, zero, planar=False)
        found = decode(tmp_path / f"{name}.tif")
        np.testing.assert_array_equal(found, np.repeat(COLOURS[..., :1], 3, axis=2))
    for left_out in (None, 259):  # of those without it, the compression is none
        write_tiff(tmp_path / "planes.tif", wide, 2, True, left_out)
        with pytest.raises(DpamError, match=r"planes\.tif: a TIFF of 16 bits whose colours lie in"):
            decode(tmp_path / "planes.tif")


RAMP = np.linspace(0, 255, 40 * 40).reshape(40, 40)  # grey


@pytest.mark.parametrize(
    "stored",
    [
        RAMP.astype(np.uint8),
        (RAMP * 257).astype(np.uint16),
        (RAMP * 257).astype(np.int32),
        RAMP.astype(np.int32),
        (RAMP / 255).astype(np.float32),
        RAMP.astype(np.float32),
        (RAMP * 257).astype(np.float32),
        np.where(RAMP == 255, 1.02, RAMP / 255).astype(np.float32),
    ],
    ids=[
        "8 bit",
        "16 bit",
        "32 bit",
        "32 bit to 255",
        "float to 1",
        "float to 255",
        "float to 65535",
        "float to 1 but for one",
    ],
)
def test_grey_of_any_depth_is_the_same_photograph(tmp_path, stored):
    Image.fromarray(stored).save(tmp_path / "grey.tif")
    found = decode(tmp_path / "grey.tif")
    assert found.shape == (40, 40, 3)
    assert np.abs(found - RAMP[..., None]).max() <= 1.01
    assert (found == found[..., :1]).all()


def test_numbers_of_which_nobody_knows_what_they_count_to_are_refused(tmp_path):
    Image.fromarray((RAMP * 1e4).astype(np.float32)).save(tmp_path / "huge.tif")
    with pytest.raises(DpamError, match=r"huge.tif: .*: numbers up to 2.55e\+06, expected up to"):
        decode(tmp_path / "huge.tif")
    for name, stored, words in (
        ("bright.tif", RAMP / 160, "numbers up to 1.59375, which may count to 1 or 255"),
        ("12 bits.tif", RAMP.astype(np.int32) * 16, "up to 4080, which may count to 255 or 65535"),
        ("signed.tif", RAMP / 128 - 1, "more than one in 100 is below 0 or no number"),
        ("gaps.tif", np.where(RAMP < 10, np.nan, RAMP), "below 0 or no number"),
    ):
        kind = np.int32 if stored.dtype == np.int32 else np.float32
        Image.fromarray(stored.astype(kind)).save(tmp_path / name)
        with pytest.raises(DpamError, match=f"{name}: .*{words}"):
            decode(tmp_path / name)
    dark = (RAMP / 255).astype(np.uint16)  # 16 bits say what they count to
    Image.fromarray(dark).save(tmp_path / "dark.png")
    assert decode(tmp_path / "dark.png").max() == 0


COLOURS = np.random.default_rng(2).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.mark.parametrize("ending", ["png", "tif", "jpg", "webp"])
def test_embedded_colour_profiles_are_followed(tmp_path, ending):
    smooth = np.asarray(
        Image.fromarray(COLOURS[:5, :5]).resize((50, 40), Image.Resampling.BILINEAR)
    )
    stored = Image.fromarray((in_prophoto(smooth) * 255).round().astype(np.uint8))
    how = {"lossless": True} if ending == "webp" else {"quality": 100, "subsampling": 0}
    how = how if ending in ("webp", "jpg") else {}
    stored.save(tmp_path / f"a.{ending}", icc_profile=profile(PROPHOTO, 1.8), **how)
    found = decode(tmp_path / f"a.{ending}").astype(int)
    # A step of the stored 8 bits is up to twelve of sRGB's where it is dark.
    assert np.abs(found - smooth).mean() < 2
    assert np.abs(found - smooth)[smooth > 100].max() < (12 if ending == "jpg" else 5)
    ignored = decode(tmp_path / f"a.{ending}", convert=False).astype(int)
    assert np.abs(ignored - smooth).mean() > 15
    assert np.abs(ignored - np.asarray(stored)).mean() < 1


def test_profiles_of_srgb_itself_leave_the_bytes_as_they_are(tmp_path):
    image = Image.fromarray(COLOURS)
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(tmp_path / "a.png", icc_profile=own)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), COLOURS)
    image.save(tmp_path / "b.png", icc_profile=profile(SRGB, 1.8))
    assert (decode(tmp_path / "b.png") != COLOURS).any()


def test_profiles_of_grey_and_of_transparent_images(tmp_path):
    grey = Image.fromarray(COLOURS[..., 0])
    grey.save(tmp_path / "grey.png", icc_profile=profile(None, 1.8))
    share = (COLOURS[..., 0] / 255) ** 1.8
    expected = np.where(share <= 0.0031308, 12.92 * share, 1.055 * share ** (1 / 2.4) - 0.055)
    found = decode(tmp_path / "grey.png")
    assert np.abs(found - 255 * expected[..., None]).max() < 2
    seen = Image.fromarray(COLOURS)
    seen.putalpha(Image.fromarray(COLOURS[..., 1]))
    seen.save(tmp_path / "seen.png", icc_profile=profile(PROPHOTO, 1.8))
    opaque = Image.fromarray(COLOURS)
    opaque.save(tmp_path / "opaque.png", icc_profile=profile(PROPHOTO, 1.8))
    alpha = COLOURS[..., 1:2] / 255
    laid = decode(tmp_path / "opaque.png") * alpha + 255 * (1 - alpha)
    assert np.abs(decode(tmp_path / "seen.png") - laid).max() <= 1.01


@pytest.mark.parametrize("icc", [b"nothing", profile(None, 2.2)[:200]])
def test_a_profile_that_cannot_be_used_is_said_and_left_out(tmp_path, caplog, icc):
    Image.fromarray(COLOURS).save(tmp_path / "a.png", icc_profile=icc)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), COLOURS)
    assert "a.png: its colour profile cannot be used" in caplog.text


def test_a_profile_of_grey_takes_no_colours_away(tmp_path, caplog):
    grey = np.repeat(COLOURS[..., :1], 3, axis=2)
    for name, pixels in (("colours", COLOURS), ("grey", grey)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png", icc_profile=profile(None, 1.8))
    np.testing.assert_array_equal(decode(tmp_path / "colours.png"), COLOURS)
    assert "it is for grey, the pixels have colours; taken as sRGB" in caplog.text
    caplog.clear()
    assert (decode(tmp_path / "grey.png") != grey).any()
    assert not caplog.text


@pytest.mark.parametrize(
    ("name", "tags"),
    [("a.nef", {}), ("a.DNG", {}), ("a.tif", {254: 1}), ("a.tif", {50706: b"\x01\x04\0\0"})],
)
def test_the_preview_in_a_raw_file_is_no_photograph(tmp_path, name, tags):
    """Its first image is a small copy; the photograph lies where Pillow does not look."""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory[tag] = value
    Image.fromarray(COLOURS).save(tmp_path / name, "TIFF", tiffinfo=directory)
    with pytest.raises(DpamError, match=r"only a preview of 50x40 can be read; convert it to TIFF"):
        decode(tmp_path / name)
    assert "preview of 50x40" in inspect(str(tmp_path / name)).error


def test_what_would_read_other_kinds_is_said(tmp_path):
    for name, words in (("a.cr3", "convert raw files"), ("a.jxl", "pillow-jxl-plugin|cannot be")):
        (tmp_path / name).write_bytes(b"something else")
        with pytest.raises(DpamError, match=words):
            decode(tmp_path / name)


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
    monkeypatch.setattr("dpam.imaging.images.LARGEST", 12_000)
    assert decode(tmp_path / "large.png").shape == (100, 120, 3)
    monkeypatch.setattr("dpam.imaging.images.LARGEST", 11_999)
    with pytest.raises(DpamError, match=r"large.png: the image has more than 11,999 pixels"):
        decode(tmp_path / "large.png")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ending", ["png", "tif", "webp"])  # TIFF is checked when read, too
def test_above_pillow_s_limit_images_are_read_and_the_limit_is_left(tmp_path, monkeypatch, ending):
    file = tmp_path / f"large.{ending}"
    Image.new("RGB", (120, 100)).save(file)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_999)  # above twice of it Pillow refuses
    with ThreadPoolExecutor(4) as pool:
        assert {pixels.shape for pixels in pool.map(decode, [file] * 40)} == {(100, 120, 3)}
    assert Image.MAX_IMAGE_PIXELS == 5_999


@pytest.mark.parametrize("own", [None, 300_000_000])
def test_a_higher_limit_of_someone_else_stays(monkeypatch, own):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", own)
    with higher_limit:
        assert own == Image.MAX_IMAGE_PIXELS
    assert own == Image.MAX_IMAGE_PIXELS


def test_a_limit_that_is_set_meanwhile_stays(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_999)
    with higher_limit, higher_limit:
        assert Image.MAX_IMAGE_PIXELS == LARGEST
        Image.MAX_IMAGE_PIXELS = 7_000
    assert Image.MAX_IMAGE_PIXELS == 7_000


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read(tmp_path):
    Image.new("RGB", (40, 30), (200, 30, 60)).save(tmp_path / "a.avif")
    assert np.abs(decode(tmp_path / "a.avif").astype(int) - (200, 30, 60)).max() < 6


def test_heic_is_read_or_the_plugin_named(tmp_path):
    path = tmp_path / "a.heic"
    if HEIF:
        register_plugins()
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
