"""Correlations and metrics against scipy, known curves and by hand."""

import json

import numpy as np
import pytest
from scipy import optimize, stats

from dpam.evaluation.correlation import plcc, srcc
from dpam.evaluation.metrics import Fit, evaluate, fit_logistic4, krcc, logistic4

pytestmark = pytest.mark.filterwarnings("error")


def noisy(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.random(n)
    return label + rng.normal(0, 0.2, n), label


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [3, 10, 500, 5000])
def test_correlations_are_those_of_scipy(n: int, ties: bool) -> None:
    prediction, label = noisy(n)
    if ties:
        prediction, label = prediction.round(1), label.round(1)
    assert srcc(prediction, label) == pytest.approx(stats.spearmanr(prediction, label).statistic)
    assert plcc(prediction, label) == pytest.approx(stats.pearsonr(prediction, label).statistic)
    assert krcc(prediction, label) == pytest.approx(stats.kendalltau(prediction, label).statistic)


def test_correlations_by_hand() -> None:
    prediction, label = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])
    assert srcc(prediction, label) == pytest.approx(0.8)  # 1 - 6 * 2 / (4 * 15)
    assert krcc(prediction, label) == pytest.approx(2 / 3)  # 5 pairs agree, 1 does not
    assert plcc(prediction, label) == pytest.approx(0.8)
    assert krcc(np.array([1.0, 1, 2]), np.array([1.0, 2, 3])) == pytest.approx(2 / np.sqrt(6))


@pytest.mark.parametrize(
    ("prediction", "label"),
    [
        ([], []),
        ([0.3], [0.4]),
        ([0.5, 0.5, 0.5], [0.1, 0.2, 0.3]),
        ([0.1, 0.2, 0.3], [0.5, 0.5, 0.5]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([0.1, np.nan, 0.3], [0.1, 0.2, 0.3]),
        ([0.1, 0.2, 0.3], [0.1, np.inf, 0.3]),
    ],
)
def test_undefined_correlations_are_nan(prediction: list[float], label: list[float]) -> None:
    sides = np.array(prediction, dtype=float), np.array(label, dtype=float)
    assert np.isnan([srcc(*sides), plcc(*sides), krcc(*sides)]).all()


def test_two_images_agree_or_disagree() -> None:
    for metric in (srcc, plcc, krcc):
        assert metric(np.array([0.1, 0.2]), np.array([0.3, 0.9])) == pytest.approx(1)
        assert metric(np.array([0.2, 0.1]), np.array([0.3, 0.9])) == pytest.approx(-1)


@pytest.mark.parametrize(("scale", "offset"), [(1e-6, 0.5), (1e200, 0.0), (1e-200, 0.0)])
def test_plcc_survives_extreme_scales(scale: float, offset: float) -> None:
    prediction, label = noisy(50)
    scaled = prediction * scale + offset
    assert plcc(scaled, label) == pytest.approx(plcc(prediction, label), abs=1e-9)


def test_float32_predictions_are_enough() -> None:
    prediction, label = noisy(200)
    assert plcc(prediction.astype(np.float32), label) == pytest.approx(plcc(prediction, label))


def test_logistic_is_the_published_formula() -> None:
    x = np.linspace(-3, 3, 7)
    by_hand = (0.9 - 0.1) / (1 + np.exp(-(x - 0.5) / 0.7)) + 0.1
    np.testing.assert_allclose(logistic4(x, 0.9, 0.1, 0.5, 0.7), by_hand)
    np.testing.assert_allclose(logistic4(x, 0.9, 0.1, 0.5, -0.7), by_hand)
    np.testing.assert_allclose(logistic4(np.array([-1e9, 1e9]), 0.9, 0.1, 0, 1e-3), [0.1, 0.9])


@pytest.mark.parametrize("centre", [0.5, 40.0])
@pytest.mark.parametrize("width", [0.05, 0.3])
def test_fit_finds_the_curve_that_made_the_labels(centre: float, width: float) -> None:
    x = centre + np.linspace(-1, 1, 60)
    fit = fit_logistic4(x, logistic4(x, 0.95, 0.1, centre, width))
    assert fit.status == "converged"
    assert fit.parameters == pytest.approx((0.95, 0.1, centre, width), rel=1e-3)


def test_fit_to_straight_line_is_as_good_as_the_line() -> None:
    x = np.linspace(0, 1, 50)
    fitted = fit_logistic4(x, 0.2 + 0.5 * x).parameters
    assert fitted is not None
    np.testing.assert_allclose(logistic4(x, *fitted), 0.2 + 0.5 * x, atol=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_fit_is_never_worse_than_a_straight_line(seed: int) -> None:
    prediction, label = noisy(40, seed)
    fitted = fit_logistic4(prediction, label).parameters
    assert fitted is not None
    line = np.polyval(np.polyfit(prediction, label, 1), prediction)
    error = ((logistic4(prediction, *fitted) - label) ** 2).mean()
    assert error <= ((line - label) ** 2).mean() * 1.01


def test_fit_is_the_one_of_scipys_curve_fit() -> None:
    prediction, label = noisy(200)
    start = [label.max(), label.min(), prediction.mean(), prediction.std()]
    expected, _ = optimize.curve_fit(logistic4, prediction, label, p0=start)
    fitted = fit_logistic4(prediction, label).parameters
    assert fitted is not None
    by_us, by_scipy = (logistic4(prediction, *p) for p in (fitted, expected))
    np.testing.assert_allclose(by_us, by_scipy, atol=1e-4)


def test_fit_needs_five_images_and_two_values() -> None:
    prediction, label = noisy(5)
    assert fit_logistic4(prediction, label).parameters is not None
    nothing = Fit(None, "undefined")
    assert fit_logistic4(prediction[:4], label[:4]) == nothing
    assert fit_logistic4(np.full(5, 0.3), label) == nothing
    assert fit_logistic4(prediction, np.full(5, 0.3)) == nothing
    assert fit_logistic4(np.array([np.nan, 1, 2, 3, 4]), label) == nothing


def test_a_fit_that_does_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpam.evaluation.metrics.MOST_EVALUATIONS", 2)
    prediction, label = noisy(50)
    assert fit_logistic4(prediction, label) == Fit(None, "not converged")
    numbers = evaluate(prediction, label)
    assert numbers["logistic_status"] == "not converged"
    assert numbers["logistic"] is numbers["plcc_fitted"] is numbers["rmse_fitted"] is None
    assert numbers["intervals"]["plcc_fitted"] is None
    assert numbers["srcc"] is not None
    assert numbers["intervals"]["srcc"] is not None


def test_fit_to_two_values_is_a_step() -> None:
    prediction = np.linspace(0, 1, 20)
    numbers = evaluate(prediction, (prediction > 0.5) * 1.0)
    assert numbers["rmse_fitted"] == pytest.approx(0, abs=1e-3)


def test_score_of_curved_predictions() -> None:
    label = np.linspace(0.05, 0.95, 100)
    prediction = 0.5 + 0.1 * np.log(label / (1 - label))  # the logistic of it is the label
    numbers = evaluate(prediction, label)
    assert numbers["n"] == 100
    assert numbers["srcc"] == pytest.approx(1)
    assert numbers["krcc"] == pytest.approx(1)
    assert 0.9 < numbers["plcc"] < 0.999
    assert numbers["plcc_fitted"] == pytest.approx(1, abs=1e-6)
    assert numbers["rmse_fitted"] == pytest.approx(0, abs=1e-4)
    assert numbers["rmse"] == pytest.approx(np.sqrt(((prediction - label) ** 2).mean()))
    assert numbers["by_distortion"] == numbers["by_group"] == {}


def test_score_per_distortion_type_and_level() -> None:
    label = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    prediction = np.array([0.1, 0.2, 0.3, 0.6, 0.5, 0.4])
    kinds, levels = ["blur"] * 3 + ["noise"] * 2 + [""], ["1", "2", "", "1", "2", "2"]
    numbers = evaluate(prediction, label, distortion=kinds, level=levels)
    assert numbers["by_distortion"] == {
        "blur": {"n": 3, "srcc": pytest.approx(1), "plcc": pytest.approx(1)},
        "noise": {"n": 2, "srcc": pytest.approx(-1), "plcc": pytest.approx(-1)},
    }
    assert {level: part["n"] for level, part in numbers["by_level"].items()} == {"1": 2, "2": 3}
    assert numbers["by_level"]["1"]["srcc"] == pytest.approx(1)
    assert evaluate(prediction, label)["by_level"] == {}


def test_srcc_within_groups_is_the_mean_of_those_large_enough() -> None:
    prediction, label = noisy(60)
    group = ["a"] * 30 + ["b"] * 20 + ["c"] * 4 + [""] * 6
    numbers = evaluate(prediction, label, group=group)
    each = [stats.spearmanr(prediction[r], label[r]).statistic for r in (slice(30), slice(30, 50))]
    assert numbers["srcc_within"] == pytest.approx(np.mean(each))
    assert sorted(numbers["by_group"]) == ["a", "b", "c"]
    low, high = numbers["intervals"]["srcc_within"]
    assert low < numbers["srcc_within"] < high
    by_group_alone = np.repeat([0.1, 0.9], 30)
    alone = evaluate(by_group_alone, label, group=["a"] * 30 + ["b"] * 30)
    assert alone["srcc_within"] is alone["intervals"]["srcc_within"] is None
    assert evaluate(prediction, label, group=["a"] * 60)["srcc_within"] is None


def test_intervals_lie_around_their_numbers_and_know_references() -> None:
    prediction, label = noisy(60)
    reference = [f"scene{i // 6}" for i in range(60)]
    numbers = evaluate(prediction, label, reference)
    assert numbers["clusters"] == 10
    assert evaluate(prediction, label)["clusters"] == 60
    for name in ("srcc", "plcc", "rmse", "plcc_fitted", "rmse_fitted"):
        low, high = numbers["intervals"][name]
        assert low < numbers[name] < high
    assert numbers["intervals"] != evaluate(prediction, label)["intervals"]


def test_undefined_scores_are_none() -> None:
    numbers = evaluate(np.full(6, 0.4), np.linspace(0, 1, 6), distortion=["blur"] * 5 + ["noise"])
    undefined = ("srcc", "krcc", "plcc", "plcc_fitted", "rmse_fitted", "logistic")
    assert [numbers[key] for key in undefined] == [None] * 6
    assert numbers["logistic_status"] == "undefined"
    assert numbers["rmse"] is not None
    assert numbers["by_distortion"]["noise"] == {"n": 1, "srcc": None, "plcc": None}
    assert numbers["intervals"]["srcc"] is None
    assert numbers["intervals"]["rmse"] is not None


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("kind", ["equal", "tied", "opposite"])
def test_any_few_images_have_an_answer(n: int, kind: str) -> None:
    label = np.linspace(0.1, 0.9, n)
    prediction = {"equal": label * 0 + 0.5, "tied": label.round(0), "opposite": 1 - label}[kind]
    numbers = evaluate(prediction, label, ["a"] * n, ["blur"] * n, ["1"] * n)
    json.dumps(numbers, allow_nan=False)
    assert numbers["n"] == n
    if kind == "opposite" and n > 1:
        assert [numbers[name] for name in ("srcc", "plcc", "krcc")] == pytest.approx([-1] * 3)
    if kind == "equal" or n < 2:
        assert numbers["srcc"] is numbers["plcc"] is numbers["krcc"] is None
