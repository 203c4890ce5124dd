"""From an image file to the pixels and the texture that the network reads.

All of it follows the released preprocessing: cubic resizing as OpenCV's (a = -0.75, no
antialiasing), BT.601 grey, Gaussian blur with sigma 2, and a texture that wraps modulo 256. Grey
and blur are OpenCV's to the bit: it computes them in integers, and so do we, in floats that hold
these exactly.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from dpam.errors import DpamError
from dpam.files import refuse_special

LARGEST = 200_000_000  # pixels of an image; Pillow's own limit is below the largest cameras
Image.MAX_IMAGE_PIXELS = LARGEST

HEIF = find_spec("pillow_heif") is not None
if HEIF:
    from pillow_heif import register_heif_opener

    register_heif_opener()

GREY = (9798, 19235, 3735)  # shares of red, green, blue in 32768ths
BLUR = (1, 2, 7, 16, 31, 45, 52, 45, 31, 16, 7, 2, 1)  # Gaussian of sigma 2, in 256ths
RADIUS = len(BLUR) // 2
TEXTURES = ("wrapped", "signed")


@contextmanager
def opened(path: str | Path, file: BinaryIO | None = None) -> Iterator[Image.Image]:
    """An image file whose pixels are not read yet; `file` as for `decode`.

    Raises:
        DpamError: the file is missing or is no image, or its pixels cannot be read in the block.
    """
    try:
        if file is None:
            refuse_special(path)
        with Image.open(path if file is None else file) as image:
            yield image
    except DpamError:
        raise
    except FileNotFoundError as error:
        raise DpamError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise DpamError(f"{path}: expected an image, found a folder") from error
    except UnidentifiedImageError as error:
        raise DpamError(
            f"{path}: expected an image, found something else{lacking(path)}"
        ) from error
    except Image.DecompressionBombError as error:
        raise DpamError(f"{path}: the image has more than {LARGEST:,} pixels") from error
    except Exception as error:  # of a damaged file, Pillow's readers raise anything
        raise DpamError(f"{path}: the image cannot be decoded: {error}") from error


def decode(path: str | Path, file: BinaryIO | None = None) -> np.ndarray:
    """Read an image file completely, upright as its EXIF orientation says.

    Args:
        path: of the file; with `file`, only what errors call it.
        file: the open file, or bytes from elsewhere.

    Returns:
        (H, W, 3) uint8 RGB; transparency is laid on white, 16 bits become 8.

    Raises:
        DpamError: the file is missing, is no image, is truncated, or has more than LARGEST pixels.
    """
    with opened(path, file) as image:
        return rgb_of(image)


def upright_size(path: str | Path) -> tuple[int, int]:
    """Height and width of what `decode` will return, from the file's header.

    Raises:
        DpamError: the file is missing or is no image.
    """
    with opened(path) as image:
        lying = image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
        return image.size if lying else image.size[::-1]


def rgb_of(image: Image.Image) -> np.ndarray:
    """An open image of any mode of Pillow as `decode` returns it.

    Raises:
        Image.DecompressionBombError: it has more than LARGEST pixels.
        ValueError: Pillow has no way from its mode to RGB.
    """
    if image.width * image.height > LARGEST:
        raise Image.DecompressionBombError
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "La":  # Pillow knows only the way back to LA
        upright = upright.convert("LA")
    if upright.mode.startswith(("I", "F")):
        return np.repeat(eight_bits(np.asarray(upright))[..., None], 3, axis=-1)
    if upright.mode == "LAB":
        to_rgb = ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
        )
        upright = ImageCms.applyTransform(upright, to_rgb) or upright
    if upright.has_transparency_data:
        upright = Image.alpha_composite(
            Image.new("RGBA", upright.size, "white"), upright.convert("RGBA")
        )
    return np.asarray(upright.convert("RGB"))


def eight_bits(grey: np.ndarray) -> np.ndarray:
    """Grey of more than 8 bits as uint8, which Pillow would clip instead of scaling.

    Integers count to 65535; floats to 1, or to 255 if any is above 1.
    """
    if np.issubdtype(grey.dtype, np.integer):
        scaled = grey / 257
    else:
        finite = np.nan_to_num(grey, posinf=0, neginf=0)
        scaled = finite if finite.max() > 1 else finite * 255
    return np.asarray(scaled.round().clip(0, 255).astype(np.uint8))


def lacking(path: str | Path) -> str:
    """What would help to read a file that Pillow does not know."""
    if Path(path).suffix.lower() in (".heic", ".heif") and not HEIF:
        return "; HEIC needs a plugin: `pip install pillow-heif`"
    return ""


def is_image_name(name: str | Path) -> bool:
    """Whether a file's name ends as those of images that can be decoded here; no hidden files."""
    path = Path(name)
    known = Image.registered_extensions()
    return path.suffix.lower() in known and not path.name.startswith(".")


def image_files(paths: list[Path]) -> list[Path]:
    """The files named, and the images in the folders named, sorted.

    Raises:
        DpamError: a folder holds no image.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if is_image_name(file))
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
    planes = image.reshape(1, -1, *image.shape[-2:])
    planes = planes.to(torch.promote_types(image.dtype, torch.float32))
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
