"""Draw training, validation and test sets; no reference image stands on two sides of them, nor
do photographs that are near-duplicates, but for test sets that are not drawn here (authors,
official).

The table has a column per split: split00, split01, ... (random), authors (the one that the
released code draws), official (where the dataset declares one) and whole (everything trains).
"""

import argparse
import logging

import pandas as pd

from dpam.commands.arguments import add_input, add_output, natural
from dpam.datasets import splits
from dpam.utils.files import write_csv
from dpam.utils.reading import read_csv, read_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this stage."""
    add_input(parser, "labels", metavar="LABELS", help="labels.csv of normalise-labels")
    add_input(parser, "--verified", metavar="JSON", required=True, help="of verify-download")
    parser.add_argument("--seed", type=natural, required=True, help="of the shuffles; not negative")
    parser.add_argument("--count", type=natural, default=10, help="number of random splits")
    parser.add_argument(
        "--no-validation",
        action="store_true",
        help="draw no validation set, as released; its images train, too",
    )
    add_output(parser, "--output", metavar="CSV", required=True, help="the table of splits")
    add_output(
        parser,
        "--near-duplicates",
        metavar="CSV",
        required=True,
        help="table of the images that look alike but stand in different subsets of a split",
    )


def run(args: argparse.Namespace) -> None:
    """Write the table of splits, and that of near-duplicates in different subsets."""
    labels = read_csv(args.labels, ["image", "reference", "official"])
    pairs = pd.DataFrame(
        read_json(args.verified)["near_duplicates"], columns=["image", "other", "bits"]
    )
    table = splits.draw(labels, pairs, args.seed, args.count, not args.no_validation)
    apart = splits.apart(pairs, table)
    write_csv(args.near_duplicates, apart)
    write_csv(args.output, table)
    for name in table.columns.drop(["image", "whole"]):
        if not args.no_validation and "validation" not in set(table[name]):
            logging.warning(
                "%s: no image is left to validate on, as near-duplicates of all train: the last "
                "epoch will be kept",
                name,
            )
    few: dict[str, list[str]] = {}
    for name in table.columns.drop("image"):
        validation = labels["reference"][table[name] == "validation"].tolist()
        few.setdefault(splits.too_few_to_select(validation), []).append(name)
    for what, names in few.items():
        if what:
            logging.warning(
                "%s: the validation set is %s: too few to select an epoch on, the last one will "
                "be kept",
                *(", ".join(names), what),
            )
    if len(apart):
        torn = sorted(set(" ".join(apart["splits"]).split()))
        logging.warning(
            "%d pair(s) of near-duplicates stand in different subsets of %s, whose test set is not "
            "drawn here: %s",
            *(len(apart), ", ".join(torn), args.near_duplicates),
        )
    drawn = ", ".join(table.columns.drop("image"))
    logging.info("%s: %d images; splits: %s", args.labels, len(table), drawn)
