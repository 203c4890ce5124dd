"""Writing files so that no half file ever stands under a final name."""

import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError

from dpam.errors import DpamError

if TYPE_CHECKING:  # it takes half a second, and who scores photographs needs none of it
    import pandas as pd

# What opening a file raises that is missing, forbidden or a folder.
UNREADABLE = (FileNotFoundError, PermissionError, IsADirectoryError)


@contextmanager
def atomic(path: str | Path, ours: bytes | None = None) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` if the block ends well.

    Missing parent folders are made. If the block raises, the temporary file is removed and
    `path` is left as it was. The temporary name, which nobody else has, keeps the suffix, for
    writers that look at it.

    Args:
        path: the file to write. Nothing may be there, unless `ours` is given.
        ours: how files that we keep under this name begin; such a one is replaced.

    Raises:
        DpamError: something else is there, or the file cannot be written.
    """
    path = Path(path)
    refuse_nameless(path)
    if ours is None:
        refuse_existing([path])
    else:
        refuse_other(path, ours)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except (OSError, RuntimeError, SafetensorError) as error:
        if not is_of_writing(error, temporary):
            raise
        raise cannot_be_written(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: str | Path) -> Iterator[Path]:
    """Yield a folder with a temporary name beside `folder`; rename it if the block ends well.

    Raises:
        DpamError: `folder` is there and not empty, has no name, or cannot be written.
    """
    folder = Path(folder)
    refuse_nameless(folder)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    with writing(folder):
        if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
            raise DpamError(f"{folder}: exists and is not empty; remove it, or name another folder")
        try:
            temporary.mkdir(parents=True)
            yield temporary
            temporary.rename(folder)  # in the place of an empty one, if need be
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def is_of_writing(error: Exception, temporary: Path) -> bool:
    """Whether an error says that `temporary`, or a file in it, cannot be written."""
    if isinstance(error, OSError) and isinstance(error.filename, str | bytes):
        name = Path(os.fsdecode(error.filename))
        return temporary in (name, *name.parents)
    # PyTorch's and HDF5's words on a full disk; other RuntimeErrors are of what computes.
    words = ("inline_container", "errno = ")
    return not isinstance(error, RuntimeError) or any(word in str(error) for word in words)


def cannot_be_written(path: str | Path, error: Exception) -> DpamError:
    """The error about a file that the system, or the library that writes it, does not take."""
    reason = getattr(error, "strerror", None)
    if isinstance(error, FileExistsError) and error.filename != str(path):  # where a folder goes
        reason = f"{error.filename} is no folder"
    if reason is None:  # a library's own, which does not say why
        free = shutil.disk_usage(Path(path).parent).free
        reason = f"{str(error).partition(chr(10))[0]} ({free / 1e6:.3g} MB are free there)"
    return DpamError(f"{path}: cannot be written: {reason}")


def cannot_be_read(path: str | Path, error: OSError, advice: str = "") -> DpamError:
    """The error about a file that cannot be opened.

    Args:
        path: of the file.
        error: the system's.
        advice: what makes the file, said where it is missing.
    """
    if isinstance(error, FileNotFoundError):
        return DpamError(f"{path}: no such file{advice and '; '}{advice}")
    return DpamError(f"{path}: cannot be read: {error.strerror or error}")


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Errors of the operating system in the block become a DpamError about the file."""
    try:
        yield
    except OSError as error:
        raise cannot_be_written(path, error) from error


def refuse_nameless(path: Path) -> None:
    """Raise a DpamError if what is to be written has no name of its own, as . and .. have none."""
    if path.name in ("", ".."):
        raise DpamError(f"{path}: expected a new name, found a folder that is there")


def lies_in(place: str | Path, folder: str | Path) -> bool:
    """Whether a place is a folder or in it, as they are written or by where their links lead."""
    ways = os.path.abspath, os.path.realpath
    return any(Path(way(place)).is_relative_to(way(folder)) for way in ways)


def refuse_other_ending(path: Path, ending: str) -> None:
    """Raise a DpamError if a file to be written has not the ending that its readers go by."""
    if path.suffix != ending:
        raise DpamError(f"{path}: expected a name that ends in {ending}")


def refuse_existing(paths: Iterable[str | Path]) -> None:
    """Raise a DpamError if one of the files to be written is there.

    Nothing is written over: whose it is, and whether it is needed, only the user knows. Snakemake
    removes the outputs of a job before it starts it.
    """
    for path in paths:
        if os.path.lexists(path):
            raise DpamError(f"{path}: exists already; remove it, or name another file")


def refuse_same(paths: Iterable[str | Path]) -> None:
    """Raise a DpamError if two of the files to be written are one, also by way of a link."""
    seen = set()
    for path in paths:
        if os.path.realpath(path) in seen:
            raise DpamError(f"{path}: named for two things to write; name two files")
        seen.add(os.path.realpath(path))


def refuse_unwritable(paths: Iterable[str | Path]) -> None:
    """Raise a DpamError if a file cannot be made; said before what takes hours, not after."""
    for path in map(Path, paths):
        there = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
        with writing(path), TemporaryFile(dir=there):
            pass


def refuse_other(path: str | Path, *starts: bytes) -> None:
    """Raise a DpamError if a file that is about to be replaced does not begin as ours do.

    An empty one may be replaced: it holds nothing.
    """
    try:
        ours = begins_with(path, *starts)
    except FileNotFoundError:
        return
    except OSError as error:
        raise cannot_be_written(path, error) from error
    if not ours:
        raise not_ours(path)


def not_ours(path: str | Path) -> DpamError:
    """The error about a file that is in the way of one that we keep for ourselves."""
    return DpamError(f"{path}: would be replaced, but dpam did not make it; move it away")


def begins_with(path: str | Path, *starts: bytes) -> bool:
    """Whether a file begins with one of these, as far as it goes; devices and pipes do.

    Raises:
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        return True
    with open(path, "rb") as file:
        found = file.read(max(map(len, starts)))
    return any(found[: len(start)] == start[: len(found)] for start in starts)


def remove_halves(path: Path, ours: bytes) -> None:
    """Remove what a kill left of `atomic(path)`.

    Args:
        path: the file that was to be written.
        ours: how such files begin.
    """
    name = re.compile(rf"\.{re.escape(path.stem)}\.[0-9a-f]{{8}}\.part{re.escape(path.suffix)}")
    for half in path.parent.iterdir():
        if name.fullmatch(half.name) and begins_with(half, ours):
            half.unlink()


def refuse_special(path: str | Path) -> None:
    """Raise a DpamError if a file is a pipe, a device or a socket, which may never end.

    Raises:
        FileNotFoundError: there is no such file.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DpamError(f"{path}: expected a file, found a pipe, a device or a socket")


def printable(name: object) -> str:
    """A file's name as text that can be written: what in it is not UTF-8 is escaped, `caf\\xe9`."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def refuse_unreadable(path: str | Path, advice: str = "") -> None:
    """Raise a DpamError if a file is missing, is none, or may not be read; see `cannot_be_read`."""
    try:
        refuse_special(path)
        with open(path, "rb"):
            pass
    except OSError as error:
        raise cannot_be_read(path, error, advice) from error


def write_text(path: str | Path, text: str, ours: bytes | None = None) -> None:
    """Write UTF-8 text atomically; what names of files have that is not UTF-8 is escaped.

    `ours` is as for `atomic`.
    """
    with atomic(path, ours) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, value: Any, replace: bool = False) -> None:
    """Write indented JSON atomically; NaN and infinities are refused, as JSON has none.

    With `replace`, an object takes the place of one that has the same first key.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    ours = text[: text.index(":")].encode() if replace else None
    write_text(path, f"{text}\n", ours)


def write_csv(path: str | Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV atomically, without its index."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False)


def write_array(path: str | Path, array: np.ndarray) -> None:
    """Write an array of numbers as .npy atomically."""
    with atomic(path) as temporary:
        np.save(temporary, array, allow_pickle=False)
