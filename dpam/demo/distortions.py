"""Distortions of the demonstration's datasets, as those of `dpam.imaging.distortions` and more."""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from dpam.imaging.distortions import (
    convolve,
    gaussian_blur,
    jpeg,
    lower_contrast,
    motion_blur,
    through,
    to_pillow,
    white_noise,
)


def defocus(image: np.ndarray, radius: float, _: np.random.Generator) -> np.ndarray:
    """Blur by a disc of `radius` pixels."""
    half = math.ceil(radius)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    return convolve(image, np.clip(radius + 0.5 - np.hypot(x, y), 0, 1))


def desaturate(image: np.ndarray, kept: float, _: np.random.Generator) -> np.ndarray:
    """Keep a part of the colourfulness; 0 is grey."""
    grey = (image @ [0.299, 0.587, 0.114])[..., None]
    return np.asarray(grey + kept * (image - grey))


def jpeg2000(image: np.ndarray, ratio: float, _: np.random.Generator) -> np.ndarray:
    """Compress as JPEG 2000 to 1/`ratio` of the size."""
    return through(
        image, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True
    )


def impulse_noise(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Set a `share` of all values to 0 or 255."""
    hit = rng.random(image.shape) < share
    return np.where(hit, 255.0 * rng.integers(0, 2, image.shape), image)


def darken(image: np.ndarray, gamma: float, _: np.random.Generator) -> np.ndarray:
    """Bend the tones down by an exponent; black and white stay."""
    return 255 * (image / 255) ** gamma


def pixelate(image: np.ndarray, side: float, _: np.random.Generator) -> np.ndarray:
    """Average over squares of `side` pixels and enlarge these without smoothing."""
    small = to_pillow(image)
    width, height = small.size
    small = small.resize((round(width / side), round(height / side)), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST), np.float64)


Distortion = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

# KADID-10k's type -> how it is made, and its strength at levels 1 (weak) to 5 (strong).
STRENGTHS: dict[str, tuple[Distortion, tuple[float, float, float, float, float]]] = {
    "gaussian_blur": (gaussian_blur, (0.7, 1.2, 2.0, 3.2, 5.0)),
    "motion_blur": (motion_blur, (3, 6, 10, 16, 26)),
    "color_saturation_1": (desaturate, (0.7, 0.5, 0.3, 0.15, 0.0)),
    "jpeg2000": (jpeg2000, (24, 48, 90, 150, 260)),
    "jpeg": (jpeg, (40, 22, 12, 7, 3)),
    "white_noise": (white_noise, (7, 12, 20, 32, 50)),
    "impulse_noise": (impulse_noise, (0.006, 0.015, 0.04, 0.09, 0.18)),
    "darken": (darken, (1.3, 1.7, 2.2, 3.0, 4.0)),
    # Not 2: HaarPSI first averages over squares of 2 pixels and would see no difference.
    "pixelate": (pixelate, (2.5, 3.5, 4.5, 6, 9)),
    "contrast_change": (lower_contrast, (0.8, 0.62, 0.45, 0.3, 0.18)),
}


def camera_faults(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A random mixture of faults in the order in which a camera makes them.

    Exposure and white balance, defocus, shake, sensor noise, then the quality at which the camera
    saves its JPEG. One severity for the image scales all; each fault is present with
    probability 0.6.

    Args:
        image: (H, W, 3) float64 in 0..255.
        rng: where the mixture is drawn from.

    Returns:
        The image (H, W, 3) before it is saved, and the JPEG quality 5..95 to save it with.
    """
    severity = rng.uniform(0, 1)
    present = rng.random(6) < 0.6
    amount = severity * rng.uniform(0.5, 1.0, 6)
    if present[0]:
        image = image * 2.0 ** (rng.choice([-1.0, 1.0]) * 1.8 * amount[0])
    if present[1]:
        warmth = rng.choice([-1.0, 1.0]) * 0.5 * amount[1]
        image = image * [2.0**warmth, 1.0, 2.0**-warmth]
    image = np.clip(image, 0, 255)
    if present[2]:
        image = defocus(image, 0.5 + 4.5 * amount[2], rng)
    if present[3]:
        image = motion_blur(image, 1.5 + 16 * amount[3], rng)
    if present[4]:
        grain = np.sqrt((40 * amount[4]) ** 2 * (0.3 + 0.7 * image / 255))
        image = image + grain * rng.normal(0, 1, image.shape)
    quality = 95 * (5 / 95) ** amount[5] if present[5] else 95
    return image, round(quality)
