"""Time of SLICO by each backend, and of preparing a whole image, on one core.

Twelve photographs that installed packages ship are saved as JPEG at two sizes, with the recipes of
KADID-10k (512x384) and KonIQ-10k (1024x768). All forms take turns; a photograph's time is the
fastest of its rounds, the table shows the median over photographs.

    python benchmarks/superpixels.py
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dpam.datasets import find
from dpam.demo.photographs import PHOTOGRAPHS, load
from dpam.imaging.images import decode
from dpam.pack.preparing import prepare_file
from dpam.pack.recipes import preparation_of
from dpam.superpixels.slico import BACKENDS, slico

SIZES = {(512, 384): "kadid10k", (1024, 768): "koniq10k"}
WHOLE = "whole preparation, numba"


def forms_of(path: Path, dataset: str) -> dict[str, Callable[[], object]]:
    """What is timed of a photograph."""
    recipe, image = find(dataset).recipe, decode(path)
    how = preparation_of(find(dataset), 224, method="slic", backend="numba")
    arguments = (image, recipe.region_size, recipe.compactness, recipe.iterations)
    forms: dict[str, Callable[[], object]] = {
        f"SLICO, {backend}": lambda backend=backend: slico(*arguments, backend)
        for backend in BACKENDS
    }
    return forms | {WHOLE: lambda: prepare_file(path, how)}


def fastest(forms: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each form, its fastest of all rounds, after one that is not counted."""
    seconds = dict.fromkeys(forms, np.inf)
    for number in range(rounds + 1):
        for name, form in forms.items():
            start = time.perf_counter()
            form()
            if number:
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def main() -> None:
    """Print a table per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of every form on every photograph")
    rounds = parser.parse_args().rounds
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core, whatever they start
    torch.set_num_threads(1)
    for size, dataset in SIZES.items():
        times: dict[str, list[float]] = {}
        with tempfile.TemporaryDirectory() as folder:
            for photograph in PHOTOGRAPHS:
                path = Path(folder) / f"{photograph.name}.jpg"
                load(photograph).resize(size, Image.Resampling.LANCZOS).save(path, quality=90)
                for name, seconds in fastest(forms_of(path, dataset), rounds).items():
                    times.setdefault(name, []).append(seconds)
        median = {name: statistics.median(seconds) for name, seconds in times.items()}
        print(f"\n| {size[0]}x{size[1]} | ms | times as fast as OpenCV's SLICO |\n|---|---|---|")
        for name, seconds in median.items():
            print(f"| {name} | {1000 * seconds:.1f} | {median['SLICO, opencv'] / seconds:.1f} |")


if __name__ == "__main__":
    main()
