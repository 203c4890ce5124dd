"""Captions of tables: what a reader must know of their numbers."""

import pandas as pd

from dpam.evaluation.formatting import comparable, rules_of
from dpam.evaluation.published import ABOUT
from dpam.evaluation.tables import FLOOR

# Before the metrics of epochs selected on test; see docs/README.md.
TEST_SELECTED = "test-selected"
ABOUT_SPLITS = (
    "median ± standard deviation over runs, which are splits and their seeds; of two or three "
    "splits, or of as many seeds of a single split, the value of each"
)
ABOUT_FEW_REFERENCES = (
    "[ ]*: a bootstrap over images, as fewer than five references were tested. Images of one "
    "reference are alike, so this interval is too narrow."
)
ABOUT_METRICS = (
    "PLCC and RMSE fitted: after a logistic of four parameters, fitted on the tested images. "
    "RMSE in units of the label, 0 to 1. A single run has its 95 % interval in brackets: "
    "percentiles of a bootstrap over references, or over images where there is no reference. "
    f"{ABOUT_FEW_REFERENCES}"
)
ABOUT_WITHIN = (
    "SRCC within groups: mean of the SRCC within each group (sub-collection, distortion type, ...) "
    "of at least five images."
)
ABOUT_FLOOR = (
    "Mean of the group in training: what a prediction reaches that knows the group of an image and "
    "nothing else."
)
ABOUT_NEAR = (
    "Near-duplicates: tested images that look like an image trained or validated on. A perceptual "
    "hash finds them; it does not find crops of the same photograph."
)
ABOUT_NO_NEAR = (
    "No tested image is a near-duplicate of an image trained or validated on. This was looked for "
    "by a perceptual hash, which does not find crops of the same photograph."
)
ABOUT_TYPES = (
    f"Single distortion types, levels and groups within tests of all: {ABOUT_SPLITS}. Few images, "
    "narrow ranges of quality: correlations are lower than over all."
)
ABOUT_SELECTION = (
    "Epoch selected on test: the one best on the test set of the training dataset, as the "
    "released code selects, which favours it. Of all others the tested images chose nothing."
)
ABOUT_PUBLISHED = (
    "Published, of DPAM: one split, best epoch chosen on its test set, which favours it."
)


def caption(experiment: str, table: pd.DataFrame) -> str:
    """What a reader must know of a table of `summarise`, besides ABOUT_METRICS and `about_near`."""
    text = f"{_title(experiment)}: {ABOUT_SPLITS}."
    if table["srcc_within_median"].notna().any():
        text += f" {ABOUT_WITHIN}"
    if FLOOR in set(table["method"]):
        text += f" {ABOUT_FLOOR}"
    if table["published_srcc"].notna().any():
        text += f" {ABOUT_PUBLISHED}"
    return text + _about_labels_and_weights(table)


def brief_caption(table: pd.DataFrame) -> str:
    """What a reader must know of SRCC and PLCC alone, of a table of `summarise`."""
    text = f"{ABOUT_SPLITS[0].upper()}{ABOUT_SPLITS[1:]}." if (table["splits"] > 1).any() else ""
    if (table["selection"] == "test").any():
        text += (
            f" {TEST_SELECTED.capitalize()}: of the epoch that is best on the test set, as the "
            "released code keeps it, which favours it."
        )
    if table["published_srcc"].notna().any():
        text += f" {ABOUT_PUBLISHED}"
    return text.strip()


def about_near(table: pd.DataFrame) -> str:
    """What a reader must know of near-duplicates in a table of `summarise`."""
    return ABOUT_NEAR if (table["near_max"] > 0).any() else ABOUT_NO_NEAR


def layout_caption(experiment: str, table: pd.DataFrame) -> str:
    """What a reader must know of the `paper_layout` of a table of `summarise`."""
    low, high = table["splits"].min(), table["splits"].max()
    splits = "one split" if low == high == 1 else ABOUT_SPLITS
    text = f"{_title(experiment)}: SRCC and PLCC; measured: {splits}."
    text += " PLCC without a fitted logistic, as in the released code."
    if (table["dataset"] == table["test_dataset"]).all():
        text += "".join(f" {ABOUT[name]}" for name in comparable(table) if name in ABOUT)
    if table["published_srcc"].notna().any():
        text += f" {ABOUT_PUBLISHED}"
    return text + _about_labels_and_weights(table)


def _title(experiment: str) -> str:
    return experiment.replace("_", " ").capitalize()


def _about_labels_and_weights(table: pd.DataFrame) -> str:
    text = ""
    selections = rules_of(table)
    if len(selections) == 1:
        text += f" Epoch selected on: {selections[0]}."
    elif "test" in selections:
        text += f" {ABOUT_SELECTION}"
    pseudo = sorted({kind for kind in table["label_kind"] if is_pseudo(kind)})
    if pseudo:
        text += f" The labels are {' and '.join(pseudo)}, computed, not given by people."
    return text


def is_pseudo(label_kind: str) -> bool:
    """Whether labels of this kind were computed rather than given by people."""
    return label_kind.lower().startswith("pseudo")
