"""Which datasets are known, which are there and complete, and where to get the rest.

Without a name, a table of all; with a name, a card about that one, with a histogram of its scores.
This looks at labels and names of files only; `verify-download` also decodes every image.
"""

import argparse

from dpam.cards import card, overview
from dpam.datasets import DATASETS, find
from dpam.errors import DpamError
from dpam.labels import normalise
from dpam.stages.arguments import json_object
from dpam.stages.roots import add_roots, root_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument("dataset", metavar="DATASET", nargs="?", help="key of one dataset")
    add_roots(parser)
    parser.add_argument(
        "--plain", type=json_object, metavar="JSON", help="describes a dataset of your own"
    )
    parser.add_argument("--svg", metavar="FILE", help="with DATASET: its histogram as a picture")


def run(args: argparse.Namespace) -> None:
    """Print the table or the card."""
    if args.dataset is None:
        if args.svg:
            raise DpamError("--svg: name a dataset, too")
        print(overview({name: root_of(args, name) for name in DATASETS}))
        return
    dataset, root = find(args.dataset, args.plain), root_of(args, args.dataset)
    print(card(dataset, root))
    if args.svg:
        from dpam import figures  # matplotlib takes a second to import

        scores = normalise(dataset.read_labels(root), dataset)["score"]
        with figures.style():
            picture = figures.score_histogram(scores, dataset.title, dataset.label_kind)
            figures.save(picture, args.svg)
