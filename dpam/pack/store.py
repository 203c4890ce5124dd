"""The pack: one HDF5 file with all that training and testing read of a dataset.

Layout (n images, N superpixels, S the network's input size):

    checksum                 in HDF5's user block, text: format, where the rows of images lie, and
                             checksums of them and of all else; written when the pack is complete
    settings                 attribute, JSON: dataset, title, label kind, preparation, versions
    labels/<column>          (n,) the labels table, a dataset per column
    pixels                   (bytes,) uint8 RGB of all images one after the other
    offset, height, width    (n,) where each image begins, and its size
    texture                  (n, S, S) float16; only where images are kept in the network's size
    mean, covariance         (n, N, 3), (n, N, 6) float32; not without superpixels
    packed                   (n,) uint8, whether the image's rows are written
    examples/<index>/        a few images as they were segmented, with their label maps

Every dataset that grows with n is contiguous, uncompressed and has its full size from the start.
So images are written in any order and by any number of processes, straight into their places; a
writer that is killed leaves a file that is whole, `packed` says how far; and readers map the file
to memory. HDF5 itself must not meet a damaged file, on which it may hang or answer anything.
"""

import errno
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import h5py
import numpy as np
import pandas as pd

from dpam.errors import DpamError
from dpam.pack.preparation import Preparation, Prepared, reading
from dpam.superpixels.methods import Segmentation
from dpam.utils.files import atomic, cannot_be_read, writing
from dpam.utils.progress import track

FORMAT = "dpam-pack-4"
USER_BLOCK = 512  # bytes before HDF5
UNFINISHED = bytes(USER_BLOCK)  # what they are until all images are written
CHECKED = 1 << 20  # bytes at a time
ROOM = 2**20  # bytes for what HDF5 adds of its own
EXAMPLES = 6
TEXT = h5py.string_dtype()
ROWS = ("pixels", "texture", "mean", "covariance", "packed")  # what is written image by image
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Without HDF5's own locks, which some network drives do not know. A pack is made by one process
# under a hidden name, and what several write at a time are rows in their places.
hdf5 = partial(h5py.File, locking=False)


class Place(NamedTuple):
    """Where a contiguous dataset lies in its file, bytes from the start, and how."""

    start: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def places(file: h5py.File, path: Path) -> dict[str, Place]:
    """The places of ROWS.

    Raises:
        DpamError: some other program has stored the datasets in another form.
    """
    found = {}
    for name in ROWS:
        if name in file:
            data = file[name]
            start = data.id.get_offset()
            if start is None:
                raise DpamError(
                    f"{path}: {name} is not stored contiguously; pack the dataset again"
                )
            found[name] = Place(start, data.dtype, data.shape)
    return found


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


Ranges = Sequence[tuple[int, int]]


def checksums(path: Path, rows: Ranges) -> tuple[int, int]:
    """CRC-32 of all of a pack but the user block and the rows of images, and of these."""
    return checksum(path, rest_of(path, rows)), checksum(path, rows)


def checksum(path: Path, ranges: Ranges) -> int:
    """CRC-32 of some ranges of a file, one after the other."""
    found = 0
    with path.open("rb") as file:  # not mapped: all of it would count as memory of this process
        for start, end in ranges:
            file.seek(start)
            while start < end and (block := file.read(min(CHECKED, end - start))):
                found = zlib.crc32(block, found)
                start += len(block)
    return found


def rest_of(path: Path, rows: Ranges) -> Ranges:
    """What lies before, between and behind the rows of images."""
    edges = [USER_BLOCK, *(edge for pair in rows for edge in pair), path.stat().st_size]
    return list(zip(edges[::2], edges[1::2], strict=True))


class RowsChecksum(NamedTuple):
    """Ranges of the file where the rows of images lie, and their checksum."""

    rows: Ranges
    crc: int


def read_checksum(path: Path) -> RowsChecksum:
    """The checksum of the rows of images of a pack whose other bytes are as they were written.

    Raises:
        DpamError: the file is missing, no pack, not complete, or damaged.
    """
    try:
        with path.open("rb") as file:
            line = file.read(USER_BLOCK)
    except OSError as error:
        raise cannot_be_read(path, error, "pack_superpixels makes it") from error
    words = line.rstrip(b"\0").decode("ascii", "replace").split()
    if line == UNFINISHED:
        raise DpamError(f"{path}: not complete; run pack_superpixels again, it goes on from there")
    if line.startswith(b"\x89HDF"):
        raise DpamError(f"{path}: HDF5, but not a pack of this version; pack the dataset again")
    if not line.startswith(b"dpam-pack-"):
        raise DpamError(f"{path}: expected a pack (HDF5), found something else")
    if words[0] != FORMAT:
        raise DpamError(
            f"{path}: expected a pack of format {FORMAT}, found {words[0]}; pack the dataset again"
        )
    try:
        size, rest, of_rows, *edges = map(int, words[1:])
        rows = list(zip(edges[::2], edges[1::2], strict=True))
        intact = path.stat().st_size == size and checksum(path, rest_of(path, rows)) == rest
    except ValueError:
        intact = False
    if not intact:
        raise DpamError(f"{path}: damaged, its checksum is wrong; pack the dataset again")
    return RowsChecksum(rows, of_rows)


def write_pack(
    path: str | Path,
    labels: pd.DataFrame,
    preparation: Preparation,
    settings: dict[str, Any],
    images: Iterable[tuple[Prepared, Segmentation]],
) -> None:
    """Write a pack of images that are held in memory; see `lay_out`.

    Args:
        images: prepared images in the order of `labels`.

    Raises:
        DpamError: the file cannot be written.
    """
    pairs = list(images)
    assert len(pairs) == len(labels), f"{len(pairs)} images for {len(labels)} labels"
    sizes = np.array([image.pixels.shape[:2] for image, _ in pairs])
    examples = {row: pairs[row][1] for row in example_rows(labels)}
    with atomic(path) as temporary:
        lay_out(temporary, labels, preparation, settings, sizes, examples)
        with PackWriter(temporary) as writer:
            for index, (image, _) in enumerate(pairs):
                writer.write(index, image)


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


class Pack:
    """A pack for reading.

    The file is mapped to memory at the first access to its images, in each process by itself: a
    pack may be pickled, and used after a fork.

    Attributes:
        labels: the labels table, one row per image.
        settings: what travels with the pack.
        preparation: how its images were made.
        examples: indices of the images whose label maps are kept, best quality first.
        offset, height, width: (n,) where each image begins in `pixels`, and its size.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checksum = read_checksum(self.path)
        with hdf5(path, "r") as file:
            self.settings: dict[str, Any] = json.loads(file.attrs["settings"])
            self.preparation = Preparation.from_json(self.settings["preparation"])
            self.labels = pd.DataFrame(
                {
                    column: self._column(file[f"labels/{column}"])
                    for column in file["labels"].attrs["columns"]
                }
            )
            self.offset, self.height, self.width = (
                file[name][:] for name in ("offset", "height", "width")
            )
            self.places = places(file, self.path)
            indices = [int(name) for name in file.get("examples", {})]
        label = self.labels["label"]
        self.examples = sorted(indices, key=lambda index: (-label[index], index))
        self._rows: dict[str, np.ndarray] | None = None

    @staticmethod
    def _column(data: h5py.Dataset) -> np.ndarray:
        text = h5py.check_string_dtype(data.dtype) is not None
        return np.asarray(data.asstr()[:] if text else data[:])

    def __len__(self) -> int:
        return len(self.labels)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._rows = None

    def check(self) -> None:
        """Read all rows of images once, about a second per gigabyte.

        Raises:
            DpamError: they are not as they were written.
        """
        if checksum(self.path, self.checksum.rows) != self.checksum.crc:
            raise DpamError(f"{self.path}: damaged, its checksum is wrong; pack the dataset again")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_rows": None}

    @property
    def size(self) -> int:
        """Bytes of all images' rows."""
        return sum(
            int(np.prod(place.shape)) * place.dtype.itemsize for place in self.places.values()
        )

    @property
    def rows(self) -> dict[str, np.ndarray]:
        """The datasets ROWS as read-only arrays that lie in the file."""
        if self._rows is None:
            file = np.memmap(self.path, np.uint8, "r")
            self._rows = {
                name: np.ndarray(place.shape, place.dtype, file, place.start)
                for name, place in self.places.items()
            }
        return self._rows

    @property
    def mean(self) -> np.ndarray:
        """(n, N, 3) float32."""
        return self.rows.get("mean", np.empty((len(self), 0, 3), np.float32))

    @property
    def covariance(self) -> np.ndarray:
        """(n, N, 6) float32."""
        return self.rows.get("covariance", np.empty((len(self), 0, 6), np.float32))

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        height, width = int(self.height[index]), int(self.width[index])
        start = int(self.offset[index])
        pixels = self.rows["pixels"][start : start + height * width * 3]
        return pixels.reshape(height, width, 3)

    def texture(self, index: int) -> np.ndarray | None:
        """(1, S, S) float32 where the pack keeps it, else None."""
        if "texture" not in self.places:
            return None
        return np.asarray(self.rows["texture"][index], np.float32)[None]

    def prepared(self, index: int) -> Prepared:
        """One image, ready for the network."""
        return Prepared(
            self.image(index),
            self.texture(index),
            self.mean[index],
            self.covariance[index],
            **reading(self.preparation),
        )

    def example(self, index: int) -> Segmentation:
        """How one of `examples` was segmented."""
        with hdf5(self.path, "r") as file:
            group = file[f"examples/{index}"]
            return Segmentation(np.asarray(group["image"]), np.asarray(group["label_map"]))
