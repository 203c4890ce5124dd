"""How fast training batches are read from a pack, beside a plain reader of the same file.

The packs are made of noise, in a temporary folder, and read from the page cache: random order,
224-pixel squares, flips, texture. The plain reader does one h5py read per image and field, and
cuts, mirrors and computes textures with PyTorch. All forms take turns in the same run. Last, what
the rows of an image alone cost a core, read with h5py from open datasets and mapped to memory: this
is what the pack's own offsets are for.

    python benchmarks/reading.py --images 100 1000
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch

from dpam.pack.batches import Batch, View, collate
from dpam.pack.preparation import Preparation, Prepared
from dpam.pack.store import Pack
from dpam.pack.writing import PackWriter, lay_out
from dpam.training.augmentation import EpochPlan, RandomViews, Source
from dpam.training.batch_sources import HostSource

SIZES = {"whole": (224, 224), "crop": (384, 512)}
BATCH = 32
SECONDS = 1.0  # a round of a form lasts at least so long


class PlainSource(Source):
    """One h5py read per image and field."""

    ahead = 0

    def __init__(self, pack: Pack) -> None:
        self.pack, self.file = pack, h5py.File(pack.path, "r")

    def batch(self, chance: RandomViews) -> Batch:
        """See `Source`."""
        file, size, views = self.file, self.pack.preparation.image_size, []
        for row, share, mirrored in zip(chance.rows, chance.place, chance.flip, strict=True):
            start, height, width = (int(file[name][row]) for name in ("offset", "height", "width"))
            grain = file["texture"][row].astype(np.float32)[None] if "texture" in file else None
            image = Prepared(
                file["pixels"][start : start + 3 * height * width].reshape(height, width, 3),
                grain,
                file["mean"][row],
                file["covariance"][row],
            )
            top, left = (share * (np.array([height, width]) - size + 1)).astype(int)
            views.append(View(image, int(top), int(left), bool(mirrored)))
        return collate(views, size)


class OneThread(HostSource):
    """Batches made when they are asked for."""

    ahead = 0


def make_pack(path: Path, network_input: str, count: int) -> None:
    """A pack of noise."""
    how = Preparation(network_input, 224, "slic", 99, None, 45, 10, 10)
    labels = pd.DataFrame({"image": [str(i) for i in range(count)], "label": 0.5})
    sizes = np.tile(SIZES[network_input], (count, 1))
    lay_out(path, labels, how, {"preparation": vars(how)}, sizes, {})
    random = np.random.default_rng(0)
    image = Prepared(
        pixels=random.integers(0, 256, (*SIZES[network_input], 3), np.uint8),
        texture=random.random((1, 224, 224)) if network_input == "whole" else None,
        mean=random.random((99, 3)),
        covariance=random.random((99, 6)),
    )
    with PackWriter(path) as writer:
        for row in range(count):
            writer.write(row, image)


def rate(source: Source, seed: int = 0) -> float:
    """Images per second, over whole epochs."""
    count, images, start = len(source.pack), 0, time.perf_counter()
    while time.perf_counter() < start + SECONDS:
        plan = EpochPlan.draw(np.arange(count), min(BATCH, count), 0.7, [seed, images])
        images += sum(len(rows) for rows, _ in plan.batches(source))
    return images / (time.perf_counter() - start)


def start_worker() -> None:
    """One thread per process."""
    torch.set_num_threads(1)


def measured(path: Path, rounds: int, executor: ProcessPoolExecutor) -> dict[str, float]:
    """Images per second of each form, median over the rounds."""
    pack = Pack(path)
    plain, ours = PlainSource(pack), OneThread(pack)
    forms = {
        "plain, 1 core": partial(rate, plain),
        "ours, 1 core": partial(rate, ours),
        "ours, 2 threads": partial(rate, HostSource(pack)),
        "ours, 2 processes": lambda: sum(executor.map(rate, [ours, ours], [1, 2])),
    }
    list(executor.map(rate, [ours, ours]))  # compiles, and brings the file into the page cache
    rates: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, form in forms.items():
            rates[name].append(form())
    return {name: statistics.median(found) for name, found in rates.items()}


def mapped(pack: Pack, row: int) -> list[np.ndarray]:
    """Copies of an image's rows, of a crop its middle; nothing else of the file is read."""
    side, (height, width) = 224, pack.image(row).shape[:2]
    top, left = (height - side) // 2, (width - side) // 2
    square = pack.image(row)[top : top + side, left : left + side]
    kept = [name for name in ("mean", "covariance", "texture") if name in pack.places]
    return [square.copy(), *(pack.rows[name][row].copy() for name in kept)]


def with_h5py(file: dict[str, h5py.Dataset], pack: Pack, row: int) -> list[np.ndarray]:
    """The same rows by h5py."""
    start, size = int(pack.offset[row]), pack.image(row).size
    pixels = file["pixels"][start : start + size]
    return [pixels, *(data[row] for name, data in file.items() if name != "pixels")]


def cost_of_rows(path: Path, rounds: int) -> dict[str, float]:
    """Milliseconds of a core that an image's rows take, in random order, median over the rounds."""
    pack = Pack(path)
    with h5py.File(path, "r") as file:
        kept = {name: file[name] for name in pack.places if name != "packed"}
        forms = {"h5py": partial(with_h5py, kept, pack), "mapped": partial(mapped, pack)}
        found: dict[str, list[float]] = {name: [] for name in forms}
        for _ in range(rounds):
            for name, form in forms.items():
                start = time.process_time()
                for row in np.random.default_rng(0).permutation(len(pack)).tolist():
                    form(row)
                found[name].append(1000 * (time.process_time() - start) / len(pack))
    return {name: statistics.median(several) for name, several in found.items()}


def lines(arguments: argparse.Namespace) -> Iterator[str]:
    """Rows of the table as they are measured."""
    yield "| input | images | pack | form | images/s | ms per image and core | times as fast |"
    yield "|---|---|---|---|---|---|---|"
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
        ProcessPoolExecutor(2, get_context("spawn"), start_worker) as executor,
    ):
        for network_input in SIZES:
            for count in arguments.images:
                path = Path(folder, "pack.h5")
                make_pack(path, network_input, count)
                rates = measured(path, arguments.rounds, executor)
                size = f"{path.stat().st_size / 1e9:.2f} GB"
                for name, found in rates.items():
                    cost = 1000 * (1 if "1 core" in name else 2) / found
                    yield (
                        f"| {network_input} | {count} | {size} | {name} | {found:.0f} | {cost:.2f} "
                        f"| {found / rates['plain, 1 core']:.1f} |"
                    )
                costs = cost_of_rows(path, 3 * arguments.rounds)
                told = ", ".join(f"{name} {cost:.3f}" for name, cost in costs.items())
                yield f"| {network_input} | {count} | {size} | rows alone, ms | {told} | | |"
                path.unlink()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[100, 1000], help="of each pack")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the packs are made for a while")
    arguments = parser.parse_args()
    start_worker()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} when it began")
    for line in lines(arguments):
        print(line, flush=True)


if __name__ == "__main__":
    main()
