"""Comparisons over splits against scipy, textbook examples, and on methods that are equal."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dpam.significance import COLUMNS, compare_methods, holm, readable, t_test, too_few, wilcoxon

pytestmark = pytest.mark.filterwarnings("error")


def scores(values: dict[str, list[float]], **change: str) -> pd.DataFrame:
    """SRCC by method, one per split."""
    common = {"experiment": "individual", "dataset": "live", "part": "all"}
    common |= {"test_dataset": "live", "selection": "validation", **change}
    return pd.DataFrame(
        [
            {**common, "method": method, "split": f"split{number:02d}", "srcc": value}
            for method, column in values.items()
            for number, value in enumerate(column)
        ]
    )


def drawn(n: int, shift: float, seed: int = 0) -> dict[str, list[float]]:
    rng = np.random.default_rng(seed)
    easy = rng.normal(0.8, 0.05, n)  # what a split does to both methods
    return {
        "a": (easy + shift + rng.normal(0, 0.01, n)).tolist(),
        "b": (easy + rng.normal(0, 0.01, n)).tolist(),
    }


def test_the_tests_are_those_of_scipy_on_pairs() -> None:
    values = drawn(10, 0.01)
    (row,) = compare_methods(scores(values)).to_dict("records")
    assert row["t_test"] == pytest.approx(stats.ttest_rel(values["a"], values["b"]).pvalue)
    assert row["wilcoxon"] == pytest.approx(stats.wilcoxon(values["a"], values["b"]).pvalue)
    assert (row["first"], row["second"], row["splits"]) == ("a", "b", 10)
    assert row["difference"] == pytest.approx(np.mean(values["a"]) - np.mean(values["b"]))
    assert row["t_test_holm"] == row["t_test"]  # one comparison needs no correction


def test_pairs_are_splits_whatever_the_order_and_seeds_are_averaged() -> None:
    table = scores(drawn(8, 0.01))
    expected = compare_methods(table)
    pd.testing.assert_frame_equal(
        compare_methods(table.iloc[[*range(8), *range(15, 7, -1)]]), expected
    )
    twice = pd.concat(
        [table.assign(srcc=table["srcc"] - 0.1), table.assign(srcc=table["srcc"] + 0.1)]
    )
    pd.testing.assert_frame_equal(compare_methods(twice), expected)


def test_a_clear_difference_is_found_and_equal_methods_seldom_differ() -> None:
    clear = compare_methods(scores(drawn(10, 0.05)))
    assert clear["t_test_holm"][0] < 0.001
    assert clear["wilcoxon_holm"][0] == pytest.approx(2 / 2**10)
    found = [compare_methods(scores(drawn(10, 0, seed))) for seed in range(1, 201)]
    for test in ("t_test", "wilcoxon"):
        assert np.mean([table[test][0] < 0.05 for table in found]) == pytest.approx(0.05, abs=0.035)


def test_too_few_shared_splits_have_no_p() -> None:
    values = drawn(10, 0.05)
    values["b"] = values["b"][:5]
    (row,) = compare_methods(scores(values)).to_dict("records")
    assert row["splits"] == 5
    assert row["difference"] > 0
    assert np.isnan([row["t_test"], row["wilcoxon"], row["t_test_holm"]]).all()
    undefined = drawn(6, 0.05)
    undefined["a"][2] = np.nan
    assert compare_methods(scores(undefined))["splits"].tolist() == [5]


def test_only_what_is_otherwise_the_same_is_compared() -> None:
    values = drawn(7, 0.02)
    one = compare_methods(scores({"a": values["a"]}))
    assert one.empty
    assert one.columns.tolist() == COLUMNS
    apart = [
        scores({"a": values["a"]}),
        scores({"b": values["b"]}, dataset="csiq"),
        scores({"c": values["b"]}, selection="test"),
        scores({"d": values["b"]}, experiment="other"),
    ]
    assert compare_methods(pd.concat(apart)).empty


def test_the_correction_counts_the_comparisons_of_an_experiment() -> None:
    rng = np.random.default_rng(1)
    values = {name: rng.normal(0.8, 0.05, 10).tolist() for name in "abcd"}
    both = [scores(values), scores({k: values[k] for k in "ab"}, experiment="other")]
    table = compare_methods(pd.concat(both))
    first = table[table["experiment"] == "individual"]
    assert len(first) == 6
    assert first["t_test_holm"].min() == pytest.approx(min(1, 6 * first["t_test"].min()))
    assert table["t_test_holm"].iloc[-1] == table["t_test"].iloc[-1]


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, np.nan, 0.01]) == pytest.approx([0.04, np.nan, 0.02], nan_ok=True)
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert holm([]).tolist() == []


def test_differences_without_spread() -> None:
    assert t_test(np.zeros(6)) == wilcoxon(np.zeros(6)) == 1
    assert t_test(np.full(6, 0.1)) == 0
    assert wilcoxon(np.full(6, 0.1)) == pytest.approx(2 / 2**6)
    assert 0 < wilcoxon(np.array([0.0, 0, 0.1, 0.1, -0.1, 0.2])) <= 1


def test_words_say_which_is_better_or_that_splits_are_too_few() -> None:
    few = {name: column[:3] for name, column in drawn(3, 0.05).items()}
    both = [scores(drawn(10, 0.05)), scores(few, experiment="other", part="blur")]
    both += [scores(drawn(10, 0.0, 4), experiment="equal", test_dataset="csiq")]
    table = compare_methods(pd.concat(both))
    text = readable(table)
    assert text["better"].tolist() == ["first", "no difference"]
    assert text["tested on"].tolist() == ["live", "live \N{RIGHTWARDS ARROW} csiq"]
    assert text["p, t-test"][0] == "< 0.001"
    assert text["splits"].tolist() == ["10", "10"]
    assert too_few(table) == ["a and b on live, blur (other): 3"]
    assert readable(table[:0]).columns.tolist() == text.columns.tolist()
