"""The best, the worst and the most wrong images of a test, with their quality maps, as a file."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from dpam.errors import DpamError
from dpam.utils.files import UNREADABLE, atomic, cannot_be_read

EACH = 2  # images of each kind


@dataclass(frozen=True)
class QualityExample:
    """One tested photograph.

    Attributes:
        kind: "best", "worst" or "most wrong".
        image: its name.
        label, prediction: in 0..1, higher is better.
        photo: (h, w, 3) uint8.
        lost: (h, w) what each place takes from a quality of 1; nan where no view lies.
        score: (h, w) scores of the patches, 1 being the best; nan where no view lies.
    """

    kind: str
    image: str
    label: float
    prediction: float
    photo: np.ndarray
    lost: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Gallery:
    """Photographs of one test, and what it was a test of, in words."""

    title: str
    examples: list[QualityExample]


def most_wrong(label: np.ndarray, prediction: np.ndarray, count: int) -> list[int]:
    """The rows with the largest |prediction - label|, largest first; both (n,), in 0..1."""
    order = np.argsort(-np.abs(prediction - label), kind="stable")
    return [int(row) for row in order[:count]]


def choose(table: pd.DataFrame) -> list[tuple[str, int]]:
    """Kind and row of the images to show, each image once.

    Best and worst go by the label, most wrong by |prediction - label|.

    Args:
        table: predictions of one test, with the columns label and prediction.
    """
    label, prediction = table["label"].to_numpy(), table["prediction"].to_numpy()
    order = [int(row) for row in np.argsort(-label, kind="stable")]
    chosen: dict[int, str] = {}
    ranked = {
        "most wrong": most_wrong(label, prediction, len(table)),
        "best": order,
        "worst": order[::-1],
    }
    for kind, rows in ranked.items():
        for row in [row for row in rows if row not in chosen][:EACH]:
            chosen[row] = kind
    kinds = ["best", "worst", "most wrong"]
    return sorted(((kind, row) for row, kind in chosen.items()), key=lambda k: kinds.index(k[0]))


def write_gallery(path: str | Path, gallery: Gallery) -> None:
    """Write a gallery as .npz.

    Raises:
        DpamError: the file cannot be written.
    """
    arrays = {
        f"{index}/{name}": np.asarray(value)
        for index, example in enumerate(gallery.examples)
        for name, value in vars(example).items()
    }
    with atomic(path) as temporary:
        np.savez_compressed(
            temporary, allow_pickle=False, title=np.asarray(gallery.title), **arrays
        )


def read_gallery(path: str | Path) -> Gallery:
    """What `write_gallery` wrote.

    Raises:
        DpamError: the file is missing or is something else.
    """
    names = tuple(QualityExample.__annotations__)
    try:
        with np.load(path, allow_pickle=False) as file:
            title, count = str(file["title"]), len(file.files) // len(names)
            found = [{name: file[f"{i}/{name}"] for name in names} for i in range(count)]
    except UNREADABLE as error:
        raise cannot_be_read(path, error, "map_quality makes it") from error
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DpamError(f"{path}: expected quality maps (.npz), found something else") from error
    examples = [
        QualityExample(
            kind=str(one["kind"]),
            image=str(one["image"]),
            label=float(one["label"]),
            prediction=float(one["prediction"]),
            photo=one["photo"],
            lost=one["lost"],
            score=one["score"],
        )
        for one in found
    ]
    return Gallery(title, examples)
