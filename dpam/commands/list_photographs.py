"""Cut a list of photographs into chunks that several jobs score.

Photographs are named by text files with one path per line and by folders (with the folders in
them), in any number. An archive (zip, tar, Parquet), such as a shard of WebDataset, is a chunk of
its own: the images in it are scored without unpacking. Writes DIR/00000.txt, 00001.txt, ... in the
order of the list. No photograph and no archive is opened: what cannot be read is said when it is to
be scored. A folder that cannot be read is said now. How many files are no images by their names is
said, too.
"""

import argparse
import glob
import logging
import os
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from pathlib import Path

from dpam.commands.arguments import positive
from dpam.errors import DpamError, error_of_many
from dpam.imaging.folders import SkippedFiles, files, is_archive
from dpam.utils.files import cannot_be_read, new_folder, printable
from dpam.utils.progress import track

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("places", nargs="+", help="lists (.txt) and folders")
    parser.add_argument("--per-job", type=positive, default=5000, metavar="N", help="of each chunk")
    parser.add_argument(
        "--output-dir", type=Path, required=True, metavar="DIR", help="folder for the chunks"
    )


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    count, archives, passed = 0, 0, SkippedFiles()
    with new_folder(args.output_dir) as folder:
        found = track(photographs(args.places, passed), "listing", unit="photograph")
        for number, chunk in enumerate(cut(found, args.per_job)):
            lines = "".join(f"{name}\n" for name in chunk)
            file = folder / f"{number:05}.txt"
            file.write_text(lines, encoding="utf-8", errors="surrogateescape")
            count += len(chunk)
            archives += is_archive(Path(chunk[0]))
        if not count:
            raise DpamError(f"{', '.join(args.places)}: no photograph is named there")
    if passed:
        log.info("%s", passed)
    log.info("%d photographs%s", count - archives, f", {archives} archives" if archives else "")


def cut(names: Iterable[str], size: int) -> Iterator[list[str]]:
    """Chunks of up to `size` names, in order; each archive is one alone."""
    for is_alone, run in groupby(names, key=lambda name: is_archive(Path(name))):
        while chunk := list(islice(run, 1 if is_alone else size)):
            yield chunk


def of_line(line: str, passed: SkippedFiles, errors: list[str]) -> Iterator[str]:
    """What a line of a list names: a photograph, or those of a folder or pattern."""
    is_pattern = glob.has_magic(line) and not os.path.exists(line)
    if is_pattern and not any(isinstance(file, Path) for file in files([line], True)):
        yield line  # said when it is to be scored, as of any file that is gone
    elif is_pattern or is_archive(Path(line)) or os.path.isdir(line):
        yield from of_place(line, passed, errors)
    else:
        yield line


def of_place(place: str, passed: SkippedFiles, errors: list[str]) -> Iterator[str]:
    """The photographs at a place."""
    for file in files([place], recursive=True, passed=passed):
        if isinstance(file, DpamError):
            errors.append(str(file))
        elif {"\n", "\r"} & set(str(file)):
            errors.append(f"a line break in the name: {printable(file)!r}")
        else:
            yield str(file)


def photographs(places: Iterable[str], passed: SkippedFiles) -> Iterator[str]:
    """The names of all photographs, in order; other files of folders are counted in `passed`.

    Raises:
        DpamError: a list is missing, or, after all others, folders have no image or cannot be
            read, or names hold a line break, which a list cannot.
    """
    errors: list[str] = []
    for place in places:
        if Path(place).suffix == ".txt":
            try:
                with open(place, encoding="utf-8", errors="surrogateescape") as lines:
                    names = (line.rstrip("\r\n") for line in lines if line.strip())
                    yield from chain.from_iterable(of_line(name, passed, errors) for name in names)
            except OSError as error:
                raise cannot_be_read(place, error) from error
        else:
            yield from of_place(place, passed, errors)
    if errors:
        raise error_of_many(
            "not all photographs can be listed", errors, "Mend these, or move them away."
        )
