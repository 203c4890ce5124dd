"""Predict every image of a test part exactly once, and of the validation part, too.

On the dataset that the network was trained on, these are the parts of the run's split; the column
`part` says which an image belongs to. On another dataset it is the same split's test part or, for
a network trained on a `whole` dataset, every image.

A prediction is the mean over fixed views of the image, `spread` their standard deviation. Where
whole images are the network's input, there is one view. Where it is crops, the checkpoint or
--views says which: 1, the centre; 5, centre and corners; 4, 9, 16 or 25, a grid from corner to
corner; whole, the image resized to the network's input.

Scores of a network that was trained with `--scaling faithful` are stretched over the images of
either part, as released.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dpam.commands.arguments import add_device, add_output, add_views
from dpam.datasets.scaling import stretched, stretched_in_parts
from dpam.datasets.splits import parts_to_score
from dpam.errors import DpamError
from dpam.evaluation.predictions import group_means, predictions_table
from dpam.inference.predict import predict
from dpam.model.checkpoint import load_checkpoint
from dpam.pack.store import Pack
from dpam.pack.views import USUAL
from dpam.utils.files import read_csv, write_csv
from dpam.utils.progress import track
from dpam.utils.runtime import device

log = logging.getLogger(__name__)

TRAINED = ("dataset", "part", "split", "selected_by")  # what a checkpoint must tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("checkpoint", type=Path, help="weights (.safetensors) of train")
    parser.add_argument("pack", type=Path, help="the pack to test on (.h5)")
    parser.add_argument("--splits", type=Path, required=True, help="splits.csv of that dataset")
    add_views(parser)
    add_output(parser, "--output", required=True, help="one row per image (.csv)")
    add_device(parser)
    parser.add_argument("--threads", type=int, help="processor threads; default: all")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    where = device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    net, trained = load_checkpoint(args.checkpoint)
    missing = [key for key in TRAINED if key not in trained]
    if missing:
        raise DpamError(
            f"{args.checkpoint}: expected a checkpoint of `dpam train`; this one does not say "
            f"{', '.join(missing)}"
        )
    usual = trained.get("views", USUAL)
    views = args.views or usual
    if views != usual:
        log.info(
            "%s: tested with views %s; the checkpoint says %s, and so does `dpam predict` without "
            "--views",
            *(args.checkpoint, views, usual),
        )
    split = trained["split"]
    splits = read_csv(args.splits, ["image", split])
    with Pack(args.pack) as pack:
        pack.check()
        own = pack.settings["dataset"] == trained["dataset"]
        try:
            parts = parts_to_score(pack.labels, splits, split, trained["part"], own)
        except DpamError as error:
            raise DpamError(f"{args.splits}: {error}") from error
        rows = np.flatnonzero(parts != "")
        images = (
            pack.prepared(int(row)) for row in track(rows, f"testing on {pack.settings['dataset']}")
        )
        size = pack.preparation.image_size
        prediction, spread = predict(net.to(where), images, size, views, where)
        labels = pack.labels
    faithful = trained.get("scaling") == "faithful"
    means: pd.Series | float = float("nan")
    if own:
        assigned = splits.set_index("image")[split]
        learnt = labels
        if faithful:
            by_image = labels["image"].map(assigned)
            learnt = labels.assign(label=stretched_in_parts(labels["label"], by_image))
        means = group_means(learnt, assigned)
    table = predictions_table(labels, parts, prediction, spread, trained["selected_by"], means)
    if faithful:
        table["label"] = table.groupby("part")["label"].transform(stretched)
    write_csv(args.output, table)
