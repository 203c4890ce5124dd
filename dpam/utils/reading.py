"""Reading files that people or the stages wrote: what is missing or something else is one line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dpam.errors import DpamError
from dpam.utils.files import UNREADABLE, cannot_be_read

if TYPE_CHECKING:  # it takes half a second, and who scores photographs needs none of it
    import pandas as pd

# Columns of names.
NAMES = ("image", "reference", "distortion", "level", "group", "label_kind", "dataset", "subset")
KEYS = ("method", "official", "split", "test_dataset", "experiment", "run", "selection")
TEXT = dict.fromkeys((*NAMES, *KEYS), str)


def read_array(path: str | Path) -> np.ndarray:
    """Read an array of numbers (.npy); objects, which could run code, are refused.

    Raises:
        DpamError: the file is missing or is no such array.
    """
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except UNREADABLE as error:
        raise cannot_be_read(path, error) from error
    except (OSError, ValueError, EOFError) as error:
        raise DpamError(f"{path}: expected an array (.npy), found something else") from error


def read_json(path: str | Path) -> Any:
    """Read JSON.

    Raises:
        DpamError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except UNREADABLE as error:
        raise cannot_be_read(path, error) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DpamError(f"{path}: expected JSON, found something else ({error})") from error


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read the keys and values of a YAML file.

    Raises:
        DpamError: the file is missing, is not YAML, holds something else, or has a key twice.
    """
    import yaml

    try:
        loader = yaml.SafeLoader(Path(path).read_text(encoding="utf-8"))
        node = loader.get_single_node()
        content = node and loader.construct_document(node)
    except UNREADABLE as error:
        raise cannot_be_read(path, error) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise DpamError(f"{path}: expected YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise DpamError(f"{path}: expected keys and values, found something else")
    if twice := list(repeated_keys(node)):
        raise DpamError(f"{path}: expected each key once, found again {', '.join(twice)}")
    return content


def repeated_keys(node: Any) -> Iterator[str]:
    """Keys that stand twice in one mapping, with their lines: YAML takes the last without a word.

    Args:
        node: of PyYAML.
    """
    if node.id == "mapping":
        names = [key.value for key, _ in node.value]
        for number, (key, value) in enumerate(node.value):
            if key.value in names[:number]:
                yield f"{key.value} (line {key.start_mark.line + 1})"
            yield from repeated_keys(value)
    elif node.id == "sequence":
        for item in node.value:
            yield from repeated_keys(item)


def read_csv(path: str | Path, columns: list[str]) -> "pd.DataFrame":
    """Read a CSV that one of the stages wrote.

    Columns of names are read as text, whatever they look like; empty cells stay empty text.

    Raises:
        DpamError: the file is missing, is not CSV, or lacks one of `columns`.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, keep_default_na=False, na_values={"raw_std": [""]}, dtype=TEXT)
    except UNREADABLE as error:
        raise cannot_be_read(path, error) from error
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DpamError(f"{path}: expected CSV, found something else ({error})") from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DpamError(
            f"{path}: expected columns {', '.join(columns)}; missing: {', '.join(missing)}"
        )
    return table
