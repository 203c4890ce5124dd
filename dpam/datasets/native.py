"""Reading the kinds of label files that datasets come with; one clear line if one is broken."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dpam.errors import DpamError, error_of_many
from dpam.utils.files import refuse_unreadable

COLUMNS = (
    *("image", "reference", "distortion", "level", "group"),
    *("official", "raw_label", "raw_std"),
)
# Columns that a table of labels may have, beside image and label.
OPTIONAL = ("reference", "distortion", "level", "group", "split")
WORKBOOKS = {
    "an Excel or OpenDocument workbook": b"PK\x03\x04",
    "an old Excel workbook": b"\xd0\xcf\x11\xe0",
}
HDF5 = b"\x89HDF"
MATLAB_7 = b"MATLAB 7.3"  # is HDF5; older ones begin with `MATLAB 5.0`
OFFICIAL = {name: name for name in ("", "train", "validation", "test")} | {"training": "train"}


Texts = Sequence[str] | pd.Series


def native_table(
    image: Texts,
    raw_label: Any,
    *,
    reference: Texts | None = None,
    distortion: Texts | None = None,
    level: Texts | None = None,
    group: Texts | None = None,
    official: Texts | None = None,
    raw_std: Any = None,
) -> pd.DataFrame:
    """The table that every native reader returns: `COLUMNS`, one row per labelled image.

    Columns that a dataset lacks are empty; labels that are no number become NaN. `group` is what
    images come in several of, such as sub-collections or cameras; by default the distortion types.
    `official` is the
    subset that the dataset itself puts the image into: train, validation, test, or empty.
    """
    count = len(image)
    group = distortion if group is None else group
    return pd.DataFrame(
        {
            "image": list(image),
            "reference": [""] * count if reference is None else list(reference),
            "distortion": [""] * count if distortion is None else list(distortion),
            "level": [""] * count if level is None else list(level),
            "group": [""] * count if group is None else list(group),
            "official": [""] * count if official is None else list(official),
            "raw_label": numbers(raw_label),
            "raw_std": np.full(count, np.nan) if raw_std is None else numbers(raw_std),
        }
    )


def integer(cell: Any) -> str:
    """The text of a cell of a workbook; 1600 and 1600.0 are both `1600`."""
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell) if whole else cell).strip()


def reference_type_level(path: Path, names: pd.Series, types: Sequence[str]) -> dict[str, Texts]:
    """What names such as I01_03_2.bmp say, for `native_table`.

    Raises:
        DpamError: names are not built so; all are listed with `path`, the file that they are from.
    """
    parts = names.str.extract(r"(?i)^(?:.*/)?(I\d+)_(\d+)_(\d+)\.\w+$")
    numbers_of_type = numbers(parts[1])
    strange = names[~np.isin(numbers_of_type, np.arange(1, len(types) + 1))]
    if len(strange):
        raise error_of_many(f"{path}: image names that are not reference_type_level", list(strange))
    return {
        "reference": parts[0].str.upper(),
        "distortion": [types[int(number) - 1] for number in numbers_of_type],
        "level": [str(int(level)) for level in parts[2]],
    }


def official_subsets(path: Path, words: pd.Series) -> pd.Series:
    """The subsets of a dataset's own split: `training` and `train` are both `train`, and so on.

    Raises:
        DpamError: there is another word than training, validation and test; all are listed.
    """
    subsets = words.str.strip().str.lower().map(OFFICIAL)
    strange = sorted(set(words[subsets.isna()]))
    if strange:
        raise error_of_many(
            f"{path}: expected training, validation or test as subset, found", strange
        )
    return subsets


def numbers(values: Any) -> np.ndarray:
    """float64 numbers; NaN where a cell holds none."""
    return pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(np.float64)


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A CSV with all cells as text, column names in lower case, blanks around text removed.

    Raises:
        DpamError: it is not CSV, or does not have each of `columns` (given in lower case) once.
    """
    refuse_unreadable(path)
    refuse_other_separators(path)
    try:
        # The first row as cells: with names, pandas takes one cell too many in all rows as index.
        table = pd.read_csv(
            path,
            dtype=str,
            header=None,
            keep_default_na=False,
            encoding="utf-8-sig",
            skipinitialspace=True,
        )
    except ValueError as error:  # not UTF-8, rows of different lengths, no rows
        reason = str(error).strip().partition("\n")[0]
        raise DpamError(f"{path}: expected CSV, found something else ({reason})") from error
    table = table.map(str.strip)
    table.columns = [name.lower() for name in table.iloc[0]]
    _require(path, table, columns)
    return table.iloc[1:].reset_index(drop=True)


def refuse_other_separators(path: Path) -> None:
    """Raise a DpamError if a CSV has semicolons or tabs for commas, as some Excel writes it."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline()
    for mark, name in {";": "semicolons", "\t": "tabs"}.items():
        if mark in first and "," not in first:
            raise DpamError(
                f"{path}: expected CSV with commas between columns, found {name}; write commas "
                "there, and points in numbers"
            )


def read_sheet(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The sheet of an Excel workbook with a row that holds all of `columns` (lower case).

    What stands above and beside that header is passed over, and so are rows without an entry in
    the first of `columns`.

    Raises:
        DpamError: it is not a workbook, or no sheet has such a row.
    """
    refuse_unreadable(path)
    try:
        sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=object)
    except Exception as error:  # of a damaged file, its readers raise anything
        raise DpamError(
            f"{path}: expected an Excel workbook, found another or a damaged file ({error}); "
            "get it again"
        ) from error
    for sheet in sheets.values():
        for row in range(min(len(sheet), 20)):
            header = [str(cell).strip().lower() for cell in sheet.iloc[row]]
            if all(column in header for column in columns):
                table = sheet.iloc[row + 1 :, [header.index(column) for column in columns]]
                table.columns = list(columns)
                return table[table[columns[0]].notna()].reset_index(drop=True)
    raise DpamError(f"{path}: no sheet has the columns {', '.join(columns)}")


def read_mat(path: Path, *names: str) -> list[np.ndarray]:
    """The variables `names` of a MATLAB file, flattened; cells of text become text.

    Raises:
        DpamError: it is not a MATLAB file or lacks one of the variables.
    """
    from scipy.io import loadmat

    refuse_unreadable(path)
    try:
        content = loadmat(path)
    except NotImplementedError as error:  # MATLAB 7.3
        raise DpamError(
            f"{path}: a MATLAB 7.3 file, which is not read here; in MATLAB, load it and save it "
            "again with save(..., '-v7')"
        ) from error
    except Exception as error:  # of a damaged file, its readers raise anything
        raise DpamError(
            f"{path}: expected a MATLAB file, found another or a damaged file ({error}); "
            "get it again"
        ) from error
    missing = [name for name in names if name not in content]
    if missing:
        raise DpamError(f"{path}: lacks the variable {', '.join(missing)}")
    return [_plain(content[name]) for name in names]


def _plain(variable: np.ndarray) -> np.ndarray:
    flat = np.ravel(variable)
    if flat.dtype != object:
        return flat
    return np.array([str(np.ravel(cell)[0]) if np.size(cell) else "" for cell in flat])


def read_named_labels(path: Path, label_first: bool = False) -> pd.DataFrame:
    """`<image> <label>` per line, the authors' label format: columns image, label (text).

    With `label_first`, as TID2013 has it, `<label> <image>`.

    Image names may hold blanks. Empty lines are passed over.

    Raises:
        DpamError: a line holds no two words; all such lines are listed.
    """
    refuse_unreadable(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DpamError(f"{path}: expected text ({error})") from error
    split = str.split if label_first else str.rsplit
    rows = [(number, split(line, None, 1)) for number, line in enumerate(lines, 1) if line.strip()]
    broken = [f"line {number}: {' '.join(words)}" for number, words in rows if len(words) != 2]
    columns = ["label", "image"] if label_first else ["image", "label"]
    if broken:
        raise error_of_many(f"{path}: expected <{'> <'.join(columns)}> on every line", broken)
    return pd.DataFrame(
        [[word.strip() for word in words] for _, words in rows], columns=columns, dtype=str
    )


def read_labels(path: Path) -> pd.DataFrame:
    """Labels as people write them: a CSV (.csv: image, label, more), or `<image> <label>` lines.

    Without a column label, score or mos is taken for it.

    Returns:
        Columns image, label and those of OPTIONAL that the CSV has, as text.

    Raises:
        DpamError: the file is missing, or holds something else; of a workbook or a MATLAB file,
            which many labels come as, it says what to do.
    """
    refuse_unreadable(path)
    with path.open("rb") as file:
        start = file.read(len(MATLAB_7))
    for name, first in WORKBOOKS.items():
        if start.startswith(first):
            raise DpamError(
                f"{path}: expected CSV, found {name}; save its sheet as CSV, with the columns "
                "image and label"
            )
    if start.startswith((MATLAB_7[:7], HDF5)):
        raise DpamError(
            f"{path}: expected CSV, found a MATLAB or HDF5 file; in MATLAB, "
            "writetable(table(image, label), 'labels.csv') writes one, with your variables"
        )
    if path.suffix.lower() == ".csv":
        table = read_table(path, ["image"])
        if "label" not in table:
            others = [name for name in table if name in ("score", "mos")]
            if len(others) > 1:
                raise DpamError(
                    f"{path}: expected one column of labels, found {' and '.join(others)}; call "
                    "the one that is meant label"
                )
            table = table.rename(columns=dict.fromkeys(others, "label"))
        read = ["image", "label", *(name for name in OPTIONAL if name in table)]
        _require(path, table, read)
        return table[read]
    return read_named_labels(path)


def _require(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> None:
    names = list(table.columns)
    missing = [column for column in columns if column not in names]
    if missing:
        found = textwrap.shorten(", ".join(names), 80, placeholder=" ...")
        raise DpamError(
            f"{path}: expected columns {', '.join(columns)}; missing: {', '.join(missing)}; "
            f"found: {found}"
        )
    twice = [column for column in columns if names.count(column) > 1]
    if twice:
        raise DpamError(f"{path}: expected each column once; found twice: {', '.join(twice)}")
