"""How good a label map is: the measures of the field, as Stutz, Hermans and Leibe define them.

(Superpixels: an evaluation of the state of the art, CVIU 2018.) The first three compare with a
reference, usually drawn by people; the last two need none.
"""

import numpy as np
from scipy.ndimage import maximum_filter


def boundary(labels: np.ndarray) -> np.ndarray:
    """(H, W) mask of the pixels that differ from the pixel to their right or below.

    So an edge is one pixel wide, as the measure wants it; scikit-image's `find_boundaries` marks
    both sides, or the one of the larger label.
    """
    mask = np.zeros(labels.shape, dtype=bool)
    mask[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    mask[:-1] |= labels[:-1] != labels[1:]
    return mask


def boundary_recall(labels: np.ndarray, reference: np.ndarray) -> float:
    """Share of the reference's boundary that has a superpixel boundary nearby, in [0, 1].

    Nearby: in a square of 2r + 1 pixels around, r = 0.0025 of the image's diagonal, rounded.

    Args:
        labels: (H, W) integers.
        reference: (H, W) integers. If it has no boundary, the recall is 1.
    """
    radius = round(0.0025 * float(np.hypot(*labels.shape)))
    wanted = boundary(reference)
    found = maximum_filter(boundary(labels), 2 * radius + 1)
    return float(found[wanted].mean()) if wanted.any() else 1.0


def overlaps(labels: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Superpixel of each pair of a superpixel and a reference segment that meet; their pixels."""
    _, column = np.unique(reference, return_inverse=True)
    segments = int(column.max()) + 1
    pair, pixels = np.unique(
        labels.astype(np.int64).reshape(-1) * segments + column.reshape(-1), return_counts=True
    )
    return pair // segments, pixels


def achievable_accuracy(labels: np.ndarray, reference: np.ndarray) -> float:
    """Share of pixels labelled rightly if each superpixel takes its best segment, in (0, 1]."""
    superpixel, pixels = overlaps(labels, reference)
    most = np.zeros(superpixel.max() + 1, np.int64)
    np.maximum.at(most, superpixel, pixels)
    return float(most.sum() / labels.size)


def undersegmentation(labels: np.ndarray, reference: np.ndarray) -> float:
    """How much superpixels leak over the reference's borders (Neubert and Protzel), in [0, 1).

    Mean over all pixels of min(inside, outside) over all pairs of a segment and a superpixel.
    """
    superpixel, inside = overlaps(labels, reference)
    size = np.bincount(superpixel, inside)
    return float(np.minimum(inside, size[superpixel] - inside).sum() / labels.size)


def compactness(labels: np.ndarray) -> float:
    """Mean over pixels of 4π area / perimeter² of their superpixel (Schick et al.), in (0, 1).

    Perimeters are counted in edges of pixels, the image's border included: squares have π/4.
    """
    flat = labels.reshape(-1)
    area = np.bincount(flat)
    edges = np.zeros(len(area), np.int64)
    framed = np.pad(labels.astype(np.int64), 1, constant_values=-1)
    for axis in (0, 1):
        before, after = np.delete(framed, -1, axis), np.delete(framed, 0, axis)
        for side in (before, after):
            outer = side[(before != after) & (side >= 0)]
            edges += np.bincount(outer, minlength=len(area))
    occurs = area > 0
    shape = 4 * np.pi * area[occurs] / edges[occurs] ** 2
    return float((area[occurs] * shape).sum() / labels.size)


def explained_variation(labels: np.ndarray, image: np.ndarray) -> float:
    """Share of the colours' variance that the superpixels' means explain (Moore et al.), in [0, 1].

    Args:
        labels: (H, W) integers.
        image: (H, W, C). Of an image of one colour, everything is explained: 1.
    """
    flat = labels.reshape(-1)
    colours = image.reshape(len(flat), -1).astype(np.float64)
    colours -= colours.mean(axis=0)
    total = (colours**2).sum()
    area = np.maximum(np.bincount(flat), 1)
    between = sum((np.bincount(flat, column) ** 2 / area).sum() for column in colours.T)
    return float(between / total) if total else 1.0
