"""What is in an image file, and what was in it the last time that somebody looked."""

import hashlib
import io
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from dpam.errors import DpamError
from dpam.imaging.images import open_image
from dpam.imaging.perceptual_hash import difference_hash
from dpam.utils.files import refuse_special, write_json
from dpam.utils.parallel import processes
from dpam.utils.progress import track
from dpam.utils.reading import read_json


class Inspection(NamedTuple):
    """What was found in one image file.

    Attributes:
        size: in bytes.
        modified: time of the last change, nanoseconds.
        digest: SHA-256 of the content, hexadecimal.
        width: in pixels; 0 if it does not decode.
        height: in pixels; 0 if it does not decode.
        perceptual_hash: hexadecimal; empty if it does not decode.
        error: why it does not decode; empty if it does.
    """

    size: int
    modified: int
    digest: str
    width: int
    height: int
    perceptual_hash: str
    error: str


def inspect(path: str, before: Inspection | None = None) -> Inspection:
    """Read one image file once: hash it and decode it completely.

    Args:
        path: of the file.
        before: what was found earlier; a file of the same size and time is not opened again, and
            one with the same content is not decoded again, and keeps its earlier time.
    """
    try:
        status = os.stat(path)
        if before and (before.size, before.modified) == (status.st_size, status.st_mtime_ns):
            return before
        refuse_special(path)
        content = Path(path).read_bytes()
    except OSError as error:
        return Inspection(0, 0, "", 0, 0, "", f"cannot be read: {error.strerror or error}")
    except DpamError:
        return Inspection(0, 0, "", 0, 0, "", "it is a pipe, a device or a socket")
    digest = hashlib.sha256(content).hexdigest()
    if before and before.digest == digest:
        return before
    width, height, alike, problem = 0, 0, "", ""
    try:
        with open_image(path, io.BytesIO(content)) as image:
            image.load()
            alike = difference_hash(image)
            width, height = image.size
    except DpamError as error:
        problem = str(error).removeprefix(f"{path}: ").replace("\n", " ")
    return Inspection(len(content), status.st_mtime_ns, digest, width, height, alike, problem)


def inspect_all(
    root: Path, images: list[str], threads: int, cache: Path | None = None
) -> dict[str, Inspection]:
    """Inspect images in parallel; files that did not change are not opened.

    Args:
        root: the dataset's folder.
        images: relative to it.
        threads: processes.
        cache: file in which the findings are kept for the next time, even if this is interrupted.
    """
    known = read_cache(cache)
    found: dict[str, Inspection] = {}
    paths = [str(root / image) for image in images]
    try:
        with processes(threads, "fork") as pool:
            findings = pool.map(inspect, paths, map(known.get, images), chunksize=8)
            for image, finding in zip(
                images, track(findings, "decoding", len(images)), strict=True
            ):
                found[image] = finding
    finally:
        if cache is not None:
            kept = {image: known[image] for image in images if image in known} | found
            write_json(cache, {"made_by": _made_by(), "images": kept}, replace=True)
    return found


def _made_by() -> dict[str, Any]:
    return {"pillow": version("pillow"), "fields": list(Inspection._fields)}


def read_cache(cache: Path | None) -> dict[str, Inspection]:
    """What an earlier run found; nothing if another decoder or version of this made it."""
    if cache is None or not cache.exists():
        return {}
    try:
        content = read_json(cache)
        if content["made_by"] == _made_by():
            return {image: Inspection(*row) for image, row in content["images"].items()}
    except (DpamError, KeyError, TypeError):
        pass
    return {}
