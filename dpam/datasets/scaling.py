"""Labels as the released code scales them, for comparison with it.

It stretches the labels of the training set, and of the test set, each by its own smallest and
largest one, so that the same image has different labels in different splits.
"""

import pandas as pd


def stretch(label: pd.Series) -> pd.Series:
    """Labels stretched to the whole of [0, 1]; if all are the same, 0.5."""
    low, high = label.min(), label.max()
    return (label - low) / (high - low) if high > low else label * 0 + 0.5


def extremes(label: pd.Series, subset: pd.Series) -> tuple[float, float]:
    """The smallest and largest label of training and validation; arguments as below."""
    learned = label[subset.isin(["train", "validation"])]
    return float(learned.min()), float(learned.max())


def stretch_in_subsets(label: pd.Series, subset: pd.Series) -> pd.Series:
    """Labels stretched inside each subset of a split.

    Args:
        label: of n images, in [0, 1].
        subset: train, validation, test, or something else for images that are in no subset. A
            validation set is scaled together with the training set that it was taken from.
    """
    return label.groupby(subset.replace("validation", "train")).transform(stretch)
