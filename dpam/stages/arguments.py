"""Arguments that several stages share."""

import argparse
import json
from typing import Any

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
