"""SLIC superpixels in their zero-parameter form, SLICO (Achanta et al., TPAMI 2012)."""

import numpy as np
from skimage.segmentation import slic


def slico(image: np.ndarray, region_size: int, ruler: float, iterations: int) -> np.ndarray:
    """Segment an image into roughly square, connected superpixels.

    Args:
        image: (H, W, 3) uint8 RGB.
        region_size: side of the initial grid's cells, pixels.
        ruler: compactness that the adaptive one starts from.
        iterations: rounds of k-means.

    Returns:
        (H, W) uint16 label map, labels 0 ... K-1 without gaps.
    """
    height, width = image.shape[:2]
    cells = max(1, round(height / region_size)) * max(1, round(width / region_size))
    labels = slic(
        image,
        n_segments=cells,
        compactness=ruler,
        max_num_iter=iterations,
        slic_zero=True,
        start_label=0,
    )
    return np.unique(labels, return_inverse=True)[1].reshape(height, width).astype(np.uint16)
