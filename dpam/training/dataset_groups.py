"""The datasets of a training, mostly one: what is done within each of several."""

import logging
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dpam.datasets.joining import LEFT_OUT
from dpam.datasets.splits import too_few_to_select
from dpam.errors import DpamError
from dpam.pack.joined import AnyPack, packs_of
from dpam.training.history import correlations

log = logging.getLogger(__name__)


class Datasets:
    """Which images are of which dataset.

    Labels of several datasets share neither scale nor population: what compares images compares
    those of one dataset.

    Attributes:
        names: in the order of the packs.
        member: (n,) of each row of the pack the index of its dataset.
        too_few: name -> why its validation set does not count when an epoch is selected.
        selects: whether the validation set of any counts.

    Raises:
        DpamError: one of several has no training images.
    """

    def __init__(self, pack: AnyPack, rows: dict[str, np.ndarray]) -> None:
        packs = packs_of(pack)
        self.names = [str(each.settings["dataset"]) for each in packs]
        self.member = np.repeat(np.arange(len(packs)), [len(each) for each in packs])
        learned = {name for name, _ in self.groups(rows["train"])}
        if len(packs) > 1 and (absent := [name for name in self.names if name not in learned]):
            raise DpamError(f"{pack.path}: no image of {', '.join(absent)} is left to learn from")
        validation = rows["validation"]
        reference = pack.labels["reference"].iloc[validation]
        counts = {
            name: too_few_to_select(reference.iloc[where].tolist())
            for name, where in self.groups(validation)
        }
        self.too_few = {name: why for name, why in counts.items() if why}
        self.selects = len(self.too_few) < len(counts)

    def warn(self) -> None:
        """Say which validation sets are too small to select an epoch on."""
        for name, why in self.too_few.items():
            log.warning(
                "the validation set%s is %s: too few to select an epoch on, %s",
                f" of {name}" if len(self.names) > 1 else "",
                why,
                "it does not count" if self.selects else "the last one is kept",
            )

    def count_left_out(self, pack: AnyPack, split: pd.Series) -> dict[str, int]:
        """Of each dataset the images that do not train, as another one holds out what they show.

        Args:
            pack: the datasets.
            split: the subset of each image, indexed by image.
        """
        left_out = (split.loc[pack.labels["image"]] == LEFT_OUT).to_numpy()
        counts = {name: int(left_out[self.member == i].sum()) for i, name in enumerate(self.names)}
        if any(counts.values()):
            log.info(
                "left out, as they look like images that another dataset validates or tests on: %s",
                ", ".join(f"{count} images of {name}" for name, count in counts.items() if count),
            )
        return counts

    def groups(self, rows: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """Of each dataset among rows, (m,), its name, and where in them its images stand."""
        member = self.member[rows]
        found = [(name, np.flatnonzero(member == i)) for i, name in enumerate(self.names)]
        return [(name, where) for name, where in found if len(where)]

    def within(
        self,
        cost: Callable[[Tensor, Tensor], Tensor],
        prediction: Tensor,
        label: Tensor,
        rows: np.ndarray,
    ) -> Tensor:
        """What predictions cost within each dataset, the mean over images.

        Args:
            cost: of predictions and labels, a scalar.
            prediction: (m,) on the scales of the labels.
            label: (m,).
            rows: (m,) of the pack.
        """
        groups = self.groups(rows)
        if len(groups) == 1:
            return cost(prediction, label)
        total = prediction.new_zeros((), dtype=label.dtype)
        for _, where in groups:
            chosen = torch.from_numpy(where).to(prediction.device)
            total = total + len(where) / len(rows) * cost(prediction[chosen], label[chosen])
        return total

    def correlations(
        self, prediction: np.ndarray, label: np.ndarray, rows: np.ndarray, subset: str
    ) -> dict[str, float]:
        """SRCC and PLCC as columns of the history: of several datasets their mean, and each.

        Args:
            prediction: (m,).
            label: (n,) of all rows of the pack.
            rows: (m,) of the pack.
            subset: of the split; where its size tells too little of a dataset, the mean is without.
        """
        each = {
            name: correlations(prediction[where], label[rows[where]], subset)
            for name, where in self.groups(rows)
        }
        if len(self.names) == 1:
            return each[self.names[0]]
        few = self.too_few if subset == "validation" and self.selects else {}
        counted = [row for name, row in each.items() if name not in few]
        mean = {key: float(np.mean([row[key] for row in counted])) for key in counted[0]}
        return mean | {f"{key}_{name}": row[key] for name, row in each.items() for key in row}
