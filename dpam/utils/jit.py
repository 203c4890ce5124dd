"""Loops compiled by numba, and kept on disk for the next process where that is possible."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from numba import njit
from numba.core.event import Event, Listener, register

from dpam.utils.progress import WAITING

log = logging.getLogger(__name__)


class FirstCompilation(Listener):  # type: ignore[misc]  # numba has no types
    """Says that something is compiled, once: what is kept on disk is not compiled again."""

    said = False

    def on_start(self, event: Event) -> None:
        """Called before a function is compiled."""
        if not self.said:
            self.said = True
            log.info("compiling loops, which takes some seconds the first time", extra=WAITING)

    def on_end(self, event: Event) -> None:
        """Called afterwards; nothing is to be said."""


register("numba:compile", FirstCompilation())


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
