"""What a training is told about: its subsets, and the table of its epochs."""

import math
import resource
from typing import Any

import numpy as np
import pandas as pd
import torch

from dpam.errors import DpamError
from dpam.evaluation.correlation import plcc, srcc
from dpam.pack.joined import AnyPack

SUBSETS = ("train", "validation", "test")
# Whose weights are kept: the epoch that `selection` says, for honest results; and, for
# "test_selected", the one with the largest SRCC + PLCC on test, as the paper's numbers were chosen.
RULES = ("validation_selected", "test_selected")


def rows_of_subsets(pack: AnyPack, split: pd.Series, distortion: str) -> dict[str, np.ndarray]:
    """Rows of the pack in training, validation and test.

    Args:
        pack: the dataset.
        split: the subset of each image, indexed by image.
        distortion: "all", or the distortion type to keep.

    Raises:
        DpamError: the split does not fit the pack, or there is nothing to train on.
    """
    absent = [image for image in pack.labels["image"] if image not in split.index]
    if absent:
        raise DpamError(
            f"{pack.path}: {len(absent)} images are in no subset of the split, e.g. {absent[0]}; "
            "make the splits again"
        )
    assigned = split.loc[pack.labels["image"]].to_numpy()
    kept = np.ones(len(pack), bool)
    if distortion != "all":
        kept = (pack.labels["distortion"] == distortion).to_numpy()
    if not kept.any():
        known = ", ".join(sorted(set(pack.labels["distortion"]) - {""})) or "none"
        raise DpamError(f"{pack.path}: no image of distortion type '{distortion}'; it has: {known}")
    return {name: np.flatnonzero(kept & (assigned == name)) for name in SUBSETS}


def correlations(prediction: np.ndarray, label: np.ndarray, name: str) -> dict[str, float]:
    """SRCC and PLCC as columns of the history."""
    return {f"{name}_srcc": srcc(prediction, label), f"{name}_plcc": plcc(prediction, label)}


def selection_value(row: dict[str, Any], subset: str) -> float:
    """What the kept epoch maximises: SRCC + PLCC on a subset; without a subset, the epoch."""
    if not subset:
        return float(row["epoch"])
    value = row[f"{subset}_srcc"] + row[f"{subset}_plcc"]
    return -math.inf if math.isnan(value) else float(value)


def peak_memory(device: torch.device) -> int:
    """Largest number of bytes taken: on a GPU in this epoch, else by the process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def history_table(history: list[dict[str, Any]]) -> pd.DataFrame:
    """The history with its columns in order; subsets that the split lacks stay empty.

    At the end stand the numbers of each of several datasets, whose means stand before.
    """
    columns = ["epoch", "learning_rate", "loss"]
    columns += [f"{subset}_{number}" for subset in SUBSETS for number in ("srcc", "plcc")]
    columns += ["seconds", "images_per_second", "memory_gb", *RULES]
    columns += [name for name in history[0] if name not in columns]
    return pd.DataFrame(history).reindex(columns=columns)
