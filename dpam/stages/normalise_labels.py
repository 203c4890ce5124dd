"""Bring a dataset's native labels to one table: scores from 0 to 1, higher is better."""

import argparse
import logging

from dpam import labels
from dpam.datasets import find
from dpam.files import write_csv
from dpam.stages.arguments import add_dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this stage."""
    add_dataset(parser)
    parser.add_argument("--output", metavar="CSV", required=True, help="the table of labels")


def run(args: argparse.Namespace) -> None:
    """Write the table of labels."""
    dataset = find(args.dataset, args.plain)
    table = labels.normalise(dataset.read_labels(args.root), dataset)
    write_csv(args.output, table)
    logging.info("%s: %d labels (%s)", dataset.title, len(table), dataset.label_kind)
