"""How the fine judge was made: the mean of two networks, whose last layer then learned of defects.

    python -m benchmarks.judge.fine START.safetensors --data DATA --root ROOT --work WORK

START is the network that the fast judge began with, too (docs/judge.md says what it is). The mean
of the weights of both, at 392 pixels, ranks photographs better than either, but not all defects. So
its last layer changes: of 1,000 photographs of the training set, each with one defect in two
strengths, the stronger one has to score lower, while 3,600 photographs as they are keep their
scores. The layer reads features that hardly differ between photographs, and very much between
a photograph and its defects; there it may change much and spoils little, if it knows enough
photographs to keep. Some of these features tell one place of a photograph from another. So what the
layer says of places alone has to stay small, or maps would show it.

What the layer reads of all these is kept in WORK, one for each START, and not computed again; two
cores need an hour. WORK/judge_fine.safetensors has an interval calibrated on the validation set.
"""

import argparse
import copy
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dpam.evaluation.conformal import interval
from dpam.evaluation.metrics import correlations
from dpam.imaging.distortions import LEVELS, degrade
from dpam.imaging.filters import planes, resize
from dpam.inference.judge import judge_file
from dpam.inference.predict import beside_each_other, normalise
from dpam.model.checkpoint import load_checkpoint, to_small, write_checkpoint
from dpam.model.networks import create
from dpam.model.pooled import PooledViT, pool_tokens
from dpam.model.start import sha256_of, start_from
from dpam.pack.preparation import read_photograph
from dpam.training.adaptation import SMALLEST_SPREAD
from dpam.training.losses import mean_squared_error, ordering
from dpam.utils.files import write_array
from dpam.utils.progress import track
from dpam.utils.runtime import record

from .dataset import Judged

SIZE = 392  # pixels; at 364, 392 and 448 the mean ranks as well, at 322 it does not
KEPT = 3600  # photographs that keep their scores
COUNT = 1000  # photographs with defects
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
FOR_PLACES = 120  # photographs whose mean map is that of places
GREYS, COLOURS = range(0, 256, 51), 15  # plain fields, whose maps are of places alone
# Weights of the squared change of scores that are to be kept, of that of the last layer, and of
# that of its maps of places.
KEEP, CHANGE, PLACE = 100.0, 1e-5, 1.0


class Look(NamedTuple):
    """A photograph to look at: its name, the arguments of `degrade` if any, whether mirrored."""

    image: str
    fault: tuple[str, float, int] | None = None
    flip: bool = False


def mean_of(start: Path) -> PooledViT:
    """The mean of the weights of the start and of the fast judge, at SIZE pixels."""
    settings, nets = load_checkpoint(judge_file())[0].settings, []
    for file in (start, judge_file()):
        net = create(**{**settings, "image_size": SIZE})
        start_from(net, file)
        assert isinstance(net, PooledViT)
        nets.append(net)
    net, other = nets
    weights = other.state_dict()
    for name, tensor in net.state_dict().items():
        tensor.copy_(torch.stack([tensor, weights[name]]).mean(dim=0))
    return net.eval()


def draw(train: pd.DataFrame) -> tuple[list[Look], np.ndarray]:
    """What to learn from: of each photograph itself and two copies, with less and more of a defect.

    Args:
        train: column image.

    Returns:
        (3 COUNT,) copies, and (COUNT, 3) levels of the defect, the first 0.
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
    return copies, np.array(levels)


def kept_photographs(train: pd.DataFrame) -> list[str]:
    """The photographs that keep their scores."""
    drawn = np.random.default_rng(11).permutation(len(train))[:KEPT]
    return train["image"].iloc[drawn].tolist()


@torch.inference_mode()
def look_at(net: PooledViT, root: Path, look: Look) -> np.ndarray:
    """What the head reads of a photograph, (2 * `channels`,)."""
    rgb = read_photograph(root / look.image)
    if look.fault:
        rgb = degrade(rgb, *look.fault)
    if look.flip:
        rgb = np.ascontiguousarray(rgb[:, ::-1])
    found: np.ndarray = net.pool(as_input(net, rgb))[0].numpy()
    return found


def as_input(net: PooledViT, rgb: np.ndarray) -> Tensor:
    """What a network reads of a photograph, (H, W, 3) uint8."""
    return normalise(net, planes(resize(rgb, SIZE, SIZE, "antialias"))[None].float() / 255)


def look_at_all(net: PooledViT, looks: Sequence[Look], root: Path, kept: Path) -> Tensor:
    """The same of all, (n, 2 * `channels`); from the file `kept`, which is written if need be."""
    if not kept.exists():
        found = beside_each_other(partial(look_at, net, root), looks)
        write_array(kept, np.stack([*track(found, kept.stem, len(looks))]))
    return torch.from_numpy(np.load(kept))


@torch.inference_mode()
def shares_by_weight(net: PooledViT, rgb: np.ndarray) -> Tensor:
    """Of a photograph (T, 2 * `channels`): times `out.weight`, what `PooledViT.shares` says."""
    tokens = net.tokens(as_input(net, rgb))
    pooled = pool_tokens(tokens)
    deviation = (pooled.var(dim=1, unbiased=False) + net.norm.eps).sqrt()
    parts = []
    moments = pooled.chunk(2 * len(tokens), dim=1)
    for (x,), mean, spread in zip(tokens, moments[::2], moments[1::2], strict=True):
        apart, count = x - mean, len(x)
        parts += [apart, apart.square() * count / (count - 1) / spread - spread]
    by_slope = torch.cat(parts, dim=1) / deviation
    return (by_slope - by_slope.mean(dim=1, keepdim=True)) * net.norm.weight


def of_places(net: PooledViT, photographs: Sequence[Path], kept: Path) -> Tensor:
    """What a last layer says of places, and not of what is there, as a quadratic form.

    Args:
        net: whose features are meant.
        photographs: files; the mean of their maps is of places.
        kept: file that is read, or written if need be.

    Returns:
        (F, F), F = 2 * `channels`: w times it times w is the mean square of the map of places for
        a last layer w: over the photographs' mean map, and over maps of plain fields.
    """
    if not kept.exists():
        mean = torch.zeros(net.grid**2, net.out.in_features)
        for file in track(photographs, kept.stem):
            mean += shares_by_weight(net, read_photograph(file)) / len(photographs)
        form = mean.T @ mean / len(mean)
        drawn = np.random.default_rng(3).integers(0, 256, (COLOURS, 3))
        fields = [*([grey] * 3 for grey in GREYS), *drawn]
        for colour in fields:
            shares = shares_by_weight(net, np.full((512, 512, 3), colour, np.uint8))
            form += shares.T @ shares / len(shares) / len(fields)
        write_array(kept, form.numpy())
    return torch.from_numpy(np.load(kept))


def refit(
    net: PooledViT, plain: Tensor, copies: Tensor, levels: Tensor, places: Tensor
) -> PooledViT:
    """Change the last layer so that defects cost, and photographs as they are keep their scores.

    Args:
        net: whose blocks and norm stay.
        plain: (n, 2 * `channels`), what its head reads of photographs as they are.
        copies: (3 m, 2 * `channels`), of m photographs, each without and with a defect, twice.
        levels: (m, 3) of the defect, the first 0.
        places: see `of_places`.

    Returns:
        A new network, which differs in its last layer.
    """
    net = copy.deepcopy(net).eval()
    with torch.no_grad():
        told = net.head(plain)
        plain, copies = net.norm(plain), net.norm(copies)
        logits = [net.out(features).squeeze(1) for features in (plain, copies)]
    middle, spread = plain.mean(dim=0), plain.std(dim=0)
    spread = spread.maximum(SMALLEST_SPREAD * spread.median()) * len(spread) ** 0.5
    plain, copies = ((features - middle) / spread for features in (plain, copies))
    places = places / spread[:, None] / spread
    change, constant = torch.zeros(len(spread), requires_grad=True), torch.zeros(1)
    constant.requires_grad_()
    optimiser = torch.optim.LBFGS(
        [change, constant], 1, 300, history_size=20, line_search_fn="strong_wolfe"
    )

    def cost() -> Tensor:
        optimiser.zero_grad()
        own = (logits[0] + plain @ change + constant).sigmoid()
        score = (logits[1] + copies @ change + constant).sigmoid().view(-1, 3)
        loss = KEEP * mean_squared_error(own, told) + CHANGE * change.square().sum()
        loss = loss + PLACE * (change @ places @ change)
        for less, more in PAIRS:
            loss = loss + ordering(score[:, less], score[:, more], levels[:, [less, more]]) / 3
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(cost)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        net.out.weight += change / spread
        net.out.bias += constant - middle @ (change / spread)
    return net


def calibration(score: np.ndarray, label: np.ndarray) -> dict[str, Any]:
    """How well scores of the validation set agree with its labels, and how far nine in ten lie."""
    told = score.astype(np.float64)
    found = correlations(told, label)
    agreement = {"images": len(label), "srcc": found["srcc"], "plcc": found["plcc"]}
    return {"validation": agreement} | interval(told, label)


def facts(start: Path) -> dict[str, Any]:
    """Metadata of the network: those of the fast judge, but for what differs."""
    known = load_checkpoint(judge_file())[1]
    both = (start, judge_file())
    origin = {
        "file": " and ".join(file.name for file in both) + ", the mean of their weights",
        "sha256": " and ".join(map(sha256_of, both)),
    }
    training = {
        "keep": KEEP,
        "change": CHANGE,
        "place": PLACE,
        "photographs": KEPT,
        "with_defects": COUNT,
    }
    known |= {"training": training, "start": origin, "made_by": record()}
    known |= {"selected_by": "validation"}
    known["preparation"] = {**known["preparation"], "image_size": SIZE}
    for gone in ("exported_from", "selected_epoch"):
        known.pop(gone, None)
    return known


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
    train, held = (judged.labels.iloc[judged.rows(name)] for name in ("train", "validation"))
    looks, levels = draw(train)
    plain = [Look(image) for image in kept_photographs(train)]
    shown = [Look(image) for image in held["image"]]
    copies, keeping, seen = (
        look_at_all(net, some, args.root, args.work / f"{name}.npy")
        for name, some in (("defects", looks), ("photographs", plain), ("validation", shown))
    )
    files = [args.root / look.image for look in plain[:FOR_PLACES]]
    places = of_places(net, files, args.work / "places.npy")
    fine = refit(net, keeping, copies, torch.tensor(levels).float(), places)
    score = fine.head(seen).detach().numpy()
    agreement = calibration(score, held["label"].to_numpy())
    file = args.work / "judge_fine.safetensors"
    write_checkpoint(file, to_small(fine), fine.settings, facts(args.start) | agreement)
    print(f"{file}: {agreement}")


if __name__ == "__main__":
    main()
