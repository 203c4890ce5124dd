"""What is known about a dataset, and how it is found and read.

It is no Dataset of PyTorch: images come from `dpam.pack.store.Pack`, batches for training from
`dpam.training.batch_sources`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dpam.datasets.archives import archives, unpack, unpacked_folder
from dpam.datasets.layout import Files, locate
from dpam.errors import DpamError
from dpam.utils.files import refuse_special


@dataclass(frozen=True)
class Download:
    """A file that a dataset is published as.

    Attributes:
        url: its address.
        name: under which it is stored.
        known_hash: `algorithm:hexadecimal`; None: not known to us, see `dpam.datasets.downloading`.
    """

    url: str
    name: str
    known_hash: str | None = None


@dataclass(frozen=True)
class Recipe:
    """How the superpixels of a dataset's images are made.

    Attributes:
        size: (width, height) that images are resized to before segmentation; None: as stored.
        count: superpixels that are kept of an image (N).
        pixels: pixels that are taken of a superpixel (P).
        region_size: mean side of a superpixel in pixels.
        compactness: of SLIC.
        iterations: rounds of the segmentation.
    """

    size: tuple[int, int] | None
    count: int
    pixels: int
    region_size: int
    compactness: float = 10.0
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
        kind: "synthetic" (distorted references) or "authentic" (photographs as taken); empty if it
            is the user's own, whose labels tell it.
        images: labelled images that a complete copy holds; None: not known beforehand.
        references: reference images behind them; None: none, or not known beforehand.
        label_kind: "MOS", "DMOS", or "pseudo-MOS (...)" where no human judged.
        score_range: declared (lowest, highest) raw label; `dpam.datasets.labels` scales by it.
        higher_is_better: whether a larger raw label means better quality.
        network_input: "whole" image or "crop".
        recipe: its superpixels.
        distortions: names of its distortion types; empty if it has none.
        page: where to get it; empty if it is the user's own.
        terms: how it is given.
        licence: what may be done with it.
        sides: (least, greatest) side that an image has, in pixels; None: of any size.
        label_files: each native label file, as alternative paths (see `locate`).
        image_folders: each folder with labelled images, as alternative paths.
        homes: folders that an archive or the authors' tree puts around everything.
        reader: native labels -> table with the columns of `native.COLUMNS`.
        megapixels: of an image as stored, on average; for `dpam estimate`.
        official: whether the dataset itself says what trains and what tests.
        downloads: its archives, where the terms allow to fetch them; empty if they do not.
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
    sides: tuple[int, int] | None = None
    megapixels: float = 1.0
    official: bool = False
    downloads: tuple[Download, ...] = ()
    unlabelled: Callable[[Files, pd.DataFrame], frozenset[str]] = references_among

    def files(self, root: str | Path) -> Files:
        """The dataset's files under `root`.

        Raises:
            DpamError: a label file or an image folder is missing; says what to get, and where.
        """
        root = Path(root)
        labels = [_locate(self, root, names) for names in self.label_files]
        folders = [_locate(self, root, names) for names in self.image_folders]
        if None in labels or None in folders:
            raise DpamError(missing_message(self, root))
        for path in labels:
            if path is not None:
                refuse_special(path)
        return Files(
            root,
            [path for path in labels if path is not None],
            [path for path in folders if path is not None],
        )

    def read_labels(self, root: str | Path) -> pd.DataFrame:
        """Native labels: image, reference, distortion, level (text), raw_label, raw_std (float).

        `image` is relative to `root`; it is where the image was expected if there is none.

        Raises:
            DpamError: files are missing or broken.
        """
        return self.reader(self.files(root))


def default_root(data_root: str | Path, name: str, homes: Sequence[str] = ()) -> str:
    """The folder of a dataset that lies with others: DATA_ROOT/NAME, in any case, or a home of it.

    So the authors' tree with `LIVEC/`, `KADID-10K/`, ... can be used as it is.
    """
    found = locate(Path(data_root), (), (name, *homes))
    return str(found or Path(data_root, name))


def missing_files(dataset: Dataset, root: Path) -> list[str]:
    """The label files and image folders that are not there, by their published names."""
    files = [names for names in dataset.label_files if not _locate(dataset, root, names)]
    folders = [names for names in dataset.image_folders if not _locate(dataset, root, names)]
    return [names[0] for names in files] + [f"{names[0]}/" for names in folders]


def is_present(dataset: Dataset, root: str | Path) -> bool:
    """Whether all label files and image folders are there, or archives to unpack; opens nothing."""
    return not missing_files(dataset, Path(root)) or bool(archives_to_unpack(Path(root)))


def archives_to_unpack(root: Path) -> list[Path]:
    """The archives in a dataset's folder that are not unpacked yet."""
    return [archive for archive in archives(root) if not unpacked_folder(archive).exists()]


def unpack_archives(dataset: Dataset, root: str | Path) -> None:
    """Unpack the archives in the dataset's folder, if anything is missing there.

    Raises:
        DpamError: an archive is broken or unsafe, or no installed program can read it.
    """
    if missing_files(dataset, Path(root)):
        for archive in archives_to_unpack(Path(root)):
            unpack(archive)


def missing_message(dataset: Dataset, root: str | Path) -> str:
    """What is missing of a dataset, where to get it, and where to put it: one short paragraph."""
    size = f" ({dataset.images:,} images)" if dataset.images else ""
    names = ", ".join(missing_files(dataset, Path(root)))
    message = f"{dataset.title}{size} is not complete: {root} lacks {names}."
    if not dataset.page:
        return f"{message} Put your files there, or correct their names in the configuration."
    fetch = f", or run `dpam download {dataset.name}`" if dataset.downloads else ""
    return (
        f"{message} Get it: {dataset.page} ({dataset.terms}; {dataset.licence}). "
        f"Put these, or the archive, packed or unpacked as it is, into {root}{fetch}."
    )


def _locate(dataset: Dataset, root: Path, alternatives: Sequence[str]) -> Path | None:
    """Where one of the alternatives lies: in the folder itself, or in an archive's beside it."""
    places = [root, *map(unpacked_folder, archives(root))]
    found = (locate(place, dataset.homes, alternatives) for place in places)
    return next((path for path in found if path is not None), None)
