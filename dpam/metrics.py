"""How well predictions agree with labels: the numbers of the field's papers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import least_squares
from scipy.special import expit
from scipy.stats import kendalltau

from dpam.correlation import plcc, srcc

# A logistic of four parameters says something only about more images than that.
MINIMUM_TO_FIT = 5
# The logistic's width in standard deviations of the prediction: from practically a step to
# practically a straight line. Without bounds, the fit to points on a straight line has no end.
NARROWEST, WIDEST = 0.01, 10.0


def krcc(prediction: np.ndarray, label: np.ndarray) -> float:
    """Kendall's rank correlation, tau-b (ties are allowed for).

    Args:
        prediction: (n,) numbers.
        label: (n,) numbers.

    Returns:
        A value in [-1, 1]; nan for fewer than two images, a constant side or a value that is
        not finite.
    """
    if np.isnan(plcc(prediction, label)):
        return float("nan")
    return float(kendalltau(prediction, label).statistic)


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


def fit_logistic4(
    prediction: np.ndarray, label: np.ndarray
) -> tuple[float, float, float, float] | None:
    """Least-squares fit of `logistic4` from prediction to label, on the very images given.

    The start values are fixed: the largest and the smallest label, the mean of the predictions
    and their standard deviation. A prediction that falls where the label rises is mapped by a
    falling curve, so the correlation after the fit has lost its sign: read it beside the raw one.

    Args:
        prediction: (n,) numbers.
        label: (n,) numbers.

    Returns:
        (upper, lower, centre, width) in the units of label, label, prediction, prediction; None
        for fewer than five images, a constant side, a value that is not finite, or a fit that
        does not converge.
    """
    x = np.asarray(prediction, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    if len(x) < MINIMUM_TO_FIT or np.isnan(plcc(x, y)):
        return None
    mean, deviation = x.mean(), x.std()
    standardised = (x - mean) / deviation

    def residual(parameters: np.ndarray) -> np.ndarray:
        return logistic4(standardised, *parameters) - y

    fit = least_squares(
        residual,
        x0=[y.max(), y.min(), 0.0, 1.0],
        bounds=([-np.inf] * 3 + [NARROWEST], [np.inf] * 3 + [WIDEST]),
        max_nfev=10_000,
    )
    if not fit.success:
        return None
    upper, lower, centre, width = fit.x.tolist()
    return upper, lower, float(mean + centre * deviation), float(width * deviation)


def score(
    prediction: np.ndarray, label: np.ndarray, distortion: Sequence[str] | None = None
) -> dict[str, Any]:
    """All numbers of one run on one test dataset.

    Args:
        prediction: (n,) predictions on the scale of the labels.
        label: (n,) labels in [0, 1], higher is better.
        distortion: (n,) names of the distortion types, empty text where unknown.

    Returns:
        n, srcc, krcc, plcc; plcc_fitted and rmse_fitted after the logistic mapping, which is
        fitted on these same images; rmse without a mapping; logistic, its four parameters;
        by_distortion {type: {n, srcc, plcc}}. RMSE is in units of the label. What is not
        defined is None.
    """
    x = np.asarray(prediction, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    logistic = fit_logistic4(x, y)
    fitted = None if logistic is None else logistic4(x, *logistic)
    numbers: dict[str, Any] = {
        "n": len(x),
        "srcc": _defined(srcc(x, y)),
        "krcc": _defined(krcc(x, y)),
        "plcc": _defined(plcc(x, y)),
        "rmse": _rmse(x, y),
        "plcc_fitted": None if fitted is None else _defined(plcc(fitted, y)),
        "rmse_fitted": None if fitted is None else _rmse(fitted, y),
        "logistic": None if logistic is None else list(logistic),
        "by_distortion": {},
    }
    kinds = np.asarray([] if distortion is None else distortion, dtype=str)
    for kind in sorted(set(kinds.tolist()) - {""}):
        rows = kinds == kind
        numbers["by_distortion"][kind] = {
            "n": int(rows.sum()),
            "srcc": _defined(srcc(x[rows], y[rows])),
            "plcc": _defined(plcc(x[rows], y[rows])),
        }
    return numbers


def _rmse(x: np.ndarray, y: np.ndarray) -> float | None:
    return _defined(float(np.sqrt(np.mean((x - y) ** 2)))) if len(x) else None


def _defined(value: float) -> float | None:
    return value if np.isfinite(value) else None
