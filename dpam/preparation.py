"""From one photograph to what the network reads: pixels, texture, superpixel statistics."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from dpam.errors import DpamError
from dpam.images import decode, resize_cubic, texture
from dpam.superpixels.slico import BACKENDS, resized_by_opencv, slico
from dpam.superpixels.statistics import label_map_statistics

METHODS = ("slic",)
SMALLEST = 32  # pixels, the shorter side of a photograph


@dataclass(frozen=True)
class Preparation:
    """How photographs become inputs. Travels with every pack and every checkpoint.

    Attributes:
        network_input: "whole", the photograph resized to image_size x image_size (released for
            authentic datasets), or "crop", squares cut from it as stored (synthetic datasets).
        image_size: side of the network's square input, pixels.
        method: superpixel method.
        superpixels: how many superpixels the network sees, N.
        superpixel_size: (width, height) to resize to before segmenting; None: as stored.
        region_size: side of SLIC's initial cells, pixels.
        ruler: SLIC's compactness.
        iterations: SLIC's rounds.
        backend: what computes SLIC; the default is what packs without this entry were made with.
    """

    network_input: str
    image_size: int
    method: str
    superpixels: int
    superpixel_size: tuple[int, int] | None
    region_size: int
    ruler: float
    iterations: int
    backend: str = "scikit-image"

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> Self:
        """Preparation from what `vars` of one became in JSON, where tuples are lists."""
        size = settings["superpixel_size"]
        return cls(**{**settings, "superpixel_size": tuple(size) if size else None})

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DpamError(
                f"superpixel method '{self.method}' is not available; choose from: "
                + ", ".join(METHODS)
            )
        if self.backend not in BACKENDS:
            raise DpamError(
                f"superpixel backend '{self.backend}' is not available; choose from: "
                + ", ".join(BACKENDS)
            )
        if self.network_input not in ("whole", "crop"):
            raise DpamError(f"network_input: expected whole or crop, found {self.network_input!r}")


@dataclass(frozen=True)
class Prepared:
    """One photograph, ready for the network.

    Attributes:
        pixels: (H, W, 3) uint8 RGB; image_size x image_size for whole images, else as stored.
        texture: (1, image_size, image_size) float32 for whole images; None for crops, whose
            texture depends on the crop.
        mean: (N, 3) float32 mean colours of the superpixels, BGR in [0, 1].
        covariance: (N, 6) float32, upper triangle row by row.
    """

    pixels: np.ndarray
    texture: np.ndarray | None
    mean: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Segmentation:
    """The image that was segmented, (h, w, 3) uint8 RGB, and its label map, (h, w) uint16."""

    image: np.ndarray
    label_map: np.ndarray


def planes(image: np.ndarray) -> Tensor:
    """(H, W, 3) array as (3, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize (H, W, 3) uint8 with OpenCV's cubic kernel."""
    return resize_cubic(planes(image), height, width).numpy().transpose(1, 2, 0)


def select(count: int, wanted: int) -> np.ndarray:
    """Evenly spaced picks among `count` superpixels, as released; with repeats if too few."""
    return np.linspace(0, count - 1, wanted).astype(np.int64)


def prepare_file(path: str | Path, preparation: Preparation) -> tuple[Prepared, Segmentation]:
    """Decode and prepare one image file.

    Raises:
        DpamError: the file cannot be decoded, or the photograph is smaller than 32 x 32.
    """
    rgb = decode(path)
    height, width = rgb.shape[:2]
    if min(height, width) < SMALLEST:
        raise DpamError(
            f"{path}: the image is {width}x{height}; at least {SMALLEST}x{SMALLEST} is needed"
        )
    return prepare(rgb, preparation)


def prepare(rgb: np.ndarray, preparation: Preparation) -> tuple[Prepared, Segmentation]:
    """Everything that the network needs to know of one photograph, and how it was segmented.

    Args:
        rgb: (H, W, 3) uint8, both sides at least 32.
        preparation: how.
    """
    height, width = rgb.shape[:2]
    segmented = rgb
    if preparation.superpixel_size is not None:
        by_opencv = preparation.backend == "opencv"
        segmented = (resized_by_opencv if by_opencv else resize)(rgb, *preparation.superpixel_size)
    label_map = slico(
        segmented,
        preparation.region_size,
        preparation.ruler,
        preparation.iterations,
        preparation.backend,
    )
    mean, covariance = label_map_statistics(label_map, segmented[..., ::-1])
    chosen = select(len(mean), preparation.superpixels)

    size = preparation.image_size
    if preparation.network_input == "whole":
        whole = resize_cubic(texture(planes(rgb)[None]), size, size)[0].numpy()
        pixels = resize(rgb, size, size)
    else:
        whole = None
        short = min(height, width)
        pixels = rgb
        if short < size:
            pixels = resize(rgb, round(width * size / short), round(height * size / short))
    prepared = Prepared(
        pixels=pixels,
        texture=whole,
        mean=mean[chosen].astype(np.float32),
        covariance=covariance[chosen].astype(np.float32),
    )
    return prepared, Segmentation(segmented, label_map)
