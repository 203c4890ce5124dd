"""Whether one method is better than another over splits, or merely luckier.

Two methods are compared on the splits that both were trained on: the split is the pair. The paired
t-test takes the differences as normal, Wilcoxon's signed rank test only their signs and ranks. The
p-values of all comparisons of an experiment are corrected by Holm's method, so that one in
twenty comparisons of equal methods is not called a difference.

Random splits share images, so differences over splits are less independent than either test
assumes: p-values are on the small side (Nadeau and Bengio, Inference for the Generalization
Error, Machine Learning 52, 2003).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dpam.tables import decimal, method_name

# With five pairs, the smallest two-sided p of Wilcoxon's test is 2 / 2**5 = 0.0625.
FEWEST_SPLITS = 6
FIXED = ["dataset", "part", "test_dataset", "selection"]
TESTS = ["t_test", "wilcoxon"]
COLUMNS = [
    *["experiment", *FIXED, "first", "second", "splits", "first_srcc", "second_srcc"],
    *["difference", "difference_std", *TESTS, *(f"{name}_holm" for name in TESTS)],
]

HEADINGS = [
    *["experiment", "tested on", "first", "second", "splits", "SRCC of first", "SRCC of second"],
    *["difference", "p, t-test", "p, Wilcoxon", "better"],
]
CAPTION = (
    "SRCC of two methods over the splits that both were trained on: means, mean difference ± "
    "standard deviation, and two-sided p of the paired t-test and of Wilcoxon's signed rank test "
    "after Holm's correction over all comparisons of the experiment. Better: both p below 0.05. "
    "Random splits share images, so p is on the small side."
)


def compare_methods(scores: pd.DataFrame) -> pd.DataFrame:
    """Compare the SRCC of each two methods with all else the same.

    Args:
        scores: columns experiment, FIXED, method, split, srcc; several seeds of a split count as
            their mean. A split in which either SRCC is nan is left out.

    Returns:
        COLUMNS, a row per experiment x FIXED x pair of methods that share a split: the number of
        splits, mean SRCC of either, mean and standard deviation of first - second, p-values
        (two-sided) of both tests and those after Holm's correction over the experiment. p-values
        are nan where fewer than FEWEST_SPLITS splits are shared.
    """
    rows: list[dict[str, Any]] = []
    for setting, group in scores.groupby(["experiment", *FIXED], sort=False):
        by_split = group.pivot_table("srcc", "split", "method", aggfunc="mean", sort=False)
        for first, second in combinations(by_split.columns, 2):
            pair = by_split[[first, second]].dropna()
            if len(pair):
                names = dict(zip(["experiment", *FIXED], setting, strict=True))
                rows.append(names | compare(str(first), str(second), pair))
    table = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[8:], float))
    for _, group in table.groupby("experiment", sort=False):
        for test in TESTS:
            table.loc[group.index, f"{test}_holm"] = holm(group[test].tolist())
    return table


def compare(first: str, second: str, pair: pd.DataFrame) -> dict[str, Any]:
    """One row of `compare_methods`, before the correction, from a column for either method."""
    x, y = pair[first].to_numpy(), pair[second].to_numpy()
    difference = x - y
    enough = len(pair) >= FEWEST_SPLITS
    return {
        "first": first,
        "second": second,
        "splits": len(pair),
        "first_srcc": x.mean(),
        "second_srcc": y.mean(),
        "difference": difference.mean(),
        "difference_std": difference.std(ddof=1) if len(pair) > 1 else np.nan,
        "t_test": t_test(difference) if enough else np.nan,
        "wilcoxon": wilcoxon(difference) if enough else np.nan,
    }


def t_test(difference: np.ndarray) -> float:
    """Two-sided p of the paired t-test on (n,) differences, n at least 2.

    Where all are equal, which leaves the test without a spread: 1 if they are 0, else 0.
    """
    if np.ptp(difference) <= 1e-12 * np.abs(difference).max():
        return float(not difference.any())
    return float(stats.ttest_1samp(difference, 0).pvalue)


def wilcoxon(difference: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed rank test on (n,) differences; 1 if all are 0."""
    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference).pvalue)


def holm(p: Sequence[float]) -> np.ndarray:
    """p-values after Holm's step-down correction; nan stays and does not count.

    Source: S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    """
    values = np.asarray(p, dtype=np.float64)
    corrected = np.full(len(values), np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    factor = len(order) - np.arange(len(order))
    corrected[order] = np.maximum.accumulate(values[order] * factor).clip(max=1)
    return corrected


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The tested rows of `compare_methods` as text for people."""
    rows = []
    for row in table[table["t_test"].notna()].to_dict("records"):
        better = "first" if row["difference"] > 0 else "second"
        found = [row[f"{test}_holm"] < 0.05 for test in TESTS]
        rows.append(
            {
                "experiment": row["experiment"],
                "tested on": _tested_on(row),
                "first": method_name(row["first"]),
                "second": method_name(row["second"]),
                "splits": str(row["splits"]),
                "SRCC of first": decimal(row["first_srcc"]),
                "SRCC of second": decimal(row["second_srcc"]),
                "difference": f"{decimal(row['difference'])} ± {decimal(row['difference_std'])}",
                "p, t-test": probability(row["t_test_holm"]),
                "p, Wilcoxon": probability(row["wilcoxon_holm"]),
                "better": better
                if all(found)
                else "tests disagree"
                if any(found)
                else "no difference",
            }
        )
    return pd.DataFrame(rows, columns=HEADINGS)


def _tested_on(row: Mapping[Any, Any]) -> str:
    words = [row["test_dataset"]]
    if row["dataset"] != row["test_dataset"]:
        words = [f"{row['dataset']} \N{RIGHTWARDS ARROW} {row['test_dataset']}"]
    return ", ".join(words + [row["part"]] * (row["part"] != "all"))


def probability(p: float) -> str:
    """A p-value with three decimals, or below that "< 0.001"."""
    return "< 0.001" if p < 0.001 else decimal(p)


def too_few(table: pd.DataFrame) -> list[str]:
    """In words, the rows of `compare_methods` that share too few splits to be tested."""
    return [
        f"{method_name(row['first'])} and {method_name(row['second'])} on {_tested_on(row)} "
        f"({row['experiment']}): {row['splits']}"
        for row in table[table["t_test"].isna()].to_dict("records")
    ]
