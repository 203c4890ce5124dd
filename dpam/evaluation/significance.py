"""Whether one method is better than another over splits, or merely luckier.

Two methods are compared on the splits that both were trained on: the split is the pair. Random
splits share images, so their differences are not independent, and a plain paired t-test calls one
in four pairs of equal methods different. The corrected resampled t-test allows for that: it takes
the variance of the mean difference as (1 / k + n_test / n_train) of the variance over k splits
(Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 52, 2003). The p-values
of all comparisons of an experiment are corrected by Holm's method.

Weights that were selected on test are not compared.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from dpam.evaluation.formatting import decimal, method_name
from dpam.evaluation.methods import compared, is_plain
from dpam.evaluation.unions import dataset_name

FEWEST_SPLITS = 2  # without two there is no variance
SURE = 0.05
FIXED = ["dataset", "distortion", "test_dataset"]
SIDES = ["first", "first_selection", "second", "second_selection"]
COLUMNS = [
    *["experiment", *FIXED, *SIDES, "splits", "first_srcc", "second_srcc"],
    *["difference", "difference_std", "test_to_train", "p", "p_holm"],
]

HEADINGS = [
    *["experiment", "tested on", "first", "second", "splits", "SRCC of first", "SRCC of second"],
    *["difference", "p", "better"],
]
CAPTION = (
    "SRCC of two methods over the splits that both were trained on: means, mean difference ± "
    "standard deviation, and two-sided p of the corrected resampled t-test, which allows for the "
    "images that random splits share, after Holm's correction over all comparisons of the "
    f"experiment. Better: p below {SURE}. Compared are weights of the epoch best on validation or, "
    "where it is said, of the last one; never those selected on test. Few splits find large "
    "differences only."
)


def compare_methods(metrics: pd.DataFrame) -> pd.DataFrame:
    """Compare the SRCC of each two methods with all else the same.

    Args:
        metrics: columns experiment, FIXED, method, selection, split, srcc, test_to_train (images of
            the split's test set by those of its training and validation set); several seeds of
            a split count as their mean. A split in which either SRCC is nan is left out, and so
            are rows whose weights were selected on test.

    Returns:
        COLUMNS, a row per experiment x FIXED x pair of methods that share a split and are
        `dpam.evaluation.methods.compared`: by which rule
        the weights of either were selected, the number of splits, mean SRCC of either, mean and
        standard deviation of first - second, p (two-sided) and p after Holm's correction over the
        experiment. Both are nan where fewer than FEWEST_SPLITS splits are shared, or where all
        differences are equal but not 0.
    """
    rows: list[dict[str, Any]] = []
    fair = metrics[metrics["selection"] != "test"]
    for setting, group in fair.groupby(["experiment", *FIXED], sort=False):
        by_split = group.pivot_table(
            "srcc", "split", ["method", "selection"], aggfunc="mean", sort=False
        )
        ratio = group.groupby("split")["test_to_train"].mean()
        for first, second in combinations(by_split.columns, 2):
            pair = by_split[[first, second]].dropna()
            if len(pair) and compared(str(first[0]), str(second[0])):
                names = [*setting, *map(str, (*first, *second))]
                about = dict(zip(["experiment", *FIXED, *SIDES], names, strict=True))
                rows.append(about | compare(pair.to_numpy(), float(ratio[pair.index].mean())))
    table = pd.DataFrame(rows, columns=COLUMNS)
    table = table.astype(dict.fromkeys(COLUMNS[COLUMNS.index("first_srcc") :], float))
    for _, group in table.groupby("experiment", sort=False):
        table.loc[group.index, "p_holm"] = holm(group["p"].tolist())
    return table


def compare(pair: np.ndarray, test_to_train: float) -> dict[str, Any]:
    """The numbers of one row of `compare_methods`, before the correction, from SRCC (k, 2)."""
    first, second = pair.T
    difference = first - second
    enough = len(difference) >= FEWEST_SPLITS
    return {
        "splits": len(difference),
        "first_srcc": first.mean(),
        "second_srcc": second.mean(),
        "difference": difference.mean(),
        "difference_std": difference.std(ddof=1) if enough else np.nan,
        "test_to_train": test_to_train,
        "p": corrected_t_test(difference, test_to_train) if enough else np.nan,
    }


def corrected_t_test(difference: np.ndarray, test_to_train: float) -> float:
    """Two-sided p of the corrected resampled t-test.

    Args:
        difference: (k,) differences over splits of the same images, k at least 2.
        test_to_train: images tested by images trained on. 0 makes it the plain paired t-test.

    Returns:
        p; where all differences are equal, which leaves the test without a spread: 1 if they are
        0, else nan.
    """
    if np.ptp(difference) <= 1e-12 * np.abs(difference).max():
        return float("nan") if difference.any() else 1.0
    k = len(difference)
    error = np.sqrt((1 / k + test_to_train) * difference.var(ddof=1))
    return float(2 * special.stdtr(k - 1, -abs(difference.mean()) / error))


def corrected_interval(difference: np.ndarray, test_to_train: float) -> tuple[float, float]:
    """95 % interval of the mean difference by the corrected resampled t-test; arguments as there.

    It holds 0 where, and only where, p is above 0.05.
    """
    k = len(difference)
    error = np.sqrt((1 / k + test_to_train) * difference.var(ddof=1))
    reach = float(-special.stdtrit(k - 1, SURE / 2) * error)
    return float(difference.mean()) - reach, float(difference.mean()) + reach


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
    rows = [
        {
            "experiment": row["experiment"],
            "tested on": test_in_words(row),
            "first": _side(row, "first"),
            "second": _side(row, "second"),
            "splits": str(row["splits"]),
            "SRCC of first": decimal(row["first_srcc"]),
            "SRCC of second": decimal(row["second_srcc"]),
            "difference": f"{decimal(row['difference'])} ± {decimal(row['difference_std'])}",
            "p": probability(row["p_holm"]),
            "better": better(row) or "not shown",
        }
        for row in table[table["p"].notna()].to_dict("records")
    ]
    return pd.DataFrame(rows, columns=HEADINGS)


def better(row: Mapping[Any, Any]) -> str:
    """Which side of a row of `compare_methods` is better: first, second or, not shown, neither."""
    if not row["p_holm"] < SURE:
        return ""
    return "first" if row["difference"] > 0 else "second"


def winners(table: pd.DataFrame) -> set[tuple[str, ...]]:
    """Which methods are better than all others, variants and ensembles aside, all else the same.

    Args:
        table: rows of `compare_methods`, all of one experiment.

    Returns:
        the values of FIXED, then method and rule of selection.
    """
    won: dict[tuple[str, ...], list[bool]] = {}
    for row in table.to_dict("records"):
        if not (is_plain(row["first"]) and is_plain(row["second"])):
            continue
        for side in ("first", "second"):
            key = (*(row[name] for name in FIXED), row[side], row[f"{side}_selection"])
            won.setdefault(key, []).append(better(row) == side)
    return {key for key, found in won.items() if all(found)}


def _side(row: Mapping[Any, Any], side: str) -> str:
    rule = row[f"{side}_selection"]
    return method_name(row[side]) + (f" ({rule})" if rule != "validation" else "")


def test_in_words(row: Mapping[Any, Any]) -> str:
    """What was trained on and tested, of a row with FIXED."""
    words = [row["test_dataset"]]
    if row["dataset"] != row["test_dataset"]:
        words = [f"{dataset_name(row['dataset'])} \N{RIGHTWARDS ARROW} {row['test_dataset']}"]
    return ", ".join(words + [row["distortion"]] * (row["distortion"] != "all"))


def probability(p: float) -> str:
    """A p-value with three decimals, or below that "< 0.001"."""
    return "< 0.001" if p < 0.001 else decimal(p)


def name_untested(table: pd.DataFrame) -> list[str]:
    """In words, the rows of `compare_methods` that could not be tested."""
    return [
        f"{_side(row, 'first')} and {_side(row, 'second')} on {test_in_words(row)} "
        f"({row['experiment']}): {row['splits']}"
        for row in table[table["p"].isna()].to_dict("records")
    ]
