"""The checksums of a pack, in the first 512 bytes of its file, which HDF5 leaves to its user.

HDF5 may hang on a damaged file, or answer anything. So a pack is read as bytes first: what is not
images when it is opened, the images once before a training (`Pack.check`), a second a gigabyte.
HDF5's own checksums are of compressed chunks, and say nothing of the rest. The line is written
last; without it a pack is not complete.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dpam.errors import DpamError
from dpam.utils.files import cannot_be_read

FORMAT = "dpam-pack-4"
USER_BLOCK = 512  # bytes before HDF5
UNFINISHED = bytes(USER_BLOCK)  # what they are until all images are written
CHECKED = 1 << 20  # bytes at a time

Ranges = Sequence[tuple[int, int]]


def checksums(path: Path, rows: Ranges) -> tuple[int, int]:
    """CRC-32 of all of a pack but the user block and the rows of images, and of these."""
    return checksum(path, rest_of(path, rows)), checksum(path, rows)


def checksum(path: Path, ranges: Ranges) -> int:
    """CRC-32 of some ranges of a file, one after the other."""
    found = 0
    with path.open("rb") as file:  # not mapped: all of it would count as memory of this process
        for start, end in ranges:
            file.seek(start)
            while start < end and (block := file.read(min(CHECKED, end - start))):
                found = zlib.crc32(block, found)
                start += len(block)
    return found


def rest_of(path: Path, rows: Ranges) -> Ranges:
    """What lies before, between and behind the rows of images."""
    edges = [USER_BLOCK, *(edge for pair in rows for edge in pair), path.stat().st_size]
    return list(zip(edges[::2], edges[1::2], strict=True))


class RowsChecksum(NamedTuple):
    """Ranges of the file where the rows of images lie, and their checksum."""

    rows: Ranges
    crc: int


def read_checksum(path: Path) -> RowsChecksum:
    """The checksum of the rows of images of a pack whose other bytes are as they were written.

    Raises:
        DpamError: the file is missing, no pack, not complete, or damaged.
    """
    try:
        with path.open("rb") as file:
            line = file.read(USER_BLOCK)
    except OSError as error:
        raise cannot_be_read(path, error, "pack_superpixels makes it") from error
    words = line.rstrip(b"\0").decode("ascii", "replace").split()
    if line == UNFINISHED:
        raise DpamError(f"{path}: not complete; run pack_superpixels again, it goes on from there")
    if line.startswith(b"\x89HDF"):
        raise DpamError(f"{path}: HDF5, but not a pack of this version; pack the dataset again")
    if not line.startswith(b"dpam-pack-"):
        raise DpamError(f"{path}: expected a pack (HDF5), found something else")
    if words[0] != FORMAT:
        raise DpamError(
            f"{path}: expected a pack of format {FORMAT}, found {words[0]}; pack the dataset again"
        )
    try:
        size, rest, of_rows, *edges = map(int, words[1:])
        rows = list(zip(edges[::2], edges[1::2], strict=True))
        intact = path.stat().st_size == size and checksum(path, rest_of(path, rows)) == rest
    except ValueError:
        intact = False
    if not intact:
        raise DpamError(f"{path}: damaged, its checksum is wrong; pack the dataset again")
    return RowsChecksum(rows, of_rows)
