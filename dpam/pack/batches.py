"""Batches of network inputs: crops, flips and the texture of crops.

Those of a training are read from its pack by `dpam.training.batch_sources`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dpam.imaging.filters import planes, resize, resize_cubic, texture
from dpam.pack.preparation import Prepared
from dpam.pack.views import Views


@dataclass(frozen=True)
class Batch:
    """Inputs of B views.

    Attributes:
        image: (B, 3, S, S) uint8 RGB.
        texture: (B, 1, S, S) float32 in [0, 1], or [-1, 1] if signed; without texture,
            (B, 1, 0, 0).
        mean: (B, N, 3) float32.
        covariance: (B, N, 6) float32.
    """

    image: Tensor
    texture: Tensor
    mean: Tensor
    covariance: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device; what is pinned goes there while other work goes on."""
        beside = device.type == "cuda"
        return Batch(
            **{name: tensor.to(device, non_blocking=beside) for name, tensor in vars(self).items()}
        )


@dataclass(frozen=True)
class View:
    """A square of a prepared image, or all of it, mirrored left-right or not."""

    image: Prepared
    top: int = 0
    left: int = 0
    flip: bool = False

    def extent(self, size: int) -> tuple[int, int]:
        """Height and width of what is read, which becomes size x size."""
        height, width = self.image.pixels.shape[:2]
        return (height, width) if self.image.whole else (size, size)


def collate(views: Sequence[View], size: int) -> Batch:
    """Cut the views, resize them where they are not size x size, and stack them."""
    squares = []
    for view in views:
        height, width = view.extent(size)
        cut = view.image.pixels[view.top : view.top + height, view.left : view.left + width]
        squares.append(planes(resize(cut, size, size, view.image.resize)))
    image = torch.stack(squares)
    stored = [view.image.texture for view in views if view.image.texture is not None]
    grain = torch.from_numpy(np.stack(stored)) if stored else grain_of(image, views[0].image.kind)
    flip = torch.tensor([view.flip for view in views]).view(-1, 1, 1, 1)
    return Batch(
        image=torch.where(flip, image.flip(-1), image),
        texture=torch.where(flip, grain.flip(-1), grain),
        mean=torch.from_numpy(np.stack([view.image.mean for view in views])),
        covariance=torch.from_numpy(np.stack([view.image.covariance for view in views])),
    )


def grain_of(image: Tensor, kind: str) -> Tensor:
    """The texture of images (B, 3, S, S) uint8; of the kind "none", nothing."""
    return torch.empty(len(image), 1, 0, 0) if kind == "none" else texture(image, kind)


def fixed_views(image: Prepared, size: int, views: Views) -> list[View]:
    """The same views of an image each time, no place twice.

    Args:
        image: an image that was prepared whole has one view, itself, whatever is asked for.
        size: side of the view.
        views: 1, the centre; 5, the centre and the four corners; another square number n * n, a
            grid of n x n from corner to corner; "whole", the image resized to size x size, with
            the texture of the whole, as images that are prepared whole.
    """
    if image.whole:
        return [View(image)]
    if views == "whole":
        return [View(whole(image, size))]
    down, right = image.pixels.shape[0] - size, image.pixels.shape[1] - size
    places = [(down // 2, right // 2)]
    if views == 5:
        places += [(top, left) for top in (0, down) for left in (0, right)]
    elif views > 1:
        side = math.isqrt(views)
        steps = [step / (side - 1) for step in range(side)]
        places = [(round(down * y), round(right * x)) for y in steps for x in steps]
    return [View(image, top, left) for top, left in dict.fromkeys(places)]


def whole(image: Prepared, size: int) -> Prepared:
    """An image prepared for crops, as it would be had it been prepared whole."""
    full = texture(planes(image.pixels)[None], image.kind)
    grain = resize_cubic(full, size, size)[0].numpy()
    pixels = resize(image.pixels, size, size, image.resize)
    return replace(image, pixels=pixels, texture=grain, whole=True)
