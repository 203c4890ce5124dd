"""Writing packs: a file is laid out whole, then images are written into their places.

They are written in any order and by any number of processes, without HDF5, which only one process
could write with. A writer that is killed leaves a file that is whole; `packed` says how far.
"""

import errno
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import pandas as pd

from dpam.errors import DpamError
from dpam.pack.checksum import FORMAT, USER_BLOCK, checksums
from dpam.pack.preparation import Preparation, Prepared
from dpam.pack.store import ROWS, Pack, hdf5, places
from dpam.superpixels.methods import Segmentation
from dpam.utils.files import atomic, writing
from dpam.utils.progress import track

ROOM = 2**20  # bytes for what HDF5 adds of its own
EXAMPLES = 6
TEXT = h5py.string_dtype()
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def example_rows(labels: pd.DataFrame) -> list[int]:
    """Rows evenly spaced over the range of quality: what figures show of the dataset."""
    order = np.argsort(labels["label"].to_numpy(), kind="stable")
    return sorted(set(order[np.linspace(0, len(order) - 1, EXAMPLES).astype(int)].tolist()))


def lay_out(
    path: str | Path,
    labels: pd.DataFrame,
    preparation: Preparation,
    settings: dict[str, Any],
    sizes: np.ndarray,
    examples: Mapping[int, Segmentation],
    identity: str = "",
) -> None:
    """Make a pack with no image written yet, and reserve the disk space that it will need.

    Args:
        path: the file to make.
        labels: the labels table, one row per image.
        preparation: how the images are made.
        settings: dataset, title, label kind and whatever else should travel; JSON-able.
        sizes: (n, 2) height and width of each image's pixels.
        examples: how some images were segmented, by row.
        identity: stays with the file, as an attribute.

    Raises:
        DpamError: the file cannot be written, or the disk is too small for it.
    """
    n, side, superpixels = len(labels), preparation.image_size, preparation.superpixels
    lengths = sizes.astype(np.int64).prod(axis=1) * 3
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "pixels": ((int(lengths.sum()),), np.uint8),
    }
    if superpixels:
        shapes["mean"] = ((n, superpixels, 3), np.float32)
        shapes["covariance"] = ((n, superpixels, 6), np.float32)
    if preparation.keeps_texture:
        shapes["texture"] = ((n, side, side), np.float16)
    size = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in shapes.values())
    whole = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    whole.set_layout(h5py.h5d.CONTIGUOUS)
    whole.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    whole.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with atomic(path) as temporary:
        temporary.touch()
        # Before anything is written, and generously: HDF5 may crash on a full disk.
        more = sum(data.nbytes for shown in examples.values() for data in vars(shown).values())
        reserve(temporary, size + more + 4 * len(labels.to_csv()) + ROOM)
        aligned = {"alignment_threshold": 1, "alignment_interval": 64}
        with hdf5(temporary, "w", userblock_size=USER_BLOCK, **aligned) as file:
            file.attrs["settings"] = json.dumps(settings)
            file.attrs["identity"] = identity
            for column in labels:
                text = labels[column].dtype.kind not in "if"
                values = labels[column].astype(str) if text else labels[column]
                file.create_dataset(f"labels/{column}", data=values, dtype=TEXT if text else None)
            file["labels"].attrs["columns"] = list(labels.columns)
            file["offset"] = np.cumsum(lengths) - lengths
            file["height"], file["width"] = sizes.T
            for index, segmentation in examples.items():
                group = file.create_group(f"examples/{index}")
                for name, data in vars(segmentation).items():
                    group.create_dataset(name, data=data, compression="gzip", shuffle=True)
            file["packed"] = np.zeros(n, np.uint8)
            for name, (shape, kind) in shapes.items():
                file.create_dataset(name, shape, kind, dcpl=whole)
        reserve(temporary, temporary.stat().st_size)


def reserve(path: Path, size: int) -> None:
    """Have the file system keep `size` bytes for a file.

    Raises:
        DpamError: it cannot.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in FULL:
                raise
            free = shutil.disk_usage(path.parent).free
            raise DpamError(
                f"{path.parent}: a file of {size / 1e9:.3g} GB cannot be written here, "
                f"{free / 1e9:.3g} GB are free ({error.strerror}); make room, or raise the limit"
            ) from error


class PackWriter:
    """Writes prepared images into a pack that `lay_out` made.

    Several processes may write different images at the same time.

    Attributes:
        identity: as given to `lay_out`.
        packed: (n,) bool, the images that were written when the writer was made.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with hdf5(path, "r") as file:
            self.identity = file.attrs["identity"]
            self.places = places(file, self.path)
            self.offset, self.height, self.width, self.packed = (
                file[name][:] for name in ("offset", "height", "width", "packed")
            )
        self.packed = self.packed.astype(bool)
        self.file = os.open(path, os.O_RDWR)
        self.finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        if kind is None and not self.finished and self.is_complete():
            self.write_checksums()
        os.close(self.file)

    def is_complete(self) -> bool:
        """Whether all images are written, by this writer or others."""
        return all(os.pread(self.file, len(self.packed), self.places["packed"].start))

    def write_checksums(self) -> None:
        """All images are written: write the checksums, without which nobody reads the pack."""
        rows = sorted(
            (place.start, place.start + int(np.prod(place.shape)) * place.dtype.itemsize)
            for name, place in self.places.items()
            if name != "packed"
        )
        numbers = [self.path.stat().st_size, *checksums(self.path, rows), *sum(rows, ())]
        line = " ".join([FORMAT, *map(str, numbers)]).encode() + b"\n"
        os.pwrite(self.file, line.ljust(USER_BLOCK, b"\0"), 0)
        self.finished = True

    def write(self, index: int, image: Prepared) -> None:
        """Write an image's rows, and last that they are written.

        Raises:
            DpamError: the disk is full, or the image has another size than was laid out.
        """
        expected = int(self.height[index]), int(self.width[index])
        if image.pixels.shape[:2] != expected:
            raise DpamError(
                f"{self.path}: image {index} has changed its size from {expected} to "
                f"{image.pixels.shape[:2]} while it was packed; pack the dataset again"
            )
        self._put("pixels", int(self.offset[index]), image.pixels)
        for name in ("mean", "covariance", "texture"):
            row = getattr(image, name)
            if name in self.places:
                row = row.astype(self.places[name].dtype)
                self._put(name, index * row.nbytes, row)
        self._put("packed", index, np.ones(1, np.uint8))

    def _put(self, name: str, offset: int, values: np.ndarray) -> None:
        data = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
        position = self.places[name].start + offset
        try:
            while data:
                written = os.pwrite(self.file, data, position)
                data, position = data[written:], position + written
        except OSError as error:
            raise DpamError(
                f"{self.path}: cannot be written: {error.strerror}; what is written is kept, the "
                "same command goes on from there"
            ) from error

    def finish(self, path: str | Path) -> None:
        """All images are written: give the pack its name.

        Raises:
            DpamError: the disk does not take it.
        """
        with writing(path):
            self.write_checksums()
            os.fsync(self.file)
            self.path.replace(path)


def join(shards: Sequence[str | Path], path: str | Path) -> None:
    """Join packs of consecutive images of one dataset into one; rows are copied as they are.

    Args:
        shards: the packs, in the order of their images.
        path: the pack to write.

    Raises:
        DpamError: a shard is missing, incomplete or made otherwise than the first, or the pack
            cannot be written.
    """
    packs = [Pack(shard) for shard in shards]
    first = packs[0]
    for pack in packs:
        if pack.settings | {"made_by": None} != first.settings | {"made_by": None}:
            raise DpamError(
                f"{pack.path}: made with other settings than {first.path}; remove both, they are "
                "made again"
            )
    starts = np.cumsum([0, *map(len, packs)])
    examples = {
        int(start) + index: pack.example(index)
        for start, pack in zip(starts, packs, strict=False)
        for index in pack.examples
    }
    labels = pd.concat([pack.labels for pack in packs], ignore_index=True)
    sizes = np.concatenate([np.stack([pack.height, pack.width], axis=1) for pack in packs])
    with atomic(path) as temporary:
        lay_out(temporary, labels, first.preparation, first.settings, sizes, examples)
        with PackWriter(temporary) as writer:
            written = dict.fromkeys(ROWS, 0)
            for pack in track(packs, "joining", unit="shard"):
                with pack:
                    for name, rows in pack.rows.items():
                        writer._put(name, written[name], rows)
                        written[name] += rows.nbytes
