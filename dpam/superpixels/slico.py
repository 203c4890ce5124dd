"""SLIC superpixels in their zero-parameter form, SLICO (Achanta et al., TPAMI 2012).

Our own form is in `dpam.superpixels.kernels`, that for GPUs in `dpam.superpixels.slico_torch`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from dpam.errors import DpamError

SMALLEST_PIECE = 0.25  # of a cell's area; smaller pieces join a neighbour, as in SLIC's paper


def slico(
    image: np.ndarray, region_size: int, compactness: float, iterations: int, backend: str
) -> np.ndarray:
    """Segment an image into roughly square superpixels.

    Args:
        image: (H, W, 3) uint8 RGB.
        region_size: side of the initial grid's cells, pixels.
        compactness: what the adaptive one starts from.
        iterations: rounds of k-means.
        backend: one of BACKENDS. "numba": our own, compiled; connected superpixels.
            "scikit-image": connected superpixels. "opencv": as released; a superpixel may have
            several pieces. "torch" is for GPUs (`dpam.superpixels.slico_torch`): on a processor
            numba takes its place, which gives nearly the same many times as fast.

    Returns:
        (H, W) uint16 label map, labels 0 ... K-1 without gaps; uint32 if there are too many.

    Raises:
        DpamError: the backend is not installed.
    """
    image = np.ascontiguousarray(image)
    return without_gaps(BACKENDS[backend](image, region_size, float(compactness), iterations))


def without_gaps(labels: np.ndarray) -> np.ndarray:
    """A label map whose labels are 0 ... K-1, uint16; uint32 if there are too many."""
    occurs = np.bincount(labels.reshape(-1)) > 0
    kind = np.uint16 if occurs.sum() <= 2**16 else np.uint32
    return np.asarray((np.cumsum(occurs) - 1).astype(kind)[labels])


def grid(image: np.ndarray, region_size: int) -> tuple[int, int]:
    """Rows and columns of the initial grid."""
    height, width = image.shape[:2]
    return max(1, round(height / region_size)), max(1, round(width / region_size))


def by_numba(
    image: np.ndarray, region_size: int, compactness: float, iterations: int
) -> np.ndarray:
    """SLICO by our own kernels."""
    from dpam.superpixels.kernels import cluster, connect, lab_of

    rows, columns = grid(image, region_size)
    labels = cluster(lab_of(image), rows, columns, compactness, iterations)
    smallest = SMALLEST_PIECE * labels.size / (rows * columns)
    return np.asarray(connect(labels, smallest))


def by_scikit_image(
    image: np.ndarray, region_size: int, compactness: float, iterations: int
) -> np.ndarray:
    """SLICO of scikit-image."""
    from skimage.segmentation import slic  # takes a second

    rows, columns = grid(image, region_size)
    labels = slic(
        image,
        n_segments=rows * columns,
        compactness=compactness,
        max_num_iter=iterations,
        slic_zero=True,
        start_label=0,
    )
    return np.asarray(labels)


def by_opencv(
    image: np.ndarray, region_size: int, compactness: float, iterations: int
) -> np.ndarray:
    """SLICO of OpenCV, exactly as released."""
    cv2 = opencv()
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2Lab)
    segmenter = cv2.ximgproc.createSuperpixelSLIC(lab, region_size=region_size, ruler=compactness)
    segmenter.iterate(iterations)
    return np.asarray(segmenter.getLabels())


def resize_by_opencv(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize (H, W, 3) uint8 exactly as released; torch differs by 1 in one value of 10,000."""
    cv2 = opencv()
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC))


def opencv() -> Any:
    """The module of OpenCV, with its contributed part.

    Raises:
        DpamError: it is not installed.
    """
    try:
        import cv2
        from cv2 import ximgproc  # noqa: F401 - other builds of OpenCV lack it
    except ImportError as error:
        raise DpamError(
            "superpixel backend opencv is not installed: pip install '.[opencv]', "
            "or choose numba or scikit-image"
        ) from error
    return cv2


BACKENDS: dict[str, Callable[[np.ndarray, int, float, int], np.ndarray]] = {
    "numba": by_numba,
    "scikit-image": by_scikit_image,
    "opencv": by_opencv,
    "torch": by_numba,
}
