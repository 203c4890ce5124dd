"""Intervals against resampling by hand, and against what an interval promises."""

import numpy as np
import pytest
from scipy import stats

from dpam.evaluation.bootstrap import (
    clusters_of,
    clusters_to_draw,
    intervals,
    weighted_plcc,
    weighted_ranks,
    weighted_rmse,
    weighted_srcc,
)

pytestmark = pytest.mark.filterwarnings("error")


def noisy(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.random(n)
    return label + rng.normal(0, 0.3, n), label


@pytest.mark.parametrize("decimals", [1, 9])
def test_a_weighted_number_is_that_of_the_images_drawn(decimals: int) -> None:
    prediction, label = (side.round(decimals) for side in noisy(30))
    weight = np.random.default_rng(1).multinomial(30, np.full(30, 1 / 30), 20).astype(float)
    ranks = weighted_ranks(prediction, weight), weighted_ranks(label, weight)
    for row, drawn in enumerate(weight.astype(int)):
        x, y = np.repeat(prediction, drawn), np.repeat(label, drawn)
        kept = drawn > 0
        expected = stats.rankdata(x)
        np.testing.assert_array_equal(np.repeat(ranks[0][row], drawn), expected)
        assert weighted_plcc(*ranks, weight)[row] == pytest.approx(stats.spearmanr(x, y).statistic)
        assert weighted_plcc(prediction, label, weight)[row] == pytest.approx(
            stats.pearsonr(x, y).statistic
        )
        assert weighted_rmse(prediction, label, weight)[row] == pytest.approx(
            np.sqrt(((x - y) ** 2).mean())
        )
        assert kept.any()
        assert weighted_srcc(prediction, label, weight)[row] == weighted_plcc(*ranks, weight)[row]


@pytest.mark.parametrize(("scale", "offset"), [(1e150, 0.0), (1e-150, 0.0), (1e-4, 1.0)])
def test_correlations_do_not_depend_on_the_scale(scale: float, offset: float) -> None:
    prediction, label = noisy(40)
    weight = np.random.default_rng(1).multinomial(40, np.full(40, 1 / 40), 9).astype(float)
    expected = weighted_plcc(prediction, label, weight)
    found = weighted_plcc(prediction * scale + offset, label, weight)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_mean_within_groups_is_drawn_group_by_group() -> None:
    prediction, label = noisy(30)
    groups = [np.arange(12), np.arange(12, 30)]
    found = intervals(prediction, label, None, np.arange(30), groups, 200)["srcc_within"]
    by_hand = []
    for drawn in np.random.default_rng(20).multinomial(30, np.full(30, 1 / 30), 200):
        parts = [np.repeat(rows, drawn[rows]) for rows in groups]
        each = [stats.spearmanr(prediction[part], label[part]).statistic for part in parts]
        by_hand.append(np.mean(each))
    assert found == pytest.approx(np.quantile(by_hand, [0.025, 0.975]).tolist())
    nobody = weighted_srcc(prediction[:3], label[:3], np.array([[0.0, 0, 0], [1, 1, 1]]))
    assert np.isnan(nobody).tolist() == [True, False]


def test_a_draw_of_equal_values_has_no_correlation() -> None:
    prediction, label = np.array([0.7, 0.7, 0.1, 0.3]), np.array([0.1, 0.4, 0.3, 0.4])
    weight = np.array([[2.0, 2, 0, 0], [0, 1, 0, 3], [1, 1, 1, 1]])
    for sides in ((prediction, label), (label, prediction)):
        assert np.isnan(weighted_plcc(*sides, weight)).tolist() == [True, True, False]
        ranks = (weighted_ranks(side, weight) for side in sides)
        assert np.isnan(weighted_plcc(*ranks, weight)).tolist() == [True, True, False]


def test_clusters_are_references_and_images_without_one() -> None:
    assert clusters_of(["a", "", "b", "a", ""], 5).tolist() == [0, 1, 2, 0, 3]
    assert clusters_of(None, 3).tolist() == [0, 1, 2]
    assert clusters_of(None, 0).tolist() == []


def test_intervals_are_over_images_where_references_are_too_few() -> None:
    names = ["a", "b", "c", "d"] * 3
    cluster, over = clusters_to_draw(names, 12)
    assert cluster.tolist() == list(range(12))
    assert over == "images of few references"
    cluster, over = clusters_to_draw([*names, "e"], 13)
    assert (len(set(cluster.tolist())), over) == (5, "references")
    assert clusters_to_draw([""] * 3, 3)[1] == clusters_to_draw(None, 3)[1] == "images"


def test_copies_of_an_image_under_one_reference_add_no_certainty() -> None:
    prediction, label = noisy(25)
    alone = intervals(prediction, label, None, np.arange(25), draws=200)
    copies = [np.repeat(side, 4) for side in (prediction, label)]
    together = intervals(*copies, None, np.repeat(np.arange(25), 4), draws=200)
    apart = intervals(*copies, None, np.arange(100), draws=200)
    for name in ("srcc", "plcc", "rmse"):
        assert together[name] == pytest.approx(alone[name])
        narrow, wide = apart[name], alone[name]
        assert narrow is not None
        assert wide is not None
        assert narrow[1] - narrow[0] < 0.7 * (wide[1] - wide[0])


def test_intervals_hold_what_they_promise() -> None:
    rng = np.random.default_rng(3)
    true_plcc, held = 0.6, {"plcc": 0, "srcc": 0}
    true_srcc = 6 / np.pi * np.arcsin(true_plcc / 2)  # of a bivariate normal distribution
    repetitions = 300
    for _ in range(repetitions):
        x = rng.normal(size=80)
        y = true_plcc * x + np.sqrt(1 - true_plcc**2) * rng.normal(size=80)
        found = intervals(x, y, None, np.arange(80), draws=300)
        for name, truth in (("plcc", true_plcc), ("srcc", true_srcc)):
            interval = found[name]
            assert interval is not None
            held[name] += interval[0] <= truth <= interval[1]
    # 95 % promised; percentile intervals of small samples hold a little less.
    assert 0.90 * repetitions <= held["plcc"] <= 0.985 * repetitions
    assert 0.90 * repetitions <= held["srcc"] <= 0.985 * repetitions


def test_the_same_input_gives_the_same_interval_in_any_portions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prediction, label = noisy(30)
    first = intervals(prediction, label, prediction, np.arange(30), draws=100)
    assert intervals(prediction, label, prediction, np.arange(30), draws=100) == first
    assert intervals(prediction, label, prediction, np.arange(30), draws=100, seed=1) != first
    monkeypatch.setattr("dpam.evaluation.bootstrap.CELLS", 30 * 7)
    portions = intervals(prediction, label, prediction, np.arange(30), draws=100)
    assert portions["srcc"] == pytest.approx(first["srcc"])


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_too_few_clusters_have_no_interval(n: int) -> None:
    prediction, label = noisy(n)
    assert set(intervals(prediction, label, None, np.arange(n)).values()) == {None}
    copies = np.repeat(prediction, 9), np.repeat(label, 9)
    group = np.repeat(np.arange(n), 9)
    assert set(intervals(*copies, None, group).values()) == {None}


def test_numbers_that_most_draws_leave_undefined_have_no_interval() -> None:
    label = np.linspace(0, 1, 20)
    found = intervals(np.eye(20)[0], label, None, np.arange(20))  # all equal in a third of draws
    assert found["srcc"] is None
    assert found["plcc"] is None
    assert found["rmse"] is not None
    constant = intervals(np.full(20, 0.1), label, None, np.arange(20))
    assert constant["srcc"] is None
    assert constant["plcc_fitted"] is None
