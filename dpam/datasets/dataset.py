"""What is known about a dataset, and how it is found and read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dpam.datasets.layout import Files, locate
from dpam.errors import DpamError


@dataclass(frozen=True)
class Recipe:
    """How the superpixels of a dataset's images are made.

    Attributes:
        size: (width, height) that images are resized to before segmentation; None: as stored.
        count: superpixels that are kept of an image (N).
        pixels: pixels that are taken of a superpixel (P).
        region_size: mean side of a superpixel in pixels.
        ruler: compactness, in the terms of SLIC.
        iterations: rounds of the segmentation.
    """

    size: tuple[int, int] | None
    count: int
    pixels: int
    region_size: int
    ruler: float = 10.0
    iterations: int = 10


def references_among(files: Files, labels: pd.DataFrame) -> frozenset[str]:
    """The images whose name, with or without its ending, is that of a reference in `labels`."""
    names = {reference.lower() for reference in labels["reference"] if reference}
    return frozenset(
        image
        for image in files.images
        if names & {Path(image).name.lower(), Path(image).stem.lower()}
    )


@dataclass(frozen=True)
class Dataset:
    """The facts about one dataset and its native reader.

    Attributes:
        name: its key in the configuration and in paths.
        title: its name in tables and texts.
        kind: "synthetic" (distorted references) or "authentic" (photographs as taken).
        images: labelled images that a complete copy holds; None: not known beforehand.
        references: reference images behind them; None: none, or not known beforehand.
        label_kind: "MOS", "DMOS", or "pseudo-MOS (...)" where no human judged.
        score_range: declared (lowest, highest) raw score.
        higher_is_better: whether a larger raw score means better quality.
        network_input: "whole" image or "crop".
        recipe: its superpixels.
        distortions: names of its distortion types; empty if it has none.
        page: where to get it; empty if it is the user's own.
        terms: how it is given.
        licence: what may be done with it.
        label_files: each native label file, as alternative paths (see `locate`).
        image_folders: each folder with labelled images, as alternative paths.
        homes: folders that an archive or the authors' tree puts around everything.
        reader: native labels -> table with the columns of `native.COLUMNS`.
        unlabelled: files, native labels -> images that are known to have no label.
    """

    name: str
    title: str
    kind: str
    images: int | None
    references: int | None
    label_kind: str
    score_range: tuple[float, float]
    higher_is_better: bool
    network_input: str
    recipe: Recipe
    distortions: tuple[str, ...]
    page: str
    terms: str
    licence: str
    label_files: tuple[tuple[str, ...], ...]
    image_folders: tuple[tuple[str, ...], ...]
    reader: Callable[[Files], pd.DataFrame]
    homes: tuple[str, ...] = ()
    unlabelled: Callable[[Files, pd.DataFrame], frozenset[str]] = references_among

    def files(self, root: str | Path) -> Files:
        """The dataset's files under `root`.

        Raises:
            DpamError: a label file or an image folder is missing; says what to get, and where.
        """
        root = Path(root)
        labels = [locate(root, self.homes, names) for names in self.label_files]
        folders = [locate(root, self.homes, names) for names in self.image_folders]
        if None in labels or None in folders:
            raise DpamError(missing_message(self, root))
        return Files(
            root,
            [path for path in labels if path is not None],
            [path for path in folders if path is not None],
        )

    def read_labels(self, root: str | Path) -> pd.DataFrame:
        """Native labels: image, reference, distortion, level (text), raw_score, raw_std (float).

        `image` is relative to `root`; it is where the image was expected if there is none.

        Raises:
            DpamError: files are missing or broken.
        """
        return self.reader(self.files(root))


def is_present(dataset: Dataset, root: str | Path) -> bool:
    """Whether all label files and image folders are there; nothing is opened."""
    return not _missing(dataset, Path(root))


def missing_message(dataset: Dataset, root: str | Path) -> str:
    """What is missing of a dataset, where to get it, and where to put it: one short paragraph."""
    size = f" ({dataset.images:,} images)" if dataset.images else ""
    lacking = ", ".join(_missing(dataset, Path(root)))
    message = f"{dataset.title}{size} is not complete: {root} lacks {lacking}."
    if not dataset.page:
        return f"{message} Put your files there, or correct their names in the configuration."
    return (
        f"{message} Get it: {dataset.page} ({dataset.terms}; {dataset.licence}). "
        f"Put these, or the unpacked archive as it is, into {root}."
    )


def _missing(dataset: Dataset, root: Path) -> list[str]:
    files = [names for names in dataset.label_files if not locate(root, dataset.homes, names)]
    folders = [names for names in dataset.image_folders if not locate(root, dataset.homes, names)]
    return [names[0] for names in files] + [f"{names[0]}/" for names in folders]
