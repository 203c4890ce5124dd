"""Training of one network on one split, resumable after every epoch."""

import hashlib
import json
import logging
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from dpam.batches import training_batches
from dpam.correlation import plcc, srcc
from dpam.errors import DpamError
from dpam.files import atomic
from dpam.inference import forward, predict
from dpam.model import DPAM
from dpam.progress import track
from dpam.store import Pack

log = logging.getLogger(__name__)

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class TrainingSettings:
    """How to train; the defaults are the released ones.

    Attributes:
        epochs: passes over the training part.
        batch_size: images per step; an incomplete last batch is left out.
        learning_rate: Adam's largest.
        weight_decay: Adam's, added to the gradient.
        schedule: "batch_cosine", released: the rate swings between learning_rate and 0 with a
            period of 100 batches; "cosine": 5 % linear warm-up, then one cosine down to 0.
        flip: probability of mirroring left-right.
    """

    epochs: int = 200
    batch_size: int = 12
    learning_rate: float = 1e-5
    weight_decay: float = 1e-5
    schedule: str = "batch_cosine"
    flip: float = 0.7

    def __post_init__(self) -> None:
        if self.schedule not in ("batch_cosine", "cosine"):
            raise DpamError(
                f"training.schedule: expected batch_cosine or cosine, found {self.schedule!r}"
            )


def rate_factor(settings: TrainingSettings, step: int, steps: int) -> float:
    """What the learning rate is multiplied with at batch `step` of `steps`."""
    if settings.schedule == "batch_cosine":
        return (1 + math.cos(math.pi * step / 50)) / 2
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))) / 2


def rows_of_parts(pack: Pack, split: pd.Series, part: str) -> dict[str, np.ndarray]:
    """Rows of the pack in training, validation and test.

    Args:
        pack: the dataset.
        split: the part of each image, indexed by image.
        part: "all", or the distortion type to keep.

    Raises:
        DpamError: the split does not fit the pack, or there is nothing to train on.
    """
    absent = [image for image in pack.labels["image"] if image not in split.index]
    if absent:
        raise DpamError(
            f"{pack.path}: {len(absent)} images are in no part of the split, e.g. {absent[0]}; "
            "draw the splits again"
        )
    assigned = split.loc[pack.labels["image"]].to_numpy()
    kept = np.ones(len(pack), bool)
    if part != "all":
        kept = (pack.labels["distortion"] == part).to_numpy()
    if not kept.any():
        known = ", ".join(sorted(set(pack.labels["distortion"]) - {""})) or "none"
        raise DpamError(f"{pack.path}: no image of distortion type '{part}'; it has: {known}")
    return {name: np.flatnonzero(kept & (assigned == name)) for name in PARTS}


def correlations(prediction: np.ndarray, label: np.ndarray, name: str) -> dict[str, float]:
    """SRCC and PLCC as columns of the history."""
    return {f"{name}_srcc": srcc(prediction, label), f"{name}_plcc": plcc(prediction, label)}


def selection_value(row: dict[str, Any], has_validation: bool) -> float:
    """What the kept epoch maximises: SRCC + PLCC on validation; without one, the last epoch."""
    if not has_validation:
        return float(row["epoch"])
    value = row["validation_srcc"] + row["validation_plcc"]
    return -math.inf if math.isnan(value) else float(value)


class Trainer:
    """One training run and all of its state.

    Progress is kept in `progress`, a file beside the outputs, after every epoch. It holds a hash
    of settings, split and data; one made under others is ignored.
    """

    def __init__(
        self,
        net: DPAM,
        pack: Pack,
        rows: dict[str, np.ndarray],
        settings: TrainingSettings,
        seed: int,
        device: torch.device,
        progress: Path,
    ) -> None:
        self.net = net.to(device)
        self.pack, self.rows, self.settings = pack, rows, settings
        self.seed, self.device, self.progress = seed, device, progress
        self.label = pack.labels["score"].to_numpy(np.float64)
        batches = len(rows["train"]) // settings.batch_size
        if batches == 0:
            raise DpamError(
                f"{pack.path}: {len(rows['train'])} training images do not fill one batch of "
                f"{settings.batch_size}; lower training.batch_size"
            )
        self.batches, steps = batches, batches * settings.epochs
        self.optimizer = torch.optim.Adam(
            [parameter for parameter in net.parameters() if parameter.requires_grad],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.schedule = LambdaLR(self.optimizer, lambda step: rate_factor(settings, step, steps))
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        self.identity = self._identity()

    def _identity(self) -> str:
        """Hash of what the weights depend on."""
        facts = {
            "net": self.net.settings,
            "settings": asdict(self.settings),
            "pack": self.pack.settings,
            "seed": self.seed,
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for name in PARTS:
            digest.update(self.rows[name].tobytes())
        digest.update(self.label.tobytes())
        return digest.hexdigest()

    def resume(self) -> None:
        """Go on from the progress file, if it belongs to this run."""
        if not self.progress.is_file():
            return
        try:
            state = torch.load(self.progress, map_location=self.device, weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            log.warning("%s: unreadable (%s); starting again", self.progress, error)
            return
        if state["identity"] != self.identity:
            log.info("%s: made under other settings or data; starting again", self.progress)
            return
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.history, self.best = state["history"], state["best"]
        log.info("resuming after epoch %d", len(self.history))

    def save_progress(self) -> None:
        """Keep everything that the rest of the run depends on."""
        state = {
            "identity": self.identity,
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": self.history,
            "best": self.best,
        }
        with atomic(self.progress) as temporary:
            torch.save(state, temporary)

    def train_one_epoch(self, epoch: int) -> dict[str, Any]:
        """One pass over the training part; the epoch's row of the history so far.

        Order, crops, flips and dropout depend on the seed and the epoch's number alone, so that
        a resumed run sees what the undisturbed one would have seen.
        """
        torch.manual_seed(self.seed * 1_000_003 + epoch)
        generator = np.random.default_rng([self.seed, epoch])
        batches = training_batches(
            self.pack, self.rows["train"], self.settings.batch_size, self.settings.flip, generator
        )
        self.net.train()
        predictions, labels, losses = [], [], []
        rate = self.optimizer.param_groups[0]["lr"]
        for chosen, batch in track(
            batches, f"epoch {epoch}/{self.settings.epochs}", self.batches, unit="batch"
        ):
            target = torch.from_numpy(self.label[chosen]).float().to(self.device)
            score = forward(self.net, batch.to(self.device))
            loss = F.mse_loss(score, target)
            if not torch.isfinite(loss):
                names = ", ".join(self.pack.labels["image"].iloc[chosen])
                raise DpamError(f"epoch {epoch}: the loss is {loss.item()} on the batch {names}")
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.schedule.step()
            losses.append(loss.item())
            predictions.append(score.detach().double().cpu().numpy())
            labels.append(self.label[chosen])
        return {
            "epoch": epoch,
            "learning_rate": rate,
            "loss": float(np.mean(losses)),
            **correlations(np.concatenate(predictions), np.concatenate(labels), "train"),
        }

    def evaluate(self, name: str) -> dict[str, float]:
        """SRCC and PLCC on a part, from one central view of each image."""
        rows = self.rows[name]
        images = (self.pack.prepared(int(row)) for row in rows)
        size = self.pack.preparation.image_size
        prediction, _ = predict(self.net, images, size, views=1, device=self.device)
        return correlations(prediction, self.label[rows], name)

    def epoch(self, epoch: int) -> None:
        """Train one epoch, evaluate, remember the weights if they are the best so far."""
        start = time.perf_counter()
        row = self.train_one_epoch(epoch)
        trained = time.perf_counter()
        for name in PARTS[1:]:
            if len(self.rows[name]):
                row |= self.evaluate(name)
        images = self.batches * self.settings.batch_size
        row["seconds"] = time.perf_counter() - start
        row["images_per_second"] = images / (trained - start)
        has_validation = len(self.rows["validation"]) > 0
        value = selection_value(row, has_validation)
        if all(value > selection_value(earlier, has_validation) for earlier in self.history):
            self.best = {
                name: tensor.detach().clone() for name, tensor in self.net.state_dict().items()
            }
            for earlier in self.history:
                earlier["selected"] = 0
            row["selected"] = 1
        else:
            row["selected"] = 0
        self.history.append(row)

    def run(self, report: Callable[[dict[str, Any]], None]) -> None:
        """Train to the last epoch; `report(row)` is called with each epoch's row."""
        self.resume()
        for row in self.history:
            report(row)
        for epoch in range(len(self.history) + 1, self.settings.epochs + 1):
            self.epoch(epoch)
            self.save_progress()
            report(self.history[-1])
        self.net.load_state_dict(self.best)


def history_table(history: list[dict[str, Any]]) -> pd.DataFrame:
    """The history with its columns in order; parts that the split lacks stay empty."""
    columns = ["epoch", "learning_rate", "loss"]
    columns += [f"{part}_{number}" for part in PARTS for number in ("srcc", "plcc")]
    columns += ["seconds", "images_per_second", "selected"]
    return pd.DataFrame(history).reindex(columns=columns)
