"""Evaluate one run's predictions on one dataset: SRCC, KRCC, PLCC and RMSE, as JSON.

The test set counts. PLCC stands raw and after the VQEG logistic of four parameters, which is
fitted on the tested images themselves; whether it converged is said. RMSE is in units of the
label, 0 to 1. Intervals of 95 % are percentiles of a seeded bootstrap over references
(over images where there is none). Distortion types, levels and groups have numbers of their own
where they are known; so has the validation set.

Tested images with a near-duplicate among those trained or validated on (see
`dpam.imaging.perceptual_hash`) are counted and named; SRCC and PLCC are also given without them.

`floor` holds the same numbers of what the group of an image alone predicts, the mean label of the
group in training; null where fewer than two groups are tested.
"""

import argparse
import logging
from typing import Any

import numpy as np
import pandas as pd

from dpam.commands.arguments import add_input, add_output, json_object
from dpam.datasets.joining import read_hashes
from dpam.datasets.splits import share_tested
from dpam.errors import DpamError, error_of_many
from dpam.imaging.perceptual_hash import nearest
from dpam.utils.files import write_json
from dpam.utils.reading import read_csv

IDENTITY = ["dataset", "distortion", "method", "split", "seed", "test_dataset"]
NAMES = ["reference", "distortion", "level", "group"]
COLUMNS = ["image", "subset", *NAMES, "label_kind", "selection", "label", "prediction"]
COLUMNS += ["group_mean"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `dpam evaluate`."""
    add_input(parser, "predictions", metavar="CSV", help="predictions that `dpam test` wrote")
    parser.add_argument(
        "--identity",
        metavar="JSON",
        required=True,
        help=f"what was run: an object with the keys {', '.join(IDENTITY)}",
    )
    add_input(
        parser,
        "--splits",
        metavar="CSV",
        required=True,
        help="splits of the dataset that was trained on; of several, those of join-splits",
    )
    add_input(
        parser,
        "--verified",
        metavar="JSON",
        nargs="+",
        required=True,
        help="of verify-download, of that dataset, or of each of several",
    )
    add_input(
        parser,
        "--test-verified",
        metavar="JSON",
        required=True,
        help="the same of the dataset tested on",
    )
    add_output(parser, "--output", metavar="JSON", required=True, help="file to write")


def run(args: argparse.Namespace) -> None:
    """Read predictions, compute the numbers, write them with the identity of the run."""
    from dpam.evaluation import metrics

    identity = parse_identity(args.identity)
    split = str(identity["split"])
    splits = read_csv(args.splits, ["image", split])
    table = read_csv(args.predictions, COLUMNS)
    test, validation = (table[table["subset"] == subset] for subset in ("test", "validation"))
    if test.empty:
        raise DpamError(f"{args.predictions}: expected a row per image of the test set, found none")
    common = {name: the_only(args.predictions, table, name) for name in ("label_kind", "selection")}
    prediction, label = (numbers(args.predictions, test, name) for name in ("prediction", "label"))
    names = {name: test[name].tolist() for name in NAMES}
    result = metrics.evaluate(prediction, label, **names)
    learning = splits.loc[splits[split].isin(["train", "validation"]), "image"]
    tested = read_hashes([args.test_verified], test["image"])
    near = nearest(tested, read_hashes(args.verified, learning))
    apart = ~test["image"].isin(near["image"]).to_numpy()
    alike = {"images": len(near), "pairs": near.to_numpy().tolist()}
    result["near_duplicates"] = alike | {"without": without(prediction, label, test, apart)}
    result["floor"] = floor(test, label, apart)
    if result["logistic"] is None:
        logging.warning(
            "%s: the logistic could not be fitted: %s", args.predictions, result["logistic_status"]
        )
    x, y = (numbers(args.predictions, validation, name) for name in ("prediction", "label"))
    result["validation"] = None if validation.empty else metrics.correlations(x, y)
    result["test_to_train"] = share_tested(splits[split])
    write_json(args.output, {**identity, **common, **result})
    known = [name for name in ("srcc", "plcc") if result[name] is not None]
    told = ", ".join(f"{name.upper()} {result[name]:.3f}" for name in known)
    logging.info("%s on %d images", told or "no correlation is defined", result["n"])


def without(
    prediction: np.ndarray, label: np.ndarray, test: pd.DataFrame, apart: np.ndarray
) -> dict[str, Any]:
    """n, srcc, plcc and srcc_within of the tested images that are `apart`, (n,) bool."""
    from dpam.evaluation import metrics

    groups = metrics.rows_of_groups(test["group"][apart].tolist())
    return metrics.correlations(prediction[apart], label[apart], groups)


def floor(test: pd.DataFrame, label: np.ndarray, apart: np.ndarray) -> dict[str, Any] | None:
    """The numbers of the mean of the group in training, as a prediction of (n,) labels."""
    from dpam.evaluation import metrics

    means = pd.to_numeric(test["group_mean"], errors="coerce").to_numpy(dtype=np.float64)
    if np.isnan(means).any() or len(set(test["group"])) < 2:
        return None
    names = {name: test[name].tolist() for name in ("reference", "group")}
    near = {"images": int((~apart).sum()), "without": without(means, label, test, apart)}
    return metrics.evaluate(means, label, **names) | {"near_duplicates": near}


def the_only(path: str, table: pd.DataFrame, column: str) -> str:
    """The value that a column has in all rows.

    Raises:
        DpamError: it has several.
    """
    values = sorted(set(table[column]))
    if len(values) != 1:
        raise DpamError(f"{path}: expected one {column} on all rows, found {', '.join(values)}")
    return str(values[0])


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
        raise error_of_many(f"{path}: column {column}: expected finite numbers, found", images)
    return values
