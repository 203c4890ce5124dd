"""Whether a dataset's folder still holds what it held, told from outside."""

import hashlib
import os
from pathlib import Path

from dpam.datasets.archives import stem
from dpam.datasets.inspection import Inspection, read_cache
from dpam.errors import DpamError
from dpam.imaging.images import is_image_name
from dpam.utils.files import refuse_special

LARGE = 2**24  # bytes; an archive rather than labels


def folder_state(root: str | Path, cache: Path) -> str:
    """A hash that changes when a file of the folder is added, removed, renamed or altered.

    Images and other large files count by size and time, so that none is read. An image whose
    time alone is new is read: if it still is what was verified, its former time counts, so that
    copying a dataset changes nothing. Small files, such as labels, count by content. What was
    unpacked here counts as its archive, and hidden files do not count.

    Args:
        root: the dataset's folder; where it lies does not matter.
        cache: what the last verification found in each image (`inspect_all`), if there was one.

    Returns:
        16 hexadecimal digits.
    """
    known = read_cache(cache)
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(root, followlinks=True):
        unpacked = {stem(Path(name)) for name in files}
        folders[:] = sorted(name for name in folders if name not in unpacked and name[0] != ".")
        for name in sorted(name for name in files if name[0] != "."):
            path = os.path.join(folder, name)
            image = os.path.relpath(path, root)
            line = f"{image} {_state_of(path, known.get(image))}\n"
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _state_of(path: str, before: Inspection | None) -> str:
    """What tells whether a file changed; of a pipe or what cannot be read, that it is so."""
    try:
        refuse_special(path)
        status = os.stat(path)
        size, modified = status.st_size, status.st_mtime_ns
        if not is_image_name(path) and size <= LARGE:
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()
        if before and before.size == size and before.modified != modified:
            same = hashlib.sha256(Path(path).read_bytes()).hexdigest() == before.digest
            modified = before.modified if same else modified
        return f"{size} {modified}"
    except (OSError, DpamError) as error:
        return type(error).__name__
