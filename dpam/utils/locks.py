"""One process at a time makes a file."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dpam.errors import DpamError
from dpam.utils.files import cannot_be_written, refuse_nameless


@contextmanager
def exclusive(path: str | Path) -> Iterator[None]:
    """Be the only process that makes `path`, which need not exist; for the length of the block.

    A job may outlive the Snakemake that started it: then the next one starts the same job again.
    The lock ends with its process; its file, `.NAME.lock`, means nothing by itself.

    Raises:
        DpamError: another process is at it, or nothing can be written there.
    """
    path = Path(path)
    refuse_nameless(path)
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = take_lock(lock)
    except BlockingIOError as error:
        raise DpamError(
            f"{path}: another process is making it; wait until it ends, or end it"
        ) from error
    except OSError as error:
        raise cannot_be_written(path, error) from error
    try:
        if os.fstat(file).st_size:
            raise DpamError(f"{lock}: expected an empty lock file, found another; move it away")
        yield
    finally:
        with suppress(OSError):
            if not os.fstat(file).st_size:
                lock.unlink(missing_ok=True)
        os.close(file)


def take_lock(lock: Path) -> int:
    """Descriptor of a lock file that this process holds, where the file system knows locks.

    Raises:
        BlockingIOError: another process holds it.
    """
    while True:
        file = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
                os.close(file)
                if error.errno == errno.EACCES:  # means the same here
                    raise BlockingIOError from error
                raise
        with suppress(FileNotFoundError):  # who held it before may just have removed it
            if os.fstat(file).st_ino == lock.stat().st_ino:
                return file
        os.close(file)
