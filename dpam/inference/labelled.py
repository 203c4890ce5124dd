"""Labels of one's own photographs, and how well scores agree with them."""

import logging
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dpam.datasets.labels import labels_of_photographs
from dpam.datasets.native import numbers, read_labels
from dpam.errors import DpamError
from dpam.evaluation import metrics
from dpam.inference.score_table import Row
from dpam.inference.scorer import Scorer

log = logging.getLogger(__name__)


class Labels:
    """The labels in a file, on the scale of the dataset that the network was trained on.

    Raises:
        DpamError: the file cannot be read.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.table = file, read_labels(file)
        self.of: dict[str, int] = {}  # row of the table, by absolute path
        self.scored: dict[int, float] = {}  # a score in [0, 1], by the row of its label

    def match(
        self, photographs: Collection[str], folders: Iterable[str], scale: tuple[float, float]
    ) -> None:
        """Find the labels of photographs; see `labels_of_photographs`, also for its errors."""
        self.of = labels_of_photographs(self.file, self.table, photographs, folders, scale)
        unused = len(self.table) - len(self.of)
        log.info(
            "%s: %d of %d photographs have a label%s",
            *(self.file, len(self.of), len(photographs)),
            f"; {unused} labels are of others" if unused else "",
        )

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, of which the labelled ones are kept to be compared."""
        for row in rows:
            place = self.of.get(os.path.abspath(row.image))
            if place is not None:
                self.scored[place] = row.score_100 / 100  # one that is named twice counts once
            yield row

    def compare(self, scorer: Scorer) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Say how well scores and labels agree, within groups too if the labels name them.

        Args:
            scorer: made the scores.

        Returns:
            (n,) predictions and (n,) labels, both in [0, 1], and the answer of `metrics.evaluate`.

        Raises:
            DpamError: no photograph with a label was scored.
        """
        if not self.scored:
            raise DpamError("--labels: no photograph that has one could be scored")
        rows = self.table.iloc[list(self.scored)]
        prediction = np.array(list(self.scored.values()))
        label = scorer.labels.quality(numbers(rows["label"]))
        group = rows["group"].tolist() if "group" in rows else None
        result = metrics.evaluate(prediction, label, group=group)
        if scorer.learned_range is None:
            result["rmse"] = None  # labels and scores have no scale in common
        said = [
            ("SRCC", "srcc", 1),
            ("PLCC", "plcc", 1),
            ("PLCC fitted", "plcc_fitted", 1),
            ("KRCC", "krcc", 1),
            ("RMSE", "rmse", scorer.labels.high - scorer.labels.low),
        ]
        if group is not None:
            said.insert(1, ("SRCC within groups", "srcc_within", 1))
        texts = [
            f"{name} "
            f"{'not defined' if result[key] is None else format(factor * result[key], '.4f')}"
            for name, key, factor in said
        ]
        log.info(
            "%s (%d labelled by %s; RMSE: on a scale from %g to %g)",
            *(", ".join(texts), len(self.scored), self.file, *scorer.labels.range),
        )
        return prediction, label, result
