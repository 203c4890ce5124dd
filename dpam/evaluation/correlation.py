"""The two correlations of the field, small enough to be computed after every epoch.

Without scipy.stats, whose import takes longer than what most commands compute.
"""

import numpy as np


def plcc(prediction: np.ndarray, label: np.ndarray) -> float:
    """Pearson's linear correlation.

    Args:
        prediction: (n,) numbers.
        label: (n,) numbers.

    Returns:
        A value in [-1, 1]; nan where it is not defined: fewer than two images, a constant side,
        or a value that is not finite.
    """
    x, y = _centre(prediction), _centre(label)
    if x is None or y is None:
        return float("nan")
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def srcc(prediction: np.ndarray, label: np.ndarray) -> float:
    """Spearman's rank correlation: Pearson's of the ranks, ties sharing their mean rank.

    Args:
        prediction: (n,) numbers.
        label: (n,) numbers.

    Returns:
        A value in [-1, 1]; nan in the cases of `plcc`.
    """
    if not (np.isfinite(prediction).all() and np.isfinite(label).all()):
        return float("nan")
    return plcc(ranks(prediction), ranks(label))


def ranks(values: np.ndarray) -> np.ndarray:
    """(n,) ranks from 1 of (n,) numbers, ties sharing their mean rank."""
    _, position, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((count.cumsum() - (count - 1) / 2)[position])


def _centre(values: np.ndarray) -> np.ndarray | None:
    """(n,) numbers of mean 0 and largest magnitude 1; None if constant or not finite."""
    if len(values) < 2 or not np.isfinite(values).all() or (values == values[0]).all():
        return None
    scaled = values / np.abs(values).max().astype(np.float64)  # so that no square overflows
    centred = scaled - scaled.mean()
    return np.asarray(centred / np.abs(centred).max())
