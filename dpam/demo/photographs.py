"""Photographs that installed packages ship: what the demonstration's datasets are made of."""

import csv
import io
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from PIL import Image

from dpam.errors import DpamError


@dataclass(frozen=True)
class Photograph:
    """A photograph and where it comes from; the licence as its package or source states it."""

    name: str
    shows: str
    package: str
    file: str
    author: str
    licence: str
    source: str


def read_table(file: Path) -> tuple[Photograph, ...]:
    """The photographs of a table, in its order."""
    with file.open(encoding="utf-8", newline="") as lines:
        return tuple(Photograph(**row) for row in csv.DictReader(lines))


# The position in this table is the number of the reference, whichever photographs are chosen.
PHOTOGRAPHS = read_table(Path(__file__).parent / "photographs.csv")
NAMES = tuple(photograph.name for photograph in PHOTOGRAPHS)


def load(photograph: Photograph) -> Image.Image:
    """The photograph as RGB, from the installed package.

    Raises:
        DpamError: the package does not hold it.
    """
    path = resources.files(photograph.package) / photograph.file
    try:
        return Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
    except OSError as error:
        raise DpamError(
            f"{path}: photograph not found; reinstall {photograph.package} ({error})"
        ) from error
