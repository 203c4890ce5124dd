"""The released scaling stretches each subset by itself; the default does not know of it."""

import pandas as pd
import pytest

from dpam.datasets.scaling import extremes, stretch, stretch_in_subsets


def test_stretched_over_all():
    scores = pd.Series([0.2, 0.4, 0.3], index=[7, 1, 5])
    assert stretch(scores).index.tolist() == [7, 1, 5]
    assert stretch(scores).tolist() == pytest.approx([0, 1, 0.5])
    assert stretch(pd.Series([0.3, 0.3])).tolist() == [0.5, 0.5]


def test_training_and_test_part_by_themselves():
    score = pd.Series([0.1, 0.5, 0.3, 0.6, 0.9, 0.7, 0.8])
    subset = pd.Series(["train", "validation", "train", "test", "test", "test", ""])
    expected = [0, 1, 0.5, 0, 1, 1 / 3, 0.5]
    assert stretch_in_subsets(score, subset).tolist() == pytest.approx(expected)
    low, high = extremes(score, subset)
    learned = subset.isin(["train", "validation"])
    back = low + stretch_in_subsets(score, subset) * (high - low)
    assert back[learned].tolist() == pytest.approx(score[learned].tolist())
