"""Intervals around predictions: what they promise holds, whatever the errors are."""

import numpy as np
import pytest

from dpam.evaluation.conformal import Width, half_width, interval, tilt_of, width_of

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


def rated(rng, count, spread):
    """Labels that lie around predictions with a standard deviation of their own."""
    prediction = rng.beta(4, 2, count)
    return prediction, rng.normal(prediction, spread(prediction))


@pytest.mark.parametrize("count", [200, 1000])
def test_where_errors_are_smaller_intervals_are_narrower_and_hold_as_much(count):
    rng, held, draws = np.random.default_rng(count), [], 600
    for _ in range(draws):
        width = width_of(interval(*rated(rng, count, lambda p: 0.15 - 0.1 * p)))
        told, label = rated(rng, 200, lambda p: 0.15 - 0.1 * p)
        reach = np.array([width.at(quality) for quality in told])
        good = told > np.quantile(told, 0.5)
        inside = np.abs(told - label) <= reach
        held.append([inside.mean(), inside[good].mean(), inside[~good].mean(), width.tilt])
    whole, better, worse, tilt = np.mean(held, axis=0)
    assert abs(whole - 0.9) < 0.005
    assert abs(better - 0.9) < 0.01
    assert abs(worse - 0.9) < 0.01
    assert tilt == pytest.approx(-1, abs=0.05)  # of 0.15 - 0.1 p = 0.1 (1 - (p - 0.5))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_tilt_is_that_of_the_line_through_the_errors(sign):
    prediction = np.linspace(0, 1, 200)
    errors = 0.1 * (1 + sign * 0.7 * (prediction - 0.5))
    errors[::2] *= -1
    assert tilt_of(prediction, prediction + errors) == pytest.approx(sign * 0.7)
    found = interval(prediction, prediction + errors)["interval"]
    assert found == {
        "coverage": 0.9,
        "half_width": pytest.approx(0.1),
        "tilt": pytest.approx(sign * 0.7),
        "images": 200,
    }
    # Where the line would reach 0, the narrowest interval is a ninth of the widest.
    errors = prediction if sign > 0 else 1 - prediction
    width = width_of(interval(prediction, prediction + errors))
    narrow, wide = sorted([width.at(0), width.at(1)])
    assert wide == pytest.approx(9 * narrow)
    assert (width.at(1) > width.at(0)) == (sign > 0)


def test_few_images_or_equal_predictions_have_no_tilt():
    rng = np.random.default_rng(0)
    prediction, label = rated(rng, 199, lambda p: 0.15 - 0.1 * p)
    assert interval(prediction, label)["interval"]["tilt"] == 0
    assert tilt_of(np.full(300, 0.6), rng.random(300)) == 0
    assert tilt_of(rng.random(300), np.linspace(0, 1, 300)) != 0
    exact = rng.random(300)
    assert interval(exact, exact)["interval"]["half_width"] == 0


def test_a_width_in_words_and_as_older_checkpoints_have_it():
    assert str(width_of({"interval": {"half_width": 0.154}})) == "15.4 of 100"
    tilted = width_of({"interval": {"half_width": 0.2, "tilt": -1.0}})
    assert str(tilted) == "25.0 of 100 where it is 25, 15.0 where it is 75"
    assert tilted == Width(0.2, -1.0)
    assert tilted.at(0.9) == pytest.approx(0.12)
    assert width_of({}) is None
