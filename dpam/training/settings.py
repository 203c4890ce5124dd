"""Settings of training, and the learning rate that follows from them."""

import math
from dataclasses import dataclass, fields

from dpam.errors import DpamError
from dpam.training.losses import LOSSES

SELECTIONS = ("validation", "last")
OPTIMISERS = ("adam", "adamw")
SCHEDULES = ("batch_cosine", "epoch_cosine", "cosine", "constant")
KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
SHARES = ("hflip", "crop", "teacher_weight", "warmup")  # at most 1
LEAST = {"epochs": 1, "batch_size": 1, "grad_accumulation": 1}  # of the others: 0
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class TrainingSettings:
    """How to train; the defaults are the released ones.

    Attributes:
        epochs: passes over the training set.
        batch_size: images per forward pass; an incomplete last batch is left out.
        grad_accumulation: batches per step of the optimiser, whose gradient is their mean; the last
            step of an epoch may have fewer.
        optimiser: "adam" (weight decay is added to the gradient) or "adamw" (decoupled).
        learning_rate: its largest.
        weight_decay: of the optimiser.
        layer_decay: the learning rate of the backbone's last tapped block is this factor of the
            learning rate, and each block before has this factor of the next one's. 1: all alike.
        freeze_backbone: keep the backbone's weights as they are.
        freeze_blocks: how many of its first blocks to keep as they are, with what lies before
            them; their gradients are not computed. 0: none.
        schedule: "batch_cosine", released: the rate swings between learning_rate and 0 with a
            period of 100 steps; "epoch_cosine": one cosine down to 0, a stair per epoch; "cosine":
            the same without stairs; "constant".
        warmup: share of all steps over which the rate first rises linearly.
        loss: "mse", "smooth_l1", "plcc" or "rank" (see `dpam.training.losses`).
        plcc_weight: weight of 1 - PLCC of the batch beside the loss.
        degraded: weight of a loss on degraded copies of a quarter of each batch, which the network
            reads with it: of two copies with a defect the one with less of it should have the
            higher score (see `dpam.training.losses.ordering`, `dpam.imaging.distortions`).
            Superpixels are those of the photograph as it is.
        teacher: a table of predictions (CSV of `dpam predict` or `dpam test`) that are mixed with
            the labels; see `dpam.training.teacher`.
        teacher_weight: share of the teacher's prediction in what is learned; 0: none.
        hflip: probability of mirroring left-right.
        crop: probability of reading 0.9 to 1 of either side of an image instead of all of it.
        ema: decay per step of the moving average of the weights, which then is what is evaluated
            and kept; smaller in the first steps (see `moving_average`). 0: none.
        selection: which epoch's weights are kept: the one with the largest SRCC + PLCC
            on "validation", or the "last" one, for data whose validation set says too little.
        patience: epochs without a better one on validation after which to stop; 0: never.
        clip_grad: largest norm of the gradient, which is scaled down to it; 0: no limit.
        watch_test: whether every epoch is tested on the test set as well; if not, that part is out
            of reach of training, and what stands for the epoch best on it is the last one.
        precision: "auto": bfloat16 on a GPU that computes in it, else float32; or one of these.
        compile: whether to compile the network for training.
        grad_checkpointing: whether to keep only each backbone block's input and compute what lies
            in it anew for its gradient: the same weights, half the memory, a ninth more work.
    """

    epochs: int = 200
    batch_size: int = 12
    grad_accumulation: int = 1
    optimiser: str = "adam"
    learning_rate: float = 1e-5
    weight_decay: float = 1e-5
    layer_decay: float = 1.0
    freeze_backbone: bool = False
    freeze_blocks: int = 0
    schedule: str = "batch_cosine"
    warmup: float = 0.0
    loss: str = "mse"
    plcc_weight: float = 0.0
    degraded: float = 0.0
    teacher: str | None = None
    teacher_weight: float = 0.0
    hflip: float = 0.7
    crop: float = 0.0
    ema: float = 0.0
    selection: str = "validation"
    patience: int = 0
    clip_grad: float = 0.0
    watch_test: bool = True
    precision: str = "auto"
    compile: bool = False
    grad_checkpointing: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            if field.default is None:
                if value is not None and not isinstance(value, str):
                    raise DpamError(f"training.{field.name}: expected text, found {value!r}")
                continue
            number = kind in (int, float) and isinstance(value, (kind, int))
            if not (isinstance(value, kind) or number) or isinstance(value, bool) != (kind is bool):
                raise DpamError(f"training.{field.name}: expected {KINDS[kind]}, found {value!r}")
            least = LEAST.get(field.name, 0)
            if number and not least <= value < math.inf:
                raise DpamError(f"training.{field.name}: expected at least {least}, found {value}")
            if field.name in SHARES and value > 1:
                raise DpamError(f"training.{field.name}: expected at most 1, found {value}")
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
        if bool(self.teacher) != bool(self.teacher_weight):
            raise DpamError(
                "training.teacher: expected a table together with a training.teacher_weight above "
                f"0, or neither; found {self.teacher}, {self.teacher_weight}"
            )
        if self.patience and self.selection == "last":
            raise DpamError(
                "training.patience: expected 0 with training.selection last, which never looks "
                f"at validation; found {self.patience}"
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
