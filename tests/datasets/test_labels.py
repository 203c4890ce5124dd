"""Scores are brought to one scale, and what cannot be used is refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpam.datasets import DATASETS
from dpam.datasets.labels import COLUMNS, normalise
from dpam.datasets.native import native_table
from dpam.errors import DpamError

RANGES = st.tuples(st.floats(-1000, 1000), st.floats(0.1, 1000)).map(
    lambda ends: (ends[0], ends[0] + ends[1])
)


@given(RANGES, st.booleans(), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_higher_is_better_within_the_declared_range(score_range, higher, shares):
    dataset = dataclasses.replace(
        DATASETS["csiq"], score_range=score_range, higher_is_better=higher
    )
    low, high = score_range
    raw = np.clip([low + share * (high - low) for share in shares], low, high)
    names = [f"{number:02d}.png" for number in range(len(shares))]
    labels = normalise(native_table(names, raw), dataset)
    assert labels["label"].between(0, 1).all()
    assert labels["raw_label"].tolist() == raw.tolist()
    quality = raw if higher else -raw
    order = np.argsort(quality, kind="stable")
    assert (np.diff(labels["label"].to_numpy()[order]) >= -1e-12).all()


def test_scores_do_not_depend_on_the_other_images():
    dataset = DATASETS["csiq"]
    whole = normalise(native_table(["a", "b", "c"], [0.1, 0.5, 0.9]), dataset)
    part = normalise(native_table(["b"], [0.5]), dataset)
    assert whole["label"].tolist() == pytest.approx([0.9, 0.5, 0.1])
    assert part["label"].tolist() == [0.5]


@pytest.mark.parametrize(
    ("name", "worst", "best"),
    [("live", 115, -5), ("csiq", 1, 0), ("tid2013", 0, 9), ("kadid10k", 1, 5), ("spaq", 0, 100)],
)
def test_declared_ends(name, worst, best):
    labels = normalise(native_table(["a", "b"], [worst, best]), DATASETS[name])
    assert labels["label"].tolist() == [0.0, 1.0]


def test_live_admits_its_realigned_scores():
    labels = normalise(native_table(["a", "b"], [-2.64, 111.77]), DATASETS["live"])
    assert labels["label"].between(0, 1).all()


def test_columns_and_order():
    table = native_table(["b.png", "a.png"], [1, 2], reference=["r", "s"], raw_std=[0.1, 0.2])
    labels = normalise(table, DATASETS["demo_synthetic"])
    assert tuple(labels.columns) == COLUMNS
    assert labels["image"].tolist() == ["b.png", "a.png"]
    assert labels["reference"].tolist() == ["r", "s"]
    assert set(labels["label_kind"]) == {"pseudo-MOS (HaarPSI)"}


def test_every_unusable_label_is_listed():
    table = native_table(
        ["fine", "empty", "word", "infinite", "low", "high", "twice", "twice"],
        [3, None, "good", np.inf, 0.99, 5.01, 2, 2],
    )
    there = set(table["image"]) - {"low"} | {"another"}
    with pytest.raises(DpamError) as caught:
        normalise(table, DATASETS["kadid10k"], there)
    message = str(caught.value)
    for line in (
        "7 label(s)",
        "low: no such image",
        "empty: no number",
        "word: no number",
        "infinite: no number",
        "low: label 0.99 outside 1 to 5",
        "high: label 5.01 outside 1 to 5",
        "twice: labelled 2 times",
    ):
        assert line in message
    assert "fine" not in message


def test_normalise_leaves_its_argument_alone():
    table = native_table(["b", "a"], [1, 2])
    before = table.copy()
    normalise(table, DATASETS["kadid10k"])
    pd.testing.assert_frame_equal(table, before)
