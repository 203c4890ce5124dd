"""Fitting the baselines of `dpam.evaluation.baselines`, in minutes on a processor.

Features are standardised on the training images. Of a few settings, the one is kept that is best
on validation images by SRCC + PLCC, as the epoch of a network is.
"""

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from dpam.evaluation.baselines import BASELINES
from dpam.evaluation.bootstrap import clusters_of
from dpam.evaluation.correlation import plcc, srcc
from dpam.utils.progress import track


def fit_baseline(
    name: str,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
) -> tuple[Pipeline, dict[str, float]]:
    """Fit a baseline with each of its settings, keep the best on the validation images.

    Args:
        name: one of BASELINES.
        train: features (n, d) and labels (n,) to fit to.
        validation: features (m, d) and labels (m,) to choose the settings by.

    Returns:
        the model fitted to the training images, and its settings. Where SRCC or PLCC is not
        defined for any setting, the first is kept.
    """
    best: tuple[Pipeline, dict[str, float]] | None = None
    best_value = -np.inf
    for settings in track(list(ParameterGrid(BASELINES[name].grid)), f"fitting {name}", unit="fit"):
        model = with_settings(name, settings).fit(*train)
        prediction = model.predict(validation[0])
        value = srcc(prediction, validation[1]) + plcc(prediction, validation[1])
        if best is None or value > best_value:
            best = model, settings
            best_value = value if np.isfinite(value) else -np.inf
    assert best is not None
    return best


def with_settings(name: str, settings: dict[str, float]) -> Pipeline:
    """A baseline that is yet to be fitted."""
    regression = BASELINES[name].regression(**settings)
    return Pipeline([("standardise", StandardScaler()), ("regress", regression)])


def draw_validation(reference: list[str], seed: int) -> np.ndarray:
    """(n,) which images of a training set without a validation set to choose settings by.

    An eighth of the references (or of the images without one), at random.
    """
    clusters = clusters_of(reference, len(reference))
    draw = GroupShuffleSplit(n_splits=1, test_size=1 / 8, random_state=seed)
    _, chosen = next(draw.split(clusters, groups=clusters))
    return np.isin(np.arange(len(clusters)), chosen)
