"""Progress bars and spans of time, the same everywhere."""

import logging
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import NoReturn, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

# In the environment of jobs that share Snakemake's terminal (dpam.experiments.terminal).
SHARED_TERMINAL = "DPAM_SHARED_TERMINAL"
# As `extra` of a message: how far a job is; what it does where nothing is to be seen for a while.
PROGRESS, WAITING = {"progress": True}, {"waiting": True}
EVERY = 20.0  # seconds between two messages of progress on a shared terminal
SELDOM = 300.0  # the same where nobody watches: in a file

log = logging.getLogger(__name__)


def track(
    items: Iterable[Item], description: str, total: int | None = None, unit: str = "image"
) -> Iterable[Item]:
    """Iterate with a progress bar on an `own_terminal`, elsewhere with messages in the log."""
    if not own_terminal():
        return _say(items, description, total)
    return tqdm(items, desc=description, total=total, unit=unit, dynamic_ncols=True, leave=False)


def _say(items: Iterable[Item], description: str, total: int | None) -> Iterator[Item]:
    """Iterate; the log says from time to time how many items are done and what is left."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    every = EVERY if SHARED_TERMINAL in os.environ else SELDOM
    begun = told = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - told > every:
            told = now
            said = f"{done:,} of {total:,}" if total else f"{done:,}"
            if total and done:  # even the first may take that long
                said += f", {roughly((now - begun) / done * (total - done))} left"
            log.info("%s: %s", description, said, extra=PROGRESS)
        yield item


def bar(total: int, description: str, done: int = 0) -> "tqdm[NoReturn]":
    """A progress bar in bytes, `done` of which are there already; only on an `own_terminal`."""
    return tqdm(
        desc=description,
        total=total or None,
        initial=done,
        unit="B",
        unit_scale=True,
        disable=not own_terminal(),
        dynamic_ncols=True,
        leave=False,
    )


def own_terminal() -> bool:
    """Whether standard error is a terminal that no other job writes to."""
    return sys.stderr.isatty() and SHARED_TERMINAL not in os.environ


class OneOfMany(logging.Filter):
    """What a job says on a terminal that it shares: warnings, why it waits, seldom its progress.

    Errors are left to Snakemake, which tells the one that a failed job's log ends with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told = time.monotonic()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is shown."""
        now = time.monotonic()
        if hasattr(record, "progress") and now - self.told > EVERY:
            self.told = now
            return True
        return record.levelno == logging.WARNING or hasattr(record, "waiting")


def duration(seconds: float) -> str:
    """Seconds for people: 12.3 s, 4 min 05 s, 3 h 20 min; a dash where they are not known."""
    if math.isnan(seconds):
        return "\N{EN DASH}"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def roughly(seconds: float) -> str:
    """Seconds that are only estimated: less than a minute, about 4 min, about 3 h 20 min."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes} min" if minutes < 60 else f"about {minutes // 60} h {minutes % 60} min"
