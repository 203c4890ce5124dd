"""Pack a dataset: pixels, texture and superpixel statistics of every image in one HDF5 file.

Until it is complete the pack has a hidden name, .NAME.part.h5. After a kill or a full disk, the
same command goes on from it with the images that are missing; under other settings, labels, images
or code it starts again. `dpam inspect` shows what is in a pack.

A large dataset can be packed by many machines: each takes a shard of the images (--shard 1/8 ...),
and the same command with --shards joins what they made.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpam.commands.arguments import (
    add_dataset,
    add_image_size,
    add_input,
    add_output,
    add_superpixels,
    positive,
)
from dpam.datasets import find
from dpam.errors import DpamError, error_of_many
from dpam.experiments.fingerprint import code_fingerprint
from dpam.imaging.images import upright_size
from dpam.utils.files import refuse_other, remove_halves
from dpam.utils.parallel import processes, through
from dpam.utils.progress import track
from dpam.utils.reading import read_csv, read_json

if TYPE_CHECKING:
    import torch

    from dpam.pack.preparation import Preparation, Prepared
    from dpam.pack.writing import PackWriter
    from dpam.superpixels.methods import Segmentation

log = logging.getLogger(__name__)

BATCH = 16  # images that RIM optimises at once on a GPU
AHEAD = 3  # tasks per process that wait or run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_dataset(parser)
    add_input(
        parser, "--verified", type=Path, required=True, help="verified.json of verify-download"
    )
    add_input(parser, "--labels", type=Path, required=True, help="labels.csv of normalise-labels")
    add_superpixels(parser)
    parser.add_argument(
        "--texture",
        default="wrapped",
        help="grey minus its blur: wrapped modulo 256, which is exactly as released, or signed",
    )
    parser.add_argument(
        "--statistics",
        default="all",
        choices=("all", "sampled"),
        help="of a superpixel: from all of its pixels, or from as many as released",
    )
    parser.add_argument(
        "--colour-profiles",
        default="converted",
        help="those embedded in image files: converted to sRGB, or ignored, as released",
    )
    add_image_size(parser)
    parser.add_argument(
        "--stored-side",
        type=positive,
        metavar="PIXELS",
        help="keep whole images in full, at most so many pixels on the shorter side, to be resized "
        "when they are read, for crops and degraded copies; default: keep what the network reads",
    )
    parser.add_argument(
        "--resize",
        default="cubic",
        help="of pixels: cubic, as released, or antialias, better where images are much larger",
    )
    parser.add_argument("--threads", type=positive, default=os.cpu_count(), help="worker processes")
    parser.add_argument(
        "--shard", type=shard, default=(1, 1), metavar="K/N", help="pack the K-th of N shards only"
    )
    add_input(
        parser,
        "--shards",
        type=Path,
        nargs="*",
        default=[],
        help="join these: all shards, in order",
    )
    add_output(parser, "--output", required=True, help="the pack to write (.h5)")


def shard(text: str) -> tuple[int, int]:
    """Which shard of how many, from 1."""
    number, count = map(int, text.split("/"))
    if not 1 <= number <= count:
        raise ValueError("the first of four is 1/4, the last 4/4")
    return number, count


def attempt(
    paths: list[Path], preparation: Preparation, device: torch.device
) -> list[tuple[Prepared, Segmentation] | DpamError]:
    """Prepare image files; hand back the errors of those that fail, so that all can be listed."""
    from dpam.pack.preparation import read_photograph
    from dpam.pack.preparing import prepare_all

    photographs: list[np.ndarray | DpamError] = []
    for path in paths:
        try:
            photographs.append(read_photograph(path, preparation))
        except DpamError as error:
            photographs.append(error)
    readable = [rgb for rgb in photographs if isinstance(rgb, np.ndarray)]
    prepared = iter(prepare_all(readable, preparation, device))
    return [rgb if isinstance(rgb, DpamError) else next(prepared) for rgb in photographs]


@cache
def writer_of(part: Path) -> PackWriter:
    """This process's writer; it stays open until the process ends."""
    from dpam.pack.writing import PackWriter

    return PackWriter(part)


def pack(
    paths: dict[int, Path], part: Path, preparation: Preparation, device: torch.device
) -> list[str]:
    """In a worker: prepare images, by row, and write them to the part file.

    Returns what is wrong with those that cannot be prepared.
    """
    failures = []
    results = attempt(list(paths.values()), preparation, device)
    for row, result in zip(paths, results, strict=True):
        if isinstance(result, DpamError):
            failures.append(str(result))
        else:
            writer_of(part).write(row, result[0])
    return failures


def size_to_store(path: Path, preparation: Preparation) -> tuple[int, int]:
    """In a worker: height and width of the pixels to pack; 0 if it cannot be packed."""
    from dpam.pack.preparation import refuse_unfit, stored_size

    try:
        size = upright_size(path)
        refuse_unfit(*size, path, preparation)
        return stored_size(*size, preparation)
    except DpamError:
        return 0, 0  # said when it is to be packed


def example(path: Path, preparation: Preparation, device: torch.device) -> Segmentation | None:
    """In a worker: how an image is segmented; None if that fails."""
    from dpam.pack.preparing import prepare_file

    try:
        return prepare_file(path, preparation, device)[1]
    except DpamError:
        return None  # said when it is to be packed


def start_worker() -> None:
    """One thread per process."""
    import torch

    torch.set_num_threads(1)


def identity_of(settings: dict[str, Any], labels: pd.DataFrame) -> str:
    """Hash of what a pack depends on: settings, versions, labels, weights and code."""
    facts = {key: value for key, value in settings.items() if key != "made_by"}
    versions = settings["made_by"]["versions"]
    digest = hashlib.sha256(json.dumps([facts, versions], sort_keys=True).encode())
    digest.update(labels.to_csv().encode())
    weights = settings["preparation"]["ainet"]
    if weights and Path(weights).is_file():
        digest.update(Path(weights).read_bytes())
    digest.update(code_fingerprint("dpam.commands.pack_superpixels").encode())
    return digest.hexdigest()


def resumable(part: Path, identity: str) -> bool:
    """Whether the part file is one to go on from; one that is not is removed.

    What a kill left while it was laid out is removed too.

    Raises:
        DpamError: a file with the name of the part file is none.
    """
    from dpam.pack.checksum import FORMAT, UNFINISHED
    from dpam.pack.writing import PackWriter

    remove_halves(part, UNFINISHED)
    refuse_other(part, UNFINISHED, FORMAT.encode())
    if not part.exists():
        return False
    with suppress(OSError, KeyError, DpamError), PackWriter(part) as writer:
        if writer.identity == identity:
            log.info("going on: %d of %d are packed", writer.packed.sum(), len(writer.packed))
            return True
    log.info("%s: of other settings, labels, images or code; starting again", part)
    part.unlink()
    return False


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from dpam.pack.preparing import CPU
    from dpam.pack.recipes import facts_of, preparation_of
    from dpam.pack.writing import PackWriter, example_rows, join, lay_out
    from dpam.utils.runtime import device, record

    if args.shards:
        join(args.shards, args.output)
        return
    dataset = find(args.dataset, args.custom)
    every = read_csv(args.labels, ["image", "label", "label_kind"])
    number, count = args.shard
    first, end = (len(every) * part // count for part in (number - 1, number))
    labels = every[first:end].reset_index(drop=True)
    preparation = preparation_of(
        dataset,
        args.image_size,
        method=args.method,
        backend=args.backend,
        rim=args.rim,
        ainet=args.ainet,
        texture=args.texture,
        sample=dataset.recipe.pixels if args.statistics == "sampled" else 0,
        colour_profiles=args.colour_profiles,
        stored_side=args.stored_side,
        resize=args.resize,
    )
    settings = {
        **facts_of(dataset),
        "preparation": vars(preparation),
        "dataset_fingerprint": read_json(args.verified)["fingerprint"],
        "made_by": record(),
    }
    identity = identity_of(settings, labels)
    paths = [Path(args.root, image) for image in labels["image"]]
    part = args.output.with_name(f".{args.output.stem}.part.h5")
    # One process feeds the GPU, with batches; processors take one image each.
    on_gpu = preparation.uses_gpu and device().type == "cuda"
    workers, together = (1, BATCH) if on_gpu else (args.threads, 4)
    where = device() if on_gpu else CPU
    with processes(workers, begin=start_worker) as executor:
        if not resumable(part, identity):
            sizes = np.full((len(paths), 2), preparation.image_size)
            if preparation.network_input == "crop" or preparation.in_full:
                size = partial(size_to_store, preparation=preparation)
                found = executor.map(size, paths, chunksize=64)
                sizes = np.array(list(track(found, "looking at sizes", len(paths))))
            rows = [row - first for row in example_rows(every) if first <= row < end]
            shown = partial(example, preparation=preparation, device=where)
            segmentations = executor.map(shown, [paths[row] for row in rows])
            examples = {row: s for row, s in zip(rows, segmentations, strict=True) if s}
            lay_out(part, labels, preparation, settings, sizes, examples, identity)
        with PackWriter(part) as writer:
            missing = np.flatnonzero(~writer.packed).tolist()
            chunks = (
                {row: paths[row] for row in missing[start : start + together]}
                for start in range(0, len(missing), together)
            )
            work = partial(pack, part=part, preparation=preparation, device=where)
            results = through(executor, work, chunks, AHEAD * workers)
            count = -(-len(missing) // together)
            bar = track(results, f"packing {dataset.name}", count, unit=f"{together} images")
            failures = [failure for failed in bar for failure in failed]
            if failures:  # the others stay packed, so that another attempt costs little
                title = f"{len(failures)} of {len(paths)} images cannot be packed"
                raise error_of_many(title, sorted(failures))
            writer.finish(args.output)
    how = "converted to sRGB" if preparation.colour_profiles == "converted" else "ignored"
    log.info("%d images packed; colour profiles in their files: %s", len(paths), how)
