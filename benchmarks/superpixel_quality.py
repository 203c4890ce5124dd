"""Quality of SLICO's superpixels by backend.

No segmentation by people comes with the photographs. The reference is the graph-based segmentation
of Felzenszwalb and Huttenlocher, which knows nothing of SLIC. Without arguments: the photographs
that installed packages ship, at 512x384 and 1024x768; else the photographs named, at 512x384.

    python benchmarks/superpixel_quality.py [PHOTOGRAPH ...]
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from skimage.segmentation import felzenszwalb

from dpam.datasets import find
from dpam.demo.photographs import PHOTOGRAPHS, load
from dpam.imaging.images import decode
from dpam.superpixels import quality
from dpam.superpixels.slico import BACKENDS, slico
from dpam.utils.progress import track

SIZES = {(512, 384): "kadid10k", (1024, 768): "koniq10k"}
# Of the reference: how large segments want to be, blur before, and the smallest, in pixels.
SCALE, SIGMA, SMALLEST = 300, 0.8, 300


def measured(photographs: Iterable[Image.Image], size: tuple[int, int]) -> pd.DataFrame:
    """Means over photographs, one row per backend."""
    recipe = find(SIZES[size]).recipe
    rows = []
    for photograph in track(list(photographs), f"{size[0]}x{size[1]}"):
        image = np.asarray(photograph.resize(size, Image.Resampling.LANCZOS))
        reference = felzenszwalb(image, scale=SCALE, sigma=SIGMA, min_size=SMALLEST)
        for backend in BACKENDS:
            labels = slico(
                image, recipe.region_size, recipe.compactness, recipe.iterations, backend
            )
            rows.append(
                {
                    "backend": backend,
                    "superpixels": labels.max() + 1,
                    "boundary recall": quality.boundary_recall(labels, reference),
                    "achievable accuracy": quality.achievable_accuracy(labels, reference),
                    "undersegmentation error": quality.undersegmentation(labels, reference),
                    "explained variation": quality.explained_variation(labels, image),
                    "compactness": quality.compactness(labels),
                }
            )
    return pd.DataFrame(rows).groupby("backend", sort=False).mean().round(3)


def main() -> None:
    """Print a table per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", nargs="*", type=Path, help="image files")
    files = parser.parse_args().photographs
    if files:
        images = [Image.fromarray(decode(file)) for file in files]
        print(measured(images, (512, 384)).to_string())
        return
    for size in SIZES:
        print(f"\n{size[0]}x{size[1]}\n{measured(map(load, PHOTOGRAPHS), size).to_string()}")


if __name__ == "__main__":
    main()
