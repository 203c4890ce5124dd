"""Scores as the released code scales them, for comparison with it.

It stretches the scores of the training part, and of the test part, each by its own smallest and
largest one, so that the same image has different scores in different splits.
"""

import pandas as pd


def stretched(score: pd.Series) -> pd.Series:
    """Scores stretched to the whole of [0, 1]; if all are the same, 0.5."""
    low, high = score.min(), score.max()
    return (score - low) / (high - low) if high > low else score * 0 + 0.5


def extremes(score: pd.Series, part: pd.Series) -> tuple[float, float]:
    """The smallest and largest score of training and validation; arguments as below."""
    learned = score[part.isin(["train", "validation"])]
    return float(learned.min()), float(learned.max())


def stretched_in_parts(score: pd.Series, part: pd.Series) -> pd.Series:
    """Scores stretched inside each part of a split.

    Args:
        score: of n images, in [0, 1].
        part: train, validation, test, or something else for images that are in no part. A
            validation part is scaled together with the training part that it was taken from.
    """
    return score.groupby(part.replace("validation", "train")).transform(stretched)
