"""Check that a dataset is complete: counts, labels and images agree, every image decodes."""

import argparse
import logging

from dpam.datasets import find
from dpam.datasets.verification import verify
from dpam.files import write_json
from dpam.stages.arguments import add_dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this stage."""
    add_dataset(parser)
    parser.add_argument("--output", metavar="JSON", required=True, help="what was found")


def run(args: argparse.Namespace) -> None:
    """Write what was found, or stop with a list of all that is wrong."""
    found = verify(find(args.dataset, args.plain), args.root)
    write_json(args.output, found)
    for finding in found["findings"]:
        logging.warning("%s", finding)
    logging.info("%s: %d images, all in order", found["title"], found["counts"]["images"])
