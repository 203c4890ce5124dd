"""Intervals around predictions that hold the label with a known probability."""

import math
from typing import Any, NamedTuple

import numpy as np

COVERAGE = 0.9  # the probability, at least
LEAST = 20  # images; with fewer the interval would say little
LEAST_FOR_TILT = 200  # images; with fewer all intervals are equally wide
STEEPEST = 1.6  # tilt; the narrowest interval is a ninth of the widest


class Width(NamedTuple):
    """How far an interval reaches to either side of a quality, on the scale from 0 to 1.

    Attributes:
        half_width: at the middle of the scale.
        tilt: what more it reaches at 1 than at 0, as a multiple of `half_width`; -1.6 to 1.6.
    """

    half_width: float
    tilt: float = 0.0

    def at(self, quality: float) -> float:
        """How far it reaches at a quality from 0 to 1."""
        return self.half_width * float(slant(quality, self.tilt))

    def __str__(self) -> str:
        """What stands behind "no farther from the score than"."""
        if self.tilt == 0:
            return f"{100 * self.half_width:.1f} of 100"
        low, high = (100 * self.at(quality) for quality in (0.25, 0.75))
        return f"{low:.1f} of 100 where it is 25, {high:.1f} where it is 75"


def slant(quality: Any, tilt: float) -> Any:
    """How wide the interval at a quality is, or at several, beside that at the middle."""
    return 1 + tilt * (quality - 0.5)


def half_width(prediction: np.ndarray, label: np.ndarray, tilt: float = 0.0) -> float | None:
    """How far an interval must reach to either side of a prediction (split-conformal prediction).

    Of n images that were not trained on it is the ceil(0.9 (n + 1))-th smallest absolute error,
    where each is divided by its `slant`. The label of one more image then lies within with a
    probability of at least 0.9, if it is exchangeable with those n: of the same kind, drawn alike.

    Args:
        prediction, label: (n,), on one scale.
        tilt: see `Width`. The probability is exact for one that does not come from these images.

    Returns:
        on that scale; None if n is below 20.

    Source: Papadopoulos et al., Inductive confidence machines for regression, 2002; Lei et al.,
    Distribution-free predictive inference for regression, 2018 (5.2, locally weighted).
    """
    count = len(label)
    if count < LEAST:
        return None
    rank = math.ceil(round(COVERAGE * (count + 1), 6))  # 0.9 * 110 is a little above 99
    errors = np.abs(prediction - label) / slant(prediction, tilt)
    return float(np.sort(errors)[rank - 1])


def tilt_of(prediction: np.ndarray, label: np.ndarray) -> float:
    """How errors grow with the prediction: of the line through them, as `Width` has it.

    Judges err less on good photographs than on bad ones.

    Args:
        prediction, label: (n,), from 0 to 1.

    Returns:
        0 if n is below 200, or all predictions are equal.
    """
    if len(label) < LEAST_FOR_TILT or np.ptp(prediction) == 0:
        return 0.0
    slope, middle = np.polyfit(prediction - 0.5, np.abs(prediction - label), 1)
    steep = STEEPEST * np.sign(slope)
    return float(steep if abs(slope) >= STEEPEST * middle else slope / middle)


def interval(prediction: np.ndarray, label: np.ndarray) -> dict[str, Any]:
    """What a checkpoint's metadata say of the interval: the entry "interval", or nothing.

    The tilt is that of these images, too. It is one number of hundreds of images; what it takes
    from the probability of 0.9 is less than can be measured with them.

    Arguments are as of `half_width`, on the scale from 0 to 1.
    """
    tilt = tilt_of(prediction, label)
    reach = half_width(prediction, label, tilt)
    if reach is None:
        return {}
    width = Width(reach, tilt)._asdict()
    return {"interval": {"coverage": COVERAGE, **width, "images": len(label)}}


def width_of(metadata: dict[str, Any]) -> Width | None:
    """The interval that a checkpoint's metadata tell; those of older ones have no tilt.

    Raises:
        KeyError, TypeError, ValueError: something else stands there.
    """
    if "interval" not in metadata:
        return None
    entry = metadata["interval"]
    width = Width(float(entry["half_width"]), float(entry.get("tilt", 0)))
    if not (0 <= width.half_width <= 1 and abs(width.tilt) <= STEEPEST):
        raise ValueError(f"interval of {width}")
    return width
