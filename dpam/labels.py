"""One scale for all datasets: scores from 0 to 1, higher is better."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from dpam.datasets.dataset import Dataset
from dpam.errors import listed

COLUMNS = (
    "image",
    "reference",
    "distortion",
    "level",
    "official",
    "raw_score",
    "raw_std",
    "score",
    "label_kind",
)


def normalise(
    table: pd.DataFrame, dataset: Dataset, images: Collection[str] | None = None
) -> pd.DataFrame:
    """Bring native labels to the dataset's declared range and to "higher is better".

    The range is the declared one, never the smallest and largest score of some images, so that
    a score means the same in every part of the data.

    Args:
        table: as `Dataset.read_labels` returns it.
        dataset: the facts about it.
        images: the images that there are; None: do not ask.

    Returns:
        The columns `COLUMNS`, in the order of the label files. `score` in [0, 1], to 9 decimals;
        raw scores stay.

    Raises:
        DpamError: scores that are no number or outside the declared range, or images that
            appear twice or are not there; all are listed.
    """
    low, high = dataset.score_range
    raw = table["raw_score"].to_numpy(np.float64)
    offenders = [f"{image}: no number as score" for image in table["image"][~np.isfinite(raw)]] + [
        f"{image}: score {value:g} outside {low:g} to {high:g}"
        for image, value in zip(table["image"], raw, strict=True)
        if np.isfinite(value) and not low <= value <= high
    ]
    twice = table["image"].value_counts()
    offenders += [
        f"{image}: labelled {count} times"
        for image, count in sorted(twice[twice > 1].items(), key=lambda item: str(item[0]))
    ]
    if images is not None:
        offenders += [f"{image}: no such image" for image in sorted({*table["image"]} - {*images})]
    if offenders:
        raise listed(
            f"{dataset.title}: {len(offenders)} label(s) cannot be used",
            offenders,
            "Correct the label file, or the declared range of the dataset.",
        )
    score = (raw - low) / (high - low)
    if not dataset.higher_is_better:
        score = 1 - score
    labels = table.assign(score=score.round(9), label_kind=dataset.label_kind)
    return labels[list(COLUMNS)].reset_index(drop=True)
