"""Batches of network inputs: crops, flips and the texture of crops."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dpam.images import resize_cubic, texture
from dpam.preparation import Prepared, planes, resize
from dpam.store import Pack

Views = int | Literal["whole"]
VIEWS: tuple[Views, ...] = ("whole", 1, 4, 5, 9, 16, 25)  # what may be chosen, see `fixed_views`


@dataclass(frozen=True)
class Batch:
    """Inputs of B views.

    Attributes:
        image: (B, 3, S, S) uint8 RGB.
        texture: (B, 1, S, S) float32 in [0, 1].
        mean: (B, N, 3) float32.
        covariance: (B, N, 6) float32.
    """

    image: Tensor
    texture: Tensor
    mean: Tensor
    covariance: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


@dataclass(frozen=True)
class View:
    """A square of a prepared image, mirrored left-right or not."""

    image: Prepared
    top: int = 0
    left: int = 0
    flip: bool = False


def collate(views: Sequence[View], size: int) -> Batch:
    """Cut the views, size x size each, and stack them."""
    squares = [
        view.image.pixels[view.top : view.top + size, view.left : view.left + size]
        for view in views
    ]
    image = torch.stack([planes(square) for square in squares])
    stored = [view.image.texture for view in views if view.image.texture is not None]
    grain = torch.from_numpy(np.stack(stored)) if stored else texture(image)
    flip = torch.tensor([view.flip for view in views]).view(-1, 1, 1, 1)
    return Batch(
        image=torch.where(flip, image.flip(-1), image),
        texture=torch.where(flip, grain.flip(-1), grain),
        mean=torch.from_numpy(np.stack([view.image.mean for view in views])),
        covariance=torch.from_numpy(np.stack([view.image.covariance for view in views])),
    )


def fixed_views(image: Prepared, size: int, views: Views) -> list[View]:
    """The same views of an image each time, no place twice.

    Args:
        image: an image that was prepared whole has one view, itself, whatever is asked for.
        size: side of the view.
        views: 1, the centre; 5, the centre and the four corners; another square number n * n, a
            grid of n x n from corner to corner; "whole", the image resized to size x size, with
            the texture of the whole, as images that are prepared whole.
    """
    if views == "whole":
        return [View(image if image.texture is not None else whole(image, size))]
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
    grain = resize_cubic(texture(planes(image.pixels)[None]), size, size)[0].numpy()
    pixels = resize(image.pixels, size, size)
    return Prepared(pixels, grain, image.mean, image.covariance)


@dataclass(frozen=True)
class EpochPlan:
    """One epoch in random order, all of its chance drawn beforehand.

    Attributes:
        order: (n,) rows of the pack.
        place: (n, 2) where in [0, 1) the crop lies between top and bottom, left and right.
        flip: (n,) whether it is mirrored.
        batch_size: images per batch; an incomplete last batch is left out.
    """

    order: np.ndarray
    place: np.ndarray
    flip: np.ndarray
    batch_size: int

    @classmethod
    def draw(
        cls, rows: np.ndarray, batch_size: int, flip: float, seed: Sequence[int]
    ) -> "EpochPlan":
        """Draw order, places and flips; `flip` is the probability of one."""
        generator = np.random.default_rng(seed)
        order = generator.permutation(rows)
        place = generator.random((len(rows), 2))
        return cls(order, place, generator.random(len(rows)) < flip, batch_size)

    def batches(self, pack: Pack, first: int = 0) -> Iterator[tuple[np.ndarray, Batch]]:
        """From batch `first` on: its rows of the pack, and the batch."""
        size = pack.preparation.image_size
        last = len(self.order) - self.batch_size
        for start in range(first * self.batch_size, last + 1, self.batch_size):
            chosen = slice(start, start + self.batch_size)
            views = []
            for row, place, flip in zip(
                self.order[chosen], self.place[chosen], self.flip[chosen], strict=True
            ):
                image = pack.prepared(int(row))
                free = np.array(image.pixels.shape[:2]) - size
                top, left = (place * (free + 1)).astype(int)
                views.append(View(image, int(top), int(left), bool(flip)))
            yield self.order[chosen], collate(views, size)
