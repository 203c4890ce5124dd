"""Check that a dataset is complete: counts, labels and images agree, every image decodes."""

import argparse
import json
import logging
from typing import Any

from dpam.datasets import find
from dpam.datasets.verification import verify
from dpam.files import write_json


def settings_of_own(text: str) -> dict[str, Any]:
    """The settings of a user's own dataset, as JSON on the command line."""
    settings = json.loads(text)
    if not isinstance(settings, dict):
        raise ValueError(text)
    return settings


def add_dataset_arguments(parser: argparse.ArgumentParser) -> None:
    """Which dataset, and where it lies."""
    parser.add_argument("dataset", metavar="DATASET", help="name of the dataset")
    parser.add_argument("--root", metavar="DIR", required=True, help="the dataset's folder")
    parser.add_argument(
        "--plain",
        type=settings_of_own,
        metavar="JSON",
        help="of your own dataset: labels, score_range, higher_is_better, ...",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this stage."""
    add_dataset_arguments(parser)
    parser.add_argument("--output", metavar="JSON", required=True, help="what was found")


def run(args: argparse.Namespace) -> None:
    """Write what was found, or stop with a list of all that is wrong."""
    found = verify(find(args.dataset, args.plain), args.root)
    write_json(args.output, found)
    for finding in found["findings"]:
        logging.warning("%s", finding)
    logging.info("%s: %d images, all in order", found["title"], found["counts"]["images"])
