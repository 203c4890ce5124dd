"""Score one run's predictions on one dataset: SRCC, KRCC, PLCC and RMSE, as JSON.

PLCC stands raw and after the VQEG logistic of four parameters, which is fitted on the scored
images themselves. RMSE is in units of the normalised score, 0 to 1.
"""

import argparse
import logging

import numpy as np
import pandas as pd

from dpam import metrics
from dpam.errors import DpamError, listed
from dpam.files import read_csv, write_json
from dpam.stages.arguments import json_object

IDENTITY = ["dataset", "part", "method", "split", "seed", "test_dataset"]
COLUMNS = ["image", "distortion", "label_kind", "score", "prediction"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `dpam score`."""
    parser.add_argument("predictions", metavar="CSV", help="predictions that `dpam test` wrote")
    parser.add_argument(
        "--identity",
        metavar="JSON",
        required=True,
        help=f"what was run: an object with the keys {', '.join(IDENTITY)}",
    )
    parser.add_argument("--output", metavar="JSON", required=True, help="file to write")


def run(args: argparse.Namespace) -> None:
    """Read predictions, compute the numbers, write them with the identity of the run."""
    identity = parse_identity(args.identity)
    table = read_csv(args.predictions, COLUMNS)
    if table.empty:
        raise DpamError(f"{args.predictions}: expected a row per image, found none")
    label, prediction = (numbers(args.predictions, table, name) for name in ("score", "prediction"))
    kinds = sorted(set(table["label_kind"].astype(str)))
    if len(kinds) != 1:
        raise DpamError(
            f"{args.predictions}: expected one label_kind on all rows, found {', '.join(kinds)}"
        )
    result = metrics.score(prediction, label, table["distortion"].astype(str).tolist())
    if result["logistic"] is None:
        logging.warning("%s: no logistic could be fitted", args.predictions)
    write_json(args.output, {**identity, "label_kind": kinds[0], **result})


def parse_identity(text: str) -> dict[str, str | int]:
    """The identity of a run: a JSON object with exactly the keys of IDENTITY.

    Raises:
        DpamError: it is something else.
    """
    identity = json_object(text)
    if sorted(identity) != sorted(IDENTITY):
        raise DpamError(
            f"--identity: expected the keys {', '.join(IDENTITY)}, found {', '.join(identity)}"
        )
    return {key: identity[key] for key in IDENTITY}


def numbers(path: str, table: pd.DataFrame, column: str) -> np.ndarray:
    """(n,) one column of the predictions as finite numbers.

    Raises:
        DpamError: a cell is not a finite number; all such images are named.
    """
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~np.isfinite(values)
    if wrong.any():
        images = [f"{row.image}: {getattr(row, column)}" for row in table[wrong].itertuples()]
        raise listed(f"{path}: column {column}: expected finite numbers, found", images)
    return values
