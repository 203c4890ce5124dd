"""Bring a dataset's native labels to one table: labels from 0 to 1, higher is better.

One row per image, in the order of the native label files. Scores that are no number or outside
the declared range, images that are labelled twice or do not exist: all are listed, and refused.
"""

import argparse
import logging

from dpam.commands.arguments import add_dataset, add_input, add_output
from dpam.datasets import find, labels
from dpam.utils.files import write_csv
from dpam.utils.reading import read_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this stage."""
    add_dataset(parser)
    add_input(parser, "--verified", metavar="JSON", help="what verify-download found")
    add_output(parser, "--output", metavar="CSV", required=True, help="the table of labels")


def run(args: argparse.Namespace) -> None:
    """Write the table of labels."""
    dataset = find(args.dataset, args.custom)
    files = dataset.files(args.root)
    native = dataset.reader(files)
    left_out = read_json(args.verified)["left_out"] if args.verified else []
    native = native[~native["image"].isin(left_out)]
    table = labels.normalise(native, dataset, files.images)
    write_csv(args.output, table)
    logging.info("%s: %d labels (%s)", dataset.title, len(table), dataset.label_kind)
    if left_out:
        logging.warning("%d image(s) left out, as allowed: %s", len(left_out), ", ".join(left_out))
