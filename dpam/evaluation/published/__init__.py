"""Results of 30 methods as published, to stand beside our own.

Sources: of seven datasets, results.csv is the table of comparisons in the paper of DPAM, *Dual
Perception-Aware Blind Image Quality Assessment with Semantic-Distortion Integration and Dynamic
Global-Local Refinement*: SRCC and PLCC on their test sets, empty where the paper has none. For
DPAM itself the released code draws one split and keeps the epoch that is best on its test set.

Of BIQ2021 it holds what was published on its official split: BRISQUE, ResNet-50,
Inception-ResNet-V2 and NASNet-Large by the dataset's authors, SGL-IQA, DeepEns and MetaQAP by
theirs. MetaQAP's code chooses on what it tests.
"""

from functools import cache
from pathlib import Path

import pandas as pd

# Datasets whose published numbers are of one split, with which alone they compare.
SPLIT = {"biq2021": "official"}
# What a reader must know of the numbers published on a dataset.
ABOUT = {
    "biq2021": "Published, on BIQ2021: on its official split; MetaQAP as its authors report it, "
    "whose code chooses on what it tests."
}


@cache
def published() -> pd.DataFrame:
    """Columns method, dataset, srcc, plcc; nan where nothing was published."""
    wide = pd.read_csv(Path(__file__).parent / "results.csv")
    long = wide.melt("method", var_name="column")
    names = long["column"].str.rsplit("_", n=1, expand=True)
    long = long.assign(dataset=names[0], metric=names[1])
    table = long.pivot_table("value", ["method", "dataset"], "metric", sort=False, dropna=False)
    return table.rename_axis(columns=None).reset_index()[["method", "dataset", "srcc", "plcc"]]
