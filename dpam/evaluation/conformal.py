"""Intervals around predictions that hold the label with a known probability."""

import math
from typing import Any

import numpy as np

COVERAGE = 0.9  # the probability, at least
LEAST = 20  # images; with fewer the interval would say little


def half_width(prediction: np.ndarray, label: np.ndarray) -> float | None:
    """How far an interval must reach to either side of a prediction (split-conformal prediction).

    Of n images that were not trained on it is the ceil(0.9 (n + 1))-th smallest absolute error.
    The label of one more image then lies within with a probability of at least 0.9, if it is
    exchangeable with those n: of the same kind, and drawn alike.

    Args:
        prediction, label: (n,), on one scale.

    Returns:
        on that scale; None if n is below 20.

    Source: Papadopoulos et al., Inductive confidence machines for regression, 2002; Lei et al.,
    Distribution-free predictive inference for regression, 2018.
    """
    count = len(label)
    if count < LEAST:
        return None
    rank = math.ceil(round(COVERAGE * (count + 1), 6))  # 0.9 * 110 is a little above 99
    return float(np.sort(np.abs(prediction - label))[rank - 1])


def interval(prediction: np.ndarray, label: np.ndarray) -> dict[str, Any]:
    """What a checkpoint's metadata say of the interval: the entry "interval", or nothing.

    Arguments are as of `half_width`, on the scale from 0 to 1.
    """
    reach = half_width(prediction, label)
    if reach is None:
        return {}
    return {"interval": {"coverage": COVERAGE, "half_width": reach, "images": len(label)}}
