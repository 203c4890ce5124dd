"""Judges of photographs, all asked in one way: networks and baselines."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from dpam.baselines.brisque import brisque_features
from dpam.baselines.regression import fit_baseline
from dpam.baselines.vit_features import squares, vit_features
from dpam.errors import DpamError
from dpam.evaluation.formatting import method_name
from dpam.inference.photographs import Photo, rgb_array
from dpam.inference.scorer import Scorer, load
from dpam.model.backbone import Backbone
from dpam.model.start import sha256_of
from dpam.utils.progress import track
from dpam.utils.reading import read_array

from .dataset import Judged

SEED = 20  # of a backbone without pretrained weights, as in `dpam extract-vit`


class Rating(NamedTuple):
    """What a judge says of a photograph, from 0, worst, to 100, best.

    Attributes:
        score: within 0 to 100.
        low, high: the interval of 90 %; None of a judge that gives none.
    """

    score: float
    low: float | None = None
    high: float | None = None


class Judge(Protocol):
    """Rates photographs.

    Attributes:
        title: its name for people.
        about: what it is, for the JSON; with `id`, which no other judge has.
    """

    title: str
    about: dict[str, Any]

    def rate(self, photos: Iterable[Photo]) -> Iterator[Rating]:
        """Ratings of photographs, in their order."""
        ...

    def rate_test(self, judged: Judged) -> list[Rating]:
        """Ratings of the test set of a dataset."""
        ...


class Network:
    """A checkpoint as a judge; see `Judge`."""

    def __init__(self, path: Path, title: str | None = None) -> None:
        self.scorer: Scorer = load(path)
        about = self.scorer.metadata
        settings = self.scorer.net.settings
        self.title = title or path.stem
        keys = ("title", "distortion", "split", "seed", "selected_by", "selected_epoch", "training")
        self.about = {
            "id": sha256_of(path),
            "file": path.name,
            "bytes": path.stat().st_size,
            "parameters": sum(weight.numel() for weight in self.scorer.net.parameters()),
            "settings": settings,
            "image_size": self.scorer.preparation.image_size,
            "start": {key: about.get("start", {}).get(key) for key in ("file", "sha256")},
            "trained": {key: about[key] for key in keys if key in about},
        }

    def rate(self, photos: Iterable[Photo]) -> Iterator[Rating]:
        """See `Judge.rate`."""
        for rated in self.scorer.rate(photos):
            yield Rating(rated.score_100, rated.low, rated.high)

    def rate_test(self, judged: Judged) -> list[Rating]:
        """See `Judge.rate_test`."""
        paths = [judged.root / image for image in judged.test["image"]]
        return list(self.rate(track(paths, f"{self.title}: test set")))


class Baseline:
    """A baseline, fitted to BIQ2021's official training set, as a judge; see `Judge`.

    Args:
        name: brisque_svr or vit_ridge.
        judged: the dataset.
        features: of all its images, which `dpam extract-brisque` or `extract-vit` wrote (.npy).
        backbone: of vit_ridge, as `dpam extract-vit` was told.
    """

    def __init__(
        self, name: str, judged: Judged, features: Path, backbone: Backbone | None = None
    ) -> None:
        self.name, self.title, self.backbone = name, method_name(name), backbone
        self.features = read_array(features)
        if self.features.ndim != 2 or len(self.features) != len(judged.labels):
            raise DpamError(
                f"{features}: expected a row of features for each of the {len(judged.labels)} "
                "images; extract them again"
            )
        label = judged.labels["label"].to_numpy(np.float64)
        sides = [
            (self.features[rows].astype(np.float64), label[rows])
            for rows in (judged.rows("train"), judged.rows("validation"))
        ]
        fitted: tuple[Pipeline, dict[str, float]] = fit_baseline(name, sides[0], sides[1])
        self.model, settings = fitted
        self.about = {"id": f"{name} of {sha256_of(features)}", "settings": settings}

    def rate(self, photos: Iterable[Photo]) -> Iterator[Rating]:
        """See `Judge.rate`."""
        for photo in photos:
            yield from self.predict(self.features_of(rgb_array(photo))[None])

    def features_of(self, rgb: np.ndarray) -> np.ndarray:
        """(d,) features of a photograph, (H, W, 3) uint8."""
        if self.backbone is None:
            return brisque_features(rgb)
        square = squares(rgb, "whole", self.backbone.image_size)
        features: np.ndarray = vit_features(self.backbone, [square], torch.device("cpu"))[0]
        return features

    def rate_test(self, judged: Judged) -> list[Rating]:
        """See `Judge.rate_test`."""
        return self.predict(self.features[judged.rows("test")])

    def predict(self, features: np.ndarray) -> list[Rating]:
        """Ratings by (n, d) features."""
        quality = self.model.predict(features.astype(np.float64)).clip(0, 1)
        return [Rating(100 * value) for value in quality.tolist()]


def scores(judge: Judge, photos: Sequence[Photo], what: str) -> np.ndarray:
    """(n,) scores of photographs, 0 to 100."""
    progress = track(photos, f"{judge.title}: {what}", len(photos))
    return np.array([rating.score for rating in judge.rate(progress)])
