"""Cut a list of photographs into chunks that several jobs score.

Photographs are named by text files with one path per line and by folders (with the folders in
them), in any number. Archives are for `dpam predict`. Writes DIR/00000.txt, 00001.txt, ... in the
order of the list. Nothing is opened: what cannot be read is said when it is to be scored.
"""

import argparse
import logging
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from dpam.errors import DpamError
from dpam.files import atomic
from dpam.progress import track
from dpam.sources import files

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
    count = 0
    with atomic(args.output_dir) as temporary:
        temporary.mkdir()
        try:
            found = iter(track(photographs(args.places), "listing", unit="photograph"))
            while chunk := list(islice(found, args.per_job)):
                lines = "".join(f"{name}\n" for name in chunk)
                file = temporary / f"{count // args.per_job:05}.txt"
                file.write_text(lines, encoding="utf-8")
                count += len(chunk)
            if not count:
                raise DpamError(f"{', '.join(args.places)}: no photograph is named there")
            shutil.rmtree(args.output_dir, ignore_errors=True)
        except BaseException:
            shutil.rmtree(temporary)
            raise
    log.info("%d photographs", count)


def photographs(places: Iterable[str]) -> Iterator[str]:
    """The names of all photographs, in order.

    Raises:
        DpamError: a list is missing, or a folder has no image.
    """
    for place in places:
        if Path(place).suffix == ".txt":
            try:
                with open(place, encoding="utf-8") as lines:
                    yield from (line.rstrip("\r\n") for line in lines if line.strip())
            except (OSError, UnicodeDecodeError) as error:
                raise DpamError(f"{place}: expected a list of photographs: {error}") from error
        else:
            for file in files([place], recursive=True):
                if isinstance(file, DpamError):
                    raise file
                yield str(file)
