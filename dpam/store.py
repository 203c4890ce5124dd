"""The pack: one HDF5 file with all that training and testing read of a dataset.

Layout (n images, N superpixels, S the network's input size):

    settings                 attribute, JSON: dataset, title, label kind, preparation, versions
    labels/<column>          (n,) the labels table, a dataset per column
    pixels                   (bytes,) uint8 RGB of all images one after the other
    offset, height, width    (n,) where each image begins, and its size
    texture                  (n, S, S) float16; only where whole images are the input
    mean, covariance         (n, N, 3), (n, N, 6) float32
    examples/<index>/        a few images as they were segmented, with their label maps
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import pandas as pd

from dpam.errors import DpamError
from dpam.files import atomic
from dpam.preparation import Preparation, Prepared, Segmentation

FORMAT = "dpam-pack-1"
EXAMPLES = 6
TEXT = h5py.string_dtype()


class PackWriter:
    """Appends prepared images, in the order of the labels table, to an open HDF5 file."""

    def __init__(
        self,
        file: h5py.File,
        labels: pd.DataFrame,
        preparation: Preparation,
        settings: dict[str, Any],
    ) -> None:
        self.file = file
        self.count = 0
        # Evenly spaced over the range of quality: what figures show of the dataset.
        order = np.argsort(labels["score"].to_numpy(), kind="stable")
        self.examples = set(order[np.linspace(0, len(order) - 1, EXAMPLES).astype(int)].tolist())

        file.attrs["format"] = FORMAT
        file.attrs["settings"] = json.dumps(settings)
        for column in labels:
            text = labels[column].dtype.kind not in "if"
            values = labels[column].astype(str) if text else labels[column]
            file.create_dataset(f"labels/{column}", data=values, dtype=TEXT if text else None)
        file["labels"].attrs["columns"] = list(labels.columns)
        n, size, superpixels = len(labels), preparation.image_size, preparation.superpixels
        file.create_dataset("pixels", (0,), np.uint8, maxshape=(None,), chunks=(2**18,))
        for name in ("offset", "height", "width"):
            file.create_dataset(name, (n,), np.int64)
        file.create_dataset("mean", (n, superpixels, 3), np.float32)
        file.create_dataset("covariance", (n, superpixels, 6), np.float32)
        if preparation.network_input == "whole":
            file.create_dataset("texture", (n, size, size), np.float16, chunks=(1, size, size))

    def append(self, image: Prepared, segmentation: Segmentation) -> None:
        """Add the next image."""
        index, pixels = self.count, self.file["pixels"]
        offset = pixels.shape[0]
        pixels.resize((offset + image.pixels.size,))
        pixels[offset:] = image.pixels.reshape(-1)
        self.file["offset"][index] = offset
        self.file["height"][index], self.file["width"][index] = image.pixels.shape[:2]
        self.file["mean"][index] = image.mean
        self.file["covariance"][index] = image.covariance
        if image.texture is not None:
            self.file["texture"][index] = image.texture[0]
        if index in self.examples:
            group = self.file.create_group(f"examples/{index}")
            for name, data in vars(segmentation).items():
                group.create_dataset(name, data=data, compression="gzip", shuffle=True)
        self.count += 1


def write_pack(
    path: str | Path,
    labels: pd.DataFrame,
    preparation: Preparation,
    settings: dict[str, Any],
    images: Iterable[tuple[Prepared, Segmentation]],
) -> None:
    """Write a pack; it appears under its name only when it is complete.

    Args:
        path: the file to make.
        labels: the labels table, one row per image.
        preparation: how `images` were made.
        settings: dataset, title, label kind and whatever else should travel; JSON-able.
        images: prepared images in the order of `labels`.

    Raises:
        DpamError: the file cannot be written.
    """
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        writer = PackWriter(file, labels, preparation, settings)
        for image, segmentation in images:
            writer.append(image, segmentation)
        assert writer.count == len(labels), f"{writer.count} images for {len(labels)} labels"


class Pack:
    """A pack open for reading.

    Attributes:
        labels: the labels table, one row per image.
        settings: what travels with the pack.
        preparation: how its images were made.
        examples: indices of the images whose label maps are kept, best quality first.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.file = h5py.File(path, "r")
        except FileNotFoundError as error:
            raise DpamError(f"{path}: no such file; pack_superpixels makes it") from error
        except OSError as error:
            raise DpamError(f"{path}: expected a pack (HDF5), found something else") from error
        if self.file.attrs.get("format") != FORMAT:
            raise DpamError(f"{path}: HDF5, but not a pack of this version; pack the dataset again")
        self.settings: dict[str, Any] = json.loads(self.file.attrs["settings"])
        self.preparation = Preparation.from_json(self.settings["preparation"])
        self.labels = pd.DataFrame(
            {
                column: self._column(self.file[f"labels/{column}"])
                for column in self.file["labels"].attrs["columns"]
            }
        )
        self.offset, self.height, self.width = (
            self.file[name][:] for name in ("offset", "height", "width")
        )
        indices = [int(name) for name in self.file.get("examples", {})]
        scores = self.labels["score"]
        self.examples = sorted(indices, key=lambda index: (-scores[index], index))

    @staticmethod
    def _column(data: h5py.Dataset) -> np.ndarray:
        text = h5py.check_string_dtype(data.dtype) is not None
        return np.asarray(data.asstr()[:] if text else data[:])

    def __len__(self) -> int:
        return len(self.labels)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.file.close()

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        height, width = int(self.height[index]), int(self.width[index])
        start = int(self.offset[index])
        return np.asarray(self.file["pixels"][start : start + height * width * 3]).reshape(
            height, width, 3
        )

    def mean(self, index: int) -> np.ndarray:
        """(N, 3) float32 mean colours of the superpixels."""
        return np.asarray(self.file["mean"][index])

    def covariance(self, index: int) -> np.ndarray:
        """(N, 6) float32 covariances of the superpixels' colours."""
        return np.asarray(self.file["covariance"][index])

    def texture(self, index: int) -> np.ndarray | None:
        """(1, S, S) float32 where whole images are the input; None for crops."""
        if "texture" not in self.file:
            return None
        return np.asarray(self.file["texture"][index], dtype=np.float32)[None]

    def prepared(self, index: int) -> Prepared:
        """One image, ready for the network."""
        return Prepared(
            self.image(index), self.texture(index), self.mean(index), self.covariance(index)
        )

    def example(self, index: int) -> Segmentation:
        """How one of `examples` was segmented."""
        group = self.file[f"examples/{index}"]
        return Segmentation(np.asarray(group["image"]), np.asarray(group["label_map"]))
