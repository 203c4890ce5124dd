"""SPAQ: 11,125 photographs taken with 66 smartphones; Fang et al., CVPR 2020."""

import pandas as pd

from dpam.datasets.dataset import Dataset, Recipe
from dpam.datasets.layout import Files
from dpam.datasets.native import native_table, read_named_labels, read_sheet


def read(files: Files) -> pd.DataFrame:
    """`MOS and Image attribute scores.xlsx` (Image name, MOS), or `<image> <label>` lines."""
    path = files.labels[0]
    if path.suffix.lower() == ".xlsx":
        labels = read_sheet(path, ["image name", "mos"])
        names, label = labels["image name"].astype(str), labels["mos"]
    else:
        labels = read_named_labels(path)
        names, label = labels["image"], labels["label"]
    return native_table([files.image(name) for name in names], label)


SPAQ = Dataset(
    name="spaq",
    title="SPAQ",
    kind="authentic",
    images=11_125,
    references=None,
    label_kind="MOS",
    score_range=(0.0, 100.0),
    higher_is_better=True,
    network_input="whole",
    recipe=Recipe(size=(512, 384), count=99, pixels=600, region_size=45),
    distortions=(),
    page="https://github.com/h4nwei/SPAQ",
    terms="on its authors' terms",
    licence="for research, to be cited",
    label_files=(
        (
            "Annotations/MOS and Image attribute scores.xlsx",
            "MOS and Image attribute scores.xlsx",
            "spaq*label*.txt",
            "labels.txt",
        ),
    ),
    image_folders=(("TestImage",),),
    homes=("spaq", "dataset", "spaq/dataset"),
    megapixels=12.0,
    reader=read,
)
