"""Average the predictions of several seeds: an ensemble's predictions, one row per image.

A prediction is the mean over the seeds, `spread` their standard deviation.
"""

import argparse
from pathlib import Path

import numpy as np

from dpam.commands.arguments import add_input, add_output
from dpam.errors import DpamError
from dpam.utils.files import write_csv
from dpam.utils.reading import read_csv

SAME = ["image", "subset", "label", "selection"]  # columns in which predictions must agree


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_input(parser, "predictions", metavar="CSV", nargs="+", type=Path, help="those of each seed")
    add_output(parser, "--output", required=True, help="the means (.csv)")


def run(args: argparse.Namespace) -> None:
    """Run the stage.

    Raises:
        DpamError: predictions are not of the same images, in the same order.
    """
    tables = [read_csv(path, [*SAME, "prediction", "spread"]) for path in args.predictions]
    for path, table in zip(args.predictions, tables, strict=True):
        if not table[SAME].equals(tables[0][SAME]):
            raise DpamError(
                f"{path}: expected the images, labels and rule of selection of "
                f"{args.predictions[0]}, found others; test both anew"
            )
    predicted = np.array([table["prediction"] for table in tables], np.float64)
    mean = tables[0].assign(prediction=predicted.mean(axis=0), spread=predicted.std(axis=0))
    write_csv(args.output, mean)
