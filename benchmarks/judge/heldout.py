"""The test set: how well scores agree with people's, and how often intervals hold them."""

from typing import Any

import numpy as np
import pandas as pd

from dpam.evaluation import metrics
from dpam.evaluation.bootstrap import DRAWS, LEVEL, SEED

from .dataset import Judged
from .judges import Judge

KEPT = ("n", "srcc", "plcc", "krcc", "rmse", "srcc_within")
BINS = 10


def measure(judge: Judge, judged: Judged) -> dict[str, Any]:
    """Numbers of the test set: see `agreement` and `coverage`."""
    test = judged.test
    ratings = pd.DataFrame(judge.rate_test(judged), index=test.index)
    prediction = ratings["score"] / 100
    result: dict[str, Any] = {
        "bounds": [float(ratings["score"].min()), float(ratings["score"].max())],
        "all": agreement(prediction, test),
        "without near-duplicates": agreement(prediction[~test["near"]], test[~test["near"]]),
        "groups": {
            name: agreement(prediction[rows.index], rows)
            for name, rows in test[test["group"] != ""].groupby("group")
        },
    }
    if test["group_mean"].notna().all():
        apart = test[~test["near"]]
        result["floor"] = {
            "all": agreement(test["group_mean"], test),
            "without near-duplicates": agreement(apart["group_mean"], apart),
        }
    if ratings["low"].notna().all():
        result["coverage"] = coverage(ratings, test)
    return result


def agreement(prediction: pd.Series, test: pd.DataFrame) -> dict[str, Any]:
    """How well predictions agree with labels.

    Args:
        prediction: (n,) from 0 to 1.
        test: (n,) label, from 0 to 1, and group.

    Returns:
        KEPT, and their 95 % intervals over draws of images; what is not defined is None.
    """
    x, y = (side.to_numpy(np.float64) for side in (prediction, test["label"]))
    found = metrics.evaluate(x, y, group=test["group"].tolist())
    ends = {name: found["intervals"].get(name) for name in KEPT}
    ends["krcc"] = krcc_interval(x, y)
    return {name: found[name] for name in KEPT} | {"intervals": ends}


def krcc_interval(x: np.ndarray, y: np.ndarray) -> list[float]:
    """95 % percentile interval of KRCC, tau-b, over draws of images; x, y: (n,)."""
    drawn = np.random.default_rng(SEED).multinomial(len(x), np.full(len(x), 1 / len(x)), DRAWS)
    weight = drawn.astype(np.float32)
    order = [np.sign(side[:, None] - side[None, :]).astype(np.float32) for side in (x, y)]

    def pairs(kind: np.ndarray) -> np.ndarray:
        """Sum over the pairs of each draw, (DRAWS,); two copies of an image count as a tie."""
        return np.asarray(((weight @ kind) * weight).sum(axis=1, dtype=np.float64))

    tau = pairs(order[0] * order[1]) / np.sqrt(pairs(order[0] ** 2) * pairs(order[1] ** 2))
    tail = (1 - LEVEL) / 2
    return [float(end) for end in np.nanquantile(tau, [tail, 1 - tail])]


def coverage(ratings: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """How many labels lie within the interval beside the score, and how wide it is.

    Args:
        ratings: (n,) score, low and high, from 0 to 100.
        test: (n,) label, from 0 to 1, and group.

    Returns:
        of all, of each group, and of ten equal parts by the score: n, share, mean width, and the
        lowest and highest score.
    """
    label = 100 * test["label"]
    table = ratings.assign(
        inside=(ratings["low"] <= label) & (label <= ratings["high"]),
        width=ratings["high"] - ratings["low"],
    )

    def one(rows: pd.DataFrame) -> dict[str, float]:
        return {
            "n": len(rows),
            "inside": float(rows["inside"].mean()),
            "width": float(rows["width"].mean()),
            "lowest": float(rows["score"].min()),
            "highest": float(rows["score"].max()),
        }

    ordered = np.array_split(np.argsort(table["score"].to_numpy(), kind="stable"), BINS)
    return {
        "all": one(table),
        "groups": {str(name): one(rows) for name, rows in table.groupby(test["group"])},
        "deciles": [one(table.iloc[rows]) for rows in ordered if len(rows)],
    }
