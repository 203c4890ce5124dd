"""How sure a number is: percentile bootstrap intervals over clusters of images.

Images of one reference share its content, so they are not independent. What is drawn with
replacement is therefore the reference with all of its images (the cluster bootstrap of Davison and
Hinkley, Bootstrap Methods and their Application, 1997, section 3.8); an image without a reference
is a cluster of its own. Fewer than five references give too few different draws: then single
images are drawn, and the interval is too narrow, which must be said with it. A draw is a weight
per image, how often it was drawn, so that nothing is copied and many draws are computed at once.
"""

from collections.abc import Iterator, Sequence

import numpy as np

DRAWS = 2000
SEED = 20
LEVEL = 0.95
FEWEST_CLUSTERS = 5  # fewer have too few different draws for an interval to mean anything
FEW_REFERENCES = "images of few references"
MOST_UNDEFINED = 0.05  # share of draws in which the number may be undefined
CELLS = 2**21  # weights held at a time
ROUNDING = 1e-12


def clusters_of(reference: Sequence[str] | None, n: int) -> np.ndarray:
    """(n,) the number of each image's cluster, from 0: its reference or, without one, itself.

    Args:
        reference: (n,) names of the references, empty text where there is none; None: none.
        n: number of images.
    """
    names = [""] * n if reference is None else reference
    keys = [(name, -1) if name else ("", row) for row, name in enumerate(names)]
    numbers: dict[tuple[str, int], int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def clusters_to_draw(reference: Sequence[str] | None, n: int) -> tuple[np.ndarray, str]:
    """What an interval is drawn over.

    Args:
        reference: (n,) as in `clusters_of`.
        n: number of images.

    Returns:
        (n,) the number of each image's cluster, and what the clusters are: "references" (and
        images without one), "images", or FEW_REFERENCES where single images stand in for fewer
        than five clusters.
    """
    cluster = clusters_of(reference, n)
    if reference is None or not any(reference):
        return cluster, "images"
    if len(set(cluster.tolist())) < FEWEST_CLUSTERS:
        return np.arange(n), FEW_REFERENCES
    return cluster, "references"


def intervals(
    prediction: np.ndarray,
    label: np.ndarray,
    fitted: np.ndarray | None,
    cluster: np.ndarray,
    groups: Sequence[np.ndarray] = (),
    draws: int = DRAWS,
    seed: int = SEED,
) -> dict[str, tuple[float, float] | None]:
    """95 % percentile intervals; the same input gives the same interval.

    The logistic is not fitted anew in each draw: the intervals of plcc_fitted and rmse_fitted are
    those of the mapping as it was fitted to all images.

    Args:
        prediction: (n,) finite numbers.
        label: (n,) finite numbers.
        fitted: (n,) predictions after the logistic mapping; None if there is none.
        cluster: (n,) the number of each image's cluster, from 0.
        groups: rows of each group that srcc_within is a mean over.
        draws: how often the clusters are drawn.
        seed: of the draws.

    Returns:
        (low, high) of srcc, srcc_within, plcc, rmse, plcc_fitted, rmse_fitted. None: the number
        itself is not defined, there are fewer than five clusters, or more than 5 % of the draws
        leave it undefined (the rest are left out of the interval).
    """
    names = ["srcc", "srcc_within", "plcc", "rmse", "plcc_fitted", "rmse_fitted"]
    count = int(cluster.max()) + 1 if len(cluster) else 0
    if count < FEWEST_CLUSTERS:
        return dict.fromkeys(names)
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for weight in weights(cluster, draws, seed):
        found["srcc"].append(weighted_srcc(prediction, label, weight))
        if groups:
            within = [weighted_srcc(prediction[g], label[g], weight[:, g]) for g in groups]
            found["srcc_within"].append(np.mean(within, axis=0))
        found["plcc"].append(weighted_plcc(prediction, label, weight))
        found["rmse"].append(weighted_rmse(prediction, label, weight))
        if fitted is not None:
            found["plcc_fitted"].append(weighted_plcc(fitted, label, weight))
            found["rmse_fitted"].append(weighted_rmse(fitted, label, weight))
    return {name: _interval(values) for name, values in found.items()}


def interval_of_difference(
    first: np.ndarray,
    second: np.ndarray,
    label: np.ndarray,
    cluster: np.ndarray,
    draws: int = DRAWS,
    seed: int = SEED,
) -> tuple[float, float] | None:
    """95 % percentile interval of the difference of two networks' SRCC on the same images.

    Both are drawn together. None as in `intervals`.

    Args:
        first: (s, n) predictions, of s seeds, whose SRCC count as their mean.
        second: (t, n) likewise.
        label: (n,) finite numbers.
        cluster: (n,) the number of each image's cluster, from 0.
        draws: how often the clusters are drawn.
        seed: of the draws.
    """
    if len(cluster) == 0 or cluster.max() + 1 < FEWEST_CLUSTERS:
        return None
    found = []
    for weight in weights(cluster, draws, seed):
        one, other = (
            np.mean([weighted_srcc(prediction, label, weight) for prediction in side], axis=0)
            for side in (first, second)
        )
        found.append(one - other)
    return _interval(found)


def weights(cluster: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each image was drawn: (some draws, n) float64, until there are all draws."""
    generator = np.random.default_rng(seed)
    count = int(cluster.max()) + 1
    rows = max(1, CELLS // len(cluster))
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        drawn = generator.multinomial(count, np.full(count, 1 / count), size=size)
        yield drawn[:, cluster].astype(np.float64)


def _interval(values: list[np.ndarray]) -> tuple[float, float] | None:
    drawn = np.concatenate([np.empty(0), *values])
    defined = drawn[np.isfinite(drawn)]
    if len(defined) == 0 or len(defined) < (1 - MOST_UNDEFINED) * len(drawn):
        return None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]).tolist()
    return low, high


def weighted_ranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Ranks among the images drawn, ties sharing their mean rank.

    Args:
        values: (n,) numbers.
        weight: (draws, n) how often each image was drawn.

    Returns:
        (draws, n); the rank of an image that was not drawn has no meaning, nor any weight.
    """
    distinct, position = np.unique(values, return_inverse=True)
    order = np.argsort(position, kind="stable")
    starts = np.searchsorted(position[order], np.arange(len(distinct)))
    drawn = np.add.reduceat(weight[:, order], starts, axis=1)  # (draws, distinct values)
    upto = np.cumsum(drawn, axis=1)
    return np.asarray((upto - (drawn - 1) / 2)[:, position])


def weighted_srcc(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Spearman's correlation in each draw; arguments and result as in `weighted_plcc`."""
    return weighted_plcc(weighted_ranks(x, weight), weighted_ranks(y, weight), weight)


def weighted_plcc(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Pearson's correlation in each draw.

    Args:
        x: (n,) or (draws, n) numbers.
        y: of the same shape.
        weight: (draws, n) how often each image was drawn.

    Returns:
        (draws,) in [-1, 1]; nan where all images drawn have the same x or the same y, or none is
        drawn.
    """
    x, y = _scale(x), _scale(y)
    total = weight.sum(axis=1)
    total[total == 0] = np.nan
    sum_x, sum_y = _sum(weight, x), _sum(weight, y)
    square_x, square_y = _sum(weight, x * x), _sum(weight, y * y)
    variance_x, variance_y = square_x - sum_x**2 / total, square_y - sum_y**2 / total
    # What rounding leaves of a variance of zero is nothing beside the sum of squares.
    defined = (variance_x > ROUNDING * square_x) & (variance_y > ROUNDING * square_y)
    covariance = _sum(weight, x * y) - sum_x * sum_y / total
    correlation = np.full(len(weight), np.nan)
    correlation[defined] = covariance[defined] / np.sqrt((variance_x * variance_y)[defined])
    return correlation.clip(-1, 1)


def _scale(values: np.ndarray) -> np.ndarray:
    """Values around 0, at most 1 in magnitude, so that no square overflows."""
    values = np.asarray(values, dtype=np.float64)
    largest = np.abs(values).max()
    values = values / (largest if largest > 0 else 1.0)
    values = values - values.mean()
    largest = np.abs(values).max()
    return np.asarray(values / (largest if largest > 0 else 1.0))


def _sum(weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(draws,) weighted sums of (n,) or (draws, n) values."""
    return np.asarray(weight @ values if values.ndim == 1 else (weight * values).sum(axis=1))


def weighted_rmse(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Root of the mean squared difference of x and y, both (n,), in each draw: (draws,)."""
    return np.asarray(np.sqrt(weight @ (x - y) ** 2 / weight.sum(axis=1)))
