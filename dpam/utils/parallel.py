"""Work on many items in several threads or processes."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from dpam.errors import DpamError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    under_way: int | None = None,
) -> Iterator[Result]:
    """Results of `work` in threads, as decoding, resizing and superpixels run outside of Python's
    lock; see `through`. `under_way` is twice the number of workers, if nothing else is said.
    """
    with ThreadPoolExecutor(workers) as pool:
        yield from through(pool, work, items, under_way or 2 * workers)


def through(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], under_way: int
) -> Iterator[Result]:
    """Results of `work` in the order of the items, of which at most `under_way` are under way.

    So memory does not grow with their number.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= under_way:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@contextmanager
def processes(
    count: int, kind: str = "spawn", begin: Callable[[], None] | None = None
) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes, that end with this one, however it ends.

    Args:
        count: how many.
        kind: "spawn", or "fork", which starts faster but must not be used beside threads.
        begin: what each of them does first.

    Raises:
        DpamError: one of them was killed.
    """
    pool = ProcessPoolExecutor(count, multiprocessing.get_context(kind), start, (begin,))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise DpamError(
            "a worker process was killed, most likely for want of memory; take fewer --threads, "
            "the same command goes on where it stopped"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def start(begin: Callable[[], None] | None) -> None:
    """In a worker: begin, and end when the process that started it has ended, however that was."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's business
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    if begin is not None:
        begin()
