"""BRISQUE features of every image of a dataset, for the baseline brisque_svr.

Writes a matrix of 36 columns (.npy), one row per row of the labels.
"""

import argparse
import logging
import os
from pathlib import Path

import numpy as np

from dpam.baselines.brisque import FEATURES, SMALLEST, brisque_features
from dpam.commands.arguments import add_input, add_output, positive
from dpam.errors import DpamError, error_of_many
from dpam.imaging.images import decode
from dpam.utils.files import write_array
from dpam.utils.parallel import processes
from dpam.utils.progress import track
from dpam.utils.reading import read_csv


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_input(parser, "labels", type=Path, help="labels.csv of normalise-labels")
    parser.add_argument("--root", type=Path, required=True, help="the dataset's folder")
    parser.add_argument("--threads", type=positive, default=os.cpu_count(), help="worker processes")
    add_output(parser, "--output", required=True, help="the features to write (.npy)")


def attempt(path: Path) -> np.ndarray | DpamError:
    """Features of one image file; hand back the error if that fails, so that all can be listed."""
    try:
        rgb = decode(path)
    except DpamError as error:
        return error
    height, width = rgb.shape[:2]
    if min(height, width) < SMALLEST:
        return DpamError(
            f"{path}: the image is {width}x{height}; at least {SMALLEST}x{SMALLEST} is needed"
        )
    return brisque_features(rgb)


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    paths = [args.root / image for image in read_csv(args.labels, ["image"])["image"]]
    with processes(args.threads) as pool:
        results = pool.map(attempt, paths, chunksize=4)
        found = list(track(results, "BRISQUE features", total=len(paths)))
    failures = [str(result) for result in found if isinstance(result, DpamError)]
    if failures:
        raise error_of_many(f"{len(failures)} of {len(paths)} images cannot be used", failures)
    logging.info("%d images, %d features of each", len(found), FEATURES)
    write_array(args.output, np.array(found, dtype=np.float32).reshape(-1, FEATURES))
