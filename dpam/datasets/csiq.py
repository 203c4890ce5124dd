"""CSIQ: 30 references, 6 distortion types, 3 to 5 levels; Larson, Chandler, JEI 2010."""

import numpy as np
import pandas as pd

from dpam.datasets.dataset import Dataset, Recipe
from dpam.datasets.layout import Files
from dpam.datasets.native import integer, native_table, read_named_labels, read_sheet
from dpam.errors import error_of_many

# Type in the file names -> our name.
TYPES = {
    "awgn": "white_noise",
    "jpeg": "jpeg",
    "jpeg2000": "jpeg2000",
    "fnoise": "pink_noise",
    "blur": "gaussian_blur",
    "contrast": "contrast_change",
}


def read(files: Files) -> pd.DataFrame:
    """The workbook's sheet with all images, or `<image> <DMOS>` lines."""
    path = files.labels[0]
    if path.suffix.lower() == ".xlsx":
        columns = ["image", "dst_type", "dst_lev", "dmos_std", "dmos"]
        sheet = read_sheet(path, columns)
        kinds = sheet["dst_type"].astype(str).str.lower().str.replace(" ", "")
        labels = pd.DataFrame(
            {
                "reference": sheet["image"].map(integer),
                "type": kinds.replace({"noise": "awgn"}),
                "level": sheet["dst_lev"].map(integer),
                "label": sheet["dmos"],
                "deviation": sheet["dmos_std"],
            }
        )
        names = labels["reference"] + "." + labels["type"] + "." + labels["level"] + ".png"
    else:
        lines = read_named_labels(path)
        names = lines["image"]
        labels = names.str.extract(r"^(?:.*/)?(?P<reference>.+)\.(?P<type>\w+)\.(?P<level>\d+)\.")
        labels = labels.assign(
            type=labels["type"].str.lower(), label=lines["label"], deviation=np.nan
        )
    strange = names[~labels["type"].isin(list(TYPES))]
    if len(strange):
        raise error_of_many(f"{path}: images that are not reference.type.level", list(strange))
    return native_table(
        [files.image(name) for name in names],
        labels["label"],
        reference=labels["reference"].str.lower(),
        distortion=labels["type"].map(TYPES),
        level=labels["level"],
        raw_std=labels["deviation"],
    )


CSIQ = Dataset(
    name="csiq",
    title="CSIQ",
    kind="synthetic",
    images=866,
    references=30,
    label_kind="DMOS",
    score_range=(0.0, 1.0),
    higher_is_better=False,
    network_input="crop",
    recipe=Recipe(size=(500, 500), count=140, pixels=600, region_size=40),
    distortions=tuple(TYPES.values()),
    page="https://s2.smu.edu/~eclarson/csiq.html",
    terms="on its authors' terms",
    licence="for research, to be cited",
    label_files=(("csiq.DMOS.xlsx", "csiq*label*.txt", "labels.txt"),),
    image_folders=(("dst_imgs", "dist_imgs", "dst_imgs_all"),),
    homes=("csiq",),
    sides=(512, 512),
    megapixels=0.26,
    reader=read,
)
