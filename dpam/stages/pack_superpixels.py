"""Pack a dataset: pixels, texture and superpixel statistics of every image in one HDF5 file."""

import argparse
import multiprocessing
import os
from collections.abc import Iterator
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path

import torch

from dpam.datasets import find
from dpam.errors import DpamError, listed
from dpam.files import read_csv, read_json
from dpam.preparation import METHODS, Preparation, Prepared, Segmentation, prepare_file
from dpam.progress import track
from dpam.runtime import record
from dpam.stages.arguments import add_dataset
from dpam.store import write_pack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_dataset(parser)
    parser.add_argument(
        "--verified", type=Path, required=True, help="verified.json of verify-download"
    )
    parser.add_argument("--labels", type=Path, required=True, help="labels.csv of normalise-labels")
    parser.add_argument("--method", default="slic", help="superpixels: " + ", ".join(METHODS))
    parser.add_argument("--image-size", type=int, default=224, help="the network's input, pixels")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="worker processes")
    parser.add_argument("--output", type=Path, required=True, help="the pack to write (.h5)")


def attempt(path: Path, preparation: Preparation) -> tuple[Prepared, Segmentation] | DpamError:
    """Prepare one image file; hand back the error if that fails, so that all can be listed."""
    try:
        return prepare_file(path, preparation)
    except DpamError as error:
        return error


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    dataset = find(args.dataset, args.plain)
    labels = read_csv(args.labels, ["image", "score", "label_kind"])
    preparation = Preparation(
        network_input=dataset.network_input,
        image_size=args.image_size,
        method=args.method,
        superpixels=dataset.recipe.count,
        superpixel_size=dataset.recipe.size,
        region_size=dataset.recipe.region_size,
        ruler=dataset.recipe.ruler,
        iterations=dataset.recipe.iterations,
    )
    settings = {
        "dataset": dataset.name,
        "title": dataset.title,
        "label_kind": dataset.label_kind,
        "score_range": dataset.score_range,
        "higher_is_better": dataset.higher_is_better,
        "preparation": vars(preparation),
        "dataset_fingerprint": read_json(args.verified)["fingerprint"],
        "made_by": record(),
    }
    failures: list[str] = []

    def prepared_images(pool: Pool) -> Iterator[tuple[Prepared, Segmentation]]:
        paths = [Path(args.root, image) for image in labels["image"]]
        results = pool.imap(partial(attempt, preparation=preparation), paths, chunksize=4)
        for result in track(results, f"packing {dataset.name}", total=len(paths)):
            if isinstance(result, DpamError):
                failures.append(str(result))
            elif not failures:
                yield result
        if failures:
            raise listed(f"{len(failures)} of {len(paths)} images cannot be packed", failures)

    # A forked process would inherit torch's thread pool in an unknown state.
    with multiprocessing.get_context("spawn").Pool(
        args.threads, torch.set_num_threads, (1,)
    ) as pool:
        write_pack(args.output, labels, preparation, settings, prepared_images(pool))
