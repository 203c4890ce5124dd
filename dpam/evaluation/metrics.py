"""How well predictions agree with labels: the numbers of the field's papers.

SRCC and PLCC themselves are in `dpam.evaluation.correlation`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.optimize import least_squares
from scipy.special import expit

from dpam.evaluation.bootstrap import clusters_to_draw, intervals
from dpam.evaluation.correlation import plcc, srcc

SMALLEST_GROUP = 5  # images; the SRCC of fewer says nothing
# A logistic of four parameters says something only about more images than that.
MINIMUM_TO_FIT = 5
# The logistic's width in standard deviations of the prediction: from practically a step to
# practically a straight line. Without bounds, the fit to points on a straight line has no end.
NARROWEST, WIDEST = 0.01, 10.0
MOST_EVALUATIONS = 10_000


@dataclass(frozen=True)
class Fit:
    """What became of a fit of `logistic4`.

    Attributes:
        parameters: (upper, lower, centre, width); None unless the fit converged.
        status: "converged"; "not converged"; or "undefined", where there is nothing to fit: fewer
            than five images, a constant side, or a value that is not finite.
    """

    parameters: tuple[float, float, float, float] | None
    status: Literal["converged", "not converged", "undefined"]


def krcc(prediction: np.ndarray, label: np.ndarray) -> float:
    """Kendall's rank correlation, tau-b (ties are allowed for; M. G. Kendall, Biometrika 1945).

    Args:
        prediction: (n,) numbers.
        label: (n,) numbers.

    Returns:
        A value in [-1, 1]; nan for fewer than two images, a constant side or a value that is
        not finite.
    """
    if np.isnan(plcc(prediction, label)):
        return float("nan")
    x, y = (np.unique(side, return_inverse=True)[1] for side in (prediction, label))
    tied_x, tied_y, tied_both = _tied(x), _tied(y), _tied(x * len(y) + y)
    pairs = len(x) * (len(x) - 1) // 2
    # Sorted by x and, where that is tied, by y, only pairs that disagree fall.
    difference = pairs - tied_x - tied_y + tied_both - 2 * _falling(y[np.lexsort((y, x))])
    return difference / math.sqrt((pairs - tied_x) * (pairs - tied_y))


def _tied(values: np.ndarray) -> int:
    """How many pairs of (n,) integers are equal."""
    count = np.unique(values, return_counts=True)[1]
    return int((count * (count - 1) // 2).sum())


def _falling(values: np.ndarray) -> int:
    """How many pairs of (n,) integers from 0 have the larger one first.

    Two integers differ first, from the left, in one bit: bit by bit, those are counted that have a
    1 before a 0 and agree in all bits to the left.
    """
    found = 0
    for bit in range(int(values.max()).bit_length()):
        order = np.argsort(values >> (bit + 1), kind="stable")
        left, right = values[order] >> (bit + 1), values[order] >> bit & 1
        ones = np.append(0, right.cumsum())
        before = ones[:-1] - ones[np.searchsorted(left, left)]  # of those that agree
        found += int(before[right == 0].sum())
    return found


def logistic4(x: np.ndarray, upper: float, lower: float, centre: float, width: float) -> np.ndarray:
    """The logistic of four parameters that VQEG's FR-TV phase I report maps predictions with.

    Args:
        x: (n,) predictions.
        upper: value far to the right.
        lower: value far to the left.
        centre: where the curve is halfway.
        width: its scale in units of x; the sign does not matter.

    Returns:
        (n,) values: (upper - lower) / (1 + exp(-(x - centre) / |width|)) + lower.
    """
    return np.asarray((upper - lower) * expit((x - centre) / abs(width)) + lower)


def fit_logistic4(prediction: np.ndarray, label: np.ndarray) -> Fit:
    """Least-squares fit of `logistic4` from prediction to label, on the very images given.

    The start values are fixed: the largest and the smallest label, the mean of the predictions
    and their standard deviation. A prediction that falls where the label rises is mapped by a
    falling curve, so the correlation after the fit has lost its sign: read it beside the raw one.

    Args:
        prediction: (n,) numbers.
        label: (n,) numbers.

    Returns:
        the parameters in the units of label, label, prediction, prediction, and whether the fit
        converged.
    """
    x = np.asarray(prediction, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    if len(x) < MINIMUM_TO_FIT or np.isnan(plcc(x, y)):
        return Fit(None, "undefined")
    mean, deviation = x.mean(), x.std()
    standardised = (x - mean) / deviation

    def residual(parameters: np.ndarray) -> np.ndarray:
        return logistic4(standardised, *parameters) - y

    fit = least_squares(
        residual,
        x0=[y.max(), y.min(), 0.0, 1.0],
        bounds=([-np.inf] * 3 + [NARROWEST], [np.inf] * 3 + [WIDEST]),
        max_nfev=MOST_EVALUATIONS,
    )
    if not fit.success:
        return Fit(None, "not converged")
    upper, lower, centre, width = fit.x.tolist()
    return Fit(
        (upper, lower, float(mean + centre * deviation), float(width * deviation)), "converged"
    )


def evaluate(
    prediction: np.ndarray,
    label: np.ndarray,
    reference: Sequence[str] | None = None,
    distortion: Sequence[str] | None = None,
    level: Sequence[str] | None = None,
    group: Sequence[str] | None = None,
) -> dict[str, Any]:
    """All numbers of one run on one test dataset.

    Args:
        prediction: (n,) predictions on the scale of the labels.
        label: (n,) labels in [0, 1], higher is better.
        reference: (n,) names of the reference images, empty text where unknown; for intervals.
        distortion: (n,) names of the distortion types, empty text where unknown.
        level: (n,) levels of the distortions as text, empty where unknown.
        group: (n,) names of the groups that the images come in, empty text where unknown.

    Returns:
        n, srcc, krcc, plcc; srcc_within, the mean of the SRCC within each group of at least five
        images, None for fewer than two such groups; plcc_fitted and rmse_fitted after the logistic
        mapping, which is fitted on these same images; rmse without a mapping; logistic, its four
        parameters, and logistic_status (see `Fit`); intervals {number: [low, high]} of 95 %, the
        number of clusters that they are drawn over, and intervals_over, what these are (see
        `dpam.evaluation.bootstrap.clusters_to_draw`); by_distortion, by_level and by_group
        {name: {n, srcc, plcc}}. RMSE is in units of the label. What is not defined is None.
    """
    x = np.asarray(prediction, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    fit = fit_logistic4(x, y)
    fitted = None if fit.parameters is None else logistic4(x, *fit.parameters)
    groups = rows_of_groups(group)
    numbers: dict[str, Any] = {
        **correlations(x, y, groups),
        "krcc": _finite_or_none(krcc(x, y)),
        "rmse": _rmse(x, y),
        "plcc_fitted": None if fitted is None else _finite_or_none(plcc(fitted, y)),
        "rmse_fitted": None if fitted is None else _rmse(fitted, y),
        "logistic": None if fit.parameters is None else list(fit.parameters),
        "logistic_status": fit.status,
    }
    cluster, numbers["intervals_over"] = clusters_to_draw(reference, len(x))
    numbers["clusters"] = len(set(cluster.tolist()))
    found = intervals(x, y, fitted, cluster, groups)
    numbers["intervals"] = {
        name: list(interval) if interval is not None and numbers[name] is not None else None
        for name, interval in found.items()
    }
    kinds = {"by_distortion": distortion, "by_level": level, "by_group": group}
    return numbers | {name: _by(names, x, y) for name, names in kinds.items()}


def rows_of_groups(group: Sequence[str] | None) -> list[np.ndarray]:
    """The rows of each group that SRCC is computed within; none where there are fewer than two.

    Args:
        group: (n,) names, empty text where unknown.
    """
    names = np.asarray([] if group is None else group, dtype=str)
    rows = [np.flatnonzero(names == name) for name in sorted(set(names.tolist()) - {""})]
    large = [chosen for chosen in rows if len(chosen) >= SMALLEST_GROUP]
    return large if len(large) > 1 else []


def srcc_within(x: np.ndarray, y: np.ndarray, groups: Sequence[np.ndarray]) -> float:
    """Mean over groups, given by their rows, of the SRCC of (n,) predictions and (n,) labels.

    nan where there are no groups, or where it is not defined within one of them.
    """
    return float(np.mean([srcc(x[rows], y[rows]) for rows in groups])) if groups else float("nan")


def correlations(
    x: np.ndarray, y: np.ndarray, groups: Sequence[np.ndarray] | None = None
) -> dict[str, Any]:
    """n, srcc and plcc of (n,) predictions and (n,) labels; None where not defined.

    Args:
        x: (n,) predictions.
        y: (n,) labels.
        groups: as in `rows_of_groups`; with them also srcc_within.
    """
    numbers = {
        "n": len(x),
        "srcc": _finite_or_none(srcc(x, y)),
        "plcc": _finite_or_none(plcc(x, y)),
    }
    if groups is None:
        return numbers
    return numbers | {"srcc_within": _finite_or_none(srcc_within(x, y, groups))}


def _by(names: Sequence[str] | None, x: np.ndarray, y: np.ndarray) -> dict[str, dict[str, Any]]:
    kinds = np.asarray([] if names is None else names, dtype=str)
    chosen = {kind: kinds == kind for kind in sorted(set(kinds.tolist()) - {""})}
    return {kind: correlations(x[rows], y[rows]) for kind, rows in chosen.items()}


def _rmse(x: np.ndarray, y: np.ndarray) -> float | None:
    return _finite_or_none(float(np.sqrt(np.mean((x - y) ** 2)))) if len(x) else None


def _finite_or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None
