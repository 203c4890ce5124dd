"""One scale for all datasets: scores from 0 to 1, higher is better."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from dpam.datasets.dataset import Dataset
from dpam.datasets.image_names import ImageNames
from dpam.datasets.native import numbers
from dpam.errors import listed

COLUMNS = (
    "image",
    "reference",
    "distortion",
    "level",
    "group",
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
    offenders = wrong_scores(table["image"], raw, dataset.score_range)
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


def wrong_scores(
    names: Iterable[str], scores: np.ndarray, score_range: tuple[float, float]
) -> list[str]:
    """What is wrong with scores, (n,): a line for each that is no number or outside the range."""
    low, high = score_range
    return [
        f"{name}: score {value:g} outside {low:g} to {high:g}"
        if np.isfinite(value)
        else f"{name}: no number as score"
        for name, value in zip(names, scores.tolist(), strict=True)
        if not low <= value <= high
    ]


def labels_of_photographs(
    path: Path,
    table: pd.DataFrame,
    photographs: Collection[str],
    folders: Iterable[str],
    score_range: tuple[float, float],
) -> dict[str, float]:
    """The labels of photographs, found by the rule of `dpam.datasets.image_names`.

    Args:
        path: of the label file, for errors.
        table: columns image and score, text, as `read_scores` returns them.
        photographs: their names.
        folders: those that names in the table may start from.
        score_range: lowest and highest score that there can be.

    Returns:
        Absolute path of a photograph -> label; photographs without one are left out, and so are
        labels that name no photograph.

    Raises:
        DpamError: a score is no number or outside the range, a name may mean several photographs,
            a photograph has two labels, or none has one; all are listed.
    """
    absolute = {os.path.abspath(photograph): photograph for photograph in photographs}
    names = ImageNames(absolute, map(os.path.abspath, folders))
    scores = numbers(table["score"])
    offenders = wrong_scores(table["image"], scores, score_range)
    labels: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for name, score in zip(table["image"], scores.tolist(), strict=True):
        found = names.find(name)
        if len(found) > 1:
            meant = " or ".join(absolute[image] for image in found[:2])
            offenders.append(f"{name}: may mean {meant}; write the path")
        elif found:
            labels[found[0]].append((name, score))
    offenders += [
        f"{absolute[image]}: labelled {len(found)} times, as {', '.join(name for name, _ in found)}"
        for image, found in labels.items()
        if len(found) > 1
    ]
    if not labels and not offenders:
        first = str(table["image"].iloc[0]) if len(table) else "no image"
        offenders = [
            f"no photograph has a label, they are found by their name or path; "
            f"the table begins with {first}{names.hint(first)}"
        ]
    if offenders:
        raise listed(f"{path}: {len(offenders)} problem(s) with labels", offenders)
    return {image: found[0][1] for image, found in labels.items()}
