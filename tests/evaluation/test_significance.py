"""Comparisons over splits: what the test promises, textbook examples, what is compared."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dpam.datasets.splits import draw, share_tested
from dpam.evaluation.correlation import srcc
from dpam.evaluation.significance import (
    COLUMNS,
    compare_methods,
    corrected_t_test,
    holm,
    name_untested,
    readable,
)

pytestmark = pytest.mark.filterwarnings("error")


def scores(values: dict[str, list[float]], **change: str) -> pd.DataFrame:
    """SRCC by method, one per split."""
    common: dict[str, object] = {"experiment": "individual", "dataset": "live", "distortion": "all"}
    common |= {"test_dataset": "live", "selection": "validation", "test_to_train": 0.25, **change}
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


def test_equally_good_predictors_over_overlapping_splits_seldom_differ() -> None:
    """The plain paired t-test finds a difference in a quarter of such comparisons."""
    n, repetitions = 400, 400
    labels = pd.DataFrame({"image": map(str, range(n)), "reference": "", "official": ""})
    splits = draw(labels, pd.DataFrame(columns=["image", "other"], dtype=str), seed=1)
    names = [f"split{number:02d}" for number in range(10)]
    tested = [np.flatnonzero(splits[name] == "test") for name in names]
    rng = np.random.default_rng(2)
    tables, plain = [], []
    for repetition in range(repetitions):
        label = rng.normal(size=n)
        predictions = label + 1.5 * rng.normal(size=(2, n))
        found = {
            method: [srcc(prediction[rows], label[rows]) for rows in tested]
            for method, prediction in zip("ab", predictions, strict=True)
        }
        plain.append(stats.ttest_rel(found["a"], found["b"]).pvalue)
        tables.append(scores(found, experiment=f"e{repetition}"))
    ratio = share_tested(splits["split00"])
    assert ratio == 80 / 320
    compared = compare_methods(pd.concat(tables).assign(test_to_train=ratio))
    assert np.mean(np.array(plain) < 0.05) > 0.18
    assert 0.025 < (compared["p"] < 0.05).mean() < 0.075


def test_without_overlap_it_is_the_paired_t_test() -> None:
    values = drawn(10, 0.01)
    (row,) = compare_methods(scores(values, test_to_train=0.0)).to_dict("records")
    assert row["p"] == pytest.approx(stats.ttest_rel(values["a"], values["b"]).pvalue)
    assert (row["first"], row["second"], row["splits"]) == ("a", "b", 10)
    assert row["difference"] == pytest.approx(np.mean(values["a"]) - np.mean(values["b"]))
    assert row["p_holm"] == row["p"]  # one comparison needs no correction


def test_the_correction_by_hand() -> None:
    """Four splits, 80 and 20 %: the mean is 2, the variance 8 / 3."""
    t = 2 / np.sqrt((1 / 4 + 0.25) * 8 / 3)
    found = corrected_t_test(np.array([0.0, 2, 2, 4]), 0.25)
    assert found == pytest.approx(2 * stats.t.sf(t, 3))
    assert corrected_t_test(-np.array([0.0, 2, 2, 4]), 0.25) == pytest.approx(found)


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


def test_a_clear_difference_is_found() -> None:
    assert compare_methods(scores(drawn(10, 0.05)))["p_holm"][0] < 0.001


def test_a_single_shared_split_has_no_p() -> None:
    values = drawn(4, 0.05)
    values["b"] = values["b"][:1]
    (row,) = compare_methods(scores(values)).to_dict("records")
    assert row["splits"] == 1
    assert row["difference"] > 0
    assert np.isnan([row["p"], row["p_holm"], row["difference_std"]]).all()
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


def test_rules_of_selection_are_compared_and_named_but_never_the_test_part() -> None:
    values = drawn(5, 0.2)
    rows = [
        scores({"slic": values["a"]}, selection="last epoch"),
        scores({"slic": [1.0] * 5}, selection="test"),
        scores({"brisque_svr": values["b"]}),
    ]
    table = compare_methods(pd.concat(rows))
    (row,) = table.to_dict("records")
    assert (row["first_selection"], row["second_selection"]) == ("last epoch", "validation")
    assert row["first_srcc"] == pytest.approx(np.mean(values["a"]))
    (text,) = readable(table).to_dict("records")
    assert text["first"] == "DPAM, SLIC (last epoch)"
    assert text["second"] == "BRISQUE features, SVR"
    assert text["better"] == "first"


def test_the_correction_counts_the_comparisons_of_an_experiment() -> None:
    rng = np.random.default_rng(1)
    values = {name: rng.normal(0.8, 0.05, 10).tolist() for name in "abcd"}
    both = [scores(values), scores({k: values[k] for k in "ab"}, experiment="other")]
    table = compare_methods(pd.concat(both))
    first = table[table["experiment"] == "individual"]
    assert len(first) == 6
    assert first["p_holm"].min() == pytest.approx(min(1, 6 * first["p"].min()))
    assert table["p_holm"].iloc[-1] == table["p"].iloc[-1]


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, np.nan, 0.01]) == pytest.approx([0.04, np.nan, 0.02], nan_ok=True)
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert holm([]).tolist() == []


def test_differences_without_spread() -> None:
    assert corrected_t_test(np.zeros(6), 0.25) == 1
    assert np.isnan(corrected_t_test(np.full(6, 0.1), 0.25))


def test_words_say_which_is_better_or_that_nothing_is_shown() -> None:
    few = {name: column[:1] for name, column in drawn(3, 0.05).items()}
    both = [scores(drawn(10, -0.05)), scores(few, experiment="other", distortion="blur")]
    both += [scores(drawn(10, 0.0, 4), experiment="equal", test_dataset="csiq")]
    table = compare_methods(pd.concat(both))
    text = readable(table)
    assert text["better"].tolist() == ["second", "not shown"]
    assert text["tested on"].tolist() == ["live", "live \N{RIGHTWARDS ARROW} csiq"]
    assert text["p"][0] == "< 0.001"
    assert text["splits"].tolist() == ["10", "10"]
    assert name_untested(table) == ["DPAM, a and DPAM, b on live, blur (other): 1"]
    assert readable(table[:0]).columns.tolist() == text.columns.tolist()
