"""Arguments that several stages share."""

import argparse
import json
from typing import Any

from dpam.datasets import DATASETS, default_root
from dpam.errors import DpamError


def json_object(text: str) -> dict[str, Any]:
    """A JSON object on the command line.

    Raises:
        DpamError: the text is something else.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise DpamError(f"expected a JSON object, found {text!r}: {error}") from error
    if not isinstance(value, dict):
        raise DpamError(f"expected a JSON object, found {text!r}")
    return value


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Which dataset, and where it lies: `dataset`, `root`, `plain`."""
    parser.add_argument("dataset", metavar="DATASET", help="key of the dataset")
    parser.add_argument("--root", metavar="DIR", required=True, help="the dataset's folder")
    parser.add_argument(
        "--plain",
        type=json_object,
        metavar="JSON",
        help="describes a dataset of your own: labels, score_range, higher_is_better, ...",
    )


def add_roots(parser: argparse.ArgumentParser) -> None:
    """Where datasets lie: `data_root`, `roots`."""
    parser.add_argument("--data-root", metavar="DIR", default="data", help="holds DIR/DATASET")
    parser.add_argument(
        "--roots", type=json_object, metavar="JSON", default={}, help="datasets that lie elsewhere"
    )


def root_of(args: argparse.Namespace, name: str) -> str:
    """The folder of a dataset, from the arguments that `add_roots` declares."""
    homes = DATASETS[name].homes if name in DATASETS else ()
    return str(args.roots.get(name) or default_root(args.data_root, name, homes))
