"""The 36 BRISQUE features: how natural the statistics of an image's fine structure are.

Source: A. Mittal, A. K. Moorthy, A. C. Bovik, No-Reference Image Quality Assessment in the Spatial
Domain, IEEE Transactions on Image Processing 21 (12), 2012; section III. Ours, as published, but:
pixels at the border have no neighbour beyond it, rather than one from the opposite border as in
the authors' program, and flat images have defined features.
"""

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.special import gammaln

SIGMA, RADIUS = 7 / 6, 3  # of the Gaussian window, 7 x 7 pixels
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # right, below, and on both diagonals
SCALES = 2
FEATURES = SCALES * (2 + 4 * len(NEIGHBOURS))
SMALLEST = 16  # pixels, the shorter side

SHAPES = np.linspace(0.2, 10, 9801)


def shape_ratio(shape: np.ndarray) -> np.ndarray:
    """(E|x|)² / E[x²] of a generalised Gaussian of that shape; it grows with the shape."""
    return np.asarray(np.exp(2 * gammaln(2 / shape) - gammaln(1 / shape) - gammaln(3 / shape)))


RATIOS = shape_ratio(SHAPES)


def brisque_features(rgb: np.ndarray) -> np.ndarray:
    """Features of one image.

    Args:
        rgb: (H, W, 3) uint8, both sides at least 16.

    Returns:
        (36,) float64; per scale (full, half) the shape and variance of the normalised luminance,
        then for each of the four neighbours shape, mean, left and right variance of the products.
    """
    grey = rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    features: list[float] = []
    for scale in range(SCALES):
        if scale:
            half = (grey.shape[1] // 2, grey.shape[0] // 2)
            image = Image.fromarray(grey.astype(np.float32))
            grey = np.asarray(image.resize(half, Image.Resampling.BICUBIC), dtype=np.float64)
        normalised = normalise(grey)
        features += symmetric_fit(normalised)
        for down, right in NEIGHBOURS:
            features += asymmetric_fit(products(normalised, down, right))
    return np.array(features)


def normalise(grey: np.ndarray) -> np.ndarray:
    """Luminance less its local mean, by its local standard deviation plus 1: (H, W), 0 to 255."""
    mean = gaussian_filter(grey, SIGMA, radius=RADIUS, mode="nearest")
    square = gaussian_filter(grey**2, SIGMA, radius=RADIUS, mode="nearest")
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return np.asarray((grey - mean) / (deviation + 1))


def products(values: np.ndarray, down: int, right: int) -> np.ndarray:
    """Products of each value and its neighbour, where it has one."""
    height, width = values.shape
    here = values[: height - down, max(0, -right) : width - max(0, right)]
    there = values[down:, max(0, right) : width - max(0, -right)]
    return np.asarray(here * there)


def symmetric_fit(values: np.ndarray) -> list[float]:
    """Shape in [0.2, 10] and variance of a generalised Gaussian of mean 0, by its moments."""
    variance = float(np.mean(values**2))
    ratio = float(np.abs(values).mean() ** 2 / variance) if variance > 0 else 1.0
    return [float(np.interp(ratio, RATIOS, SHAPES)), variance]


def asymmetric_fit(values: np.ndarray) -> list[float]:
    """Shape, mean, left and right variance of an asymmetric generalised Gaussian with mode 0.

    Source: the moment estimates of N. Lasmar, Y. Stitou, Y. Berthoumieu, Multiscale Skewed Heavy
    Tailed Model for Texture Analysis, ICIP 2009, which the paper uses.
    """
    below, above = values[values < 0], values[values > 0]
    left, right = (
        float(np.sqrt(np.mean(side**2))) if side.size else 0.0 for side in (below, above)
    )
    if not left and not right:
        return [float(SHAPES[-1]), 0.0, 0.0, 0.0]
    skew = min(left, right) / max(left, right)  # the factor is the same for its inverse
    factor = (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    ratio = float(np.abs(values).mean() ** 2 / np.mean(values**2)) * factor
    shape = float(np.interp(ratio, RATIOS, SHAPES))
    mean = (right - left) * float(np.sqrt(shape_ratio(np.array(shape))))
    return [shape, mean, left**2, right**2]
