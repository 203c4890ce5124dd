"""A table of the page: text with marks, where it came from, and its LaTeX."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from dpam.evaluation.formatting import HEADINGS, MINUS, latex
from dpam.evaluation.tables import COLUMNS, SETTING
from dpam.utils.files import UNREADABLE, cannot_be_read
from dpam.utils.reading import read_csv

# Headings of columns that are no numbers.
TEXT_HEADINGS = {*HEADINGS.values(), "dataset", "split", "rule", "experiment", "results", "better"}
TEXT_HEADINGS |= {"first", "second", "by", "type or level", "setting", "as released", "here"}
TEXT_HEADINGS |= {"folder", "variant"}
# Columns of the tables' files that are no numbers.
LONG = 40  # characters; longer text is broken
TEXT = {*SETTING, *COLUMNS, *TEXT_HEADINGS, "name", "logistic_status"}
TEXT |= {"first_selection", "second_selection", "intervals_over"}


@dataclass(frozen=True)
class Cell:
    """What stands in a cell: text, whether it is the best, its classes, what sorts it."""

    text: str
    best: bool
    classes: str
    order: float | None


@dataclass(frozen=True)
class Table:
    """A table of text for the page; the first column names the row.

    Attributes:
        caption: what a reader must know; up to its first full stop or colon it is a title.
        rows: text.
        files: name and link of each file that it came from, or that holds it.
        best: the same shape as `rows`, bool: what to set in bold; None: nothing.
        order: by heading, numbers that sort a column whose text does not.
        tex: the table in LaTeX.
        row_files: name and link of the files of each row; they become the last column.
    """

    caption: str
    rows: pd.DataFrame
    files: list[tuple[str, str]]
    best: pd.DataFrame | None = None
    order: dict[str, list[float]] = field(default_factory=dict)
    tex: str = ""
    row_files: list[list[tuple[str, str]]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The beginning of its caption."""
        return self.caption.split(".")[0].split(":")[0]

    @property
    def right(self) -> list[bool]:
        """For each column, whether to align it right: numbers without a spread."""
        spread = self.rows.map(lambda cell: "±" in str(cell) or "[" in str(cell)).any()
        return [name not in TEXT_HEADINGS and not spread[name] for name in self.rows.columns]

    @property
    def latex(self) -> str:
        """The table in LaTeX, without its links."""
        return self.tex or latex(self.rows.astype(str), self.caption)

    def cells(self) -> Iterator[list[Cell]]:
        """Its rows."""
        right = self.right
        for index, row in enumerate(self.rows.itertuples(index=False)):
            cells = []
            for column, (name, text) in enumerate(zip(self.rows.columns, row, strict=True)):
                classes = ["number"] * right[column]
                classes += [tone(str(text))] * name.endswith("published")
                classes += ["long"] * (len(str(text)) > LONG)
                best = self.best is not None and bool(self.best.iloc[index, column])
                order = self.order[name][index] if name in self.order else None
                cells.append(Cell(text, best, " ".join(filter(None, classes)), order))
            yield cells


def tone(text: str) -> str:
    """Whether a difference with its sign says better or worse; neither where it is zero."""
    if not any(digit in text for digit in "123456789"):
        return ""
    return {"+": "better", MINUS: "worse"}.get(text[:1], "")


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """A table that `dpam tabulate` wrote; empty numbers are nan."""
    table = read_csv(path, columns)
    return pd.DataFrame(
        {
            name: table[name].astype(str)
            if name in TEXT or name.endswith("_each")
            else pd.to_numeric(table[name])
            for name in table.columns
        }
    )


def read_tex(path: Path) -> str:
    """The LaTeX that lies beside a table.

    Raises:
        DpamError: it is missing.
    """
    try:
        return path.with_suffix(".tex").read_text(encoding="utf-8")
    except UNREADABLE as error:
        raise cannot_be_read(path.with_suffix(".tex"), error, "tabulate makes it") from error


def files_of(path: Path, output: Path) -> list[tuple[str, str]]:
    """Name and link of a table as CSV, LaTeX and Markdown."""
    files = [path.with_suffix(ending) for ending in (".csv", ".tex", ".md")]
    return [(file.name, link(file, output)) for file in files]


def link(file: Path, output: Path) -> str:
    """Relative address of a file for a page that lies at `output`."""
    return quote(os.path.relpath(file, output.parent).replace(os.sep, "/"))


def quantity(count: int, noun: str) -> str:
    """A number and its noun, in the plural if need be."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
