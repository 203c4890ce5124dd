"""Where the files of a dataset lie under its root, whatever the case of their names."""

import fnmatch
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from dpam.image_names import ImageNames, as_written

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def locate(root: Path, homes: Sequence[str], alternatives: Sequence[str]) -> Path | None:
    """The first file or folder that exists under its archive's or the authors' name.

    Args:
        root: the dataset's folder.
        homes: folders under `root` that an archive may put around everything.
        alternatives: paths relative to `root` or to a home; each part may be a pattern such as
            `*label*.txt`. Case does not matter; an alternative named first is preferred.
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
    if exact.exists():
        return _descend(exact, parts[1:])
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return None
    for name in names:
        if fnmatch.fnmatchcase(name.lower(), parts[0].lower()):
            found = _descend(folder / name, parts[1:])
            if found is not None:
                return found
    return None


def list_images(folder: Path) -> list[Path]:
    """All image files under `folder`, sorted; hidden files and `__MACOSX` are passed over."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [
            Path(parent, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES
        ]
    return sorted(found)


class Files:
    """The files of one dataset under one root.

    Attributes:
        root: the dataset's folder.
        labels: the native label files, in the order of the dataset's `label_files`.
        folders: the image folders, in the order of the dataset's `image_folders`.
        consulted: further label files that a reader found beside those.
    """

    def __init__(self, root: Path, labels: Sequence[Path], folders: Sequence[Path]) -> None:
        self.root = root
        self.labels = tuple(labels)
        self.folders = tuple(folders)
        self.consulted: set[Path] = set()

    def beside(self, path: Path, name: str) -> Path | None:
        """The file `name`, in any case, in the folder of `path`; None if there is none."""
        found = locate(path.parent, (), (name,))
        if found is not None:
            self.consulted.add(found)
        return found

    @cached_property
    def images(self) -> list[str]:
        """Every image file in the image folders: POSIX paths relative to the root, sorted."""
        found = {path for folder in self.folders for path in list_images(folder)}
        return sorted(path.relative_to(self.root).as_posix() for path in found)

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
        found = self._names.find(name)
        if len(found) == 1:
            return found[0]
        return (self.folders[folder].relative_to(self.root) / as_written(name)).as_posix()
