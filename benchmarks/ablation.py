"""What each branch of DPAM is worth: train it with a branch that sees a constant, and compare.

The first pack is trained on three times, all else the same: as it is; with every texture replaced
by the mean texture, a single number; and with every superpixel's mean and covariance replaced by
their means over all superpixels. In training, validation and test alike, so a branch keeps its
parameters and learns what it can, but nothing of the image. Any further pack, say of another
superpixel method or texture, is trained on as it is. The epoch best on validation is tested.

    python benchmarks/ablation.py PACK [PACK ...] --splits CSV --split official \
        --config YAML --output-dir DIR

`less_first`: SRCC less that of the first form, with the interval of the paired difference.
`model` and `training` are those of the configuration. Prints the table and writes it to
DIR/ablation.csv, predictions beside it; started again, it goes on where it was.
"""

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from torch import Tensor

from dpam.errors import DpamError
from dpam.evaluation import metrics
from dpam.evaluation.bootstrap import DRAWS, SEED, clusters_of, weighted_plcc, weighted_ranks
from dpam.experiments.settings import ALL, TrainingSettings
from dpam.model import DPAM
from dpam.pack.store import Pack
from dpam.training.history import rows_of_subsets
from dpam.training.trainer import Trainer
from dpam.utils.files import read_csv, read_json, write_csv, write_json
from dpam.utils.runtime import device

BRANCHES = {"texture": ["texture"], "superpixels": ["mean", "covariance"]}


def make_constant(pack: Pack, names: list[str]) -> None:
    """Let an open pack show each image the mean of these of its rows (see `dpam.pack.store`).

    Raises:
        DpamError: it has no such rows.
    """
    for name in names:
        if name not in pack.rows:
            raise DpamError(
                f"{pack.path}: its texture is made of each crop; the ablation needs a dataset "
                "whose network_input is whole"
            )
        rows = pack.rows[name]
        last = tuple(range(rows.ndim - 1 if name != "texture" else rows.ndim))
        mean = rows.mean(axis=last, dtype=np.float64).astype(rows.dtype)
        pack.rows[name] = np.broadcast_to(mean, rows.shape)


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


def trained(
    pack: Pack,
    rows: dict[str, np.ndarray],
    model: dict[str, Any],
    settings: TrainingSettings,
    seed: int,
    cache: dict[bytes, Tensor],
    folder: Path,
) -> dict[str, Any]:
    """Train, or take what was trained before: numbers of the epoch best on validation."""
    if (folder / "numbers.json").is_file():
        return read_json(folder / "numbers.json")
    torch.manual_seed(seed)
    net = DPAM(image_size=pack.preparation.image_size, **model)
    if settings.freeze_blocks == ALL and pack.preparation.network_input == "whole":
        net.backbone.forward = with_cache(net.backbone.forward, cache)  # type: ignore[method-assign]
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(net, pack, rows, settings, seed, device(), folder / "progress.pt")

    def report(row: dict[str, Any]) -> None:
        shown = ("loss", "train_srcc", "validation_srcc", "validation_plcc", "test_srcc", "seconds")
        print(folder.name, row["epoch"], *(f"{name} {row[name]:.3f}" for name in shown), flush=True)

    trainer.run(report)
    write_csv(folder / "history.csv", pd.DataFrame(trainer.history))
    kept = next(row for row in trainer.history if row["validation_selected"])
    chosen = rows["test"]
    prediction = trainer.predictions["test"][kept["epoch"] - 1].numpy()
    label = trainer.label[chosen]
    table = pack.labels.iloc[chosen][["image", "label"]].assign(prediction=prediction)
    write_csv(folder / "predictions.csv", table)
    reference = pack.labels["reference"].iloc[chosen].tolist()
    result = metrics.evaluate(prediction, label, reference)
    numbers = {
        **{name: kept[name] for name in ("epoch", "validation_srcc", "validation_plcc")},
        **{name: result[name] for name in ("srcc", "plcc")},
        **{f"{name}_interval": result["intervals"][name] for name in ("srcc", "plcc")},
        "seconds": sum(row["seconds"] for row in trainer.history),
        "settings": asdict(settings),
    }
    write_json(folder / "numbers.json", numbers)
    trainer.progress.path.unlink()
    return numbers


def difference(
    prediction: np.ndarray, first: np.ndarray, label: np.ndarray, reference: list[str]
) -> list[float]:
    """SRCC of a prediction less that of the first, and the 95 % interval of this over draws.

    Both are drawn together (see `dpam.evaluation.bootstrap`), so that images that are hard for
    both cancel.
    """
    group = clusters_of(reference, len(label))
    count = group.max() + 1
    drawn = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), DRAWS)
    weight = np.vstack([np.ones(len(label)), drawn[:, group]])
    ranks = [weighted_ranks(values, weight) for values in (prediction, first, label)]
    ours, others = (weighted_plcc(side, ranks[2], weight) for side in ranks[:2])
    less = ours - others
    return [less[0], *np.nanquantile(less[1:], [0.025, 0.975])]


def main() -> None:
    """Train all forms, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packs", nargs="+", type=Path, help="packs of one dataset (.h5)")
    parser.add_argument("--splits", type=Path, required=True, help="splits.csv of draw-splits")
    parser.add_argument("--split", default="split00", help="column of the splits")
    parser.add_argument("--seed", type=int, default=20, help="of weights, order, dropout")
    parser.add_argument(
        "--config", nargs="+", type=Path, required=True, help="presets, later ones over earlier"
    )
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for all results")
    args = parser.parse_args()
    model, training = {}, {}
    for file in args.config:
        overlay = yaml.safe_load(file.read_text(encoding="utf-8"))
        model |= overlay.get("model", {})
        training |= overlay.get("training", {})
    splits = read_csv(args.splits, ["image", args.split]).set_index("image")[args.split]
    forms = [(args.packs[0], branch) for branch in ("", *BRANCHES)]
    forms += [(path, "") for path in args.packs[1:]]
    cache: dict[bytes, Tensor] = {}
    table, tested = [], []
    for path, branch in forms:
        with Pack(path) as pack:
            make_constant(pack, BRANCHES.get(branch, []))
            rows = rows_of_subsets(pack, splits, "all")
            folder = args.output_dir / (f"{path.stem}-without-{branch}" if branch else path.stem)
            settings = TrainingSettings(**training)
            numbers = trained(pack, rows, model, settings, args.seed, cache, folder)
            reference = pack.labels["reference"].iloc[rows["test"]].tolist()
        tested.append(read_csv(folder / "predictions.csv", ["image", "label", "prediction"]))
        prediction, first = (one["prediction"].to_numpy() for one in (tested[-1], tested[0]))
        label = tested[0]["label"].to_numpy()
        numbers["less_first"] = np.round(
            difference(prediction, first, label, reference), 3
        ).tolist()
        preparation = pack.preparation
        form = f"{preparation.method}, {preparation.texture} texture"
        table.append({"form": f"{form}, constant {branch}" if branch else form, **numbers})
    columns = ["form", "epoch", "validation_srcc", "validation_plcc", "srcc", "srcc_interval"]
    columns += ["less_first", "plcc", "plcc_interval", "seconds"]
    result = pd.DataFrame(table)[columns]
    file = args.output_dir / "ablation.csv"
    file.unlink(missing_ok=True)  # of an earlier start
    write_csv(file, result)
    print(result.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
