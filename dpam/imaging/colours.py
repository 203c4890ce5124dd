"""Colours of images with an embedded profile as sRGB, which superpixels and networks expect."""

import io
import logging
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

log = logging.getLogger(__name__)

MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # of pixels, by the profile's colour space
SAME = 2  # of 255: a profile that moves no colour further is one of sRGB's many


def to_srgb(image: Image.Image, name: object) -> Image.Image:
    """An image in sRGB; itself if it has no profile, or one that changes nothing.

    Args:
        image: of any mode but those of more than 8 bits; its transparency stays.
        name: what the log calls it if its profile cannot be used. Its colours then are taken as
            sRGB.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    try:
        mode, transform = to_srgb_from(profile)
        if transform is None:
            return image
        if mode == "CMYK" and image.mode != mode:
            raise ValueError(f"it is for CMYK, the pixels are {image.mode}")
        if mode == "L" and has_colour(image):
            raise ValueError("it is for grey, the pixels have colours")
        converted = ImageCms.applyTransform(image.convert(mode), transform)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.warning("%s: its colour profile cannot be used: %s; taken as sRGB", name, error)
        return image
    assert converted is not None
    if image.has_transparency_data:
        converted.putalpha(image.convert("RGBA").getchannel("A"))
    return converted


def has_colour(image: Image.Image) -> bool:
    """Whether a pixel differs from grey by more than SAME."""
    rgb = np.asarray(image.convert("RGB"))
    return bool((rgb.max(axis=2) - rgb.min(axis=2)).max() > SAME)


@lru_cache(maxsize=32)
def to_srgb_from(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """For a profile: the mode of pixels that it is for, and what brings them to sRGB, if needed.

    Raises:
        ImageCms.PyCMSError, OSError, ValueError: it is damaged, or for other pixels.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    if space not in MODES:
        raise ValueError(f"it is for {space}")
    mode = MODES[space]
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if mode == "CMYK":
        return mode, transform
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 16, 3)
    probe = Image.fromarray(cube).convert(mode)
    moved = ImageCms.applyTransform(probe, transform)
    difference = np.asarray(moved, np.int16) - np.asarray(probe.convert("RGB"), np.int16)
    return mode, transform if np.abs(difference).max() > SAME else None


def from_lab(image: Image.Image) -> Image.Image:
    """An image in CIELAB as sRGB."""
    lab, srgb = (ImageCms.createProfile(space) for space in ("LAB", "sRGB"))
    converted = ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))
    assert converted is not None
    return converted
