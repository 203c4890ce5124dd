"""Bring a checkpoint in the authors' format to a file that dpam reads.

The file must hold a state dict of the published network (325 tensors, with or without the prefix
"module."). Only tensors are read from it; no code in it is ever run.

It does not say what it was trained on. --dataset does, and lets `dpam predict` score photographs
with it, prepared by that dataset's recipe, on that dataset's scale:

    dpam import-checkpoint authors.pt koniq.safetensors --dataset koniq10k
"""

import argparse
import logging
from pathlib import Path

from dpam.commands.arguments import add_input, add_output
from dpam.datasets import DATASETS

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_input(parser, "authors", type=Path, help="checkpoint of the authors (.pt, .pth)")
    add_output(parser, "output", help="file to write (.safetensors)")
    parser.add_argument(
        "--dataset",
        metavar="DATASET",
        help=f"what it was trained on: {', '.join(DATASETS)}",
    )


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from dpam.inference.authors_checkpoint import from_release
    from dpam.model.checkpoint import save_checkpoint

    net, metadata = from_release(args.authors, args.dataset)
    save_checkpoint(args.output, net, metadata)
    log.info("%s: %d tensors of %s", args.output, len(net.state_dict()), args.authors)
    if args.dataset is None:
        log.info("`dpam predict` will need to know what it was trained on: --dataset")
