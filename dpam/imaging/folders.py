"""The files that places on a command line stand for: themselves, folders, patterns."""

import glob
import os
import tarfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from dpam.errors import DpamError
from dpam.imaging.images import is_image_name, reader_of
from dpam.utils.files import printable

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
SHOWN = 12  # endings of files that were passed over; the rest is counted


class SkippedFiles(Counter[str]):
    """How many files were passed over in folders, by ending, in lower case."""

    def add(self, name: str) -> None:
        """Count one file."""
        self[Path(name).suffix.lower()] += 1

    def __str__(self) -> str:
        """In words, with what would read them; empty if there are none."""
        if not self:
            return ""
        shown = []
        for ending, count in self.most_common(SHOWN):
            reader = reader_of(ending)
            if is_archive(Path(f"archive{ending}")):
                reader = "name archives one by one"
            elif not ending:
                reader = "give them one, or name them one by one"
            name = printable(ending) if ending else "without ending"
            shown.append(f"{count:,} {name}{f' ({reader})' if reader else ''}")
        if len(self) > SHOWN:
            shown.append(f"{self.total() - sum(n for _, n in self.most_common(SHOWN)):,} others")
        return f"passed over, no images by their names: {', '.join(shown)}"


def is_archive(path: Path) -> bool:
    """Whether a file is read as an archive, by its ending."""
    return path.suffix.lower() in (".zip", ".parquet") or path.name.lower().endswith(TAR)


def read_to_the_end(file: tarfile.TarFile) -> None:
    """Read what follows the last member: gzip's checksum over all stands there.

    Raises:
        Exception: of kinds that depend on the compression, if the archive is damaged.
    """
    while file.fileobj is not None and file.fileobj.read(1 << 20):
        pass


def files(
    places: Iterable[str], recursive: bool, passed: SkippedFiles | None = None
) -> Iterator[Path | DpamError]:
    """The files at the places, folder by folder in the order of names; errors take their place.

    Args:
        places: files; folders, for the images in them; or patterns such as `photos/*.jpg`, `**`
            for any number of folders.
        recursive: also look into the folders in folders.
        passed: counts the other files of folders and patterns.
    """
    passed = SkippedFiles() if passed is None else passed
    for place in places:
        found = False
        if os.path.isdir(place):
            for file in images_below(place, recursive, passed):
                found = True
                yield file
            if not found:
                deeper = "" if recursive else "; -r also looks into the folders in it"
                yield DpamError(f"{printable(place)}: no image in this folder{deeper}")
        elif glob.has_magic(place) and not os.path.exists(place):
            path = Path(place)
            pattern = str(path.relative_to(path.anchor))
            try:  # follows no links into loops
                matches = sorted(Path(path.anchor).glob(pattern))
            except ValueError as error:  # such as **.jpg
                yield DpamError(f"{printable(place)}: no pattern: {error}")
                continue
            for match in matches:
                if is_image_name(match) or is_archive(match):
                    found = True
                    yield match
                elif not os.path.isdir(match) and not match.name.startswith("."):
                    passed.add(match.name)
            if not found:
                yield DpamError(f"{printable(place)}: no image matches this pattern")
        else:
            yield Path(place)


def images_below(folder: str, recursive: bool, passed: SkippedFiles) -> Iterator[Path | DpamError]:
    """The images in a folder, then those in the folders in it; no hidden ones.

    Each folder is entered once: those that are links after all others, so that a photograph has
    the name of where it lies, and links in a circle end. One that cannot be read is an error.
    """
    entered: set[tuple[int, int]] = set()
    waiting, links = [folder], deque[str]()
    while waiting or links:
        current = waiting.pop() if waiting else links.popleft()
        inner: list[str] = []
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(current) as entries:
                names = sorted((entry.name, entry.is_symlink()) for entry in entries)
        except OSError as error:
            yield DpamError(f"{printable(current)}: cannot be read: {error.strerror}")
            continue
        for name, is_link in names:
            path = os.path.join(current, name)
            if name.startswith("."):
                continue
            if os.path.isdir(path):
                (links if is_link else inner).append(path)
            elif is_image_name(name):
                yield Path(path)
            else:
                passed.add(name)
        if not recursive:
            return
        waiting.extend(reversed(inner))


def image_files(places: Iterable[Path]) -> tuple[list[Path], SkippedFiles]:
    """The files named, and the images in the folders named; and what else is in these.

    Raises:
        DpamError: a folder holds no image, or cannot be read.
    """
    passed = SkippedFiles()
    found: list[Path] = []
    for file in files(map(str, places), False, passed):
        if isinstance(file, DpamError):
            raise file
        found.append(file)
    return found, passed
