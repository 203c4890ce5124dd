"""Train a baseline on one split of one dataset, and predict with it as `dpam test` does.

The baselines are those of dpam/evaluation/baselines.py. They train on the training set; their
settings are chosen on the validation set or, of a `whole` dataset, on an eighth of its references,
before they are fitted to all. Both subsets tested on and the columns written are those of
`dpam test`.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from dpam.commands.arguments import add_input, add_output, natural
from dpam.datasets.splits import subsets_to_test
from dpam.errors import DpamError
from dpam.evaluation.baselines import BASELINES
from dpam.evaluation.predictions import COPIED, group_means, predictions_table
from dpam.utils.files import write_csv
from dpam.utils.reading import read_array, read_csv

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("baseline", choices=BASELINES, help="which one")
    for side, what in (("", "trained on"), ("test-", "tested on")):
        for name, kind in (("features", "npy"), ("labels", "csv"), ("splits", "csv")):
            text = f"{name} of the dataset that is {what} (.{kind})"
            add_input(parser, f"--{side}{name}", type=Path, required=True, help=text)
    parser.add_argument("--split", default="split00", help="column of the splits")
    parser.add_argument("--distortion", default="all", help="all, or one distortion type")
    parser.add_argument("--seed", type=natural, default=20, help="of the draw of that eighth")
    add_output(parser, "--output", required=True, help="one row per image (.csv)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from dpam.baselines.regression import draw_validation, fit_baseline, with_settings

    features, labels = read_features(args.features, args.labels)
    splits = read_csv(args.splits, ["image", args.split])
    assigned = splits.set_index("image")[args.split]
    subset = assigned.reindex(labels["image"]).to_numpy()
    chosen = np.isin(subset, ["train", "validation"])
    if args.distortion != "all":
        chosen &= (labels["distortion"] == args.distortion).to_numpy()
    train, validation = (
        np.flatnonzero(chosen & (subset == side)) for side in ("train", "validation")
    )
    whole = not len(validation)
    if whole and len(train) > 1:
        aside = draw_validation(labels["reference"].iloc[train].tolist(), args.seed)
        train, validation = train[~aside], train[aside]
    if len(train) < 2 or not len(validation):
        raise DpamError(
            f"{args.splits}: {args.split} has {len(train)} training and {len(validation)} "
            f"validation images of distortion {args.distortion}; at least 2 and 1 are needed"
        )
    label = labels["label"].to_numpy(np.float64)
    sides = [(features[rows], label[rows]) for rows in (train, validation)]
    model, settings = fit_baseline(args.baseline, sides[0], sides[1])
    if whole:
        rows = np.concatenate([train, validation])
        model = with_settings(args.baseline, settings).fit(features[rows], label[rows])
    log.info("%s: %d training images, settings %s", args.baseline, len(train), settings)

    test_features, test_labels = read_features(args.test_features, args.test_labels)
    test_splits = read_csv(args.test_splits, ["image", args.split])
    own = args.labels == args.test_labels
    try:
        subsets = subsets_to_test(test_labels, test_splits, args.split, args.distortion, own)
    except DpamError as error:
        raise DpamError(f"{args.test_splits}: {error}") from error
    rows = np.flatnonzero(subsets != "")
    write_csv(
        args.output,
        predictions_table(
            test_labels,
            subsets,
            prediction=model.predict(test_features[rows]),
            spread=0.0,
            selection="part of training" if whole else "validation",
            group_mean=group_means(labels, assigned, args.distortion) if own else float("nan"),
        ),
    )


def read_features(features: Path, labels: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """(n, d) float64 features and the labels of the same n images."""
    table, matrix = read_csv(labels, COPIED), read_array(features)
    if matrix.ndim != 2 or len(matrix) != len(table):
        raise DpamError(
            f"{features}: expected a row for each of the {len(table)} images of {labels}, "
            f"found {' x '.join(map(str, matrix.shape))} numbers; extract the features again"
        )
    return matrix.astype(np.float64), table
