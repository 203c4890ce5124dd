"""Predict every image of a test set exactly once, and of the validation set, too.

On the dataset that the network was trained on, these are the subsets of the run's split; the column
`subset` says which an image belongs to. On another dataset it is the same split's test set or, for
a network trained on a `whole` dataset, every image.

A prediction is the mean over fixed views of the image, `spread` their standard deviation. Where
whole images are the network's input, there is one view. Where it is crops, the checkpoint or
--views says which: 1, the centre; 5, centre and corners; 4, 9, 16 or 25, a grid from corner to
corner; whole, the image resized to the network's input.

A network that was trained on several datasets has a scale for each of them: on these, predictions
are on the dataset's own scale, on others on that of the first.

Scores of a network that was trained with `--scaling faithful` are stretched over the images of
either subset, as released.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from dpam.commands.arguments import add_device, add_input, add_output, add_views, positive
from dpam.datasets.scaling import stretch, stretch_in_subsets
from dpam.datasets.splits import subsets_to_test
from dpam.errors import DpamError
from dpam.evaluation.predictions import group_means, predictions_table
from dpam.evaluation.unions import is_own
from dpam.pack.views import USUAL
from dpam.utils.files import write_csv
from dpam.utils.progress import track
from dpam.utils.reading import read_csv

log = logging.getLogger(__name__)

TRAINED = ("dataset", "distortion", "split", "selected_by")  # what a checkpoint must tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_input(parser, "checkpoint", type=Path, help="weights (.safetensors) of train")
    add_input(parser, "pack", type=Path, help="the pack to test on (.h5)")
    add_input(parser, "--splits", type=Path, required=True, help="splits.csv of that dataset")
    add_views(parser)
    add_output(parser, "--output", required=True, help="one row per image (.csv)")
    add_device(parser)
    parser.add_argument("--threads", type=positive, help="processor threads; default: all")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    import torch

    from dpam.inference.predict import predict
    from dpam.model.checkpoint import load_checkpoint
    from dpam.model.scales import answer_on_scale
    from dpam.pack.joined import superpixels_seen, thin
    from dpam.pack.store import Pack
    from dpam.utils.runtime import device

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
        dataset = pack.settings["dataset"]
        own = is_own(trained["dataset"], dataset)
        try:
            subsets = subsets_to_test(pack.labels, splits, split, trained["distortion"], own)
        except DpamError as error:
            raise DpamError(f"{args.splits}: {error}") from error
        rows = np.flatnonzero(subsets != "")
        answer_on_scale(net, dataset)
        seen, steps = superpixels_seen(pack, trained), track(rows, f"testing on {dataset}")
        images = (thin(pack.prepared(int(row)), seen) for row in steps)
        size = pack.preparation.image_size
        prediction, spread = predict(net.to(where).fuse(), images, size, views, where)
        labels = pack.labels
    faithful = trained.get("scaling") == "faithful"
    means: pd.Series | float = float("nan")
    if own:
        assigned = splits.set_index("image")[split]
        learnt = labels
        if faithful:
            by_image = labels["image"].map(assigned)
            learnt = labels.assign(label=stretch_in_subsets(labels["label"], by_image))
        means = group_means(learnt, assigned, trained["distortion"])
    table = predictions_table(labels, subsets, prediction, spread, trained["selected_by"], means)
    if faithful:
        table["label"] = table.groupby("subset")["label"].transform(stretch)
    write_csv(args.output, table)
    log.info("%d images of %s predicted", len(table), dataset)
