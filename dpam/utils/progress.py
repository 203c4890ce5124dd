"""Progress bars, the same everywhere."""

import sys
from collections.abc import Iterable
from typing import NoReturn, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def track(
    items: Iterable[Item], description: str, total: int | None = None, unit: str = "image"
) -> Iterable[Item]:
    """Iterate with a progress bar on standard error; silent where that is not a terminal."""
    return tqdm(
        items,
        desc=description,
        total=total,
        unit=unit,
        disable=not sys.stderr.isatty(),
        dynamic_ncols=True,
        leave=False,
    )


def bar(total: int, description: str, done: int = 0) -> "tqdm[NoReturn]":
    """A progress bar in bytes, `done` of which are there already; silent like `track`."""
    return tqdm(
        desc=description,
        total=total or None,
        initial=done,
        unit="B",
        unit_scale=True,
        disable=not sys.stderr.isatty(),
        dynamic_ncols=True,
        leave=False,
    )
