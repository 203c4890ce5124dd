"""The baselines by name: regressions on features that are computed once for each dataset.

A new one on these features is an entry of BASELINES and nothing else: the schema, the workflow, the
commands, the tables and the estimate read it there. New features take a command `dpam extract-NAME`
and a rule `extract_NAME`, which writes NAME.npy, as those of `extract_brisque` do.

The room `dpam.baselines` computes features and fits; scikit-learn is imported when it does, as the
workflow asks here for names alone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Baseline(NamedTuple):
    """A baseline.

    Attributes:
        title: its name in tables and figures.
        features: what it reads, one row per image; the stem of the file.
        regression: of settings, the scikit-learn regression of standardised features.
        grid: settings to choose from, on validation images: name -> values. Labels lie in [0, 1]
            and features are standardised, so the same few suit all datasets.
    """

    title: str
    features: str
    regression: Callable[..., Any]
    grid: dict[str, list[float]]


def svr(**settings: float) -> Any:
    """Support vector regression with radial basis functions."""
    from sklearn.svm import SVR

    return SVR(kernel="rbf", epsilon=0.02, cache_size=1000, **settings)


def ridge(**settings: float) -> Any:
    """Ridge regression."""
    from sklearn.linear_model import Ridge

    return Ridge(**settings)


BASELINES = {
    "brisque_svr": Baseline(
        "BRISQUE features, SVR",
        "brisque",
        svr,
        {"C": [0.1, 1.0, 10.0], "gamma": [0.003, 0.01, 0.03, 0.1]},
    ),
    "vit_ridge": Baseline(
        "frozen ViT features, ridge",
        "vit",
        ridge,
        {"alpha": [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]},
    ),
}
