"""Is a dataset's copy complete, readable and in agreement with its labels?"""

import hashlib
import io
import os
import warnings
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from dpam.datasets.dataset import Dataset
from dpam.errors import DpamError, listed
from dpam.progress import track


class Inspection(NamedTuple):
    """What was found in one image file.

    Attributes:
        size: in bytes.
        digest: SHA-256 of the content, hexadecimal.
        error: why it does not decode; empty if it does.
    """

    size: int
    digest: str
    error: str


def inspect(path: str) -> Inspection:
    """Read one image file once: hash it and decode it completely."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        return Inspection(0, "", f"cannot be read: {error.strerror or error}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as image:
                image.load()
        problem = ""
    except Exception as error:  # whatever a decoder raises on broken bytes
        problem = f"does not decode: {str(error) or type(error).__name__}".replace("\n", " ")
    return Inspection(len(content), hashlib.sha256(content).hexdigest(), problem)


def verify(dataset: Dataset, root: str | Path) -> dict[str, Any]:
    """Check one dataset's copy; images are decoded on all cores.

    Every labelled image must exist and decode, every image must have a label (references, and
    images known to have none, excepted), and the counts must be the dataset's. Images with
    the same content are only reported.

    Args:
        dataset: what is expected.
        root: the dataset's folder.

    Returns:
        dataset, title, counts {images, references, without_label}, bytes, fingerprint (SHA-256
        over the sorted names and content hashes of images and label files), versions, findings.

    Raises:
        DpamError: something is missing or broken; all offenders are listed.
    """
    files = dataset.files(root)
    labels = dataset.reader(files)
    labelled = set(labels["image"])
    references = set(labels["reference"]) - {""}
    if not labelled:
        raise DpamError(f"{files.labels[0]}: holds no labels")
    present = set(files.images)
    known = dataset.unlabelled(files, labels)
    offenders = [f"{image}: has a label but is not there" for image in labelled - present]
    offenders += [f"{image}: has no label" for image in present - labelled - known]
    for what, found, expected in (
        ("labelled images", len(labelled), dataset.images),
        ("references", len(references), dataset.references),
    ):
        if expected is not None and found != expected:
            offenders.append(f"{found} {what}, expected {expected}")

    checked = sorted(labelled & present)
    inspections = dict(zip(checked, _inspect_all(files.root, checked), strict=True))
    offenders += [f"{image}: {found.error}" for image, found in inspections.items() if found.error]
    if offenders:
        source = f" ({dataset.page})" if dataset.page else ""
        raise listed(
            f"{dataset.title} in {root}: {len(offenders)} problem(s)",
            sorted(offenders),
            f"Get a complete copy{source}, or correct the files named.",
        )
    return {
        "dataset": dataset.name,
        "title": dataset.title,
        "counts": {
            "images": len(labelled),
            "references": len(references),
            "without_label": len(present - labelled),
        },
        "bytes": sum(found.size for found in inspections.values()),
        "fingerprint": _fingerprint(
            {image: found.digest for image, found in inspections.items()}
            | {
                os.path.relpath(path, files.root): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in files.labels
            }
        ),
        "versions": {name: version(name) for name in ("dpam", "pandas", "pillow")},
        "findings": _duplicates(inspections),
    }


def _inspect_all(root: Path, images: list[str]) -> list[Inspection]:
    paths = [str(root / image) for image in images]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ProcessPoolExecutor(cores) as pool:
        found = pool.map(inspect, paths, chunksize=8)
        return list(track(found, "decoding", total=len(paths)))


def _fingerprint(digests: dict[str, str]) -> str:
    lines = [f"{digest}  {name}\n" for name, digest in sorted(digests.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _duplicates(inspections: dict[str, Inspection]) -> list[str]:
    same = defaultdict(list)
    for image, found in inspections.items():
        same[found.digest].append(image)
    return [f"same content: {', '.join(images)}" for images in same.values() if len(images) > 1]
