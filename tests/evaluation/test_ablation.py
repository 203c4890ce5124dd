"""Variants beside base: differences by hand, intervals that pair, and the tables they end in."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dpam.evaluation.ablation import COLUMNS, compare_variants, readable
from dpam.evaluation.bootstrap import clusters_of, interval_of_difference
from dpam.evaluation.correlation import srcc
from dpam.evaluation.formatting import with_sign
from dpam.evaluation.significance import (
    compare_methods,
    corrected_interval,
    corrected_t_test,
    winners,
)

FIXED = {"experiment": "a", "dataset": "live", "distortion": "all", "test_dataset": "live"}


def runs(values: dict[str, list[float]], folder: Path = Path(), **change: object) -> pd.DataFrame:
    """A run per method and split, with these SRCC; PLCC is half of it."""
    common = {**FIXED, "selection": "validation", "test_to_train": 0.25, "n": 160, "seed": 20}
    rows = [
        {**common, "method": method, "split": f"split{number:02d}", "srcc": value}
        for method, column in values.items()
        for number, value in enumerate(column)
    ]
    table = pd.DataFrame(rows).assign(**change)
    return table.assign(plcc=table["srcc"] / 2, run=[str(folder / m) for m in table["method"]])


def beside(table: pd.DataFrame) -> pd.DataFrame:
    return compare_variants(table, compare_methods(table))


def test_differences_are_medians_over_splits_with_the_corrected_interval():
    base, other = [0.7, 0.8, 0.9], [0.65, 0.79, 0.82]
    table = beside(runs({"slic": base, "slic+blind": other, "vit_ridge": [0.1, 0.2, 0.3]}))
    assert table["variant"].tolist() == ["base", "blind"]  # the baseline has none
    first, second = table.to_dict("records")
    assert np.isnan(first["srcc_difference"])
    assert second["srcc_difference"] == pytest.approx(-0.05)
    assert second["plcc_difference"] == pytest.approx(-0.025)
    assert (second["splits"], second["srcc_median"], second["intervals_over"]) == (
        3,
        0.79,
        "splits",
    )
    apart = np.subtract(other, base)
    error = np.sqrt((1 / 3 + 0.25) * apart.var(ddof=1))
    low, high = stats.t.interval(0.95, 2, apart.mean(), error)
    assert second["srcc_difference_low"] == pytest.approx(low)
    assert second["srcc_difference_high"] == pytest.approx(high)
    assert second["p"] == pytest.approx(corrected_t_test(apart, 0.25))


def test_p_is_corrected_over_the_comparisons_of_the_experiment():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.6, 0.8, 6)
    names = ["slic", "slic+a", "slic+b", "rim", "rim+a"]
    values = {name: (base + rng.normal(0.02, 0.01, 6)).tolist() for name in names}
    pairs = compare_methods(runs(values))
    compared = {frozenset(pair) for pair in pairs[["first", "second"]].to_numpy()}
    assert compared == {
        frozenset(pair)
        for pair in [("slic", "slic+a"), ("slic", "slic+b"), ("slic", "rim"), ("rim", "rim+a")]
    }
    table = beside(runs(values)).set_index(["method", "variant"])
    assert table["p_holm"].notna().tolist() == [False, True, True, False, True]
    assert (table["p_holm"].dropna() >= table["p"].dropna()).all()
    swapped = beside(runs(dict(reversed(values.items())))).set_index(["method", "variant"])
    pd.testing.assert_frame_equal(swapped.loc[table.index], table)
    assert not any("+" in key[3] for key in winners(pairs))


def test_the_interval_holds_0_where_the_test_finds_nothing():
    rng = np.random.default_rng(0)
    for _ in range(50):
        apart = rng.normal(0.02, 0.02, 5)
        low, high = corrected_interval(apart, 0.25)
        assert (low <= 0 <= high) == (corrected_t_test(apart, 0.25) >= 0.05)


@pytest.mark.parametrize(
    ("references", "over", "end"),
    [
        ([""] * 160, "images", "]"),
        ([f"r{i}" for i in range(160)], "references", "]"),
        ([f"r{i % 3}" for i in range(160)], "images of few references", "]*"),
    ],
)
def test_within_one_split_images_are_drawn_for_both(tmp_path, references, over, end):
    rng = np.random.default_rng(0)
    label = rng.random(160)
    found = {}
    for method, noise in (("slic", 0.3), ("slic+blind", 0.6)):
        found[method] = label + noise * rng.random(160)
        table = pd.DataFrame({"image": map(str, range(160)), "subset": "test"})
        table = table.assign(reference=references, label=label, prediction=found[method])
        table.loc[160] = ["x", "validation", "", 0.0, 9.0]
        (tmp_path / method).mkdir()
        table.sample(frac=1, random_state=len(method)).to_csv(
            tmp_path / method / "on-live.csv", index=False
        )
    values = {method: [srcc(prediction, label)] for method, prediction in found.items()}
    table = beside(runs(values, tmp_path))
    _, row = table.to_dict("records")
    sides = [found[name][None] for name in ("slic+blind", "slic")]
    low, high = row["srcc_difference_low"], row["srcc_difference_high"]
    alone = interval_of_difference(*sides, label, np.arange(160))
    assert (low, high) == pytest.approx(alone, abs=0.01)  # rows come in another order
    assert low < row["srcc_difference"] < high < 0
    assert row["intervals_over"] == over
    assert readable(table)["SRCC less base"][1].endswith(end)
    assert np.isnan(row["p"])


def test_differences_are_paired_and_seeds_count_as_their_mean():
    rng = np.random.default_rng(0)
    label = rng.random(200)
    good, bad = label + 0.1 * rng.random(200), label + 2 * rng.random(200)
    images = np.arange(200)
    assert interval_of_difference(good[None], good[None], label, images) == (0, 0)
    low, high = interval_of_difference(bad[None], good[None], label, images)
    assert low < srcc(bad, label) - srcc(good, label) < high < 0
    both = interval_of_difference(np.array([bad, good]), good[None], label, images)
    assert both == pytest.approx((low / 2, high / 2))
    wide = interval_of_difference(
        bad[None], good[None], label, clusters_of([f"r{i % 6}" for i in range(200)], 200)
    )
    assert wide != (low, high)
    assert interval_of_difference(bad[None], good[None], label, images % 4) is None


def test_weights_selected_on_test_and_ensembles_are_left_out():
    values = {"slic": [0.7, 0.8], "slic+a": [0.6, 0.75], "slic+a+ensemble": [0.7, 0.7]}
    values["slic+ensemble"] = [0.7, 0.81]
    table = runs(values)
    chosen = runs({"slic": [0.9, 0.9], "slic+a": [0.9, 0.9]}, selection="test")
    found = beside(pd.concat([table, chosen]))
    pd.testing.assert_frame_equal(found, beside(table))
    assert found["variant"].tolist() == ["base", "a"]
    pairs = compare_methods(table)
    assert set(zip(pairs["first"], pairs["second"], strict=True)) == {
        ("slic", "slic+a"), ("slic", "slic+ensemble"), ("slic+a", "slic+a+ensemble")
    }  # fmt: skip


def test_text_and_a_table_without_base():
    table = beside(runs({"slic": [0.7, 0.8], "slic+no_texture": [0.6, 0.75]}))
    text = readable(table)
    assert text["variant"].tolist() == ["base", "no texture"]
    assert text["SRCC less base"][0] == ""
    assert text["SRCC less base"][1].startswith("\N{MINUS SIGN}0.075 [")
    assert with_sign(-1e-16) == "+0.000"
    alone = beside(runs({"slic+a": [0.7, 0.8], "slic+b": [0.6, 0.75]}))
    assert alone["srcc_difference"].isna().all()
    assert list(alone.columns) == COLUMNS
    assert readable(alone)["SRCC less base"].tolist() == ["\N{EN DASH}"] * 2
