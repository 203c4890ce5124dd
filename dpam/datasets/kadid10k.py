"""KADID-10k: 81 references, 25 distortion types, 5 levels; Lin, Hosu, Saupe, QoMEX 2019.

Its labels are called DMOS, but higher is better. `var` is the variance of the votes.
"""

import re

import numpy as np
import pandas as pd

from dpam.datasets.dataset import Dataset, Download, Recipe
from dpam.datasets.layout import Files
from dpam.datasets.native import (
    native_table,
    numbers,
    read_named_labels,
    read_table,
    reference_type_level,
)

# In the order of the type numbers in the file names: I01_03_02.png is reference 1, type 3, level 2.
DISTORTIONS = (
    "gaussian_blur",
    "lens_blur",
    "motion_blur",
    "color_diffusion",
    "color_shift",
    "color_quantization",
    "color_saturation_1",
    "color_saturation_2",
    "jpeg2000",
    "jpeg",
    "white_noise",
    "white_noise_color_component",
    "impulse_noise",
    "multiplicative_noise",
    "denoise",
    "brighten",
    "darken",
    "mean_shift",
    "jitter",
    "non_eccentricity_patch",
    "pixelate",
    "quantization",
    "color_block",
    "high_sharpen",
    "contrast_change",
)


def read(files: Files) -> pd.DataFrame:
    """`dmos.csv` (dist_img, ref_img, dmos, var), or `<image> <label>` lines."""
    path = files.labels[0]
    if path.suffix.lower() == ".csv":
        labels = read_table(path, ["dist_img", "dmos", "var"])
        names, label = labels["dist_img"], labels["dmos"]
        deviation = np.sqrt(numbers(labels["var"]))
    else:
        labels = read_named_labels(path)
        names, label, deviation = labels["image"], labels["label"], None
    return native_table(
        [files.image(name) for name in names],
        label,
        **reference_type_level(path, names, DISTORTIONS),
        raw_std=deviation,
    )


def references(files: Files, _: pd.DataFrame) -> frozenset[str]:
    """I01.png, ... stand among the distorted images."""
    return frozenset(image for image in files.images if re.search(r"(?i)(^|/)I\d+\.\w+$", image))


KADID10K = Dataset(
    name="kadid10k",
    title="KADID-10k",
    kind="synthetic",
    images=10_125,
    references=81,
    label_kind="DMOS",
    score_range=(1.0, 5.0),
    higher_is_better=True,
    network_input="crop",
    recipe=Recipe(size=None, count=99, pixels=600, region_size=45),
    distortions=DISTORTIONS,
    page="https://database.mmsp-kn.de/kadid-10k-database.html",
    terms="free download",
    licence="for research, to be cited",
    label_files=(("dmos.csv", "kadid*label*.txt", "labels.txt"),),
    image_folders=(("images",),),
    homes=("kadid10k", "kadid-10k"),
    sides=(384, 512),
    downloads=(Download("https://datasets.vqa.mmsp-kn.de/archives/kadid10k.zip", "kadid10k.zip"),),
    megapixels=0.2,
    reader=read,
    unlabelled=references,
)
