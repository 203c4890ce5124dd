"""Training of one network on one split, resumable at every moment."""

import hashlib
import json
import logging
import math
import pickle
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from dpam.batches import EpochPlan, batch_source
from dpam.correlation import plcc, srcc
from dpam.errors import DpamError, Interrupted
from dpam.files import atomic, read_json, write_json
from dpam.fingerprint import code_fingerprint
from dpam.inference import network_inputs, predict
from dpam.losses import LOSSES, loss_of
from dpam.model import DPAM
from dpam.progress import track
from dpam.runtime import autocast_dtype, compiled
from dpam.store import Pack

log = logging.getLogger(__name__)

PARTS = ("train", "validation", "test")
# Whose weights are kept: the epoch that `selection` says, for honest results; and, for "released",
# the one with the largest SRCC + PLCC on the test part, as the paper's numbers were chosen.
RULES = ("held_out", "released")
SELECTIONS = ("validation", "last")
OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
SCHEDULES = ("batch_cosine", "epoch_cosine", "cosine", "constant")
KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
LEAST = {"epochs": 1, "batch_size": 1, "accumulation": 1}  # of the others: 0
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class TrainingSettings:
    """How to train; the defaults are the released ones.

    Attributes:
        epochs: passes over the training part.
        batch_size: images per forward pass; an incomplete last batch is left out.
        accumulation: batches per step of the optimiser, whose gradient is their mean; the last step
            of an epoch may have fewer.
        optimiser: "adam" (weight decay is added to the gradient) or "adamw" (decoupled).
        learning_rate: its largest.
        weight_decay: of the optimiser.
        layer_decay: the learning rate of the backbone's last tapped block is this factor of the
            learning rate, and each block before has this factor of the next one's. 1: all alike.
        freeze_backbone: keep the backbone's weights as they are.
        schedule: "batch_cosine", released: the rate swings between learning_rate and 0 with a
            period of 100 steps; "epoch_cosine": one cosine down to 0, a stair per epoch; "cosine":
            the same without stairs; "constant".
        warmup: share of all steps over which the rate first rises linearly.
        loss: "mse", "smooth_l1", "plcc" or "rank" (see `dpam.losses`).
        flip: probability of mirroring left-right.
        ema: decay per step of the moving average of the weights, which then is what is evaluated
            and kept; smaller in the first steps (see `moving_average`). 0: none.
        selection: which epoch's weights are kept as held out: the one with the largest SRCC + PLCC
            on "validation", or the "last" one, for data whose validation part says too little.
        early_stop: epochs without a better one on validation after which to stop; 0: never.
        precision: "auto": bfloat16 on a GPU that computes in it, else float32; or one of these.
        compile: whether to compile the network for training.
        recompute: whether to keep only each backbone block's input and compute what lies in it anew
            for its gradient: the same weights with half the memory and a ninth more work.
    """

    epochs: int = 200
    batch_size: int = 12
    accumulation: int = 1
    optimiser: str = "adam"
    learning_rate: float = 1e-5
    weight_decay: float = 1e-5
    layer_decay: float = 1.0
    freeze_backbone: bool = False
    schedule: str = "batch_cosine"
    warmup: float = 0.0
    loss: str = "mse"
    flip: float = 0.7
    ema: float = 0.0
    selection: str = "validation"
    early_stop: int = 0
    precision: str = "auto"
    compile: bool = False
    recompute: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            number = kind in (int, float) and isinstance(value, (kind, int))
            if not (isinstance(value, kind) or number) or isinstance(value, bool) != (kind is bool):
                raise DpamError(f"training.{field.name}: expected {KINDS[kind]}, found {value!r}")
            least = LEAST.get(field.name, 0)
            if number and not least <= value < math.inf:
                raise DpamError(f"training.{field.name}: expected at least {least}, found {value}")
        choices = {
            "optimiser": OPTIMISERS,
            "schedule": SCHEDULES,
            "loss": LOSSES,
            "selection": SELECTIONS,
            "precision": PRECISIONS,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise DpamError(
                    f"training.{name}: expected {', '.join(known)}; found {getattr(self, name)!r}"
                )
        if self.early_stop and self.selection == "last":
            raise DpamError(
                "training.early_stop: expected 0 with training.selection last, which never looks "
                f"at validation; found {self.early_stop}"
            )


def rate_factor(settings: TrainingSettings, step: int, steps: int) -> float:
    """What the learning rate is multiplied with at `step` of `steps` of the optimiser."""
    warm = math.ceil(settings.warmup * steps)
    if step < warm:
        return (step + 1) / warm
    step, steps = step - warm, max(1, steps - warm)
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "batch_cosine":
        return (1 + math.cos(math.pi * step / 50)) / 2
    if settings.schedule == "epoch_cosine":
        step, steps = step * settings.epochs // steps, settings.epochs
    return (1 + math.cos(math.pi * step / steps)) / 2


def moving_average(
    decay: float,
) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """What takes one step of an exponential moving average, for PyTorch's AveragedModel.

    The decay after n steps is at most (1 + n) / (10 + n), as in TensorFlow: otherwise the state
    before the first step lasts. A batch norm starts with a variance of 1; where the true one is a
    thousandth, one per cent of that would be ten times as much.
    """

    def take_step(
        average: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int
    ) -> None:
        share = max(1 - decay, 9 / (10 + int(steps)))
        for old, new in zip(average, current, strict=True):
            old.copy_(old.lerp(new, share) if old.is_floating_point() else new)

    return take_step


def parameter_groups(net: DPAM, settings: TrainingSettings) -> list[dict[str, Any]]:
    """The parameters to train, grouped by learning rate, for an optimiser."""
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = settings.learning_rate
        if name.startswith("backbone."):
            if settings.freeze_backbone:
                parameter.requires_grad_(False)
                continue
            rate *= settings.layer_decay ** (net.backbone.taps[-1] + 1 - backbone_depth(name))
        groups.setdefault(rate, []).append(parameter)
    return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]


def backbone_depth(name: str) -> int:
    """Index of the block that a parameter of the backbone belongs to; -1 before the first."""
    words = name.split(".")  # backbone.vit.blocks.3.attn...
    return int(words[3]) if words[2] == "blocks" else -1


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


def selection_value(row: dict[str, Any], part: str) -> float:
    """What the kept epoch maximises: SRCC + PLCC on a part; without a part, the epoch."""
    if not part:
        return float(row["epoch"])
    value = row[f"{part}_srcc"] + row[f"{part}_plcc"]
    return -math.inf if math.isnan(value) else float(value)


class Trainer:
    """One training run and all of its state.

    Progress is kept in `progress`, a file beside the outputs, after every epoch and when a signal
    asks to stop. It holds a hash of settings, split, data and code; one made under others is
    ignored. That the loss was not a number is kept beside it, as `NAME.diverged.json` beside
    `NAME.progress.pt`, so that the next attempt ends at once.

    Attributes:
        history: a row per finished epoch.
        predictions: of validation and test part, a (n,) float32 tensor per finished epoch.
        kept: the weights that each of RULES keeps.
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
        self.diverged = progress.with_suffix("").with_suffix(".diverged.json")
        self.source = batch_source(pack, device)
        self.label = pack.labels["score"].to_numpy(np.float64)
        self.batches = len(rows["train"]) // settings.batch_size
        if self.batches == 0:
            raise DpamError(
                f"{pack.path}: {len(rows['train'])} training images do not fill one batch of "
                f"{settings.batch_size}; lower training.batch_size"
            )
        steps = math.ceil(self.batches / settings.accumulation) * settings.epochs
        self.optimizer = OPTIMISERS[settings.optimiser](
            parameter_groups(net, settings), weight_decay=settings.weight_decay
        )
        self.schedule = LambdaLR(self.optimizer, lambda step: rate_factor(settings, step, steps))
        self.average: AveragedModel | None = None
        if settings.ema:
            self.average = AveragedModel(
                self.net, multi_avg_fn=moving_average(settings.ema), use_buffers=True
            )
        self.net.backbone.recompute(settings.recompute)
        self.call: Callable[..., Tensor] = compiled(self.net) if settings.compile else self.net
        self.autocast = autocast_dtype(settings.precision, device)
        self.history: list[dict[str, Any]] = []
        self.predictions: dict[str, list[Tensor]] = {
            name: [] for name in PARTS[1:] if len(rows[name])
        }
        self.kept: dict[str, dict[str, Tensor]] = {}
        self.begun: dict[str, Any] = {}  # of an epoch that is not finished
        self.asked_to_stop = ""
        self.identity = self._identity()

    def _identity(self) -> str:
        """Hash of what the weights depend on."""
        facts = {
            "net": self.net.settings,
            "settings": asdict(self.settings),
            "pack": self.pack.settings,
            "seed": self.seed,
            "code": code_fingerprint("dpam.stages.train"),
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for name in PARTS:
            digest.update(self.rows[name].tobytes())
        digest.update(self.label.tobytes())
        return digest.hexdigest()

    @property
    def evaluated(self) -> DPAM:
        """The network whose weights are evaluated and kept."""
        if self.average is None:
            return self.net
        assert isinstance(self.average.module, DPAM)
        return self.average.module

    def resume(self) -> None:
        """Go on from the progress file, if it belongs to this run.

        What a kill left half written beside it is removed.

        Raises:
            DpamError: this very run has diverged before.
        """
        if self.diverged.is_file():
            before = read_json(self.diverged)
            if before["identity"] == self.identity:
                raise DpamError(f"{before['message']}; to try again, remove {self.diverged}")
            self.diverged.unlink()
        for half in self.progress.parent.glob(f".{self.progress.stem}.[0-9]*.part.pt"):
            half.unlink()
        if not self.progress.is_file():
            return
        try:
            state = torch.load(self.progress, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            log.warning("%s: unreadable (%s); starting again", self.progress, error)
            return
        if state["identity"] != self.identity:
            log.info("%s: made under other settings, data or code; starting again", self.progress)
            return
        for name, holder in self._holders().items():
            holder.load_state_dict(state[name])
        self.history, self.predictions = state["history"], state["predictions"]
        self.kept, self.begun = state["kept"], state["begun"]
        where = f", batch {self.begun['batch']} of the next" if self.begun else ""
        log.info("resuming after epoch %d%s", len(self.history), where)

    def save_progress(self) -> None:
        """Keep everything that the rest of the run depends on."""
        state = {
            "identity": self.identity,
            **{name: holder.state_dict() for name, holder in self._holders().items()},
            "history": self.history,
            "predictions": self.predictions,
            "kept": self.kept,
            "begun": self.begun,
        }
        with atomic(self.progress) as temporary:
            torch.save(state, temporary)

    def _holders(self) -> dict[str, Any]:
        holders = {"net": self.net, "optimizer": self.optimizer, "schedule": self.schedule}
        return holders if self.average is None else holders | {"average": self.average}

    def train_one_epoch(self, epoch: int) -> dict[str, Any]:
        """One pass over the training part; the epoch's row of the history so far.

        Order, crops, flips and dropout depend on the seed and the epoch's number alone, so that
        a resumed run sees what the undisturbed one would have seen.

        Raises:
            Interrupted: a signal asked to stop; the progress is saved.
            DpamError: the loss is not a number.
        """
        settings = self.settings
        plan = EpochPlan.draw(
            self.rows["train"], settings.batch_size, settings.flip, [self.seed, epoch]
        )
        begun = self.begun or {
            "batch": 0,
            "learning_rate": max(group["lr"] for group in self.optimizer.param_groups),
            "losses": [],
            "predictions": [],
            "seconds": 0.0,
        }
        losses, predictions = begun["losses"], begun["predictions"]
        first = begun["batch"]
        if first:
            set_random_state(begun["random"], self.device)
        else:
            torch.manual_seed(self.seed * 1_000_003 + epoch)
        start = time.perf_counter() - begun["seconds"]
        self.net.train()
        batches = track(
            plan.batches(self.source, first),
            f"epoch {epoch}/{settings.epochs}",
            self.batches - first,
            unit="batch",
        )
        for index, (chosen, batch) in enumerate(batches, first):
            target = torch.from_numpy(self.label[chosen]).float().to(self.device)
            with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
                score = self.call(*network_inputs(self.net, batch.to(self.device)))
            loss = loss_of(settings.loss, score, target)
            if not torch.isfinite(loss):
                names = ", ".join(self.pack.labels["image"].iloc[chosen])
                message = (
                    f"epoch {epoch}: the loss is {loss.item()} on the batch {names}; lower "
                    f"training.learning_rate, or look at these images ({self.progress} is kept)"
                )
                write_json(self.diverged, {"identity": self.identity, "message": message})
                raise DpamError(message)
            group = index - index % settings.accumulation  # its first batch; the last may be short
            together = min(settings.accumulation, self.batches - group)
            (loss / together).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.item())
            predictions.append(score.detach().float().cpu())
            done = index + 1
            if done % settings.accumulation and done < self.batches:
                continue
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.schedule.step()
            if self.average is not None:
                self.average.update_parameters(self.net)
            if self.asked_to_stop:
                self.begun = begun | {
                    "batch": done,
                    "seconds": time.perf_counter() - start,
                    "random": random_state(self.device),
                }
                self.save_progress()
                raise Interrupted(
                    f"{self.asked_to_stop}: stopped in epoch {epoch}, batch {done} of "
                    f"{self.batches}; the same command goes on from {self.progress}"
                )
        self.begun = {}
        seconds = time.perf_counter() - start
        label = self.label[plan.order[: len(losses) * settings.batch_size]]
        return {
            "epoch": epoch,
            "learning_rate": begun["learning_rate"],
            "loss": float(np.mean(losses)),
            **correlations(torch.cat(predictions).numpy(), label, "train"),
            "seconds": seconds,
            "images_per_second": len(label) / seconds,
        }

    def evaluate(self, name: str) -> np.ndarray:
        """Predictions (n,) of a part, from one central view of each image."""
        images = (self.pack.prepared(int(row)) for row in self.rows[name])
        size = self.pack.preparation.image_size
        with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
            prediction, _ = predict(self.evaluated, images, size, views=1, device=self.device)
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
            row |= correlations(prediction, self.label[self.rows[name]], name)
        row["seconds"] += time.perf_counter() - start
        row["memory_gb"] = peak_memory(self.device) / 1e9
        for rule in RULES:
            part = self.selecting_part(rule)
            if all(selection_value(row, part) > selection_value(r, part) for r in self.history):
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

    def selecting_part(self, rule: str) -> str:
        """The part that a rule looks at; "" where it keeps the last epoch."""
        part = self.settings.selection if rule == "held_out" else "test"
        return part if part in self.predictions else ""

    def is_over(self) -> bool:
        """Whether all epochs are done, or too many were no better on validation."""
        if len(self.history) >= self.settings.epochs:
            return True
        best = next((row["epoch"] for row in self.history if row["held_out"]), 0)
        patience = self.settings.early_stop
        return 0 < patience <= len(self.history) - best

    def run(self, report: Callable[[dict[str, Any]], None]) -> None:
        """Train to the end; `report(row)` is called with each epoch's row.

        Raises:
            Interrupted: a signal asked to stop; the progress is saved.
            DpamError: the loss is not a number.
        """
        with stopping_on_signals(self):
            self.resume()
            for row in self.history:
                report(row)
            while not self.is_over():
                self.epoch(len(self.history) + 1)
                self.save_progress()
                report(self.history[-1])


@contextmanager
def stopping_on_signals(trainer: Trainer) -> Iterator[None]:
    """SIGTERM, SIGUSR1: stop at the next step of the optimiser. Clusters send them in advance."""

    def ask_to_stop(number: int, _: FrameType | None) -> None:
        trainer.asked_to_stop = signal.Signals(number).name

    before = {
        number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGUSR1)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of PyTorch's random numbers that dropout draws from."""
    state = {"cpu": torch.get_rng_state()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Go on with the random numbers after `state`."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def peak_memory(device: torch.device) -> int:
    """Largest number of bytes taken: on a GPU in this epoch, else by the process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def history_table(history: list[dict[str, Any]]) -> pd.DataFrame:
    """The history with its columns in order; parts that the split lacks stay empty."""
    columns = ["epoch", "learning_rate", "loss"]
    columns += [f"{part}_{number}" for part in PARTS for number in ("srcc", "plcc")]
    columns += ["seconds", "images_per_second", "memory_gb", *RULES]
    return pd.DataFrame(history).reindex(columns=columns)


def write_predictions(path: str | Path, trainer: Trainer) -> None:
    """Write what every epoch predicted, so that any rule of selection can be applied later.

    Layout (E epochs, n images of a part): for each of validation and test, where the split has it,
    <part>/image (n,) text, <part>/score (n,) labels, <part>/prediction (E, n) float32.
    """
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        for part, predictions in trainer.predictions.items():
            rows = trainer.rows[part]
            images = trainer.pack.labels["image"].iloc[rows].tolist()
            file.create_dataset(f"{part}/image", data=images, dtype=h5py.string_dtype())
            file.create_dataset(f"{part}/score", data=trainer.label[rows])
            every = torch.stack(predictions).numpy()
            file.create_dataset(f"{part}/prediction", data=every, compression="gzip")
