"""Features of every image from a frozen Vision Transformer, for the baseline vit_ridge.

The backbone, its blocks and its weights are those of `model`; the workflow names the network that
a training starts from, if it does, as the file of weights. Features are the mean and the
standard deviation over patches of each channel. Images are seen as the network sees them: whole,
or in five crops, whose features are averaged. Writes a matrix (.npy), a row per row of the labels.
"""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dpam.commands.arguments import (
    add_dataset,
    add_device,
    add_image_size,
    add_input,
    add_output,
    json_object,
    positive,
)
from dpam.datasets import find
from dpam.errors import DpamError
from dpam.imaging.images import decode
from dpam.utils.files import write_array
from dpam.utils.progress import track
from dpam.utils.reading import read_csv

log = logging.getLogger(__name__)

KEYS = ("backbone", "pretrained", "weights", "out_indices")
SEED = 20  # of a backbone without pretrained weights; the same for all datasets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_dataset(parser)
    add_input(parser, "--labels", type=Path, required=True, help="labels.csv of normalise-labels")
    parser.add_argument("--model", type=json_object, required=True, help=f"JSON: {', '.join(KEYS)}")
    add_image_size(parser)
    parser.add_argument("--threads", type=positive, help="processor threads; default: all")
    add_output(parser, "--output", required=True, help="the features to write (.npy)")
    add_device(parser)


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    import torch

    from dpam.baselines.vit_features import squares, vit_features
    from dpam.model.backbone import Backbone
    from dpam.utils.runtime import device

    if args.threads:
        torch.set_num_threads(args.threads)
    if sorted(args.model) != sorted(KEYS):
        raise DpamError(f"--model: expected {', '.join(KEYS)}, found {', '.join(args.model)}")
    network_input = find(args.dataset, args.custom).network_input
    names = read_csv(args.labels, ["image"])["image"]
    torch.manual_seed(SEED)
    model = args.model
    if not (model["pretrained"] or model["weights"]):
        log.warning("the backbone has random weights: its features know nothing of photographs")
    backbone = Backbone(
        model["backbone"],
        model["pretrained"],
        args.image_size,
        model["out_indices"],
        model["weights"],
    ).to(device(args.device))

    def read_squares() -> Iterator[list[np.ndarray]]:
        for name in track(names, f"ViT features of {args.dataset}"):
            yield squares(decode(Path(args.root, name)), network_input, args.image_size)

    features = vit_features(backbone, read_squares(), device(args.device))
    log.info("%d images, %d features of each", *features.shape)
    write_array(args.output, features)
