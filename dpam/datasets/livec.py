"""LIVE In the Wild Challenge: 1,162 photographs; Ghadiyaram, Bovik, TIP 2016."""

import numpy as np
import pandas as pd

from dpam.datasets.dataset import Dataset, Recipe
from dpam.datasets.layout import Files
from dpam.datasets.native import native_table, read_mat, read_named_labels
from dpam.errors import DpamError

# Seven images only trained the observers; they stand in Images/trainingImages/.
TRAINING_IMAGE = r"(?i)(?:^|/)t\d+\.\w+$"


def read(files: Files) -> pd.DataFrame:
    """`AllImages_release.mat` with its labels and deviations, or `<image> <label>` lines."""
    path = files.labels[0]
    if path.suffix.lower() == ".mat":
        columns = {}
        for column, name in (
            ("image", "AllImages_release"),
            ("label", "AllMOS_release"),
            ("deviation", "AllStdDev_release"),
        ):
            beside = files.beside(path, f"{name}.mat")
            if beside is None:
                raise DpamError(f"{path.parent}: expected {name}.mat beside {path.name}")
            (columns[column],) = read_mat(beside, name)
        if len({len(values) for values in columns.values()}) != 1:
            raise DpamError(f"{path.parent}: the .mat files differ in their number of entries")
        labels = pd.DataFrame(columns)
    else:
        labels = read_named_labels(path).assign(deviation=np.nan)
    labels = labels[~labels["image"].str.contains(TRAINING_IMAGE)]
    return native_table(
        [files.image(name) for name in labels["image"]],
        labels["label"],
        raw_std=labels["deviation"],
    )


def training_images(files: Files, _: pd.DataFrame) -> frozenset[str]:
    """The images that trained the observers."""
    images = pd.Series(files.images, dtype=str)
    return frozenset(images[images.str.contains(TRAINING_IMAGE)])


LIVEC = Dataset(
    name="livec",
    title="LIVE Challenge",
    kind="authentic",
    images=1_162,
    references=None,
    label_kind="MOS",
    score_range=(0.0, 100.0),
    higher_is_better=True,
    network_input="whole",
    recipe=Recipe(size=(500, 500), count=140, pixels=600, region_size=40),
    distortions=(),
    page="https://live.ece.utexas.edu/research/ChallengeDB/index.html",
    terms="on request, by a form",
    licence="for research, to be cited",
    label_files=(
        (
            "Data/AllImages_release.mat",
            "AllImages_release.mat",
            "livec*label*.txt",
            "labels.txt",
        ),
    ),
    image_folders=(("Images",),),
    homes=("ChallengeDB_release", "livec"),
    megapixels=0.25,
    reader=read,
    unlabelled=training_images,
)
