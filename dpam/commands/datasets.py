"""Which datasets are known, which are there and complete, and where to get the rest.

Without a name, a table of all, your own of the configuration among them; with a name, a card about
that one, with a histogram of its labels. This looks at labels and names of files only;
`verify-download` also decodes every image. Run it where config.yaml lies, with the files that
snakemake would get:

  dpam datasets --configfile my.yaml
"""

import argparse
from contextlib import suppress
from pathlib import Path
from typing import Any

from dpam.commands.arguments import add_output
from dpam.commands.roots import add_roots, found_root, places
from dpam.datasets import DATASETS, Dataset, find, missing_files
from dpam.datasets.cards import card, overview
from dpam.datasets.custom import with_labels
from dpam.datasets.labels import normalise
from dpam.errors import DpamError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument("dataset", metavar="DATASET", nargs="?", help="key of one dataset")
    add_roots(parser)
    add_output(parser, "--svg", metavar="FILE", help="with DATASET: its histogram as a picture")


def run(args: argparse.Namespace) -> None:
    """Print the table or the card."""
    config = places(args)
    if args.dataset is None:
        if args.svg:
            raise DpamError("--svg: name a dataset, too")
        names = [*DATASETS, *config["custom"]]
        datasets = [find(name, config["custom"].get(name)) for name in names]
        print(overview([with_root(dataset, config) for dataset in datasets]))
        return
    dataset, root = with_root(find(args.dataset, config["custom"].get(args.dataset)), config)
    print(card(dataset, root))
    if args.svg:
        from dpam.figures import curves, style  # matplotlib takes a second to import

        labels = normalise(dataset.read_labels(root), dataset)["label"]
        with style.style():
            picture = curves.Histogram(dataset.title, dataset.label_kind, labels.to_numpy())
            style.save(curves.histograms([picture]), args.svg)


def with_root(dataset: Dataset, config: dict[str, Any]) -> tuple[Dataset, str]:
    """A dataset and its folder; one of the user's own with what its labels tell, if they do."""
    root = found_root(config, dataset.name)
    with suppress(DpamError):  # the table says so, or the card fails
        if dataset.name in config["custom"] and not missing_files(dataset, Path(root)):
            dataset = with_labels(dataset, root)
    return dataset, root
