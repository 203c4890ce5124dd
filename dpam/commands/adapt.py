"""Adapt a judge to photographs that you have labelled, a few dozen or more; takes seconds.

    dpam adapt labels.csv --score-range 1 5 --output mine.safetensors
    dpam predict more/ --checkpoint mine.safetensors

The table has the columns image and label; images lie beside it, or in --images. Only the judge's
last layer changes, and only as far as your labels ask for it: each photograph is left out once, and
the change that predicts it best, or a smaller one that is as good, is taken. Photographs of one
scene (column reference) and near-duplicates are left out together. Where no change is better, the
order of photographs stays as it is, and only the scale is fitted to yours.

It is said how well the judge agreed with your labels before, and how well the new one agrees with
those that it was not told; where that is no better, keep the judge as it is, or label more. From 20
photographs on, scores come with an interval. Scores are on the scale of your labels.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dpam.commands.arguments import (
    add_checkpoint,
    add_device,
    add_input,
    add_output,
    checkpoint_of,
    positive,
)
from dpam.errors import DpamError, error_of_many
from dpam.evaluation.conformal import LEAST, interval
from dpam.utils.files import refuse_other_ending
from dpam.utils.parallel import in_order
from dpam.utils.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from dpam.datasets.dataset import Dataset
    from dpam.inference.scorer import Scorer
    from dpam.model.pooled import PooledViT
    from dpam.pack.preparation import Prepared
    from dpam.training.adaptation import Change

log = logging.getLogger(__name__)

# What a checkpoint says that stays true of the adapted one: how photographs are prepared.
KEPT = ("preparation", "views")
TURNED_ROUND = -0.3  # SRCC below which labels seem to mean the opposite
LAST_LAYER = "last_layer"  # in the metadata of an adapted network: how that was done


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_input(parser, "labels", type=Path, help="table: CSV, or lines of an image and its label")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="the photographs; default: where the table lies"
    )
    parser.add_argument(
        "--score-range",
        type=float,
        nargs=2,
        required=True,
        metavar=("LOW", "HIGH"),
        help="lowest and highest label, as declared to those who judged, not as found",
    )
    parser.add_argument(
        "--lower-is-better", action="store_true", help="labels are DMOS: low ones mean good"
    )
    add_checkpoint(
        parser, "--checkpoint", metavar="FILE", what="network to adapt, a plain head (.safetensors)"
    )
    parser.add_argument(
        "--workers", type=positive, default=os.cpu_count(), help="threads that decode and prepare"
    )
    add_device(parser)
    add_output(parser, "--output", required=True, help="weights (.safetensors)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    checkpoint = checkpoint_of(args)
    for file in (args.output, checkpoint):
        refuse_other_ending(file, ".safetensors")
    dataset, folder = described(args), args.images or args.labels.parent
    labels = read_labels(dataset, args.labels, folder)
    from scipy.special import expit

    from dpam.datasets.splits import clusters
    from dpam.imaging.perceptual_hash import near_duplicates
    from dpam.inference.scorer import load
    from dpam.training.adaptation import adapt
    from dpam.utils.runtime import device

    scorer = load(checkpoint, device=device(args.device))
    net = plain_head(scorer, checkpoint)
    if LAST_LAYER in scorer.metadata.get("training", {}):
        log.warning(
            "%s was adapted before: on labels that it learned from, it looks better than it is",
            checkpoint,
        )
    names = labels["image"].tolist()
    features, hashes = look_at(scorer, net, folder, names, args.workers)
    near = near_duplicates(hashes, dict(zip(names, labels["reference"], strict=True)))
    scene = clusters(labels, near).to_numpy(str)
    weight, bias = net.out.weight[0].detach().double().cpu().numpy(), net.out.bias.item()
    label = labels["label"].to_numpy(np.float64)
    change = adapt(features, weight, bias, label, scene)
    report(expit(features @ weight + bias), change, label, scene)
    write(args.output, checkpoint, scorer, dataset, change, label)


def described(args: argparse.Namespace) -> Dataset:
    """The labelled photographs as a dataset."""
    from dpam.datasets.custom import custom_dataset

    low, high = args.score_range
    if not low < high:
        raise DpamError(f"--score-range: expected LOW below HIGH, found {low:g} {high:g}")
    settings = {
        "labels": args.labels.name,
        "title": args.labels.name,
        "score_range": args.score_range,
        "higher_is_better": not args.lower_is_better,
        "label_kind": "DMOS" if args.lower_is_better else "MOS",
    }
    return custom_dataset(args.labels.stem, settings)


def read_labels(dataset: Dataset, table: Path, folder: Path) -> pd.DataFrame:
    """Labels from 0, worst, to 1, best, of images below a folder; see `dpam.datasets.labels`.

    Raises:
        DpamError: the table is broken, or names images that are not there.
    """
    from dpam.datasets import native
    from dpam.datasets.labels import normalise
    from dpam.datasets.layout import Files

    if not folder.is_dir():
        raise DpamError(f"{folder}: expected the folder of the photographs; see --images")
    files = Files(folder, [table], [folder])
    found = native.read_labels(table)
    names = [files.image(name) for name in found["image"]]
    wrong = [f"{name}: {files.why_missing(name)}" for name in sorted({*names} - {*files.images})]
    if wrong:
        raise error_of_many(
            f"{table}: {len(wrong)} image(s) are not found below {folder}",
            wrong,
            "Correct the table, or name their folder with --images.",
        )
    return normalise(
        native.native_table(names, found["label"], reference=found.get("reference")), dataset
    )


def plain_head(scorer: Scorer, checkpoint: Path) -> PooledViT:
    """The scorer's network, if its last layer can be adapted.

    Raises:
        DpamError: it is another network, or predicts something else than quality from 0 to 1.
    """
    from dpam.model.pooled import PooledViT

    net = scorer.net
    if not isinstance(net, PooledViT) or scorer.preparation.network_input != "whole":
        raise DpamError(
            f"{checkpoint}: expected a plain head (network: pooled) that reads photographs whole, "
            "as the judges of the package; others are fine-tuned by `dpam train`, with model.start"
        )
    if scorer.falls or scorer.learned_range != (0.0, 1.0):
        raise DpamError(
            f"{checkpoint}: expected a network that predicts quality from 0, worst, to 1, best, "
            "which this one does not"
        )
    return net


def look_at(
    scorer: Scorer, net: PooledViT, folder: Path, names: Sequence[str], workers: int
) -> tuple[np.ndarray, dict[str, str]]:
    """What the last layer reads of photographs, (n, F), and the perceptual hash of each.

    Raises:
        DpamError: some cannot be read; all are listed.
    """
    from PIL import Image

    from dpam.imaging.perceptual_hash import difference_hash
    from dpam.pack.preparation import read_photograph
    from dpam.pack.preparing import prepare
    from dpam.training.adaptation import last_features

    how = scorer.preparation
    hashes: dict[str, str] = {}
    wrong: list[str] = []

    def read(name: str) -> tuple[Prepared, str] | DpamError:
        try:
            rgb = read_photograph(folder / name, how)
        except DpamError as error:
            return error
        return prepare(rgb, how)[0], difference_hash(Image.fromarray(rgb))

    def readable() -> Iterator[Prepared]:
        found = track(in_order(read, names, workers), "looking at photographs", len(names))
        for name, one in zip(names, found, strict=True):
            if isinstance(one, DpamError):
                wrong.append(str(one))
            else:
                prepared, hashes[name] = one
                yield prepared

    features = last_features(net, readable(), how.image_size, scorer.device)
    if wrong:
        raise error_of_many(
            f"{len(wrong)} photograph(s) cannot be read", wrong, "Correct them, or their rows."
        )
    return features, hashes


def report(told: np.ndarray, change: Change, label: np.ndarray, scene: np.ndarray) -> None:
    """Say how well the judge agrees with the labels, and how well the adapted one will."""
    log.info("%d photographs of %d scenes", len(label), len(np.unique(scene)))
    before = agreement(told, label)
    log.info("the judge as it is: SRCC %.3f, PLCC %.3f", *before.values())
    if before["srcc"] < TURNED_ROUND:
        log.warning(
            "it ranks them the other way round than you: is --lower-is-better missing, or too much?"
        )
    if not change.strength:
        log.warning(
            "these labels teach it no better order of photographs: the order stays as it is, and "
            "only the scale was fitted to yours"
        )
        return
    after = agreement(change.left_out, label)
    log.info("adapted, each scene left out once: SRCC %.3f, PLCC %.3f", *after.values())
    if not after["srcc"] > max(0.0, before["srcc"]):
        log.warning(
            "that is no better order of photographs: keep the judge as it is, or label more"
        )


def agreement(told: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """SRCC and PLCC; nan where they are not defined."""
    from dpam.evaluation.correlation import plcc, srcc

    return {"srcc": srcc(told, label), "plcc": plcc(told, label)}


def write(
    output: Path,
    checkpoint: Path,
    scorer: Scorer,
    dataset: Dataset,
    change: Change,
    label: np.ndarray,
) -> None:
    """Write the adapted network, all but its last layer as small as the judges are."""
    import torch

    from dpam.model.checkpoint import load_checkpoint, to_small, write_checkpoint
    from dpam.model.start import sha256_of
    from dpam.utils.runtime import record

    net, known = load_checkpoint(checkpoint)  # the scorer's is made ready for scoring alone
    state = net.state_dict()
    added = {"out.weight": change.weight[None], "out.bias": np.array([change.bias])}
    changed = {name: state[name] + torch.from_numpy(more).float() for name, more in added.items()}
    entry = interval(change.left_out, label)
    if not entry:
        log.info("scores will have no interval: it takes %d photographs, here are %d",
                 LEAST, len(label))  # fmt: skip
    about: dict[str, Any] = {
        **{key: known[key] for key in KEPT if key in known},
        "dataset": dataset.name,
        "title": dataset.title,
        "label_kind": dataset.label_kind,
        "score_range": dataset.score_range,
        "higher_is_better": dataset.higher_is_better,
        "learned_range": (0.0, 1.0),
        "selected_by": "each scene left out once",
        "training": {LAST_LAYER: "ridge regression", "strength": change.strength},
        "start": {"file": checkpoint.name, "sha256": sha256_of(checkpoint)},
        "made_by": record(scorer.device),
    }
    found = agreement(change.left_out, label)
    if np.isfinite([*found.values()]).all():
        about["validation"] = {"images": len(label), **found}
    write_checkpoint(output, to_small(net) | changed, net.settings, about | entry)
    low, high = dataset.score_range
    log.info("%s: scores from %g to %g, as your labels", output, low, high)
