"""Gather the scores of all chunks of a list of photographs into one table (.parquet).

A row per line of the list, in its order: image, score, score_100, spread_100, low, high, error. A
photograph that could not be read has no score; its error says why. An archive in the list has a row
for each of its images, those that could not be read behind the others.
"""

import argparse
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dpam.commands.arguments import add_input, add_output
from dpam.errors import DpamError
from dpam.imaging.folders import is_archive
from dpam.inference.score_table import INSTALL, Row, read_rows
from dpam.utils.files import atomic, printable
from dpam.utils.progress import track

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_input(parser, "lists", type=Path, help="folder of the chunks, of list-photographs")
    add_input(parser, "scores", type=Path, help="folder of their scores and failures")
    add_output(parser, "--output", required=True, help="the table (.parquet)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DpamError(f"{args.output}: {INSTALL}") from error

    kinds = [pa.string(), *[pa.float64()] * (len(Row._fields) - 1), pa.string()]
    schema = pa.schema(list(zip((*Row._fields, "error"), kinds, strict=True)))
    chunks = sorted(args.lists.glob("*.txt"))
    if not chunks:
        raise DpamError(f"{args.lists}: expected lists of photographs (.txt), found none")
    count = failed = 0
    with atomic(args.output) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for chunk in track(chunks, "gathering", unit="chunk"):
            rows = list(rows_of(chunk, args.scores))
            writer.write_table(pa.Table.from_pylist(rows, schema))
            count += len(rows)
            failed += sum(row["score"] is None for row in rows)
    log.info("%d photographs, %d without a score: the column error says why", count, failed)


def rows_of(chunk: Path, scores: Path) -> Iterator[dict[str, Any]]:
    """The rows of a chunk, in the order of its list.

    Raises:
        DpamError: a photograph has neither a score nor an error.
    """
    found = {row.image: row for row in read_rows(scores / f"{chunk.stem}.csv")}
    failures = (scores / f"{chunk.stem}.failures.txt").read_text(encoding="utf-8").splitlines()
    lines = chunk.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    for line in filter(None, lines):
        if is_archive(Path(line)):
            yield from rows_of_archive(line, found, failures, scores / chunk.stem)
            continue
        # Sources have the name of their path, which may be written otherwise (a//b.png).
        name, path = printable(line), printable(Path(line))
        row = found.get(name) or found.get(path)
        if row is not None:
            yield {**row._asdict(), "image": name, "error": None}
            continue
        starts = tuple(f"{' '.join(text.splitlines())}: " for text in (name, path))
        error = next((text for text in failures if text.startswith(starts)), None)
        if error is None:
            raise no_row(scores / chunk.stem, name)
        yield {**dict.fromkeys(Row._fields), "image": name, "error": error}


def rows_of_archive(
    archive: str, found: Mapping[str, Row], failures: Sequence[str], stem: Path
) -> Iterator[dict[str, Any]]:
    """The rows of the images in an archive; arguments as of the chunk that names it.

    Raises:
        DpamError: there is none, and no error of the archive either.
    """
    path = printable(Path(archive))  # which its members' names begin with
    rows = [row for name, row in found.items() if name.startswith(f"{path}/")]
    wrong = [text for text in failures if text.startswith((f"{path}/", f"{path}: "))]
    if not rows and not wrong:
        raise no_row(stem, path)
    for row in rows:
        yield {**row._asdict(), "error": None}
    for text in wrong:
        yield {**dict.fromkeys(Row._fields), "image": text.partition(": ")[0], "error": text}


def no_row(stem: Path, name: str) -> DpamError:
    """The error about a photograph of which nothing is known."""
    return DpamError(
        f"{stem}.csv: no row for {name}; remove this file, its photographs are scored again"
    )
