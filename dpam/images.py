"""From an image file to the pixels and the texture that the network reads.

All of it follows the released preprocessing: cubic resizing as OpenCV's (a = -0.75, no
antialiasing), BT.601 grey, Gaussian blur with sigma 2, and a texture that wraps modulo 256. Grey
and blur are OpenCV's to the bit: it computes them in integers, and so do we, in floats that hold
these exactly.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from dpam.errors import DpamError

GREY = (9798, 19235, 3735)  # shares of red, green, blue in 32768ths
BLUR = (1, 2, 7, 16, 31, 45, 52, 45, 31, 16, 7, 2, 1)  # Gaussian of sigma 2, in 256ths
RADIUS = len(BLUR) // 2
TEXTURES = ("wrapped", "signed")


@contextmanager
def opened(path: str | Path) -> Iterator[Image.Image]:
    """An image file whose pixels are not read yet.

    Raises:
        DpamError: the file is missing, is no image, or turns out to be truncated in the block.
    """
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError as error:
        raise DpamError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        raise DpamError(f"{path}: expected an image, found something else") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DpamError(f"{path}: the image cannot be decoded: {error}") from error


def decode(path: str | Path) -> np.ndarray:
    """Read an image file completely, upright as its EXIF orientation says.

    Returns:
        (H, W, 3) uint8 RGB; transparency is laid on white.

    Raises:
        DpamError: the file is missing, is no image, or is truncated.
    """
    with opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            upright = Image.alpha_composite(
                Image.new("RGBA", upright.size, "white"), upright.convert("RGBA")
            )
        return np.asarray(upright.convert("RGB"))


def upright_size(path: str | Path) -> tuple[int, int]:
    """Height and width of what `decode` will return, from the file's header.

    Raises:
        DpamError: the file is missing or is no image.
    """
    with opened(path) as image:
        lying = image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
        return image.size if lying else image.size[::-1]


def image_files(paths: list[Path]) -> list[Path]:
    """The files named, and the images in the folders named, sorted.

    Raises:
        DpamError: a folder holds no image.
    """
    endings = set(Image.registered_extensions())
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.suffix.lower() in endings)
            if not found:
                raise DpamError(f"{path}: no image in this folder")
            files.extend(found)
        else:
            files.append(path)
    return files


def resize_cubic(image: Tensor, height: int, width: int) -> Tensor:
    """Resize (..., H, W) to (..., height, width) with OpenCV's cubic kernel.

    uint8 comes back as uint8, rounded and clipped; floats come back as floats, and may leave
    the range of the input by the kernel's overshoot.
    """
    planes = image.reshape(1, -1, *image.shape[-2:]).float()
    planes = F.interpolate(planes, (height, width), mode="bicubic", align_corners=False)
    resized = planes.reshape(*image.shape[:-2], height, width)
    if image.dtype == torch.uint8:
        return resized.round().clamp(0, 255).to(torch.uint8)
    return resized.to(image.dtype)


def grey(rgb: Tensor) -> Tensor:
    """BT.601 luma of (..., 3, H, W) uint8 as (..., 1, H, W) uint8."""
    red, green, blue = rgb.float().unbind(-3)
    luma = red * GREY[0] + green * GREY[1] + blue * GREY[2]
    return ((luma + 2**14) / 2**15).floor().to(torch.uint8)[..., None, :, :]


def blur(image: Tensor) -> Tensor:
    """Gaussian blur of (B, 1, H, W) uint8, mirrored at the border without repeating the edge."""
    blurred = F.pad(image.float(), [RADIUS] * 4, mode="reflect")
    for axis in (-1, -2):
        # Thirteen shifted sums; for one channel several times faster than a convolution.
        size = image.shape[axis]
        padded, blurred = blurred, torch.zeros_like(blurred.narrow(axis, 0, size))
        for start, weight in enumerate(BLUR):
            blurred.add_(padded.narrow(axis, start, size), alpha=weight)
    return ((blurred + 2**15) / 2**16).floor().to(torch.uint8)


def texture(rgb: Tensor, kind: str = "wrapped") -> Tensor:
    """Grey minus its blur.

    Args:
        rgb: (B, 3, H, W) uint8, height and width at least 7.
        kind: "wrapped", as released: the difference is taken in uint8 and wraps modulo 256, so that
            -1 is 255; or "signed".

    Returns:
        (B, 1, H, W) float32, in [0, 1] if wrapped, in [-1, 1] if signed.
    """
    luma = grey(rgb)
    smooth = blur(luma)
    difference = luma.short() - smooth.short() if kind == "signed" else luma - smooth
    return difference.float() / 255
