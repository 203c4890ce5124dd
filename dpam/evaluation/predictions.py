"""The table of predictions, one row per tested image: what `dpam test` and `dpam train-baseline`
write and all numbers, tables and figures are made of.

Its columns are COPIED, of the labels; subset, validation or test; prediction and spread; selection,
by which rule the weights were selected; and group_mean (see `group_means`), empty on another
dataset than the one trained on and where no groups are known.
"""

import numpy as np
import pandas as pd

COPIED = ["image", "reference", "distortion", "level", "group", "label_kind", "label"]


def predictions_table(
    labels: pd.DataFrame,
    subsets: pd.Series,
    prediction: np.ndarray,
    spread: np.ndarray | float,
    selection: str,
    group_mean: pd.Series | float,
) -> pd.DataFrame:
    """The table of predictions.

    Args:
        labels: of all n images of the dataset tested on, with at least COPIED; group may lack.
        subsets: (n,) validation, test, or empty text for images that are not tested.
        prediction: (m,) of the images tested, in their order.
        spread: (m,) or one number, standard deviation over views.
        selection: by which rule the weights were selected.
        group_mean: (n,) or nan for all.
    """
    tested = subsets != ""
    table = labels[tested].reindex(columns=COPIED, fill_value="")
    assert len(prediction) == len(table), "every image is scored"
    assert table["image"].is_unique, "no image is scored twice"
    means = group_mean[tested] if isinstance(group_mean, pd.Series) else group_mean
    return table.assign(
        subset=subsets[tested],
        prediction=prediction,
        spread=spread,
        selection=selection,
        group_mean=means,
    )


def group_means(labels: pd.DataFrame, split: pd.Series, distortion: str) -> pd.Series:
    """What the group of an image alone predicts: the mean label of the group in training.

    Args:
        labels: columns image, group (may lack) and label.
        split: train, validation or test by image.
        distortion: all, or the type that was trained on; then labels need this column, too.

    Returns:
        (n,) for each image the mean label of the training images of its group; of all training
        images where its group has none; nan everywhere where no group is known.
    """
    group = labels.get("group", pd.Series("", labels.index))
    if (group == "").all():
        return pd.Series(np.nan, labels.index)
    train = labels["image"].map(split) == "train"
    if distortion != "all":
        train &= labels["distortion"] == distortion
    learnt = labels["label"][train]
    means = learnt.groupby(group[train]).mean()
    return group.map(means).fillna(learnt.mean())
