"""Intervals around predictions: what they promise holds, whatever the errors are."""

import numpy as np
import pytest

from dpam.evaluation.conformal import half_width

DRAWS = 4000
ERRORS = {
    "normal": lambda rng, size: rng.normal(0, 1, size),
    "heavy tails": lambda rng, size: rng.standard_cauchy(size),
    "one-sided": lambda rng, size: rng.exponential(1, size),
    "ties": lambda rng, size: rng.integers(0, 4, size).astype(float),
    "none": lambda rng, size: np.zeros(size),
}


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("count", [20, 29, 109, 250])
def test_nine_of_ten_labels_of_exchangeable_images_lie_within(kind, count):
    rng = np.random.default_rng(count)
    label = rng.random((DRAWS, count + 1))
    prediction = label + ERRORS[kind](rng, label.shape)
    covered = np.array(
        [
            abs(p[-1] - y[-1]) <= half_width(p[:-1], y[:-1])
            for p, y in zip(prediction, label, strict=True)
        ]
    ).mean()
    sampling = 3 * np.sqrt(0.9 * 0.1 / DRAWS)
    assert covered >= 0.9 - sampling
    if kind in ("normal", "heavy tails", "one-sided"):  # without ties, hardly more than asked for
        assert covered <= 0.9 + 1 / (count + 1) + sampling


def test_it_is_one_of_the_errors():
    label = np.zeros(29)
    errors = np.random.default_rng(0).permutation(np.arange(1.0, 30))
    assert half_width(errors, label) == 27  # of 29: ceil(0.9 * 30)
    assert half_width(-errors, label) == 27
    assert half_width(np.arange(109.0), np.zeros(109)) == 98  # the 99th


def test_too_few_images_tell_nothing():
    assert half_width(np.zeros(19), np.ones(19)) is None
    assert half_width(np.zeros(20), np.ones(20)) == 1
