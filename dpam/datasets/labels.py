"""One scale for all datasets: labels from 0 to 1, higher is better."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from dpam.datasets.dataset import Dataset
from dpam.datasets.image_names import ImageNames
from dpam.datasets.native import numbers
from dpam.errors import error_of_many

COLUMNS = (
    "image",
    "reference",
    "distortion",
    "level",
    "group",
    "official",
    "raw_label",
    "raw_std",
    "label",
    "label_kind",
)


def normalise(
    table: pd.DataFrame, dataset: Dataset, images: Collection[str] | None = None
) -> pd.DataFrame:
    """Bring native labels to the dataset's declared range and to "higher is better".

    The range is the declared one, never the smallest and largest label of some images, so that
    a label means the same in every part of the data.

    Args:
        table: as `Dataset.read_labels` returns it.
        dataset: the facts about it.
        images: the images that there are; None: do not ask.

    Returns:
        The columns `COLUMNS`, in the order of the label files. `label` in [0, 1], to 9 decimals;
        raw labels stay.

    Raises:
        DpamError: labels that are no number or outside the declared range, or images that
            appear twice or are not there; all are listed.
    """
    low, high = dataset.score_range
    raw = table["raw_label"].to_numpy(np.float64)
    offenders = wrong_labels(table["image"], raw, dataset.score_range)
    twice = table["image"].value_counts()
    offenders += [
        f"{image}: labelled {count} times"
        for image, count in sorted(twice[twice > 1].items(), key=lambda item: str(item[0]))
    ]
    if images is not None:
        offenders += [f"{image}: no such image" for image in sorted({*table["image"]} - {*images})]
    if offenders:
        raise error_of_many(
            f"{dataset.title}: {len(offenders)} label(s) cannot be used",
            offenders,
            "Correct the label file, or the declared range of the dataset.",
        )
    label = (raw - low) / (high - low)
    if not dataset.higher_is_better:
        label = 1 - label
    labels = table.assign(label=label.round(9), label_kind=dataset.label_kind)
    return labels[list(COLUMNS)].reset_index(drop=True)


def wrong_labels(
    names: Iterable[str], raw: np.ndarray, score_range: tuple[float, float]
) -> list[str]:
    """What is wrong with raw labels, (n,): a line for each that is none or out of range."""
    low, high = score_range
    return [
        f"{name}: label {value:g} outside {low:g} to {high:g}"
        if np.isfinite(value)
        else f"{name}: no number as label"
        for name, value in zip(names, raw.tolist(), strict=True)
        if not low <= value <= high
    ]


def labels_of_photographs(
    path: Path,
    table: pd.DataFrame,
    photographs: Collection[str],
    folders: Iterable[str],
    score_range: tuple[float, float],
) -> dict[str, int]:
    """The labels of photographs, found by the rule of `dpam.datasets.image_names`.

    Args:
        path: of the label file, for errors.
        table: columns image and label, text, as `read_labels` returns them.
        photographs: their names.
        folders: those that names in the table may start from.
        score_range: lowest and highest label that there can be.

    Returns:
        Absolute path of a photograph -> row of the table; photographs without a label are left
        out, and so are labels that name no photograph.

    Raises:
        DpamError: a label is no number or outside the range, a name may mean several photographs,
            a photograph has two labels, or none has one; all are listed.
    """
    absolute = {os.path.abspath(photograph): photograph for photograph in photographs}
    names = ImageNames(absolute, map(os.path.abspath, folders))
    raw = numbers(table["label"])
    offenders = wrong_labels(table["image"], raw, score_range)
    labels: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for row, name in enumerate(table["image"]):
        found = names.find(name)
        if len(found) > 1:
            meant = " or ".join(absolute[image] for image in found[:2])
            offenders.append(f"{name}: may mean {meant}; write the path")
        elif found:
            labels[found[0]].append((name, row))
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
        raise error_of_many(f"{path}: {len(offenders)} problem(s) with labels", offenders)
    return {image: found[0][1] for image, found in labels.items()}
