"""KonIQ-10k: 10,073 photographs with authentic faults; Hosu, Lin, Sziranyi, Saupe, TIP 2020.

The label read is the mean of the votes from 1 to 5, not the z-score. `MOS` means the former in
`koniq10k_scores_and_distributions.csv` and the latter in `koniq10k_distributions_sets.csv`; from
that one the mean is computed from the distribution of the votes. Only it has the official split.
"""

import numpy as np
import pandas as pd

from dpam.datasets.dataset import Dataset, Download, Recipe
from dpam.datasets.layout import Files
from dpam.datasets.native import (
    native_table,
    numbers,
    official_subsets,
    read_named_labels,
    read_table,
)

SETS = "koniq10k_distributions_sets.csv"
VOTES = ["c1", "c2", "c3", "c4", "c5"]  # share, or number, of the votes from 1 to 5


def read(files: Files) -> pd.DataFrame:
    """`koniq10k_scores_and_distributions.csv`, the file with the official split, or text lines."""
    path = files.labels[0]
    sets_path = files.beside(path, SETS)
    sets = None
    if sets_path is not None:
        sets = read_table(sets_path, ["image_name", *VOTES, "sd", "set"])
        sets["official"] = official_subsets(sets_path, sets["set"])
    if sets is not None and path == sets_path:
        votes = np.stack([numbers(sets[column]) for column in VOTES], axis=1)
        labels = sets.assign(image=sets["image_name"], label=votes @ range(1, 6) / votes.sum(1))
    elif path.suffix.lower() == ".csv":
        labels = read_table(path, ["image_name", "mos", "sd"])
        labels = labels.rename(columns={"image_name": "image", "mos": "label"})
    else:
        labels = read_named_labels(path)
    official = None
    if sets is not None:
        subsets = dict(zip(sets["image_name"].str.lower(), sets["official"], strict=True))
        official = labels["image"].str.lower().map(subsets).fillna("")
    return native_table(
        [files.image(name) for name in labels["image"]],
        labels["label"],
        official=official,
        raw_std=labels.get("sd"),
    )


KONIQ10K = Dataset(
    name="koniq10k",
    title="KonIQ-10k",
    kind="authentic",
    images=10_073,
    references=None,
    label_kind="MOS",
    score_range=(1.0, 5.0),
    higher_is_better=True,
    network_input="whole",
    recipe=Recipe(size=None, count=135, pixels=1200, region_size=74),
    distortions=(),
    page="https://database.mmsp-kn.de/koniq-10k-database.html",
    terms="free download",
    licence="for research, to be cited",
    label_files=(
        (
            "koniq10k_scores_and_distributions.csv",
            SETS,
            "koniq*label*.txt",
            "labels.txt",
        ),
    ),
    image_folders=(("1024x768",),),
    homes=("koniq10k", "koniq-10k"),
    sides=(768, 1024),
    official=True,
    downloads=(
        Download(
            "https://datasets.vqa.mmsp-kn.de/archives/koniq10k_1024x768.zip",
            "koniq10k_1024x768.zip",
        ),
        Download(
            "https://datasets.vqa.mmsp-kn.de/archives/koniq10k_scores_and_distributions.zip",
            "koniq10k_scores_and_distributions.zip",
        ),
        Download(
            "https://raw.githubusercontent.com/subpic/koniq/master/metadata/" + SETS,
            SETS,
        ),
    ),
    megapixels=0.79,
    reader=read,
)
