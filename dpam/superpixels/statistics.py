"""Mean and covariance of each superpixel's colours: all that the network sees of a superpixel."""

import numpy as np

UPPER = np.triu_indices(3)  # the six entries of a symmetric 3x3 matrix, row by row


def pixel_statistics(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased covariance of each superpixel's colours, from pixels drawn from it.

    Args:
        pixels: (..., P, 3) colours in [0, 1], in any order of channels.

    Returns:
        mean (..., 3) and covariance (..., 6), upper triangle row by row; the covariance of a
        single pixel is 0.
    """
    mean = pixels.mean(axis=-2)
    centred = pixels - mean[..., None, :]
    count = pixels.shape[-2]
    covariance = np.einsum("...pi,...pj->...ij", centred, centred) / max(count - 1, 1)
    return mean, covariance[..., *UPPER]


def label_map_statistics(label_map: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased covariance of the colours of all pixels of each superpixel.

    Args:
        label_map: (H, W) integers 0 ... K-1, each of which occurs.
        image: (H, W, 3) uint8, in any order of channels.

    Returns:
        mean (K, 3) and covariance (K, 6), upper triangle row by row, of colours in [0, 1],
        float64, from exact sums; the covariance of a superpixel of one pixel is 0.
    """
    from dpam.superpixels.kernels import colour_sums

    sums = colour_sums(label_map, image, int(label_map.max()) + 1)
    count, first, second = sums[:, :1], sums[:, 1:4], sums[:, 4:]
    assert count.all(), "a label without pixels"
    # Exact in 64 bits for superpixels of up to 11 million pixels.
    spread = count * second - first[:, UPPER[0]] * first[:, UPPER[1]]
    return first / count / 255, spread / (count * np.maximum(count - 1, 1)) / 255**2


def sampled_statistics(
    label_map: np.ndarray, image: np.ndarray, sample: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased covariance of each superpixel's colours, from `sample` of its pixels.

    As released: of n pixels in raster order those at linspace(0, n - 1, sample); where n is smaller
    than `sample`, pixels are drawn with replacement. The release draws them anew in every run, we
    draw the same for the same label map.

    Args:
        label_map: (H, W) integers 0 ... K-1, each of which occurs.
        image: (H, W, 3) uint8, in any order of channels.
        sample: pixels per superpixel, at least 2.

    Returns:
        mean (K, 3) and covariance (K, 6), as `label_map_statistics`.
    """
    labels = label_map.reshape(-1)
    raster = np.argsort(labels, kind="stable")  # superpixel by superpixel, each in raster order
    count = np.bincount(labels)
    generator = np.random.default_rng(20)
    picks = [
        first
        + (
            np.linspace(0, n - 1, sample).astype(np.int64)
            if n >= sample
            else generator.integers(0, n, sample)
        )
        for first, n in zip(np.cumsum(count) - count, count, strict=True)
    ]
    colours = image.reshape(-1, 3)[raster[np.stack(picks)]]
    return pixel_statistics(colours / 255)
