"""Pack a dataset: pixels, texture and superpixel statistics of every image in one HDF5 file."""

import argparse
import multiprocessing
import os
from collections.abc import Iterator
from functools import partial
from itertools import chain
from multiprocessing.pool import Pool
from pathlib import Path

import numpy as np
import torch

from dpam.datasets import find
from dpam.errors import DpamError, listed
from dpam.files import read_csv, read_json
from dpam.preparation import CPU, Preparation, Prepared, Segmentation, prepare_all, read_photograph
from dpam.progress import track
from dpam.recipes import facts_of, preparation_of
from dpam.runtime import device, record
from dpam.stages.arguments import add_dataset, add_superpixels
from dpam.store import write_pack

BATCH = 16  # images that RIM optimises at once on a GPU


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_dataset(parser)
    parser.add_argument(
        "--verified", type=Path, required=True, help="verified.json of verify-download"
    )
    parser.add_argument("--labels", type=Path, required=True, help="labels.csv of normalise-labels")
    add_superpixels(parser)
    parser.add_argument("--image-size", type=int, default=224, help="the network's input, pixels")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="worker processes")
    parser.add_argument("--output", type=Path, required=True, help="the pack to write (.h5)")


def attempt(
    paths: list[Path], preparation: Preparation, device: torch.device
) -> list[tuple[Prepared, Segmentation] | DpamError]:
    """Prepare image files; hand back the errors of those that fail, so that all can be listed."""
    photographs: list[np.ndarray | DpamError] = []
    for path in paths:
        try:
            photographs.append(read_photograph(path))
        except DpamError as error:
            photographs.append(error)
    readable = [rgb for rgb in photographs if isinstance(rgb, np.ndarray)]
    prepared = iter(prepare_all(readable, preparation, device))
    return [rgb if isinstance(rgb, DpamError) else next(prepared) for rgb in photographs]


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    dataset = find(args.dataset, args.plain)
    labels = read_csv(args.labels, ["image", "score", "label_kind"])
    preparation = preparation_of(
        dataset,
        args.image_size,
        method=args.method,
        backend=args.backend,
        rim=args.rim,
        ainet=args.ainet,
    )
    settings = {
        **facts_of(dataset),
        "preparation": vars(preparation),
        "dataset_fingerprint": read_json(args.verified)["fingerprint"],
        "made_by": record(),
    }
    failures: list[str] = []
    # One process feeds the GPU, with batches; processors take one image each.
    on_gpu = preparation.method != "slic" and device().type == "cuda"
    processes, together = (1, BATCH) if on_gpu else (args.threads, 4)

    def prepared_images(pool: Pool) -> Iterator[tuple[Prepared, Segmentation]]:
        paths = [Path(args.root, image) for image in labels["image"]]
        chunks = [paths[start : start + together] for start in range(0, len(paths), together)]
        work = partial(attempt, preparation=preparation, device=device() if on_gpu else CPU)
        results = chain.from_iterable(pool.imap(work, chunks))
        for result in track(results, f"packing {dataset.name}", total=len(paths)):
            if isinstance(result, DpamError):
                failures.append(str(result))
            elif not failures:
                yield result
        if failures:
            raise listed(f"{len(failures)} of {len(paths)} images cannot be packed", failures)

    # A forked process would inherit torch's thread pool in an unknown state.
    with multiprocessing.get_context("spawn").Pool(processes, torch.set_num_threads, (1,)) as pool:
        write_pack(args.output, labels, preparation, settings, prepared_images(pool))
