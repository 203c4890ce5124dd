"""Where photographs come from: files, folders, patterns, archives, lists of those."""

import io
import tarfile
import zipfile
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpam.errors import DpamError
from dpam.imaging.folders import SkippedFiles, files, is_archive, read_to_the_end
from dpam.imaging.images import is_image_name
from dpam.inference.image_tables import cells
from dpam.pack.preparation import Preparation, read_photograph
from dpam.utils.files import printable, refuse_special

LARGEST_MEMBER = 2**31  # bytes of one image in an archive, against those that unpack to anything


@dataclass(frozen=True)
class Source:
    """One photograph that has not been decoded yet.

    Attributes:
        name: its path; in archives ARCHIVE/MEMBER; see `dpam.utils.files.printable`.
        content: the bytes of a member of an archive, or the path of the file.
    """

    name: str
    content: bytes | Path

    def read(self, preparation: Preparation | None = None) -> np.ndarray:
        """(H, W, 3) uint8 RGB; see `read_photograph`."""
        if isinstance(self.content, bytes):
            return read_photograph(self.name, preparation, io.BytesIO(self.content))
        try:
            return read_photograph(self.content, preparation)
        except DpamError as error:
            raise DpamError(printable(error)) from error


def sources(
    places: Iterable[str],
    recursive: bool = False,
    done: Container[str] = (),
    passed: SkippedFiles | None = None,
) -> Iterator[Source | DpamError]:
    """The photographs at the places, one by one; what cannot be read is an error in its place.

    Args:
        places: as in `files`; archives (zip, tar, Parquet) stand for the images in them.
        recursive: also look into the folders in folders.
        done: names that are left out, unread.
        passed: counts the files of folders, patterns and archives that are no images.
    """
    passed = SkippedFiles() if passed is None else passed
    for file in files(places, recursive, passed):
        if isinstance(file, DpamError):
            yield file
        elif is_archive(file):
            yield from members(file, done, passed)
        elif (name := printable(file)) not in done:
            yield Source(name, file)


def members(
    archive: Path, done: Container[str], passed: SkippedFiles
) -> Iterator[Source | DpamError]:
    """The images in an archive, without unpacking it."""
    count, shown = 0, printable(archive)
    try:
        refuse_special(archive)
        contents = CONTENTS.get(archive.suffix.lower(), tar_contents)
        for source in contents(archive, done, passed):
            count += 1
            if source is not None:
                yield source
        if not count:
            yield DpamError(f"{shown}: no image in this archive")
    except DpamError as error:
        yield DpamError(printable(error))
    except FileNotFoundError:
        yield DpamError(f"{shown}: no such file")
    except PermissionError as error:
        yield DpamError(f"{shown}: cannot be read: {error.strerror}")
    except Exception as error:  # of a damaged archive, the decompressors raise anything
        yield DpamError(f"{shown}: expected an archive, found a damaged or other file ({error})")


def zip_contents(
    archive: Path, done: Container[str], passed: SkippedFiles
) -> Iterator[Source | DpamError | None]:
    """The images in a zip file; None for those that are done."""
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            if member.is_dir() or not is_wanted(member.filename, passed):
                continue
            name = member_name(archive, member.filename)
            if name in done:
                yield None
            elif member.flag_bits & 1:
                yield DpamError(f"{name}: encrypted")
            elif member.file_size > LARGEST_MEMBER:
                yield too_large(name)
            else:
                try:
                    content = file.read(member)
                except Exception as error:  # as above
                    yield DpamError(f"{name}: cannot be unpacked: {error}")
                else:
                    yield Source(name, content)


def tar_contents(
    archive: Path, done: Container[str], passed: SkippedFiles
) -> Iterator[Source | DpamError | None]:
    """The images in a tar file, compressed or not; None for those that are done."""
    with tarfile.open(archive) as file:
        for member in file:
            file.members = []  # type: ignore[attr-defined] # it would remember them all
            if member.isdir() or not is_wanted(member.name, passed):
                continue
            name = member_name(archive, member.name)
            if name in done:
                yield None
            elif not member.isfile() or (content := file.extractfile(member)) is None:
                yield DpamError(f"{name}: expected a file, found a link or a device")
            elif member.size > LARGEST_MEMBER:
                yield too_large(name)
            else:
                yield Source(name, content.read())
        read_to_the_end(file)


def table_contents(
    table: Path, done: Container[str], passed: SkippedFiles
) -> Iterator[Source | DpamError | None]:
    """The images in a Parquet table; None for those that are done."""
    for cell in cells(table):
        name = member_name(table, cell.name)
        if name in done:
            yield None
        else:
            yield Source(name, cell.content) if cell.content else DpamError(f"{name}: no image")


# By the ending of the archive; all others are tar archives.
CONTENTS = {".zip": zip_contents, ".parquet": table_contents}


def is_wanted(member: str, passed: SkippedFiles | None = None) -> bool:
    """Whether a member of an archive is an image that its maker meant; others are counted."""
    if member.startswith("__MACOSX/") or Path(member).name.startswith("."):
        return False
    if not is_image_name(member) and passed is not None:
        passed.add(member)
    return is_image_name(member)


def member_name(archive: Path, member: str) -> str:
    """The name of an image in an archive."""
    return printable(f"{archive}/{member}")


def too_large(name: str) -> DpamError:
    """The error about a member of an archive that would take too much memory."""
    return DpamError(f"{name}: more than {LARGEST_MEMBER >> 30} GiB unpacked")


def names(places: Iterable[str], recursive: bool) -> Iterator[str]:
    """The names of the photographs at the places, as `sources` will give them; reads none.

    A compressed tar archive is unpacked for that, into nothing. Errors are left to `sources`.
    """
    for file in files(places, recursive):
        if isinstance(file, DpamError):
            continue
        if is_archive(file):
            with suppress(Exception):  # as in `members`
                yield from (member_name(file, member) for member in member_names(file))
        else:
            yield printable(file)


def member_names(archive: Path) -> Iterator[str]:
    """The names of the images in an archive."""
    refuse_special(archive)
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as file:
            names = (info.filename for info in file.infolist() if not info.is_dir())
            yield from filter(is_wanted, names)
        return
    if archive.suffix.lower() == ".parquet":
        yield from (cell.name for cell in cells(archive, contents=False))
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and is_wanted(member.name):
                yield member.name


def total(places: Iterable[str], recursive: bool) -> int | None:
    """How many photographs there are at the places; None if an archive had to be read for that."""
    count = 0
    for file in files(places, recursive):
        if isinstance(file, Path) and is_archive(file):
            return None
        count += 1
    return count
