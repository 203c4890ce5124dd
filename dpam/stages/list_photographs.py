"""Cut a list of photographs into chunks that several jobs score.

Photographs are named by text files with one path per line and by folders (with the folders in
them), in any number. Archives are for `dpam predict`. Writes DIR/00000.txt, 00001.txt, ... in the
order of the list. No photograph is opened: what cannot be read is said when it is to be scored. A
folder that cannot be read is said now. How many files are no images by their names is said, too.
"""

import argparse
import logging
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from dpam.errors import DpamError, listed
from dpam.files import atomic, cannot_be_read, printable
from dpam.folders import PassedOver, files
from dpam.progress import track

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("places", nargs="+", help="lists (.txt) and folders")
    parser.add_argument("--per-job", type=int, default=5000, metavar="N", help="of each chunk")
    parser.add_argument(
        "--output-dir", type=Path, required=True, metavar="DIR", help="folder for the chunks"
    )


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    count, passed = 0, PassedOver()
    with atomic(args.output_dir) as temporary:
        temporary.mkdir()
        try:
            found = iter(track(photographs(args.places, passed), "listing", unit="photograph"))
            while chunk := list(islice(found, args.per_job)):
                lines = "".join(f"{name}\n" for name in chunk)
                file = temporary / f"{count // args.per_job:05}.txt"
                file.write_text(lines, encoding="utf-8", errors="surrogateescape")
                count += len(chunk)
            if not count:
                raise DpamError(f"{', '.join(args.places)}: no photograph is named there")
            shutil.rmtree(args.output_dir, ignore_errors=True)
        except BaseException:
            shutil.rmtree(temporary)
            raise
    if passed:
        log.info("%s", passed)
    log.info("%d photographs", count)


def photographs(places: Iterable[str], passed: PassedOver) -> Iterator[str]:
    """The names of all photographs, in order; other files of folders are counted in `passed`.

    Raises:
        DpamError: a list is missing, or, after all others, folders have no image or cannot be
            read, or names hold a line break, which a list cannot.
    """
    errors = []
    for place in places:
        if Path(place).suffix == ".txt":
            try:
                with open(place, encoding="utf-8", errors="surrogateescape") as lines:
                    yield from (line.rstrip("\r\n") for line in lines if line.strip())
            except OSError as error:
                raise cannot_be_read(place, error) from error
        else:
            for file in files([place], recursive=True, passed=passed):
                if isinstance(file, DpamError):
                    errors.append(str(file))
                elif {"\n", "\r"} & set(str(file)):
                    errors.append(f"a line break in the name: {printable(file)!r}")
                else:
                    yield str(file)
    if errors:
        raise listed("not all photographs can be listed", errors, "Mend these, or move them away.")
