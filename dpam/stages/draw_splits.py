"""Draw training, validation and test parts in which no reference image stands on two sides."""

import argparse
import logging

from dpam import splits
from dpam.files import read_csv, write_csv


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this stage."""
    parser.add_argument("labels", metavar="LABELS", help="labels.csv of normalise-labels")
    parser.add_argument("--seed", type=int, required=True, help="of the shuffles; not negative")
    parser.add_argument("--count", type=int, default=10, help="number of random splits")
    parser.add_argument("--output", metavar="CSV", required=True, help="the table of splits")


def run(args: argparse.Namespace) -> None:
    """Write the table of splits."""
    labels = read_csv(args.labels, ["image", "reference"])
    table = splits.draw(labels, args.seed, args.count)
    write_csv(args.output, table)
    logging.info("%s: %d images, %d random splits", args.labels, len(table), args.count)
