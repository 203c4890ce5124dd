"""Predictions of another network, for a training to learn from."""

from pathlib import Path

import numpy as np
import pandas as pd

from dpam.datasets.image_names import ImageNames
from dpam.errors import DpamError, error_of_many
from dpam.experiments.settings import TrainingSettings
from dpam.utils.reading import read_csv


def with_teacher(
    settings: TrainingSettings, label: np.ndarray, images: pd.Series, rows: np.ndarray
) -> np.ndarray:
    """What is learned: labels, (n,), mixed with the teacher's predictions, if there is one.

    Arguments and errors as in `predictions_of`.
    """
    if not settings.teacher:
        return label
    told = predictions_of(settings.teacher, images, rows)
    mixed: np.ndarray = label + settings.teacher_weight * (told - label)
    return mixed


def predictions_of(path: str | Path, images: pd.Series, rows: np.ndarray) -> np.ndarray:
    """What a table says of the images of a pack.

    Args:
        path: CSV with the column image and prediction (of `dpam test`, 0 to 1) or score_100 (of
            `dpam predict`); 1 or 100 is the best. A path there may be longer than the image's name
            in the pack, such as /photos/BIQ2021/Images/a.jpg for Images/a.jpg.
        images: (n,) names of the pack.
        rows: those that must have a prediction.

    Returns:
        (n,) float64, from 0 to 1; nan where none is told.

    Raises:
        DpamError: the table is missing or of another kind, or it says nothing, or two different
            things, of an image in `rows`.
    """
    table = read_csv(path, ["image"])
    if "prediction" in table:
        value = table["prediction"]
    elif "score_100" in table:
        value = table["score_100"] / 100
    else:
        raise DpamError(f"{path}: expected a column prediction or score_100, found neither")
    value = value[np.isfinite(value)]
    told = dict(zip(table["image"][value.index], value, strict=True))
    names = ImageNames(told)
    found = {row: names.find(images.iloc[row]) for row in rows}
    unclear = [f"{images.iloc[row]}: {len(f)}" for row, f in found.items() if len(f) != 1]
    if unclear:
        raise error_of_many(
            f"{path}: expected one prediction of each training image, found", unclear
        )
    result = np.full(len(images), np.nan)
    result[list(found)] = [told[name] for (name,) in found.values()]
    return result
