"""What a training gets from few labelled photographs, by what it starts from.

Photographs of the training set are drawn at random, a smaller number among a larger one. All
trainings are tested on the same photographs of the test set; nothing is selected on them.

    adapt      the judge of the package, by dpam adapt
    preset     the judge, by workflow/presets/finetune.yaml
    backbone   a ViT that has seen no ratings; only a new last layer learns
    scratch    a small network of random weights; all of it learns

Beside them, as a training from 0 photographs: the judge as it is.

    python benchmarks/learning_curve.py PACK --splits CSV --split official \
        --weights vit_small_patch14_dinov2.safetensors --output-dir DIR \
        --page docs/own_dataset.md --name biq2021

PACK holds whole images for no superpixels (`--method none`). Their side is a multiple of the ViT's
patch: 14, for `scratch` 16, so that this one takes a pack of its own, and the same DIR. Features of
a frozen backbone are computed once and kept in DIR. Started again, it goes on where it was. With
`--page` the figure and the table are written.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from judge.figures import save
from judge.page import replaced
from judge.tables import table as markdown
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file
from torch import Tensor

from dpam.commands.train import build_network
from dpam.datasets.splits import scenes
from dpam.evaluation.correlation import plcc, srcc
from dpam.experiments.configuration import REPOSITORY
from dpam.experiments.settings import ALL, TrainingSettings
from dpam.figures.style import COLOURS, style
from dpam.inference.predict import predict
from dpam.model.pooled import PooledViT
from dpam.pack.store import Pack
from dpam.training.adaptation import adapt, last_features
from dpam.training.history import rows_of_subsets
from dpam.training.trainer import Trainer
from dpam.utils.files import write_json, write_text
from dpam.utils.reading import read_csv, read_json
from dpam.utils.runtime import device

PRESET = REPOSITORY / "workflow/presets/finetune.yaml"
REPEATS = {25: 5, 50: 5, 100: 3, 200: 2, 400: 1}  # photographs -> draws
FROZEN = {"freeze_blocks": ALL, "crop": 0.0, "hflip": 0.0}
NEW_HEAD = FROZEN | {"learning_rate": 2e-3, "epochs": 30}
SMALL = {"freeze_blocks": 0, "crop": 0.0, "learning_rate": 1e-3, "epochs": 60}
# What a start changes of the preset's model and training.
STARTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "adapt": ({}, FROZEN),
    "preset": ({}, {}),
    "backbone": ({"start": None}, NEW_HEAD),
    "scratch": ({"start": None, "backbone": "test_vit", "out_indices": [5]}, SMALL),
}
LINES: dict[str, dict[str, Any]] = {
    "adapt": {"color": COLOURS["first"]},
    "preset": {"color": COLOURS["first"], "linestyle": (0, (4, 3))},
    "backbone": {"color": COLOURS["second"]},
    "scratch": {"color": COLOURS["muted"]},
}


def with_cache(
    forward: Callable[[Tensor], Tensor], cache: dict[bytes, Tensor]
) -> Callable[[Tensor], Tensor]:
    """A frozen backbone that computes each image once: it answers the same each time."""

    def remembered(image: Tensor) -> Tensor:
        keys = [hashlib.sha256(one.cpu().numpy().tobytes()).digest() for one in image]
        unknown = [index for index, key in enumerate(keys) if key not in cache]
        if unknown:
            with torch.no_grad():
                answers = forward(image[unknown])
            cache.update(zip((keys[index] for index in unknown), answers, strict=True))
        return torch.stack([cache[key] for key in keys])

    return remembered


def measure(
    pack: Pack, rows: dict[str, np.ndarray], start: str, seed: int, args: argparse.Namespace
) -> dict[str, float]:
    """Train on rows["train"], if there are any: SRCC and PLCC on rows["test"], and seconds."""
    preset = yaml.safe_load(PRESET.read_text(encoding="utf-8"))
    model, training = STARTS[start]
    if start == "backbone":
        model = model | {"weights": args.weights}
    settings = TrainingSettings(**(preset["training"] | training))
    torch.manual_seed(seed)
    net, _ = build_network(preset["model"] | model, pack)
    kept = args.output_dir / f"features_{start}.safetensors"
    cache = {}
    if settings.freeze_blocks == ALL:
        if kept.is_file():
            cache = {bytes.fromhex(key): row for key, row in load_file(kept).items()}
        # A method gives way to itself with a memory, which a type checker cannot follow.
        net.pool = with_cache(net.pool, cache)  # type: ignore[method-assign, union-attr]
    known, seconds, began = len(cache), 0.0, time.monotonic()
    if len(rows["train"]) and start == "adapt":
        assert isinstance(net, PooledViT)
        teach(net, pack, rows["train"])
        seconds = time.monotonic() - began
    elif len(rows["train"]):
        with tempfile.TemporaryDirectory() as folder:
            progress = Path(folder) / "progress.pt"
            trainer = Trainer(net, pack, rows, settings, seed, device(), progress)
            trainer.run(lambda row: print(start, row["epoch"], f"{row['loss']:.4f}", flush=True))
        seconds = sum(row["seconds"] for row in trainer.history)
    images = (pack.prepared(int(row)) for row in rows["test"])
    prediction, _ = predict(net, images, pack.preparation.image_size, views=1, device=device())
    if len(cache) > known:
        save_file({key.hex(): row for key, row in cache.items()}, kept)
    label = pack.labels["label"].to_numpy()[rows["test"]]
    return {"srcc": srcc(prediction, label), "plcc": plcc(prediction, label), "seconds": seconds}


@torch.no_grad()
def teach(net: PooledViT, pack: Pack, rows: np.ndarray) -> None:
    """Adapt the last layer, as dpam adapt does; the pack's images have no near-duplicates."""
    images = (pack.prepared(int(row)) for row in rows)
    features = last_features(net, images, pack.preparation.image_size, torch.device("cpu"))
    labels = pack.labels.iloc[rows]
    weight, bias = net.out.weight[0].double().numpy(), net.out.bias.item()
    label = labels["label"].to_numpy(np.float64)
    change = adapt(features, weight, bias, label, scenes(labels).to_numpy(str))
    net.out.weight[0] += torch.from_numpy(change.weight)
    net.out.bias += change.bias


def draw(rows: dict[str, np.ndarray], number: int, seed: int) -> dict[str, np.ndarray]:
    """The rows with so many for training, and none for validation."""
    drawn = np.random.default_rng(seed).permutation(rows["train"])[:number]
    return rows | {"train": drawn, "validation": drawn[:0]}


def table(found: list[dict[str, Any]]) -> pd.DataFrame:
    """Means over draws, and their standard deviation: a row per number, a column per start."""
    every = pd.DataFrame(found)
    every = every[every["number"] > 0]
    wide = every.pivot_table("srcc", "number", "start", aggfunc=spread)
    return wide[[start for start in STARTS if start in wide]].fillna("")


def spread(values: pd.Series) -> str:
    """Mean and, of several, standard deviation."""
    return f"{values.mean():.3f}" + (f" ± {values.std():.3f}" if len(values) > 1 else "")


def plot(found: list[dict[str, Any]], path: Path) -> None:
    """SRCC by the number of photographs; a point for each draw, a line through their means."""
    every = pd.DataFrame(found)
    with style():
        figure = Figure(figsize=(6, 3.4), layout="constrained")
        axes = figure.add_subplot()
        for start, look in LINES.items():
            own = every[(every["start"] == start) & (every["number"] > 0)]
            if own.empty:  # not measured
                continue
            mean = own.groupby("number")["srcc"].mean()
            axes.plot(own["number"], own["srcc"], "o", ms=3, alpha=0.5, color=look["color"])
            axes.plot(mean.index, mean, label=start, **look)
        untrained = every.loc[every["number"] == 0, "srcc"]
        axes.axhline(untrained.mean(), color=COLOURS["ink"], lw=0.8, label="judge as it is")
        axes.set(xscale="log", xticks=list(REPEATS), xlabel="labelled photographs", ylabel="SRCC")
        axes.set_xticklabels([str(number) for number in REPEATS])
        axes.minorticks_off()
        figure.legend(loc="outside right upper", frameon=False)
        save(figure, path)


def write_page(found: list[dict[str, Any]], page: Path, name: str) -> None:
    """The figure beside a page, and the table between its markers `learning curve NAME`."""
    text, figure = page.read_text(encoding="utf-8"), f"learning_curve_{name}.png"
    plot(found, page.parent / "images" / figure)
    rows = table(found)
    lines = [[str(number), *cells] for number, cells in zip(rows.index, rows.values, strict=True)]
    untrained = next(one["srcc"] for one in found if one["number"] == 0)
    body = f"![SRCC by the number of labelled photographs](images/{figure})\n\n"
    body += markdown(["photographs", *rows.columns], lines)
    body += f"\nThe judge as it is: {untrained:.3f}."
    made = replaced(text, {f"learning curve {name}": body}, page)
    write_text(page, made, ours=text.partition("\n")[0].encode())


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path)
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--split", default="split00")
    parser.add_argument("--weights", type=Path, required=True, help="of the backbone")
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    parser.add_argument("--numbers", nargs="+", type=int, choices=REPEATS, default=list(REPEATS))
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="Markdown with the markers of the table")
    parser.add_argument("--name", default="own", help="of the figure and in the markers")
    args = parser.parse_args()
    args.output_dir.mkdir(parents=True, exist_ok=True)
    file = args.output_dir / "learning_curve.json"
    found = read_json(file)["found"] if file.is_file() else []
    done = {(one["start"], one["number"], one["seed"]) for one in found}
    split = read_csv(args.splits, ["image", args.split]).set_index("image")[args.split]
    wanted = [("adapt", 0, 0)]
    for number in args.numbers:
        wanted += [(s, number, seed) for s in args.starts for seed in range(REPEATS[number])]
    with Pack(args.pack) as pack:
        rows = rows_of_subsets(pack, split, "all")
        for start, number, seed in wanted:
            if (start, number, seed) in done or number > len(rows["train"]):
                continue
            numbers = measure(pack, draw(rows, number, seed), start, seed, args)
            found.append({"start": start, "number": number, "seed": seed, **numbers})
            write_json(file, {"found": found}, replace=True)
            print(found[-1], flush=True)
    print(table(found).to_string())
    if args.page:
        write_page(found, args.page, args.name)


if __name__ == "__main__":
    main()
