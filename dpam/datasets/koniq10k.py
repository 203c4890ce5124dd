"""KonIQ-10k: 10,073 photographs with authentic faults; Hosu, Lin, Sziranyi, Saupe, TIP 2020.

The score read is the mean of the votes from 1 to 5 (`MOS`), not the z-score.
"""

import pandas as pd

from dpam.datasets.dataset import Dataset, Recipe
from dpam.datasets.layout import Files
from dpam.datasets.native import native_table, read_named_scores, read_table


def read(files: Files) -> pd.DataFrame:
    """`koniq10k_scores_and_distributions.csv` or `..._distributions_sets.csv`, or text lines."""
    path = files.labels[0]
    if path.suffix.lower() == ".csv":
        labels = read_table(path, ["image_name", "mos", "sd"])
        labels = labels.rename(columns={"image_name": "image", "mos": "score"})
    else:
        labels = read_named_scores(path)
    return native_table(
        [files.image(name) for name in labels["image"]], labels["score"], raw_std=labels.get("sd")
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
            "koniq10k_distributions_sets.csv",
            "koniq*label*.txt",
            "labels.txt",
        ),
    ),
    image_folders=(("1024x768",),),
    homes=("koniq10k", "koniq-10k"),
    reader=read,
)
