"""Work on many items in several threads or processes."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from dpam.errors import DpamError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Results of `work` in the order of the items, of which at most 2 x workers are under way.

    Threads, as decoding, resizing and superpixels run outside of Python's lock.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def processes(count: int, kind: str = "spawn") -> Iterator[ProcessPoolExecutor]:
    """A pool of processes, that end with this one, however it ends.

    Args:
        count: how many.
        kind: "spawn", or "fork", which starts faster but must not be used beside threads.

    Raises:
        DpamError: one of them was killed.
    """
    pool = ProcessPoolExecutor(count, multiprocessing.get_context(kind), end_with_parent)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise DpamError(
            "a worker process was killed, most likely for want of memory; take fewer --threads, "
            "the same command goes on where it stopped"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def end_with_parent() -> None:
    """In a worker: end when the process that started it has ended, however that was."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's business
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
