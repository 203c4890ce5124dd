"""Labels of one's own photographs, and how well scores agree with them."""

import logging
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dpam.datasets.labels import labels_of_photographs
from dpam.datasets.native import read_labels
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
        self.of: dict[str, float] = {}  # by absolute path
        self.pairs: list[tuple[float, float]] = []  # a score in [0, 1] and a label on its own scale

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
            label = self.of.get(os.path.abspath(row.image))
            if label is not None:
                self.pairs.append((row.score_100 / 100, label))
            yield row

    def compare(self, scorer: Scorer) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Say how well scores and labels agree.

        Args:
            scorer: made the scores.

        Returns:
            (n,) predictions and (n,) labels, both in [0, 1], and the answer of `metrics.evaluate`.

        Raises:
            DpamError: no photograph with a label was scored.
        """
        if not self.pairs:
            raise DpamError("--labels: no photograph that has one could be scored")
        prediction, label = np.array(self.pairs).T
        label = scorer.labels.quality(label)
        result = metrics.evaluate(prediction, label)
        if scorer.learned_range is None:
            result["rmse"] = None  # labels and scores have no scale in common
        texts = [
            f"{name} "
            f"{'not defined' if result[key] is None else format(factor * result[key], '.4f')}"
            for name, key, factor in (
                ("SRCC", "srcc", 1),
                ("PLCC", "plcc", 1),
                ("PLCC fitted", "plcc_fitted", 1),
                ("KRCC", "krcc", 1),
                ("RMSE", "rmse", scorer.labels.high - scorer.labels.low),
            )
        ]
        log.info(
            "%s (%d labelled by %s; RMSE: on a scale from %g to %g)",
            *(", ".join(texts), len(self.pairs), self.file, *scorer.labels.range),
        )
        return prediction, label, result
