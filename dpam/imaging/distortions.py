"""Faults of photographs, made on purpose, from slight to strong.

The functions take RGB (H, W, 3) in 0 to 255 as floats, a strength, and where chance comes from;
they return floats that may leave that range.
"""

import io
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage, signal

LEVELS = 5
GAMMA = 2.2  # of an image's values against light


def gaussian_blur(image: np.ndarray, sigma: float, _: np.random.Generator) -> np.ndarray:
    """Blur by a Gaussian of `sigma` pixels."""
    return np.asarray(ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="reflect"))


def motion_blur(image: np.ndarray, length: float, rng: np.random.Generator) -> np.ndarray:
    """Blur along a line of `length` pixels in a random direction."""
    angle = rng.uniform(0, math.pi)
    steps = np.linspace(-length / 2, length / 2, int(8 * length) + 1)
    half = math.ceil(length / 2) + 1
    edges = np.arange(-half, half + 2) - 0.5
    kernel, _, _ = np.histogram2d(
        steps * math.sin(angle), steps * math.cos(angle), bins=(edges, edges)
    )
    return convolve(image, kernel)


def white_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Add independent Gaussian noise of `sigma` grey levels to each channel."""
    return np.asarray(image + rng.normal(0, sigma, image.shape))


def jpeg(image: np.ndarray, quality: float, _: np.random.Generator) -> np.ndarray:
    """Compress as JPEG of `quality` 1..95."""
    return through(image, "JPEG", quality=round(quality))


def expose(image: np.ndarray, stops: float, _: np.random.Generator) -> np.ndarray:
    """Give it 2^`stops` times the light; what becomes brighter than white is white."""
    return np.asarray(image * 2.0 ** (stops / GAMMA))


def lower_contrast(image: np.ndarray, kept: float, _: np.random.Generator) -> np.ndarray:
    """Draw all values towards middle grey; keep a part of the distance."""
    return np.asarray(127.5 + kept * (image - 127.5))


def cast(image: np.ndarray, stops: float, rng: np.random.Generator) -> np.ndarray:
    """Colour the light: a random hue has up to 2^`stops` times as much, its opposite less."""
    hue = rng.uniform(0, 2 * math.pi) + 2 * math.pi / 3 * np.arange(3)
    return np.asarray(image * 2.0 ** (stops / GAMMA * np.cos(hue)))


def downscale(image: np.ndarray, factor: float, _: np.random.Generator) -> np.ndarray:
    """Make it smaller by a factor, and as large as before again."""
    height, width = image.shape[:2]
    size = max(1, round(width / factor)), max(1, round(height / factor))
    small = to_pillow(image).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), image.dtype)


class Defect(NamedTuple):
    """A fault and its strengths.

    Attributes:
        make: takes an image, a strength and where chance comes from.
        strengths: at levels 0, which changes nothing, to 5; for photographs of about 512 pixels.
    """

    make: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    strengths: tuple[float, float, float, float, float, float]


DEFECTS = {
    "blur": Defect(gaussian_blur, (0, 0.9, 1.5, 2.3, 3.5, 5.5)),
    "motion_blur": Defect(motion_blur, (0, 4, 8, 13, 20, 30)),
    "noise": Defect(white_noise, (0, 6, 11, 19, 31, 50)),
    "jpeg": Defect(jpeg, (95, 40, 24, 14, 9, 5)),
    "over_exposure": Defect(expose, (0, 0.5, 0.9, 1.4, 2.0, 2.8)),
    "under_exposure": Defect(expose, (0, -0.8, -1.5, -2.3, -3.2, -4.2)),
    "low_contrast": Defect(lower_contrast, (1, 0.75, 0.57, 0.42, 0.3, 0.2)),
    "colour_cast": Defect(cast, (0, 0.35, 0.65, 1.0, 1.45, 2.0)),
    "downscaling": Defect(downscale, (1, 1.6, 2.3, 3.3, 4.7, 7)),
}


def degrade(rgb: np.ndarray, defect: str, level: float, seed: int) -> np.ndarray:
    """A photograph with a defect.

    Args:
        rgb: (H, W, 3) uint8.
        defect: of DEFECTS.
        level: 0 to 5, also between two levels; 0 is the photograph as it is.
        seed: of chance, as of a direction; the same at all levels.

    Returns:
        (H, W, 3) uint8.
    """
    if level == 0:
        return rgb
    make, strengths = DEFECTS[defect]
    strength = float(np.interp(level, range(LEVELS + 1), strengths))
    return to_bytes(make(rgb.astype(np.float32), strength, np.random.default_rng(seed)))


def convolve(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve each channel with a kernel of odd sides, which is made to sum to 1."""
    half = kernel.shape[0] // 2
    padded = np.pad(image, ((half, half), (half, half), (0, 0)), mode="symmetric")
    kernel = (kernel / kernel.sum())[..., None].astype(image.dtype)
    return np.asarray(signal.fftconvolve(padded, kernel, mode="valid", axes=(0, 1)))


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Rounded to uint8 and cut at 0 and 255."""
    return np.asarray(np.clip(np.rint(image), 0, 255).astype(np.uint8))


def to_pillow(image: np.ndarray) -> Image.Image:
    """The same as an image of Pillow."""
    return Image.fromarray(to_bytes(image))


def through(image: np.ndarray, file_format: str, **options: object) -> np.ndarray:
    """The image as it comes out of a file of some format."""
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, file_format, **options)
    return np.asarray(Image.open(buffer), image.dtype)
