"""How the fine judge was made: the mean of two networks, whose last blocks then learned of defects.

    python -m benchmarks.judge.fine START.safetensors --data DATA --root ROOT --work WORK

START is the network that the fast judge began with, too (docs/judge.md says what it is). The mean
of the weights of both, at 392 pixels, ranks photographs better than either, but not all defects. So
1,000 photographs of the training set, each as it is and with one defect in two strengths, go
through its first nine blocks once, which stay what they are; what these say is kept in WORK, 3 GB.
From it learn, apart from each other, the last three blocks with the head (`tune`), and the head
alone (`refit`). The mean of the weights of the three networks is the fine judge: more of what was
learned ranks more defects, and fewer photographs, as they should be. Two cores need an hour and a
half. What is in WORK is not computed again. WORK/judge_fine.safetensors has an interval calibrated
on the validation set.
"""

import argparse
import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from dpam.evaluation.conformal import COVERAGE, half_width
from dpam.evaluation.metrics import correlations
from dpam.experiments.settings import TrainingSettings
from dpam.imaging.distortions import LEVELS, degrade
from dpam.imaging.filters import planes, resize
from dpam.inference.judge import judge_file
from dpam.inference.predict import beside_each_other, normalise
from dpam.model.checkpoint import load_checkpoint, to_small, write_checkpoint
from dpam.model.networks import create
from dpam.model.pooled import PooledViT, moments, pool_tokens
from dpam.model.start import sha256_of, start_from
from dpam.pack.preparation import read_photograph
from dpam.training.losses import linearity, mean_squared_error, ordering
from dpam.training.optim import moving_average, parameter_groups, rate_factor
from dpam.utils.files import write_array
from dpam.utils.progress import track
from dpam.utils.runtime import record

from .dataset import Judged

SIZE = 392  # pixels; at 364, 392 and 448 the mean ranks as well, at 322 it does not
FROZEN = 9  # blocks
COUNT = 1000  # photographs
SEED = 20
# How often each defect is taken: more often those that the mean ranked worst.
SHARES = {
    "noise": 2.0,
    "over_exposure": 2.2,
    "low_contrast": 2.0,
    "colour_cast": 3.0,
    "blur": 0.5,
    "motion_blur": 1.0,
    "jpeg": 1.0,
    "under_exposure": 1.0,
    "downscaling": 0.5,
}
PAIRS = ((0, 1), (1, 2), (0, 2))  # of a photograph and its two copies
TRAINING = TrainingSettings(
    epochs=1,
    batch_size=8,
    optimiser="adamw",
    learning_rate=3e-5,
    weight_decay=0.05,
    layer_decay=0.75,
    freeze_blocks=FROZEN,
    schedule="cosine",
    warmup=0.05,
    plcc_weight=0.05,
    degraded=1.0,
    hflip=0.5,
    ema=0.98,
    clip_grad=1.0,
    watch_test=False,
)
REFIT_DEGRADED, REFIT_CHANGE = 0.5, 0.03  # weights of defects, and of the squared change


class Look(NamedTuple):
    """A photograph to look at: its name, the arguments of `degrade` if any, whether mirrored."""

    image: str
    fault: tuple[str, float, int] | None = None
    flip: bool = False


class Read(NamedTuple):
    """What the first blocks say of n photographs.

    Attributes:
        tokens: (n, 1 + T, w) float16, after the last of them.
        pooled: (n, 2 * taps * w) float32, `pool_tokens` of those that are read.
    """

    tokens: np.ndarray
    pooled: np.ndarray

    @classmethod
    def of(cls, net: PooledViT, copies: Sequence[Look], root: Path, kept: Path) -> Self:
        """From two files beside `kept`; written, where they are not there."""
        files = [kept.with_suffix(ending) for ending in (".tokens.npy", ".pooled.npy")]
        if not files[1].exists():
            shape = len(copies), 1 + net.grid**2, net.vit.embed_dim
            tokens = np.lib.format.open_memmap(files[0], "w+", np.float16, shape)
            pooled = []
            work = partial(first_blocks, net, root)
            said = beside_each_other(work, copies)
            for row, (last, taps) in enumerate(track(said, kept.name, len(copies))):
                tokens[row] = last
                pooled.append(taps)
            write_array(files[1], np.stack(pooled))  # last: where it lies, both are whole
        return cls(np.load(files[0], mmap_mode="r"), np.load(files[1]))


def mean_of(start: Path) -> PooledViT:
    """The mean of the weights of the start and of the fast judge, at SIZE pixels."""
    settings, nets = load_checkpoint(judge_file())[0].settings, []
    for file in (start, judge_file()):
        net = create(**{**settings, "image_size": SIZE})
        start_from(net, file)
        assert isinstance(net, PooledViT)
        nets.append(net)
    return mean_weights(*nets)


def draw(train: pd.DataFrame) -> tuple[list[Look], np.ndarray, np.ndarray]:
    """What to learn from: of each photograph itself and two copies, with less and more of a defect.

    Args:
        train: image, label from 0 to 1.

    Returns:
        (3 COUNT,) copies, (COUNT,) labels and (COUNT, 3) levels of the defect, the first 0.
    """
    rng = np.random.default_rng(7)
    chosen = train.sample(COUNT, random_state=5)
    share = np.array(list(SHARES.values()))
    copies, levels = [], []
    for image in chosen["image"]:
        defect = str(rng.choice(list(SHARES), p=share / share.sum()))
        less, more = np.sort(rng.random(2) * LEVELS)
        seed, flip = int(rng.integers(2**32)), bool(rng.random() < 0.5)
        less = max(less, 0.3)
        if more < less + 0.4:
            more = min(LEVELS, less + 0.4 + 0.6 * rng.random())
        copies.append(Look(image, None, flip))
        copies += [Look(image, (defect, float(level), seed), flip) for level in (less, more)]
        levels.append([0, less, more])
    return copies, chosen["label"].to_numpy(), np.array(levels)


@torch.inference_mode()
def first_blocks(net: PooledViT, root: Path, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """What the first blocks say of a photograph, a row of `Read`."""
    rgb = read_photograph(root / look.image)
    if look.fault:
        rgb = degrade(rgb, *look.fault)
    if look.flip:
        rgb = np.ascontiguousarray(rgb[:, ::-1])
    image = planes(resize(rgb, SIZE, SIZE, "antialias"))[None].float() / 255
    x = net.vit.embed(normalise(net, image))
    taps = []
    for number in range(FROZEN):
        x = net.vit.blocks[number](x)
        if number in net.out_indices:
            taps.append(x[:, 1:])
    return x[0].half().numpy(), pool_tokens(taps)[0].numpy()


def pool(net: PooledViT, read: Read, rows: np.ndarray | slice) -> Tensor:
    """What the head reads, (n, 2 * `channels`), of rows of what the first blocks said."""
    x = torch.from_numpy(read.tokens[rows].astype(np.float32))
    for block in net.vit.blocks[FROZEN:]:
        x = block(x)
    return torch.cat([torch.from_numpy(read.pooled[rows]), *moments(x[:, 1:])], dim=1)


@torch.no_grad()
def pool_all(net: PooledViT, read: Read, what: str) -> Tensor:
    """As `pool`, of all rows."""
    pieces = [slice(first, first + 8) for first in range(0, len(read.pooled), 8)]
    return torch.cat([pool(net.eval(), read, piece) for piece in track(pieces, what)])


@dataclass(frozen=True)
class Known:
    """Of N photographs, each with two copies.

    Attributes:
        label: (N,) from 0 to 1.
        told: (N,) what the mean says of the photographs as they are, which is not to be forgotten.
        levels: (N, 3) of the defect, the first 0.
    """

    label: Tensor
    told: Tensor
    levels: Tensor

    def loss(self, score: Tensor, rows: np.ndarray | slice, degraded: float) -> Tensor:
        """What (n, 3) scores of some photographs cost, all but the PLCC part."""
        own, levels = score[:, 0], self.levels[rows]
        loss = mean_squared_error(own, self.label[rows]) + mean_squared_error(own, self.told[rows])
        for less, more in PAIRS:
            between = levels[:, [less, more]]
            loss = loss + degraded / 3 * ordering(score[:, less], score[:, more], between)
        return loss


def tune(mean: PooledViT, read: Read, known: Known) -> PooledViT:
    """Teach the last blocks and the head, on batches; the network with averaged weights."""
    torch.manual_seed(SEED)
    net, how, count = copy.deepcopy(mean), TRAINING, len(known.label)
    optimiser = torch.optim.AdamW(parameter_groups(net, how), weight_decay=how.weight_decay)
    steps = count // how.batch_size
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: rate_factor(how, n, steps))
    average = AveragedModel(net, multi_avg_fn=moving_average(how.ema))
    order = np.random.default_rng(SEED).permutation(count)[: steps * how.batch_size]
    net.train()
    for batch in track(np.sort(order.reshape(steps, -1), axis=1), "training", unit="batch"):
        rows = (3 * batch[:, None] + np.arange(3)).ravel()
        score = net.head(pool(net, read, rows)).view(-1, 3)
        loss = known.loss(score, batch, how.degraded)
        loss = loss + how.plcc_weight * 2 * linearity(score[:, 0], known.label[batch])
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), how.clip_grad)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        average.update_parameters(net)
    tuned = average.module
    assert isinstance(tuned, PooledViT)
    return tuned


def refit(mean: PooledViT, pooled: Tensor, known: Known) -> PooledViT:
    """Find the last layer's best weights not far from those of the mean, on all at once.

    Args:
        mean: whose blocks and norm stay.
        pooled: (3 N, 2 * `channels`), what its head reads.
        known: of the N photographs.
    """
    net = copy.deepcopy(mean)
    features = net.norm(pooled).detach()
    change = [torch.zeros_like(part, requires_grad=True) for part in net.out.parameters()]
    optimiser = torch.optim.LBFGS(change, 1, 300, history_size=20, line_search_fn="strong_wolfe")

    def cost() -> Tensor:
        optimiser.zero_grad()
        weight, bias = (
            old.detach() + new for old, new in zip(net.out.parameters(), change, strict=True)
        )
        score = torch.nn.functional.linear(features, weight, bias).sigmoid().view(-1, 3)
        loss = known.loss(score, slice(None), REFIT_DEGRADED)
        loss = loss + REFIT_CHANGE * change[0].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(cost)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for old, new in zip(net.out.parameters(), change, strict=True):
            old.add_(new)
    return net


def mean_weights(*nets: PooledViT) -> PooledViT:
    """A network with the mean of the weights of several."""
    states, net = [each.state_dict() for each in nets], copy.deepcopy(nets[0])
    for name, tensor in net.state_dict().items():
        tensor.copy_(torch.stack([state[name] for state in states]).mean(dim=0))
    return net.eval()


def main() -> None:
    """All steps."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judge.fine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("start", type=Path, help="the network (.safetensors) of docs/judge.md")
    parser.add_argument("--data", type=Path, required=True, help="as in `benchmarks.judge measure`")
    parser.add_argument("--root", type=Path, required=True, help="the dataset's folder")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made")
    args = parser.parse_args()
    args.work.mkdir(exist_ok=True)
    judged = Judged.read(args.data, args.root)
    net = mean_of(args.start)
    copies, label, levels = draw(judged.labels.iloc[judged.rows("train")])
    read = Read.of(net, copies, args.root, args.work / "train")
    pooled = pool_all(net, read, "what the mean says")
    told = net.head(pooled).detach()[::3]
    known = Known(torch.tensor(label).float(), told, torch.tensor(levels).float())
    fine = mean_weights(net, tune(net, read, known), refit(net, pooled, known))
    held = judged.labels.iloc[judged.rows("validation")]
    shown = Read.of(net, [Look(image) for image in held["image"]], args.root, args.work / "held")
    file = args.work / "judge_fine.safetensors"
    agreement = write(fine, shown, held["label"].to_numpy(), args.start, file)
    print(f"{file}: {agreement}")


def write(
    fine: PooledViT, held: Read, label: np.ndarray, start: Path, file: Path
) -> dict[str, Any]:
    """Calibrate on the validation set, and write the checkpoint; what the calibration found."""
    score = fine.head(pool_all(fine, held, "validation")).detach().numpy()
    agreement = calibration(score, label)
    write_checkpoint(file, to_small(fine), fine.settings, facts(start) | agreement)
    return agreement


def calibration(score: np.ndarray, label: np.ndarray) -> dict[str, Any]:
    """How well scores of the validation set agree with its labels, and how far nine in ten lie."""
    told = score.astype(np.float64)
    found = correlations(told, label)
    reach = half_width(told, label)
    return {
        "validation": {"images": len(label), "srcc": found["srcc"], "plcc": found["plcc"]},
        "interval": {"coverage": COVERAGE, "half_width": reach, "images": len(label)},
    }


def facts(start: Path) -> dict[str, Any]:
    """Metadata of the network: those of the fast judge, but for what differs."""
    known = load_checkpoint(judge_file())[1]
    both = (start, judge_file())
    origin = {
        "file": " and ".join(file.name for file in both) + ", the mean of their weights",
        "sha256": " and ".join(map(sha256_of, both)),
    }
    known |= {"training": asdict(TRAINING), "start": origin, "made_by": record()}
    known |= {"seed": SEED, "selected_by": "validation", "selected_epoch": TRAINING.epochs}
    known["preparation"] = {**known["preparation"], "image_size": SIZE}
    known.pop("exported_from", None)
    return known


if __name__ == "__main__":
    main()
