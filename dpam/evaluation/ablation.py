"""Variants beside base: what a change of the network or of its training is worth.

A variant is compared with base over the splits that both were trained on, as two methods are (see
`dpam.evaluation.significance`). Several seeds of a split count as their mean.

Where there are two splits or more, the interval of the mean difference is that of the corrected
resampled t-test. Of a single split it is that of a bootstrap over images or references, in which
both are drawn together, so that images that are hard for both cancel.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dpam.evaluation.bootstrap import FEW_REFERENCES, clusters_to_draw, interval_of_difference
from dpam.evaluation.captions import ABOUT_FEW_REFERENCES
from dpam.evaluation.formatting import decimal, method_name, with_sign
from dpam.evaluation.methods import BASE, is_ensemble, method_of, parts_of
from dpam.evaluation.significance import FEWEST_SPLITS, FIXED, corrected_interval, probability
from dpam.evaluation.tables import statistics
from dpam.evaluation.unions import dataset_name
from dpam.utils.reading import read_csv

COLUMNS = [
    *[*FIXED, "method", "variant", "selection", "splits", "runs", "n_median"],
    *["srcc_median", "plcc_median", "srcc_difference", "srcc_difference_low"],
    *["srcc_difference_high", "intervals_over", "plcc_difference", "p", "p_holm"],
]
CAPTION = (
    "Variants, beside base: medians over splits; the difference to base on the same splits "
    "(median), its 95 % interval in brackets, and two-sided p of the corrected resampled t-test, "
    "after Holm's correction over all comparisons of the experiment. The interval is that of the "
    "mean difference, by the same test; of a single split, percentiles of a bootstrap over "
    f"references, or images, in which both networks are drawn together. {ABOUT_FEW_REFERENCES} Of "
    "weights selected on test nothing is shown."
)


def compare_variants(metrics: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """One row per variant of each method, base among them, with its difference to base.

    Args:
        metrics: rows of `dpam.evaluation.tables.read_metrics`, all of one experiment.
        pairs: what `significance.compare_methods` says of that experiment.

    Returns:
        COLUMNS: numbers of both and the difference of the medians over splits of SRCC and PLCC;
        of base, and without base, nan. Methods without variants are left out.

    Raises:
        DpamError: predictions of a single split cannot be read.
    """
    ensemble = metrics["method"].map(is_ensemble).astype(bool)
    fair = metrics[(metrics["selection"] != "test") & ~ensemble]
    parts = [parts_of(method) for method in fair["method"]]
    fair = fair.assign(
        superpixels=[superpixels for superpixels, _ in parts],
        variant=[variant for _, variant in parts],
    )
    rows = []
    for setting, group in fair.groupby([*FIXED, "superpixels"], sort=False):
        if set(group["variant"]) == {BASE}:
            continue
        base = group[group["variant"] == BASE]
        for variant, runs in group.groupby("variant", sort=False):
            about = dict(zip([*FIXED, "method"], setting, strict=True)) | {"variant": variant}
            about["selection"] = ", ".join(dict.fromkeys(runs["selection"]))
            about |= {"splits": runs["split"].nunique(), "runs": len(runs)}
            about["n_median"] = runs["n"].median()
            about |= {f"{m}_median": statistics(runs, m)[f"{m}_median"] for m in ("srcc", "plcc")}
            if variant != BASE and len(base):
                about |= difference(runs, base) | p_of(pairs, about)
            rows.append(about)
    return pd.DataFrame(rows, columns=COLUMNS)


def difference(runs: pd.DataFrame, base: pd.DataFrame) -> dict[str, Any]:
    """Differences of a variant's runs to those of base, and the interval of that of SRCC."""
    found: dict[str, Any] = {}
    shared: pd.Index[Any] = pd.Index([])
    apart = np.empty(0)
    for metric in ("plcc", "srcc"):
        sides = [side.groupby("split")[metric].mean() for side in (runs, base)]
        by_split = (sides[0] - sides[1]).dropna()
        found[f"{metric}_difference"] = by_split.median()
        shared, apart = by_split.index, by_split.to_numpy()
    interval, over = None, ""
    if len(shared) >= FEWEST_SPLITS:
        both = pd.concat([runs, base])
        ratio = both[both["split"].isin(shared)].groupby("split")["test_to_train"].mean().mean()
        interval, over = corrected_interval(apart, float(ratio)), "splits"
    elif len(shared):
        interval, over = paired(*(side[side["split"] == shared[0]] for side in (runs, base)))
    if interval is not None:
        low, high = interval
        found |= {"srcc_difference_low": low, "srcc_difference_high": high, "intervals_over": over}
    return found


def paired(runs: pd.DataFrame, base: pd.DataFrame) -> tuple[tuple[float, float] | None, str]:
    """The interval of the difference of SRCC within one split, and what it was drawn over."""
    sides = [[predictions(row) for row in side.to_dict("records")] for side in (runs, base)]
    first = sides[0][0]
    cluster, over = clusters_to_draw(first["reference"].tolist(), len(first))
    one, other = (
        np.array([table.loc[first.index, "prediction"] for table in side]) for side in sides
    )
    return interval_of_difference(one, other, first["label"].to_numpy(), cluster), over


def predictions(row: dict[Any, Any]) -> pd.DataFrame:
    """What a run predicts of its test set, by image: label, prediction, reference."""
    file = Path(row["run"]) / f"on-{row['test_dataset']}.csv"
    table = read_csv(file, ["image", "subset", "reference", "label", "prediction"])
    table = table[table["subset"] == "test"].set_index("image")
    return table.astype({"label": float, "prediction": float})


def p_of(pairs: pd.DataFrame, about: dict[str, Any]) -> dict[str, float]:
    """The p-values of a variant's comparison with base; nan where there was none."""
    names = {about["method"], method_of(about["method"], about["variant"])}
    for row in pairs.to_dict("records"):
        if {row["first"], row["second"]} == names and all(row[k] == about[k] for k in FIXED):
            return {"p": row["p"], "p_holm": row["p_holm"]}
    return {}


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `compare_variants` as text for people: only the columns that tell rows apart."""
    crossed = bool((table["dataset"] != table["test_dataset"]).any())
    text = pd.DataFrame(index=table.index)
    text["trained on" if crossed else "dataset"] = table["dataset"].map(dataset_name)
    if crossed:
        text["tested on"] = table["test_dataset"]
    if (table["distortion"] != "all").any():
        text["distortion"] = table["distortion"]
    if len(set(table["method"])) > 1:
        text["method"] = table["method"].map(method_name)
    text["variant"] = table["variant"].str.replace("_", " ")
    text["splits"] = table["splits"].astype(str)
    for metric in ("srcc", "plcc"):
        text[metric.upper()] = table[f"{metric}_median"].map(decimal)
    rows = table.to_dict("records")
    text["SRCC less base"] = [with_interval(row) for row in rows]
    text["PLCC less base"] = [
        "" if row["variant"] == BASE else with_sign(row["plcc_difference"]) for row in rows
    ]
    if table["p_holm"].notna().any():
        text["p"] = ["" if row["variant"] == BASE else probability(row["p_holm"]) for row in rows]
    return text


def with_interval(row: dict[Any, Any]) -> str:
    """The difference of SRCC and its interval; empty text of base."""
    if row["variant"] == BASE:
        return ""
    text = with_sign(row["srcc_difference"])
    low, high = row["srcc_difference_low"], row["srcc_difference_high"]
    mark = "*" if row["intervals_over"] == FEW_REFERENCES else ""
    return text if pd.isna(low) else f"{text} [{with_sign(low)}, {with_sign(high)}]{mark}"
