"""From a photograph to what the network reads: pixels, texture, superpixel statistics."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dpam.imaging.filters import planes, resize, resize_cubic
from dpam.pack.preparation import (
    Preparation,
    Prepared,
    read_photograph,
    reading,
    select,
    stored_size,
)
from dpam.superpixels.methods import NONE, Segmentation, segment
from dpam.superpixels.statistics import label_map_statistics, sampled_statistics

CPU = torch.device("cpu")


def prepare_file(
    path: str | Path, preparation: Preparation, device: torch.device = CPU
) -> tuple[Prepared, Segmentation]:
    """Decode and prepare one image file.

    Raises:
        DpamError: as in `read_photograph`, or what the superpixel method needs is missing.
    """
    return prepare(read_photograph(path, preparation), preparation, device)


def prepare(
    rgb: np.ndarray, preparation: Preparation, device: torch.device = CPU
) -> tuple[Prepared, Segmentation]:
    """One photograph, (H, W, 3) uint8 RGB, both sides at least 32; see `prepare_all`."""
    return prepare_all([rgb], preparation, device)[0]


def prepare_all(
    photographs: Sequence[np.ndarray], preparation: Preparation, device: torch.device = CPU
) -> list[tuple[Prepared, Segmentation]]:
    """Everything that the network needs to know of photographs, and how they were segmented.

    Args:
        photographs: each (H, W, 3) uint8 RGB, both sides at least 32.
        preparation: how.
        device: where the networks of RIM and AINet run; RIM takes all photographs at once.

    Raises:
        DpamError: what the superpixel method needs is missing.
    """
    segmentations = segment(photographs, preparation, device)
    return [
        (complete(rgb, segmentation, preparation), segmentation)
        for rgb, segmentation in zip(photographs, segmentations, strict=True)
    ]


def complete(rgb: np.ndarray, segmentation: Segmentation, preparation: Preparation) -> Prepared:
    """A photograph with the statistics of its superpixels, its texture and its pixels."""
    height, width = rgb.shape[:2]
    mean, covariance = statistics(segmentation, preparation)
    size = preparation.image_size
    pixels, whole = rgb, None
    if preparation.keeps_texture:
        from dpam.imaging.crops import textures

        full = torch.empty(1, 1, height, width)
        textures(planes(rgb)[None].numpy(), preparation.texture == "signed", full.numpy())
        whole = resize_cubic(full, size, size)[0].numpy()
    if (stored := stored_size(height, width, preparation)) != (height, width):
        pixels = resize(rgb, stored[1], stored[0], preparation.resize)
    return Prepared(pixels, whole, mean, covariance, **reading(preparation))


def statistics(segmentation: Segmentation, preparation: Preparation) -> tuple[np.ndarray, ...]:
    """Mean colours (N, 3) and covariances (N, 6) of the superpixels that the network sees."""
    if preparation.method == NONE:
        return np.empty((0, 3), np.float32), np.empty((0, 6), np.float32)
    label_map, colours = segmentation.label_map, segmentation.image[..., ::-1]
    if preparation.sample:
        mean, covariance = sampled_statistics(label_map, colours, preparation.sample)
    else:
        mean, covariance = label_map_statistics(label_map, colours)
    chosen = select(len(mean), preparation.superpixels)
    return mean[chosen].astype(np.float32), covariance[chosen].astype(np.float32)
