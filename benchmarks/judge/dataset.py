"""The dataset that judges are tested on, as the pipeline prepared it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from dpam.errors import DpamError
from dpam.evaluation.predictions import group_means
from dpam.utils.reading import read_csv

SPLIT = "official"


@dataclass(frozen=True)
class Judged:
    """BIQ2021 on its official split, or another dataset that has one.

    Attributes:
        root: folder of the photographs.
        labels: of all images: image, group, label from 0 to 1, subset (train, validation, test),
            near, whether one that is trained or validated on looks alike, and group_mean, see
            `dpam.evaluation.predictions.group_means`.
    """

    root: Path
    labels: pd.DataFrame

    @classmethod
    def read(cls, data: Path, root: Path) -> Self:
        """From the folder that holds labels.csv, splits.csv and near_duplicates.csv.

        Raises:
            DpamError: one is missing, or they do not belong together.
        """
        labels = read_csv(data / "labels.csv", ["image", "group", "label"])
        splits = read_csv(data / "splits.csv", ["image", SPLIT]).set_index("image")[SPLIT]
        pairs = read_csv(data / "near_duplicates.csv", ["image", "other"])
        subset = labels["image"].map(splits)
        if subset.isna().any() or "test" not in set(subset):
            raise DpamError(
                f"{data / 'splits.csv'}: expected a subset of the split {SPLIT} for each image of "
                "labels.csv; draw the splits again"
            )
        sides = pairs.assign(side=pairs["image"].map(splits), opposite=pairs["other"].map(splits))
        torn = sides[(sides["side"] == "test") != (sides["opposite"] == "test")]
        alike = {*torn["image"], *torn["other"]}
        near = labels["image"].isin(alike) & (subset == "test")
        means = group_means(labels, splits, "all")
        return cls(root, labels.assign(subset=subset, near=near, group_mean=means))

    def rows(self, subset: str) -> np.ndarray:
        """(n,) rows of `labels` in a subset."""
        return np.flatnonzero(self.labels["subset"] == subset)

    @property
    def test(self) -> pd.DataFrame:
        """The labels of the test set."""
        return self.labels.iloc[self.rows("test")]
