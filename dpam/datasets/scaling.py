"""Labels as the released code scales them, for comparison with it.

It stretches the labels of the training part, and of the test part, each by its own smallest and
largest one, so that the same image has different labels in different splits.
"""

import pandas as pd


def stretched(label: pd.Series) -> pd.Series:
    """Labels stretched to the whole of [0, 1]; if all are the same, 0.5."""
    low, high = label.min(), label.max()
    return (label - low) / (high - low) if high > low else label * 0 + 0.5


def extremes(label: pd.Series, part: pd.Series) -> tuple[float, float]:
    """The smallest and largest label of training and validation; arguments as below."""
    learned = label[part.isin(["train", "validation"])]
    return float(learned.min()), float(learned.max())


def stretched_in_parts(label: pd.Series, part: pd.Series) -> pd.Series:
    """Labels stretched inside each part of a split.

    Args:
        label: of n images, in [0, 1].
        part: train, validation, test, or something else for images that are in no part. A
            validation part is scaled together with the training part that it was taken from.
    """
    return label.groupby(part.replace("validation", "train")).transform(stretched)
