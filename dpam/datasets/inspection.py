"""What is in an image file, and what was in it the last time that somebody looked."""

import hashlib
import io
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from dpam.errors import DpamError
from dpam.files import read_json, refuse_special, write_json
from dpam.images import opened
from dpam.parallel import processes
from dpam.progress import track

HASH_SIDE = 16  # a perceptual hash has this many bits squared
# Of its 256 bits, so many may differ between near-duplicates. Among 2,000 photographs of BIQ2021
# all 41 pairs that differ in up to 43 bits show the same scene; the first that does not, in 45.
NEAR = 36


class Inspection(NamedTuple):
    """What was found in one image file.

    Attributes:
        size: in bytes.
        modified: time of the last change, nanoseconds.
        digest: SHA-256 of the content, hexadecimal.
        width: in pixels; 0 if it does not decode.
        height: in pixels; 0 if it does not decode.
        look: perceptual hash, hexadecimal; empty if it does not decode.
        error: why it does not decode; empty if it does.
    """

    size: int
    modified: int
    digest: str
    width: int
    height: int
    look: str
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
    width, height, look, problem = 0, 0, "", ""
    try:
        with opened(path, io.BytesIO(content)) as image:
            image.load()
            look = difference_hash(image)
            width, height = image.size
    except DpamError as error:
        problem = str(error).removeprefix(f"{path}: ").replace("\n", " ")
    return Inspection(len(content), status.st_mtime_ns, digest, width, height, look, problem)


def difference_hash(image: Image.Image) -> str:
    """Perceptual hash: whether brightness rises from each cell of a 17 x 16 grid to the next.

    Returns:
        256 bits, hexadecimal. Recompressed, resized or slightly retouched copies differ in few.
    """
    plain = image if image.mode in ("L", "RGB") else image.convert("RGB")
    grid = plain.resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX).convert("L")
    cells = np.asarray(grid, np.int16)
    return np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes().hex()


def near_duplicates(looks: dict[str, str]) -> pd.DataFrame:
    """Pairs of images whose perceptual hashes differ in at most `NEAR` bits.

    Args:
        looks: image -> its `difference_hash`.

    Returns:
        Columns image, other, bits (that differ); each pair once. Images that are nearly without
        structure, whose hash means little, are left out.
    """
    names = np.array(sorted(looks), dtype=object)
    bits = np.frombuffer(bytes.fromhex("".join(looks[name] for name in names)), np.uint64)
    words = bits.reshape(len(names), HASH_SIDE**2 // 64)
    rising = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    structured = (rising > NEAR) & (rising < HASH_SIDE**2 - NEAR)
    names, words = names[structured], words[structured]
    found = []
    for start in range(len(names)):
        differ = np.bitwise_count(words[start + 1 :] ^ words[start]).sum(axis=1, dtype=np.int64)
        near = np.flatnonzero(differ <= NEAR)
        found += [(names[start], names[start + 1 + index], int(differ[index])) for index in near]
    return pd.DataFrame(found, columns=["image", "other", "bits"])


def inspect_all(
    root: Path, images: list[str], threads: int | None = None, memory: Path | None = None
) -> dict[str, Inspection]:
    """Inspect images in parallel, one process per core; files that did not change are not opened.

    Args:
        root: the dataset's folder.
        images: relative to it.
        threads: processes; None: as many as there are cores.
        memory: file in which the findings are kept for the next time, even if this is interrupted.
    """
    known = recalled(memory)
    found: dict[str, Inspection] = {}
    paths = [str(root / image) for image in images]
    try:
        with processes(threads or cores(), "fork") as pool:
            looks = pool.map(inspect, paths, map(known.get, images), chunksize=8)
            for image, look in zip(images, track(looks, "decoding", len(images)), strict=True):
                found[image] = look
    finally:
        if memory is not None:
            kept = {image: known[image] for image in images if image in known} | found
            write_json(memory, {"made_by": _made_by(), "images": kept}, replace=True)
    return found


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _made_by() -> dict[str, Any]:
    return {"pillow": version("pillow"), "fields": list(Inspection._fields)}


def recalled(memory: Path | None) -> dict[str, Inspection]:
    """What an earlier run found; nothing if another decoder or version of this made it."""
    if memory is None or not memory.exists():
        return {}
    try:
        content = read_json(memory)
        if content["made_by"] == _made_by():
            return {image: Inspection(*row) for image, row in content["images"].items()}
    except (DpamError, KeyError, TypeError):
        pass
    return {}
