"""Is a dataset's copy complete, readable and in agreement with its labels?"""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from dpam import __version__
from dpam.datasets.dataset import Dataset
from dpam.datasets.inspection import Inspection, inspect_all
from dpam.errors import DpamError, error_of_many
from dpam.imaging.images import SMALLEST
from dpam.imaging.perceptual_hash import near_duplicates

# What may be found. A finding of a kind that spoils results stops the pipeline unless accepted.
SPOILING = {
    "missing_image": "a label names an image that is not there",
    "undecodable": "an image does not decode",
    "unlabelled_image": "an image has no label, and is no reference or training image",
    "too_small": "an image has a side below 32 pixels",
    "odd_size": "an image has not the size that all of the dataset have",
    "wrong_count": "there are not as many images or references as there should be",
}
UNUSED = "is allowed, but was not found"  # of a finding that `allow` names
UNUSABLE = ("missing_image", "undecodable", "too_small")


class Finding(NamedTuple):
    """One thing that is not as it should be.

    Attributes:
        kind: a key of `SPOILING`, or `same_content`, which is only reported.
        subject: the image, or what was counted.
        detail: what is wrong with it.
    """

    kind: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.detail} [{self.kind}]"

    def is_accepted(self, allow: Collection[str]) -> bool:
        """Whether its kind, or its kind and subject, is among what is allowed."""
        return self.kind in allow or f"{self.kind} {self.subject}" in allow


def verify(
    dataset: Dataset,
    root: str | Path,
    allow: Collection[str] = (),
    threads: int | None = None,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Check one dataset's copy; images are decoded on several cores.

    Every labelled image must exist, decode, be large enough and have the size that is usual there,
    every image must have a label (references, and images known to have none, excepted), and the
    counts must be the dataset's. Images with the same content, and near-duplicates among
    photographs with authentic faults, other than those of one reference, are only reported.

    Args:
        dataset: what is expected.
        root: the dataset's folder.
        allow: findings to accept: `KIND` or `KIND SUBJECT`, e.g. `odd_size images/I01_01_01.png`.
        threads: processes that decode, and threads that compare hashes; None: as many as there
            are cores.
        cache: file that keeps what was found in each image, so that the next verification looks
            at changed files only; None: look at all.

    Returns:
        dataset, title, counts {images, references, without_label}, folders {folder: images}, bytes,
        fingerprint (SHA-256 over the sorted names and content hashes of images and label files),
        versions, findings (only reported), accepted (by `allow`), left_out (images
        that accepted findings make unusable), near_duplicates [image, other, differing bits],
        perceptual_hashes {image: hash}.

    Raises:
        DpamError: something is missing or broken and not allowed; all offenders are listed.
    """
    unknown = [name for name in allow if name.split(" ", 1)[0] not in SPOILING]
    if unknown:
        raise error_of_many(
            f"{dataset.title}: unknown finding(s) to allow",
            unknown,
            f"Known are {', '.join(SPOILING)}, each alone or followed by a blank and one image.",
        )
    files = dataset.files(root)
    labels = dataset.reader(files)
    labelled = set(labels["image"])
    if not labelled:
        raise DpamError(f"{files.labels[0]}: holds no labels")
    present = set(files.images)
    known = dataset.unlabelled(files, labels)
    checked = sorted(labelled & present)
    threads = threads or cores()
    inspections = inspect_all(files.root, checked, threads, cache)

    references = set(labels["reference"]) - {""}
    folders = Counter(os.path.dirname(image) or "." for image in present)
    findings = [
        *(Finding("missing_image", image, files.why_missing(image))
          for image in labelled - present),
        *(Finding("unlabelled_image", image, "has no label")
          for image in present - labelled - known),
        *_wrong_counts(dataset, len(labelled), len(references)),
        *_in_images(dataset, inspections),
    ]  # fmt: skip
    accepted = sorted(finding for finding in findings if finding.is_accepted(allow))
    offenders = sorted(set(findings) - set(accepted))
    if offenders:
        source = f" ({dataset.page})" if dataset.page else ""
        raise error_of_many(
            f"{dataset.title} in {root}: {len(offenders)} problem(s)",
            [str(finding) for finding in offenders],
            f"Get a complete copy{source}, correct the files named, or accept findings by the "
            f"word in brackets under `allow:` in the configuration.",
        )
    left_out = {finding.subject for finding in accepted if finding.kind in UNUSABLE}
    kept = {image: found for image, found in inspections.items() if image not in left_out}
    hashes = {image: found.perceptual_hash for image, found in kept.items()}
    scene = dict(zip(labels["image"], labels["reference"], strict=True))
    near = near_duplicates(hashes if dataset.kind != "synthetic" else {}, scene, threads)
    return {
        "dataset": dataset.name,
        "title": dataset.title,
        "counts": {
            "images": len(labelled),
            "references": len(references),
            "without_label": len(present - labelled),
        },
        "folders": dict(sorted(folders.items())),
        "bytes": sum(found.size for found in inspections.values()),
        "fingerprint": _fingerprint(
            {image: found.digest for image, found in inspections.items()}
            | {
                os.path.relpath(path, files.root): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in {*files.labels, *files.consulted}
            }
        ),
        "versions": {
            "dpam": __version__,
            **{name: version(name) for name in ("pandas", "pillow")},
        },
        "findings": [
            *(str(finding) for finding in _duplicates(kept)),
            *(
                f"{name}: {UNUSED}"
                for name in allow
                if not any(finding.is_accepted([name]) for finding in findings)
            ),
        ],
        "accepted": [str(finding) for finding in accepted],
        "left_out": sorted(left_out),
        "near_duplicates": [list(pair) for pair in near.itertuples(index=False)],
        "perceptual_hashes": hashes,
    }


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _wrong_counts(dataset: Dataset, images: int, references: int) -> list[Finding]:
    return [
        Finding("wrong_count", what, f"found {found}, expected {expected}")
        for what, found, expected in (
            ("labelled images", images, dataset.images),
            ("references", references, dataset.references),
        )
        if expected is not None and found != expected
    ]


def _in_images(dataset: Dataset, inspections: dict[str, Inspection]) -> Iterable[Finding]:
    for image, found in inspections.items():
        if found.error:
            yield Finding("undecodable", image, f"does not decode: {found.error}")
        elif min(found.width, found.height) < SMALLEST:
            needed = f"at least {SMALLEST} x {SMALLEST} is needed"
            yield Finding("too_small", image, f"is {found.width} x {found.height}, {needed}")
        elif dataset.sides and not (
            dataset.sides[0] <= min(found.width, found.height)
            and max(found.width, found.height) <= dataset.sides[1]
        ):
            low, high = dataset.sides
            expected = f"sides of {low} to {high} pixels"
            yield Finding(
                "odd_size", image, f"is {found.width} x {found.height}, expected {expected}"
            )


def _fingerprint(digests: dict[str, str]) -> str:
    lines = [f"{digest}  {name}\n" for name, digest in sorted(digests.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _duplicates(inspections: dict[str, Inspection]) -> list[Finding]:
    same = defaultdict(list)
    for image, found in inspections.items():
        same[found.digest].append(image)
    return [
        Finding("same_content", images[0], f"has the same content as {', '.join(images[1:])}")
        for images in same.values()
        if len(images) > 1
    ]
