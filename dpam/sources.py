"""Where photographs come from: files, folders, patterns, archives, lists of those."""

import glob
import io
import tarfile
import zipfile
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dpam.datasets.archives import read_to_the_end
from dpam.errors import DpamError
from dpam.files import refuse_special
from dpam.images import is_image_name
from dpam.preparation import Preparation, read_photograph

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
LARGEST_MEMBER = 2**31  # bytes of one image in an archive, against those that unpack to anything


@dataclass(frozen=True)
class Source:
    """One photograph that has not been decoded yet.

    Attributes:
        name: its path; in archives ARCHIVE/MEMBER.
        content: the bytes of a member of an archive; None: read the file.
    """

    name: str
    content: bytes | None = None

    def read(self, preparation: Preparation | None = None) -> np.ndarray:
        """(H, W, 3) uint8 RGB; see `read_photograph`."""
        file = None if self.content is None else io.BytesIO(self.content)
        return read_photograph(self.name, preparation, file)


def is_archive(path: Path) -> bool:
    """Whether a file is read as an archive, by its ending."""
    return path.suffix.lower() == ".zip" or path.name.lower().endswith(TAR)


def files(places: Iterable[str], recursive: bool) -> Iterator[Path | DpamError]:
    """The files at the places, folder by folder in the order of names; errors take their place.

    Args:
        places: files; folders, for the images in them; or patterns such as `photos/*.jpg`, `**`
            for any number of folders.
        recursive: also look into the folders in folders.
    """
    for place in places:
        path = Path(place)
        if path.is_dir():
            found = False
            for file in images_below(path, recursive):
                found = True
                yield file
            if not found:
                deeper = "" if recursive else "; -r also looks into the folders in it"
                yield DpamError(f"{place}: no image in this folder{deeper}")
        elif glob.has_magic(place) and not path.exists():
            pattern = str(path.relative_to(path.anchor))
            matches = Path(path.anchor).glob(pattern)  # follows no links into loops
            wanted = sorted(match for match in matches if is_image_name(match) or is_archive(match))
            yield from wanted
            if not wanted:
                yield DpamError(f"{place}: no image matches this pattern")
        else:
            yield path


def images_below(folder: Path, recursive: bool) -> Iterator[Path]:
    """The images in a folder, then those in the folders in it; no hidden ones, no loops."""
    entries = sorted(folder.iterdir())
    yield from (entry for entry in entries if is_image_name(entry) and not entry.is_dir())
    if recursive:
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("."):
                yield from images_below(entry, recursive)


def sources(
    places: Iterable[str], recursive: bool = False, done: Container[str] = ()
) -> Iterator[Source | DpamError]:
    """The photographs at the places, one by one; what cannot be read is an error in its place.

    Args:
        places: as of `files`; archives (zip, tar) stand for the images in them.
        recursive: also look into the folders in folders.
        done: names that are passed over, unread.
    """
    for file in files(places, recursive):
        if isinstance(file, DpamError):
            yield file
        elif is_archive(file):
            yield from members(file, done)
        elif str(file) not in done:
            yield Source(str(file))


def members(archive: Path, done: Container[str]) -> Iterator[Source | DpamError]:
    """The images in an archive, without unpacking it."""
    count = 0
    try:
        refuse_special(archive)
        contents = zip_contents if archive.suffix.lower() == ".zip" else tar_contents
        for source in contents(archive, done):
            count += 1
            if source is not None:
                yield source
        if not count:
            yield DpamError(f"{archive}: no image in this archive")
    except DpamError as error:
        yield error
    except FileNotFoundError:
        yield DpamError(f"{archive}: no such file")
    except Exception as error:  # of a damaged archive, the decompressors raise anything
        yield DpamError(f"{archive}: expected an archive, found a damaged or other file ({error})")


def zip_contents(archive: Path, done: Container[str]) -> Iterator[Source | DpamError | None]:
    """The images in a zip file; None for those that are done."""
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            name = f"{archive}/{member.filename}"
            if member.is_dir() or not is_wanted(member.filename):
                continue
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


def tar_contents(archive: Path, done: Container[str]) -> Iterator[Source | DpamError | None]:
    """The images in a tar file, compressed or not; None for those that are done."""
    with tarfile.open(archive) as file:
        for member in file:
            file.members = []  # type: ignore[attr-defined] # it would remember them all
            name = f"{archive}/{member.name}"
            if not member.isfile() or not is_wanted(member.name):
                continue
            content = file.extractfile(member)
            if name in done or content is None:
                yield None
            elif member.size > LARGEST_MEMBER:
                yield too_large(name)
            else:
                yield Source(name, content.read())
        read_to_the_end(file)


def is_wanted(member: str) -> bool:
    """Whether a member of an archive is an image that its maker meant."""
    return is_image_name(member) and not member.startswith("__MACOSX/")


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
                yield from (f"{file}/{member}" for member in member_names(file))
        else:
            yield str(file)


def member_names(archive: Path) -> Iterator[str]:
    """The names of the images in an archive."""
    refuse_special(archive)
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as file:
            names = (info.filename for info in file.infolist() if not info.is_dir())
            yield from filter(is_wanted, names)
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
