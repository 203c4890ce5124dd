"""Writing files so that no half file ever stands under a final name."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dpam.errors import DpamError

NAMES = ("image", "reference", "distortion", "level", "label_kind", "dataset", "part", "method")
KEYS = ("official", "split", "test_dataset", "experiment", "run", "selection")
TEXT = dict.fromkeys((*NAMES, *KEYS), str)


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` if the block ends well.

    Missing parent folders are made. If the block raises, the temporary file is removed and
    `path` is left as it was. The temporary name keeps the suffix, for writers that look at it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise DpamError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write indented JSON atomically; NaN and infinities are refused, as JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as CSV atomically, without its index."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False)


def write_array(path: str | Path, array: np.ndarray) -> None:
    """Write an array of numbers as .npy atomically."""
    with atomic(path) as temporary:
        np.save(temporary, array, allow_pickle=False)


def read_array(path: str | Path) -> np.ndarray:
    """Read an array of numbers (.npy); objects, which could run code, are refused.

    Raises:
        DpamError: the file is missing or is no such array.
    """
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except FileNotFoundError as error:
        raise DpamError(f"{path}: no such file") from error
    except (OSError, ValueError, EOFError) as error:
        raise DpamError(f"{path}: expected an array (.npy), found something else") from error


def read_json(path: str | Path) -> Any:
    """Read JSON.

    Raises:
        DpamError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DpamError(f"{path}: no such file") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DpamError(f"{path}: expected JSON, found something else ({error})") from error


def read_csv(path: str | Path, columns: list[str]) -> pd.DataFrame:
    """Read a CSV that one of the stages wrote.

    Columns of names are read as text, whatever they look like; empty cells stay empty text.

    Raises:
        DpamError: the file is missing, is not CSV, or lacks one of `columns`.
    """
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values={"raw_std": [""]}, dtype=TEXT)
    except FileNotFoundError as error:
        raise DpamError(f"{path}: no such file") from error
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DpamError(f"{path}: expected CSV, found something else ({error})") from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DpamError(
            f"{path}: expected columns {', '.join(columns)}; missing: {', '.join(missing)}"
        )
    return table
