"""The two demonstration datasets that `dpam make-demo-data` makes; labels are pseudo-MOS.

They lie in the native layouts of KADID-10k and KonIQ-10k and are read by those readers; only the
reference becomes the photograph's name, so that both know which of their images show the same.
"""

import pandas as pd

from dpam.datasets import kadid10k, koniq10k
from dpam.datasets.dataset import Dataset, Recipe
from dpam.datasets.layout import Files
from dpam.datasets.native import read_table

MADE_HERE = ("demo_synthetic", "demo_authentic")  # the workflow makes them below the results
LABEL_KIND = "pseudo-MOS (HaarPSI)"
PHOTOGRAPHS_FILE = "photographs.csv"
# Of KADID-10k's types, the ones that are made.
DISTORTIONS = (
    "gaussian_blur",
    "motion_blur",
    "color_saturation_1",
    "jpeg2000",
    "jpeg",
    "white_noise",
    "impulse_noise",
    "darken",
    "pixelate",
    "contrast_change",
)


def read_synthetic(files: Files) -> pd.DataFrame:
    """KADID-10k's layout; `photographs.csv` names the photograph behind each reference."""
    table = kadid10k.read(files)
    photographs = read_table(files.labels[1], ["reference", "name"])
    names = dict(zip(photographs["reference"], photographs["name"], strict=True))
    table["reference"] = table["reference"].map(lambda reference: names.get(reference, reference))
    return table


def read_authentic(files: Files) -> pd.DataFrame:
    """KonIQ-10k's layout; `astronaut_007.jpg` is a crop of the photograph `astronaut`."""
    table = koniq10k.read(files)
    table["reference"] = table["image"].str.extract(r"([^/]+)_\d+\.\w+$")[0].fillna("")
    return table


DEMO_SYNTHETIC = Dataset(
    name="demo_synthetic",
    title="Demonstration (synthetic)",
    kind="synthetic",
    images=None,
    references=None,
    label_kind=LABEL_KIND,
    score_range=kadid10k.KADID10K.score_range,
    higher_is_better=True,
    network_input="crop",
    recipe=Recipe(size=None, count=48, pixels=600, region_size=48),
    distortions=DISTORTIONS,
    page="make it with `dpam make-demo-data demo_synthetic --output FOLDER`",
    terms="made from photographs that installed packages ship",
    licence="each photograph's stands in its photographs.csv",
    label_files=(("dmos.csv",), (PHOTOGRAPHS_FILE,)),
    image_folders=(("images",),),
    megapixels=0.05,
    reader=read_synthetic,
    unlabelled=kadid10k.references,
)

DEMO_AUTHENTIC = Dataset(
    name="demo_authentic",
    title="Demonstration (authentic-like)",
    kind="authentic",
    images=None,
    references=None,
    label_kind=LABEL_KIND,
    score_range=koniq10k.KONIQ10K.score_range,
    higher_is_better=True,
    network_input="whole",
    recipe=Recipe(size=None, count=48, pixels=600, region_size=40),
    distortions=(),
    page="make it with `dpam make-demo-data demo_authentic --output FOLDER`",
    terms="made from photographs that installed packages ship",
    licence="each photograph's stands in its photographs.csv",
    label_files=(("koniq10k_scores_and_distributions.csv",), (PHOTOGRAPHS_FILE,)),
    image_folders=(("1024x768",),),
    megapixels=0.03,
    reader=read_authentic,
)
