"""Join the shards of a pack by copying their rows, or leave them to virtual datasets of HDF5.

    python benchmarks/joining.py

Prints how long the joining takes, and how fast images are then read in random order through h5py
(both) and from the mapped file (copied rows only: a virtual dataset has no place in its own file).
The two take turns. Files are in the page cache.
"""

import argparse
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from dpam.pack.preparation import Preparation, Prepared
from dpam.pack.store import ROWS, Pack
from dpam.pack.writing import PackWriter, join, lay_out
from dpam.superpixels.methods import Segmentation

SIZE = (384, 512)


def write_shard(path: Path, images: int, seed: int) -> None:
    """A pack of random images for crops."""
    how = Preparation("crop", 224, "slic", 140, None, 20, 10, 10)
    generator = np.random.default_rng(seed)
    labels = pd.DataFrame({"image": [f"{seed}/{i}.png" for i in range(images)], "label": 0.5})
    example = Segmentation(np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.int32))
    settings = {"dataset": "random", "preparation": vars(how)}
    lay_out(path, labels, how, settings, np.tile(SIZE, (images, 1)), {0: example})
    with PackWriter(path) as writer:
        for index in range(images):
            pixels = generator.integers(0, 256, (*SIZE, 3), np.uint8)
            mean, covariance = (generator.random((140, n), np.float32) for n in (3, 6))
            writer.write(index, Prepared(pixels, None, mean, covariance))


def join_virtually(shards: list[Path], path: Path) -> None:
    """One file whose datasets are those of the shards, one after the other."""
    with h5py.File(path, "w") as file:
        for name in ROWS:
            sources = []
            for shard in shards:
                with h5py.File(shard) as one:
                    if name in one:
                        sources.append(h5py.VirtualSource(one[name]))
            if sources:
                length = sum(source.shape[0] for source in sources)
                layout = h5py.VirtualLayout((length, *sources[0].shape[1:]), sources[0].dtype)
                start = 0
                for source in sources:
                    layout[start : start + source.shape[0]] = source
                    start += source.shape[0]
                file.create_virtual_dataset(name, layout)


def read_by_h5py(path: Path, order: np.ndarray) -> float:
    """Images per second, pixels and statistics."""
    step = SIZE[0] * SIZE[1] * 3
    with h5py.File(path) as file:
        start = time.perf_counter()
        for index in order:
            pixels = file["pixels"][index * step : (index + 1) * step]
            total = pixels[::4096].sum() + file["mean"][index].sum()
            total += file["covariance"][index].sum()
        return len(order) / (time.perf_counter() - start)


def read_mapped(path: Path, order: np.ndarray) -> float:
    """Images per second, as training reads; pixels are copied out as the others do."""
    with Pack(path) as pack:
        rows = pack.rows
        start = time.perf_counter()
        for index in order:
            pixels = pack.image(int(index)).copy()
            total = pixels.reshape(-1)[::4096].sum() + rows["mean"][index].sum()
            total += rows["covariance"][index].sum()
        return len(order) / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--images", type=int, default=150, help="per shard")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shards = [folder / f"shard{i}.h5" for i in range(args.shards)]
        for seed, shard in enumerate(shards):
            write_shard(shard, args.images, seed)
        size = sum(shard.stat().st_size for shard in shards)
        order = np.random.default_rng(20).permutation(args.shards * args.images)
        found: dict[str, list[float]] = {}
        for _ in range(args.rounds):
            for form, work in (("copied", join), ("virtual", join_virtually)):
                start = time.perf_counter()
                work(shards, folder / f"{form}.h5")
                found.setdefault(f"join {form}", []).append(time.perf_counter() - start)
            for form in ("copied", "virtual"):
                rate = read_by_h5py(folder / f"{form}.h5", order)
                found.setdefault(f"h5py {form}", []).append(rate)
            found.setdefault("mapped", []).append(read_mapped(folder / "copied.h5", order))
    median = {key: float(np.median(values)) for key, values in found.items()}
    print(f"{args.shards} shards of {args.images} images, {size / 1e9:.2f} GB")
    copied, virtual = median["join copied"], median["join virtual"]
    print(f"join: copied {copied:.2f} s ({size / copied / 1e9:.1f} GB/s), virtual {virtual:.3f} s")
    rate = median["h5py virtual"]
    print(f"read, virtual through h5py: {rate:,.0f} images/s, 1.0")
    for key in ("h5py copied", "mapped"):
        print(
            f"read, copied, {key.split()[0]}: {median[key]:,.0f} images/s, {median[key] / rate:.1f}"
        )


if __name__ == "__main__":
    main()
