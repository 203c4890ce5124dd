"""Loops compiled by numba, and kept on disk for the next process where that is possible."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from numba import njit

log = logging.getLogger(__name__)


def jit(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: compile a function at its first call, to run outside of Python's lock.

    numba keeps what it compiled beside the source or in the home; with neither to write to, as in a
    container under a number of the user's, every process compiles anew. No other folder is chosen
    here: numba unpickles what it finds there, and others can write to those for temporary files.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return njit(cache=True, nogil=True, **options)(function)  # type: ignore[no-any-return]
        except RuntimeError:
            say_once()
            return njit(nogil=True, **options)(function)  # type: ignore[no-any-return]

    return decorate


@cache
def say_once() -> None:
    """Why every start takes some ten seconds longer."""
    log.info(
        "compiled code cannot be kept: neither the package's folder nor the home can be written; "
        "NUMBA_CACHE_DIR names a folder of yours for it"
    )
