"""Where the files of a dataset lie under its root, whatever the case of their names."""

import fnmatch
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from dpam.datasets.image_names import ImageNames, as_written
from dpam.errors import DpamError
from dpam.imaging.folders import SkippedFiles, images_below
from dpam.imaging.images import reader_of
from dpam.utils.files import cannot_be_read, printable


def locate(root: Path, homes: Sequence[str], alternatives: Sequence[str]) -> Path | None:
    """The first file or folder that exists under its archive's or the authors' name.

    Args:
        root: the dataset's folder.
        homes: folders under `root` that an archive may put around everything.
        alternatives: paths relative to `root` or to a home; each part may be a pattern such as
            `*label*.txt`. Case does not matter; an alternative named first is preferred.

    Raises:
        DpamError: a folder that may hold it cannot be read.
    """
    for alternative in alternatives:
        for home in ("", *homes):
            found = _descend(root, (Path(home) / alternative).parts)
            if found is not None:
                return found
    return None


def _descend(folder: Path, parts: tuple[str, ...]) -> Path | None:
    if not parts:
        return folder
    exact = folder / parts[0]
    if os.path.exists(exact):
        return _descend(exact, parts[1:])
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise cannot_be_read(folder, error) from error
    for name in names:
        if fnmatch.fnmatchcase(name.lower(), parts[0].lower()):
            found = _descend(folder / name, parts[1:])
            if found is not None:
                return found
    return None


def list_images(folder: Path) -> list[Path]:
    """All image files under `folder`, sorted; hidden files and `__MACOSX` are passed over.

    Raises:
        DpamError: a folder in it cannot be read.
    """
    found = []
    for file in images_below(str(folder), True, SkippedFiles()):
        if isinstance(file, DpamError):
            raise file
        if not any(part.startswith("__MACOSX") for part in file.relative_to(folder).parts):
            found.append(file)
    return sorted(found)


class Files:
    """The files of one dataset under one root.

    Attributes:
        root: the dataset's folder.
        labels: the native label files, in the order of the dataset's `label_files`.
        folders: the image folders, in the order of the dataset's `image_folders`.
        consulted: further label files that a reader found beside those.
        unfound: where an image was expected that label files name -> its name there.
    """

    def __init__(self, root: Path, labels: Sequence[Path], folders: Sequence[Path]) -> None:
        self.root = root
        self.labels = tuple(labels)
        self.folders = tuple(folders)
        self.consulted: set[Path] = set()
        self.unfound: dict[str, str] = {}

    def beside(self, path: Path, name: str) -> Path | None:
        """The file `name`, in any case, in the folder of `path`; None if there is none."""
        found = locate(path.parent, (), (name,))
        if found is not None:
            self.consulted.add(found)
        return found

    @cached_property
    def images(self) -> list[str]:
        """Every image file in the image folders: POSIX paths relative to the root, sorted.

        What in them is not UTF-8 is escaped: no label, which is text, names such an image.
        """
        found = {path for folder in self.folders for path in list_images(folder)}
        return sorted(printable(path.relative_to(self.root).as_posix()) for path in found)

    @cached_property
    def _names(self) -> ImageNames:
        """Finds images by what label files call them."""
        folders = (folder.relative_to(self.root).as_posix() for folder in self.folders)
        return ImageNames(self.images, folders)

    def image(self, name: str, folder: int = 0) -> str:
        """The image that a label file calls `name` (see `ImageNames`): its path from the root.

        If there is no such image, or it cannot be told which of several is meant, the answer is
        where it was expected: verification finds it missing, and `why_missing` says why.
        """
        if os.path.isabs(name) and Path(name).is_relative_to(os.path.abspath(self.root)):
            name = os.path.relpath(name, self.root)
        found = self._names.find(name)
        if len(found) == 1:
            return found[0]
        expected = (self.folders[folder].relative_to(self.root) / as_written(name)).as_posix()
        self.unfound[expected] = name
        return expected

    def why_missing(self, image: str) -> str:
        """Why an image that has a label is not among `images`."""
        name = self.unfound.get(image, image)
        if not name.strip():
            return "a row of the labels names no image"
        found = self._names.find(name)
        if len(found) > 1:
            return f"may be {' or '.join(found[:2])}; the labels must say its path"
        if not os.path.lexists(self.root / image):
            return f"has a label but is not there{self._names.hint(name)}"
        if any(part.startswith(".") for part in Path(image).parts):
            return "is there, but hidden files are passed over; rename it"
        reader = reader_of(Path(image).suffix.lower())
        return f"is there, but is of no kind that is read here{f'; {reader}' if reader else ''}"
