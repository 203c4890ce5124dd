"""Training of one network on one split, resumable at every moment."""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from dpam.errors import DpamError, Interrupted
from dpam.experiments.fingerprint import code_fingerprint
from dpam.experiments.settings import TrainingSettings
from dpam.inference.predict import network_inputs, predict
from dpam.model import Network, backbone_of
from dpam.model.scales import scale_of, scales_of
from dpam.pack.joined import AnyPack, packs_of
from dpam.training.augmentation import EpochPlan
from dpam.training.batch_sources import batch_source
from dpam.training.dataset_groups import Datasets
from dpam.training.history import RULES, SUBSETS, peak_memory, selection_value
from dpam.training.losses import linearity, loss_of, ordering
from dpam.training.optim import OPTIMISERS, moving_average, parameter_groups, rate_factor
from dpam.training.progress import Progress
from dpam.training.stopping import random_state, set_random_state, stopping_on_signals
from dpam.training.teacher import with_teacher
from dpam.utils.progress import track
from dpam.utils.runtime import autocast_dtype, compile_network, whole_float32

log = logging.getLogger(__name__)

SAVE_EVERY = 600.0  # seconds, within an epoch


class Trainer:
    """One training run and all of its state.

    Progress is kept after every epoch, every ten minutes within one, and when a signal asks to
    stop, under a hash of settings, split, data, code and `origin`, what the first weights
    depend on beside the seed, as text.

    Attributes:
        history: a row per finished epoch.
        predictions: of validation and test set, a (n,) float32 tensor per finished epoch.
        kept: the weights that each of RULES keeps.
        progress: the file beside the outputs.
    """

    def __init__(
        self,
        net: Network,
        pack: AnyPack,
        rows: dict[str, np.ndarray],
        settings: TrainingSettings,
        seed: int,
        device: torch.device,
        progress: Path,
        origin: str = "",
    ) -> None:
        self.net = net.to(device)
        self.pack, self.rows, self.settings = pack, rows, settings
        self.seed, self.device = seed, device
        in_full = all(each.preparation.in_full for each in packs_of(pack))
        if (settings.crop or settings.degraded) and not in_full:
            raise DpamError(
                "training.crop, training.degraded: expected a pack of whole images that are kept "
                "in full; pack the dataset with a stored_side, or set both to 0"
            )
        self.datasets = Datasets(pack, rows)
        if settings.selection == "validation":
            self.datasets.warn()
        self.source = batch_source(pack, device)
        self.label = pack.labels["label"].to_numpy(np.float64)
        self.target = with_teacher(settings, self.label, pack.labels["image"], rows["train"])
        self.batches = len(rows["train"]) // settings.batch_size
        if self.batches == 0:
            raise DpamError(
                f"{pack.path}: {len(rows['train'])} training images do not fill one batch of "
                f"{settings.batch_size}; lower training.batch_size"
            )
        steps = math.ceil(self.batches / settings.grad_accumulation) * settings.epochs
        self.optimizer = OPTIMISERS[settings.optimiser](
            parameter_groups(self.net, settings), weight_decay=settings.weight_decay
        )
        self.schedule = LambdaLR(self.optimizer, lambda step: rate_factor(settings, step, steps))
        self.average: AveragedModel | None = None
        if settings.ema:
            self.average = AveragedModel(
                self.net, multi_avg_fn=moving_average(settings.ema), use_buffers=True
            )
        backbone_of(self.net).grad_checkpointing(settings.grad_checkpointing)
        self.call: Callable[..., Tensor] = (
            compile_network(self.net) if settings.compile else self.net
        )
        self.autocast = autocast_dtype(settings.precision, device)
        self.history: list[dict[str, Any]] = []
        watched = SUBSETS[1:] if settings.watch_test else SUBSETS[1:2]
        self.predictions: dict[str, list[Tensor]] = {n: [] for n in watched if len(rows[n])}
        self.kept: dict[str, dict[str, Tensor]] = {}
        self.unfinished: dict[str, Any] = {}  # of an epoch
        self.asked_to_stop = ""
        self.progress = Progress(progress, self._identity(origin))

    def _identity(self, origin: str) -> str:
        """Hash of what the weights depend on."""
        facts = {
            "net": self.net.settings,
            "origin": origin,
            "settings": asdict(self.settings),
            "pack": self.pack.settings,
            "seed": self.seed,
            "code": code_fingerprint("dpam.commands.train"),
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for name in SUBSETS:
            digest.update(self.rows[name].tobytes())
        digest.update(self.label.tobytes())
        digest.update(self.target.tobytes())
        return digest.hexdigest()

    @property
    def evaluated(self) -> Network:
        """The network whose weights are evaluated and kept."""
        if self.average is None:
            return self.net
        assert isinstance(self.average.module, Network)
        return self.average.module

    def resume(self) -> None:
        """Go on from what was kept; see `Progress.read`."""
        state = self.progress.read()
        if state is None:
            return
        for name, holder in self._holders().items():
            holder.load_state_dict(state[name])
        self.history, self.predictions = state["history"], state["predictions"]
        self.kept, self.unfinished = state["kept"], state["unfinished"]
        where = f", batch {self.unfinished['batch']} of the next" if self.unfinished else ""
        log.info("resuming after epoch %d%s", len(self.history), where)

    def save_progress(self) -> None:
        """Keep everything that the rest of the run depends on."""
        self.progress.save(
            {
                **{name: holder.state_dict() for name, holder in self._holders().items()},
                "history": self.history,
                "predictions": self.predictions,
                "kept": self.kept,
                "unfinished": self.unfinished,
            }
        )

    def _holders(self) -> dict[str, Any]:
        holders = {"net": self.net, "optimizer": self.optimizer, "schedule": self.schedule}
        return holders if self.average is None else holders | {"average": self.average}

    def train_one_epoch(self, epoch: int) -> dict[str, Any]:
        """One pass over the training set; the epoch's row of the history so far.

        Order, crops, flips and dropout depend on the seed and the epoch's number alone, so that
        a resumed run sees what the undisturbed one would have seen.

        Raises:
            Interrupted: a signal asked to stop; the progress is saved.
            DpamError: the loss is not a number.
        """
        settings = self.settings
        plan = EpochPlan.draw(
            self.rows["train"],
            settings.batch_size,
            settings.hflip,
            [self.seed, epoch],
            settings.crop,
            settings.degraded > 0,
        )
        unfinished = self.unfinished or {
            "batch": 0,
            "learning_rate": max(group["lr"] for group in self.optimizer.param_groups),
            "losses": [],
            "predictions": [],
            "seconds": 0.0,
        }
        losses, predictions = unfinished["losses"], unfinished["predictions"]
        first = unfinished["batch"]
        if first:
            set_random_state(unfinished["random"], self.device)
        else:
            torch.manual_seed(self.seed * 1_000_003 + epoch)
        start = time.perf_counter() - unfinished["seconds"]
        self.net.train()
        batches = track(
            plan.batches(self.source, first),
            f"epoch {epoch}/{settings.epochs}",
            self.batches - first,
            unit="batch",
        )
        for index, (chosen, batch) in enumerate(batches, first):
            with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
                score = self.call(*network_inputs(self.net, batch.to(self.device)))
            levels = None if plan.pairs is None else torch.from_numpy(plan.pairs.levels[index])
            loss = self.loss(score, chosen, levels)
            if not torch.isfinite(loss):
                names = ", ".join(self.pack.labels["image"].iloc[chosen])
                self.progress.end_diverged(
                    f"epoch {epoch}: the loss is {loss.item()} on the batch {names}; lower "
                    "training.learning_rate, or look at these images "
                    f"({self.progress.path} is kept)"
                )
            begun = index - index % settings.grad_accumulation
            together = min(settings.grad_accumulation, self.batches - begun)  # in this step
            (loss / together).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.item())
            predictions.append(score[: len(chosen)].detach().float().cpu())
            done = index + 1
            if done % settings.grad_accumulation and done < self.batches:
                continue
            self.step()
            if self.asked_to_stop or time.monotonic() - self.progress.saved > SAVE_EVERY:
                self.unfinished = unfinished | {
                    "batch": done,
                    "seconds": time.perf_counter() - start,
                    "random": random_state(self.device),
                }
                self.save_progress()
            if self.asked_to_stop:
                raise Interrupted(
                    f"{self.asked_to_stop}: stopped in epoch {epoch}, batch {done} of "
                    f"{self.batches}; the same command goes on from {self.progress.path}"
                )
        self.unfinished = {}
        seconds = time.perf_counter() - start
        seen = plan.order[: len(losses) * settings.batch_size]
        return {
            "epoch": epoch,
            "learning_rate": unfinished["learning_rate"],
            "loss": float(np.mean(losses)),
            **self.datasets.correlations(torch.cat(predictions).numpy(), self.label, seen, "train"),
            "seconds": seconds,
            "images_per_second": len(seen) / seconds,
        }

    def loss(self, score: Tensor, rows: np.ndarray, levels: Tensor | None) -> Tensor:
        """What a batch costs.

        Args:
            score: (B + 2 P,) of the B images of the batch, then of the better and of the worse
                copies of P pairs.
            rows: (B,) of the pack.
            levels: (P, 2) of the pairs' defects; None: there are none.
        """
        settings = self.settings
        target = torch.from_numpy(self.target[rows]).float().to(self.device)
        own, copies = score[: len(rows)], score[len(rows) :].float()
        if (scales := scales_of(self.net)) is not None:
            own = scales(own, torch.from_numpy(self.datasets.member[rows]).to(self.device))
        within = partial(self.datasets.within, label=target, rows=rows)
        loss = within(partial(loss_of, settings.loss), own)
        if settings.plcc_weight:
            loss = loss + settings.plcc_weight * 2 * within(linearity, own.float())
        if levels is not None:
            better, worse = copies.chunk(2)
            loss = loss + settings.degraded * ordering(better, worse, levels.to(copies))
        return loss

    def step(self) -> None:
        """One step of the optimiser, from the gradients that are there."""
        if self.settings.clip_grad:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.settings.clip_grad)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.net)

    def evaluate(self, name: str) -> np.ndarray:
        """Predictions (n,) of a subset on its datasets' scales, from one central view of each."""
        rows, net = self.rows[name], self.evaluated
        size, prediction = self.pack.preparation.image_size, np.empty(len(rows))
        for dataset, where in self.datasets.groups(rows):
            images = (self.pack.prepared(int(row)) for row in rows[where])
            with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
                score, _ = predict(net, images, size, views=1, device=self.device)
            slope, offset = scale_of(net, dataset)
            prediction[where] = slope * score + offset
        return prediction

    def epoch(self, epoch: int) -> None:
        """Train one epoch, evaluate, keep the weights that a rule prefers to all before."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        row = self.train_one_epoch(epoch)
        start = time.perf_counter()
        for name, predictions in self.predictions.items():
            prediction = self.evaluate(name)
            predictions.append(torch.tensor(prediction, dtype=torch.float32))
            row |= self.datasets.correlations(prediction, self.label, self.rows[name], name)
        row["seconds"] += time.perf_counter() - start
        row["memory_gb"] = peak_memory(self.device) / 1e9
        for rule in RULES:
            subset = self.selecting_subset(rule)
            if all(selection_value(row, subset) > selection_value(r, subset) for r in self.history):
                self.kept[rule] = {
                    name: tensor.detach().cpu().clone()
                    for name, tensor in self.evaluated.state_dict().items()
                }
                for earlier in self.history:
                    earlier[rule] = 0
                row[rule] = 1
            else:
                row[rule] = 0
        self.history.append(row)

    def selecting_subset(self, rule: str) -> str:
        """The subset that a rule looks at; "" where it keeps the last epoch."""
        subset = self.settings.selection if rule == "validation_selected" else "test"
        tells = subset != "validation" or self.datasets.selects
        return subset if tells and subset in self.predictions else ""

    def is_over(self) -> bool:
        """Whether all epochs are done, or too many were no better on validation."""
        if len(self.history) >= self.settings.epochs:
            return True
        best = next((row["epoch"] for row in self.history if row["validation_selected"]), 0)
        patience = self.settings.patience
        return 0 < patience <= len(self.history) - best

    def run(self, report: Callable[[dict[str, Any]], None]) -> None:
        """Train to the end; `report(row)` is called with each epoch's row.

        Raises:
            Interrupted: a signal asked to stop; the progress is saved.
            DpamError: the loss is not a number.
        """
        with stopping_on_signals(self), whole_float32(self.device):
            self.resume()
            for row in self.history:
                report(row)
            while not self.is_over():
                self.epoch(len(self.history) + 1)
                self.save_progress()
                report(self.history[-1])
