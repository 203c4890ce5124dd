"""Batches of network inputs: crops, flips and the texture of crops."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dpam.filters import resize_cubic, texture
from dpam.preparation import Prepared, planes, resize
from dpam.store import Pack
from dpam.views import Views


@dataclass(frozen=True)
class Batch:
    """Inputs of B views.

    Attributes:
        image: (B, 3, S, S) uint8 RGB.
        texture: (B, 1, S, S) float32 in [0, 1], or [-1, 1] if signed.
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
    grain = torch.from_numpy(np.stack(stored)) if stored else texture(image, views[0].image.kind)
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
    full = texture(planes(image.pixels)[None], image.kind)
    grain = resize_cubic(full, size, size)[0].numpy()
    return replace(image, pixels=resize(image.pixels, size, size), texture=grain)


class Source(Protocol):
    """Makes training batches of a pack.

    Attributes:
        ahead: how many batches are worth making beside the one in use.
    """

    ahead: int

    def batch(self, rows: np.ndarray, place: np.ndarray, flip: np.ndarray) -> Batch:
        """Squares of the images in some rows of the pack.

        Args:
            rows: (B,) rows.
            place: (B, 2) where in [0, 1) the square lies between top and bottom, left and right.
            flip: (B,) bool, whether it is mirrored left-right.
        """
        ...


def batch_source(pack: Pack, device: torch.device) -> Source:
    """On a GPU that can hold the pack in half of its free memory, there; else on the processor."""
    on_gpu = device.type == "cuda"
    if on_gpu and pack.size <= torch.cuda.mem_get_info(device)[0] // 2:
        return DeviceSource(pack, device)
    return HostSource(pack, pin=on_gpu)


def corners(pack: Pack, rows: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Top and left of squares, (B,) int64 each; see `Source.batch`."""
    free = np.stack([pack.height[rows], pack.width[rows]], axis=1) - pack.preparation.image_size
    top, left = (place * (free + 1)).astype(np.int64).T
    return top, left


class HostSource:
    """Batches in the processor's memory, from the file mapped there; for a GPU, pinned."""

    ahead = 2

    def __init__(self, pack: Pack, pin: bool = False) -> None:
        self.pack, self.pin = pack, pin

    def batch(self, rows: np.ndarray, place: np.ndarray, flip: np.ndarray) -> Batch:
        """See `Source`."""
        from dpam.crops import cut, textures

        pack, size, b = self.pack, self.pack.preparation.image_size, len(rows)
        stored, n = pack.rows, self.pack.preparation.superpixels
        batch = Batch(
            image=torch.empty((b, 3, size, size), dtype=torch.uint8, pin_memory=self.pin),
            texture=torch.empty((b, 1, size, size), pin_memory=self.pin),
            mean=torch.empty((b, n, 3), pin_memory=self.pin),
            covariance=torch.empty((b, n, 6), pin_memory=self.pin),
        )
        image, grain = batch.image.numpy(), batch.texture.numpy()
        top, left = corners(pack, rows, place)
        cut(stored["pixels"], pack.offset[rows], pack.width[rows], top, left, flip, image)
        if "texture" in stored:
            for out, row, mirrored in zip(grain, rows, flip, strict=True):
                out[0] = stored["texture"][row][:, :: -1 if mirrored else 1]
        else:
            textures(image, pack.preparation.texture == "signed", grain)
        batch.mean.numpy()[:] = stored["mean"][rows]
        batch.covariance.numpy()[:] = stored["covariance"][rows]
        return batch


class DeviceSource:
    """Batches made on a device that holds the whole pack."""

    ahead = 0  # the device queues the work by itself

    def __init__(self, pack: Pack, device: torch.device) -> None:
        self.pack, self.device = pack, device
        self.stored = {
            name: uploaded(rows, device) for name, rows in pack.rows.items() if name != "packed"
        }
        size = pack.preparation.image_size
        self.across = 3 * torch.arange(size, device=device)
        self.down = torch.arange(size, device=device)[:, None]
        self.channel = torch.arange(3, device=device)[:, None, None]

    def batch(self, rows: np.ndarray, place: np.ndarray, flip: np.ndarray) -> Batch:
        """See `Source`."""
        pack = self.pack
        top, left = corners(pack, rows, place)
        width = 3 * pack.width[rows]
        numbers = np.stack([pack.offset[rows] + top * width + 3 * left, width, flip, rows])
        begin, width, mirrored, chosen = torch.from_numpy(numbers).to(self.device)
        index = begin.view(-1, 1, 1, 1) + width.view(-1, 1, 1, 1) * self.down + self.across
        image = self.stored["pixels"][index + self.channel]
        mirrored = mirrored.bool().view(-1, 1, 1, 1)
        image = torch.where(mirrored, image.flip(-1), image)
        if "texture" in self.stored:
            grain = self.stored["texture"][chosen][:, None].float()
            grain = torch.where(mirrored, grain.flip(-1), grain)
        else:
            grain = texture(image, pack.preparation.texture)
        return Batch(image, grain, self.stored["mean"][chosen], self.stored["covariance"][chosen])


def uploaded(rows: np.ndarray, device: torch.device, step: int = 2**24) -> Tensor:
    """A copy on a device, made `step` numbers at a time."""
    flat = rows.reshape(-1)
    copy = torch.empty(flat.shape, dtype=torch.from_numpy(flat[:0].copy()).dtype, device=device)
    for start in range(0, len(flat), step):
        part = slice(start, start + step)
        copy[part] = torch.from_numpy(flat[part].copy())
    return copy.view(rows.shape)


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

    def batches(self, source: Source, first: int = 0) -> Iterator[tuple[np.ndarray, Batch]]:
        """From batch `first` on: its rows of the pack, and the batch.

        While one is in use the next ones are made, by threads.
        """
        last = len(self.order) - self.batch_size
        starts = range(first * self.batch_size, last + 1, self.batch_size)

        def make(start: int) -> tuple[np.ndarray, Batch]:
            chosen = slice(start, start + self.batch_size)
            rows = self.order[chosen]
            return rows, source.batch(rows, self.place[chosen], self.flip[chosen])

        if not source.ahead:
            yield from map(make, starts)
            return
        waiting: deque[Future[tuple[np.ndarray, Batch]]] = deque()
        with ThreadPoolExecutor(source.ahead) as executor:
            for start in starts:
                waiting.append(executor.submit(make, start))
                if len(waiting) > source.ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
