"""What the scores of a network mean."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Numbers = TypeVar("Numbers", float, np.ndarray, "Tensor")


@dataclass(frozen=True)
class Scale:
    """What numbers of quality mean: their kind, as "MOS", and range, and which of its ends is best.

    Raises:
        ValueError: the range is none.
    """

    kind: str
    low: float
    high: float
    higher_is_better: bool

    def __post_init__(self) -> None:
        if not (self.low < self.high and isinstance(self.higher_is_better, bool)):
            raise ValueError(f"{self.low:g} to {self.high:g}, {self.higher_is_better}")

    def __str__(self) -> str:
        better = "higher" if self.higher_is_better else "lower"
        return f"{self.kind} from {self.low:g} to {self.high:g}, {better} is better"

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest number."""
        return self.low, self.high

    def native(self, quality: Numbers) -> Numbers:
        """Qualities, 0 worst and 1 best, on this scale."""
        share = quality if self.higher_is_better else 1 - quality
        return self.low + share * (self.high - self.low)

    def quality(self, native: Numbers) -> Numbers:
        """The inverse of `native`."""
        share = (native - self.low) / (self.high - self.low)
        return share if self.higher_is_better else 1 - share


@dataclass(frozen=True)
class Score:
    """The quality of one photograph.

    A network may say a little more than the best of all labels, or less than the worst; its score
    then is the end of the range.

    Attributes:
        score: on `Scorer.scale`, that of the labels that the network was trained with; within
            their range.
        score_100: from 0, worst, to 100, best; the same place in the range.
        spread_100: standard deviation over the views, in units of `score_100`.
        low, high: of nine in ten photographs, if they are like those of the validation set, the
            label lies between these, in units of `score_100`; within 0 to 100. None where that is
            not known. See `dpam.evaluation.conformal`.
    """

    score: float
    score_100: float
    spread_100: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        return in_words(self.score_100, self.low, self.high)


def in_words(score_100: float, low: float | None, high: float | None) -> str:
    """A score of 100 and its interval, as "62, likely between 47 and 77"."""
    if low is None or high is None:
        return f"{score_100:.0f}"
    return f"{score_100:.0f}, likely between {low:.0f} and {high:.0f}"


def learned_range(metadata: dict[str, Any]) -> tuple[float, float] | None:
    """See `dpam.inference.scorer.Scorer`; of a checkpoint's metadata, old ones too.

    Raises:
        KeyError, TypeError, ValueError: something else stands there.
    """
    if "learned_range" not in metadata:  # as before it was written
        stretched = metadata.get("scaling") == "faithful" or "imported_from" in metadata
        return None if stretched else (0.0, 1.0)
    if metadata["learned_range"] is None:
        return None
    low, high = map(float, metadata["learned_range"])
    if not 0 <= low <= high <= 1:
        raise ValueError(f"learned_range {low:g} to {high:g}")
    return low, high
