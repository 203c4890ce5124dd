"""Predict every image of a test part exactly once.

On the dataset that the network was trained on, the test part is that of the run's split. On
another dataset it is the same split's test part, too, or, for a network trained on a `whole`
dataset, every image. Scores of a network that was trained with `--scaling faithful` are stretched
over the tested images, as released.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from dpam.errors import DpamError
from dpam.files import read_csv, write_csv
from dpam.inference import predict
from dpam.model.checkpoint import load_checkpoint
from dpam.progress import track
from dpam.runtime import device
from dpam.scaling import stretched
from dpam.store import Pack

COPIED = ["image", "reference", "distortion", "level", "label_kind", "score"]
VIEWS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("checkpoint", type=Path, help="weights (.safetensors) of train")
    parser.add_argument("pack", type=Path, help="the pack to test on (.h5)")
    parser.add_argument("--splits", type=Path, required=True, help="splits.csv of that dataset")
    parser.add_argument("--output", type=Path, required=True, help="one row per image (.csv)")
    parser.add_argument("--threads", type=int, help="processor threads; default: all")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    if args.threads:
        torch.set_num_threads(args.threads)
    net, trained = load_checkpoint(args.checkpoint)
    splits = read_csv(args.splits, ["image", trained["split"]]).set_index("image")
    with Pack(args.pack) as pack:
        labels = pack.labels
        kept = np.ones(len(pack), bool)
        if trained["split"] != "whole":
            kept &= (splits[trained["split"]].reindex(labels["image"]) == "test").to_numpy()
        own = pack.settings["dataset"] == trained["dataset"]
        if own and trained["part"] != "all":
            kept &= (labels["distortion"] == trained["part"]).to_numpy()
        rows = np.flatnonzero(kept)
        if not len(rows):
            raise DpamError(f"{args.splits}: no test image in {trained['split']} of {args.pack}")
        images = (
            pack.prepared(int(row)) for row in track(rows, f"testing on {pack.settings['dataset']}")
        )
        size = pack.preparation.image_size
        prediction, spread = predict(net.to(device()), images, size, VIEWS, device())
    assert len(prediction) == len(rows), "every image is scored once"
    table = labels.iloc[rows][COPIED].assign(prediction=prediction, spread=spread)
    if trained.get("scaling") == "faithful":
        table["score"] = stretched(table["score"])
    write_csv(args.output, table)
