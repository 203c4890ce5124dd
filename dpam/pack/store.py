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

Every dataset that grows with n is contiguous, uncompressed and has its full size from the start, so
that a row has a place in the file. `dpam.pack.writing` writes rows there, and readers map the file
to memory. Any HDF5 program reads the file as well. What the places buy over h5py on the same file
(`make bench-reading`, "rows alone"): an image's rows cost a core 0.04 ms and not 0.13 where images
are kept whole, and 0.06 ms and not 0.19 where a square is cut from one, as nothing else is read; a
batch ready for the network takes 0.2 ms per image in all. Threads read at the same time, which
HDF5 does not let them.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import h5py
import numpy as np
import pandas as pd

from dpam.errors import DpamError
from dpam.pack.checksum import checksum, read_checksum
from dpam.pack.preparation import Preparation, Prepared, reading
from dpam.superpixels.methods import Segmentation

ROWS = ("pixels", "texture", "mean", "covariance", "packed")  # what is written image by image

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
