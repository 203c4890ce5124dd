"""Which image a table means by a name: one rule for datasets and for `dpam predict --labels`.

A name is an image's path, or the end of it: `img1.bmp`, `jp2k/img1.bmp`. How it is written does not
matter: `./`, backslashes, case, and how letters with accents are composed (NFC, NFD). Only where
several images remain does it count: first whether the name is the whole path from one of the
folders, then case, then composition.
"""

import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property


class ImageNames:
    """Finds images by their names.

    Args:
        images: their paths, with `/`; each once.
        folders: those that a path may start from, beside the top.
    """

    def __init__(self, images: Iterable[str], folders: Iterable[str] = ()) -> None:
        written = filter(None, map(as_written, folders))
        self.folders = ("", *(f"{folder}/" for folder in written))
        self.ending: dict[str, list[str]] = defaultdict(list)
        for image in images:
            parts = same(image).split("/")
            for start in range(len(parts)):
                self.ending["/".join(parts[start:])].append(image)

    def find(self, name: str) -> list[str]:
        """The images that `name` may mean: none, the one, or several that it cannot tell apart."""
        found = list(self.ending.get(same(name), ()))
        wanted = as_written(name)
        composed = unicodedata.normalize("NFC", wanted)
        tests: tuple[Callable[[str], bool], ...] = (
            lambda image: any(same(image) == same(folder + wanted) for folder in self.folders),
            lambda image: ends(unicodedata.normalize("NFC", as_written(image)), composed),
            lambda image: ends(as_written(image), wanted),
        )
        for test in tests:
            if len(found) > 1:
                found = [image for image in found if test(image)] or found
        return found

    def hint(self, name: str) -> str:
        """What may help where a name means no image: the one that it would be with an ending."""
        found = self.without_ending.get(same(name).rpartition("/")[2], [])
        return f"; is {found[0]} meant? Names need their ending" if found else ""

    @cached_property
    def without_ending(self) -> dict[str, list[str]]:
        """File names less their ending -> images."""
        stems: dict[str, list[str]] = defaultdict(list)
        for end, images in self.ending.items():
            if "/" not in end:
                stems[posixpath.splitext(end)[0]] += images
        return stems


def as_written(name: str) -> str:
    """A path with `/` and without blanks around it, `./` and `//`."""
    path = posixpath.normpath(name.strip().replace("\\", "/"))
    return "" if path == "." else path


def same(name: str) -> str:
    """What is the same for all ways to write a name."""
    return unicodedata.normalize("NFC", as_written(name)).lower()


def ends(path: str, end: str) -> bool:
    """Whether whole parts of a path, at its end, are these."""
    return f"/{path}".endswith(f"/{end}")
