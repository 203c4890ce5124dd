"""Tables of scores that grow row by row, and go on where they were stopped."""

import csv
import hashlib
import heapq
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from dpam.errors import DpamError
from dpam.utils.files import atomic, write_json, writing
from dpam.utils.reading import read_json

CHUNK = 10_000  # rows of a Parquet file that are in memory at a time
PARQUET = b"PAR1"  # what such a file begins with
INSTALL = "Parquet needs a package that is not installed: `pip install pyarrow`"


class Row(NamedTuple):
    """The score of one photograph, not rounded: correlations are computed from tables of these.

    Attributes:
        image: its name.
        score: on the scale of the labels that the network was trained with.
        score_100: from 0, worst, to 100, best.
        spread_100: standard deviation over the views.
        low, high: between what its label likely lies, of 100; None, an empty cell, where that is
            not known. See `dpam.inference.scores.Score`.
    """

    image: str
    score: float
    score_100: float
    spread_100: float
    low: float | None
    high: float | None


def csv_line(cells: Iterable[object]) -> str:
    """One line of a CSV, with its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def json_line(row: Row) -> str:
    """One line of JSON lines, with its end."""
    return json.dumps(row._asdict(), ensure_ascii=False) + "\n"


def lines_file(path: Path) -> Path:
    """The file that rows are added to: the table, or, for Parquet, lines of JSON beside it."""
    return path.with_name(f".{path.name}.part.jsonl") if path.suffix == ".parquet" else path


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a CSV or of lines of JSON that `growing` wrote.

    Raises:
        DpamError: the file holds something else.
    """
    with path.open(encoding="utf-8", newline="") as file:
        try:
            if path.suffix == ".csv":
                table = csv.reader(file)
                if next(table, None) != [*Row._fields]:
                    raise ValueError("other columns")
                for image, score, score_100, spread, low, high in table:
                    ends = [float(end) if end else None for end in (low, high)]
                    yield Row(image, float(score), float(score_100), float(spread), *ends)
            else:
                for line in file:
                    yield Row(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise not_ours(path, str(error)) from error


def not_ours(path: Path, found: str) -> DpamError:
    """The error about a file that is no table of scores."""
    return DpamError(
        f"{path}: expected the columns {', '.join(Row._fields)}, found something else ({found}); "
        "give another --output"
    )


@contextmanager
def growing(path: Path, resume: bool) -> Iterator[Callable[[Row], None]]:
    """A function that adds a row to a table (.csv, .jsonl, .parquet), for good at once.

    Rows of Parquet, whose files cannot grow, are kept in `lines_file` until the block ends well.

    Args:
        path: of the table; there must be none yet, unless it is resumed.
        resume: go on with the rows that are there (see `prepare_to_resume`).

    Raises:
        DpamError: another ending, a file that cannot be written, or Parquet without pyarrow.
    """
    refuse_unknown(path)
    lines = lines_file(path)
    with writing(path):
        lines.parent.mkdir(parents=True, exist_ok=True)
        file = lines.open("a" if resume else "x", encoding="utf-8", newline="")

    def put(line: str) -> None:
        with writing(path):
            file.write(line)
            file.flush()

    line_of = csv_line if lines.suffix == ".csv" else json_line
    try:
        if lines.suffix == ".csv" and not file.tell():
            put(csv_line(Row._fields))
        yield lambda row: put(line_of(row))
    finally:
        with writing(path):  # what a full disk did not take is tried again
            file.close()
    if path.suffix == ".parquet":
        write_parquet(path, read_rows(lines))
        lines.unlink()


def refuse_unknown(path: Path) -> None:
    """Raise a DpamError if a table with this ending cannot be written here."""
    if path.suffix not in (".csv", ".jsonl", ".parquet"):
        raise DpamError(f"{path}: expected a name that ends in .csv, .jsonl or .parquet")
    if path.suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise DpamError(f"{path}: {INSTALL}") from error


def about_table(path: Path) -> Path:
    """The file beside a table that says what made its scores."""
    return path.with_name(f"{path.name}.json")


def begun_table(path: Path, resume: bool) -> dict[str, Any] | None:
    """What the file beside a table says; None if there is none.

    Raises:
        DpamError: there is a table that is not to be resumed, or that nothing says who began; or
            what lies beside it is something else.
    """
    refuse_unknown(path)
    about, begun = about_table(path), None
    if os.path.lexists(about):
        begun = read_json(about)
        if not (isinstance(begun, dict) and "checkpoint" in begun):
            raise DpamError(
                f"{about}: would be written, but is there and of something else; name another "
                "--output"
            )
    for there in (path, lines_file(path)):
        if os.path.lexists(there) and not (resume and begun):
            how = "" if begun is None else "go on with it by --resume, "
            raise DpamError(f"{there}: exists already; {how}remove it, or name another --output")
    return begun


def sign_table(
    path: Path, resume: bool, checkpoint: Path, how: dict[str, Any], about: dict[str, Any]
) -> None:
    """Say beside a table (FILE.json) what its scores are made by.

    Args:
        path: of the table.
        resume: whether it is to go on; then it must have been begun alike.
        checkpoint: the file of the network.
        how: settings that scores depend on, as JSON has them.
        about: what else is told.

    Raises:
        DpamError: the table was begun with another checkpoint or other settings, or cannot be
            written.
    """
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    begun = begun_table(path, resume) if resume else None
    if begun and begun["checkpoint"]["sha256"] != digest:
        former = begun["checkpoint"]
        raise DpamError(
            f"{path}: begun with the checkpoint {former['file']} (SHA-256 {former['sha256']}), "
            f"found {checkpoint} ({digest}); take that one, or another --output"
        )
    for name, value in how.items():
        if begun and begun.get(name, value) != value:
            raise DpamError(
                f"{path}: begun with {name} {begun[name]}, found {value}; take the same, or "
                "another --output"
            )
    source = {"checkpoint": {"file": str(checkpoint), "sha256": digest}}
    write_json(about_table(path), source | how | about, replace=True)


def prepare_to_resume(path: Path) -> Iterator[Row]:
    """The rows that a stopped run left, less a last one that was cut off; none if there is no file.

    Raises:
        DpamError: the file holds something else.
    """
    refuse_unknown(path)
    lines = lines_file(path)
    if lines != path and path.exists() and not lines.exists():
        with atomic(lines) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(map(json_line, read_parquet(path)))
    if not lines.exists():
        return
    start = (csv_line(Row._fields) if lines.suffix == ".csv" else '{"image": ').encode()
    with lines.open("rb+") as file:
        found = file.read(len(start))
        if found != start[: len(found)]:  # before a byte of it is changed
            raise not_ours(lines, f"it begins with {found.decode(errors='replace')!r}")
        end = file.seek(0, io.SEEK_END)
        while end:  # back to the end of a line
            file.seek(end - 1)
            if file.read(1) == b"\n":
                break
            end -= 1
        file.truncate(end)
    if end:
        yield from read_rows(lines)


def write_parquet(path: Path, rows: Iterator[Row]) -> None:
    """Write a Parquet file, atomically, in little memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = [pa.string(), *[pa.float64()] * (len(Row._fields) - 1)]
    schema = pa.schema(list(zip(Row._fields, kinds, strict=True)))
    with atomic(path, PARQUET) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        while chunk := [row._asdict() for row in islice(rows, CHUNK)]:
            writer.write_table(pa.Table.from_pylist(chunk, schema))


def read_parquet(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file that `write_parquet` wrote.

    Raises:
        DpamError: the file holds something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(CHUNK, columns=list(Row._fields)):
                yield from (Row(**row) for row in batch.to_pylist())
    except (pa.ArrowException, TypeError) as error:
        raise DpamError(f"{path}: expected a table of scores, found something else") from error


def select_rows(
    rows: Iterable[Row],
    order: str | None = None,
    top: int | None = None,
    threshold: float | None = None,
) -> Iterator[Row]:
    """Some of the rows; without `order` and `top` in their order, one by one.

    Args:
        rows: any number.
        order: "best" or "worst" first; None: as they come, or, with `top`, the best first.
        top: how many at most; the others are not kept in memory.
        threshold: the least `score_100`.
    """
    kept = (row for row in rows if threshold is None or row.score_100 >= threshold)
    if order is None and top is None:
        return kept

    def rank(row: Row) -> float:
        return row.score_100 if order == "worst" else -row.score_100

    return iter(sorted(kept, key=rank) if top is None else heapq.nsmallest(top, kept, key=rank))
