"""Arguments that say where datasets lie."""

import argparse

from dpam.datasets import DATASETS, default_root
from dpam.stages.arguments import json_object


def add_roots(parser: argparse.ArgumentParser) -> None:
    """Declare where datasets lie: `data_root`, `roots`."""
    parser.add_argument("--data-root", metavar="DIR", default="data", help="holds DIR/DATASET")
    parser.add_argument(
        "--roots", type=json_object, metavar="JSON", default={}, help="datasets that lie elsewhere"
    )


def root_of(args: argparse.Namespace, name: str) -> str:
    """The folder of a dataset, from the arguments that `add_roots` declares."""
    homes = DATASETS[name].homes if name in DATASETS else ()
    return str(args.roots.get(name) or default_root(args.data_root, name, homes))
