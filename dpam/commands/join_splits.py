"""Join the splits of several datasets, on which one network is to be trained.

    dpam join-splits a/splits.csv b/splits.csv --labels a/labels.csv b/labels.csv \\
        --verified a/verified.json b/verified.json --output splits.csv --near-duplicates near.csv

Each dataset keeps its own validation and test sets. An image that would train but is, by a
perceptual hash, a near-duplicate of a validation or test image of another dataset is left out, and
so are all other training images of its reference: its subset is `left_out`. Images are named
DATASET/IMAGE.
"""

import argparse
import logging
from typing import Any

import pandas as pd

from dpam.commands.arguments import add_input, add_output
from dpam.datasets.joining import LEFT_OUT, join_splits, joined_name, read_hashes
from dpam.datasets.splits import clusters
from dpam.errors import DpamError
from dpam.imaging.perceptual_hash import near_duplicates
from dpam.utils.files import write_csv
from dpam.utils.reading import read_csv, read_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this stage."""
    several: dict[str, Any] = {"nargs": "+", "required": True}
    add_input(parser, "splits", metavar="CSV", nargs="+", help="of draw-splits, of each dataset")
    add_input(parser, "--labels", metavar="CSV", **several, help="of normalise-labels, likewise")
    add_input(parser, "--verified", metavar="JSON", **several, help="of verify-download, likewise")
    add_output(parser, "--output", metavar="CSV", required=True, help="the joined table of splits")
    add_output(
        parser,
        "--near-duplicates",
        metavar="CSV",
        required=True,
        help="table of images of different datasets that look alike",
    )


def run(args: argparse.Namespace) -> None:
    """Write the joined splits, and the near-duplicates across datasets."""
    if not len(args.splits) == len(args.labels) == len(args.verified) > 1:
        raise DpamError(
            "expected splits, --labels and --verified of the same two or more datasets, found "
            f"{len(args.splits)}, {len(args.labels)} and {len(args.verified)} files"
        )
    splits, cluster = {}, {}
    hashes: dict[str, str] = {}
    whose: dict[str, str] = {}
    for file, label_file, verified in zip(args.splits, args.labels, args.verified, strict=True):
        found, labels = read_json(verified), read_csv(label_file, ["image", "reference"])
        name, table = found["dataset"], read_csv(file, ["image"])
        if name in splits:
            raise DpamError(f"{verified}: expected another dataset, found {name} again")
        if table["image"].tolist() != labels["image"].tolist():
            raise DpamError(f"{file}: expected the images of {label_file}; draw the splits again")
        own = pd.DataFrame(found["near_duplicates"], columns=["image", "other", "bits"])
        splits[name], cluster[name] = table, clusters(labels, own)
        for image, own_hash in read_hashes([verified], labels["image"]).items():
            hashes[joined_name(name, image)] = own_hash
            whose[joined_name(name, image)] = name
    near = near_duplicates(hashes, whose)
    joined = join_splits(splits, cluster, near)
    write_csv(args.near_duplicates, near)
    write_csv(args.output, joined)
    dataset = joined["image"].map(whose)
    for split in joined.columns.drop("image"):
        for name, count in dataset[joined[split] == LEFT_OUT].value_counts(sort=False).items():
            rest = int(((joined[split] == "train") & (dataset == name)).sum())
            logging.info(
                "%s: of %s, %d images are left out of training, as they look like images that "
                "another dataset validates or tests on; %d train",
                *(split, name, count, rest),
            )
    logging.info(
        "%s: %d images; %d pair(s) of near-duplicates in different datasets",
        *(" + ".join(splits), len(joined), len(near)),
    )
