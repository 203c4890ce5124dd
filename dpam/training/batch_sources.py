"""Training batches, made of a pack by the processor or by a GPU."""

import os

import numpy as np
import torch
from torch import Tensor

from dpam.imaging.distortions import degrade
from dpam.imaging.filters import resize
from dpam.pack.batches import Batch, grain_of
from dpam.pack.joined import AnyPack, JoinedPack, thin
from dpam.pack.preparation import reading
from dpam.pack.store import Pack
from dpam.training.augmentation import RandomViews, Source


def batch_source(pack: AnyPack, device: torch.device) -> Source:
    """On a GPU that can hold the pack in half of its free memory, there; else on the processor.

    Images that are kept in full are always resized by the processor. Of several packs each has its
    own source.
    """
    if isinstance(pack, JoinedPack):
        return JoinedSource(pack, device)
    on_gpu = device.type == "cuda"
    if pack.preparation.in_full:
        return ResizingSource(pack, pin=on_gpu)
    if on_gpu and pack.size <= torch.cuda.mem_get_info(device)[0] // 2:
        return DeviceSource(pack, device)
    return HostSource(pack, pin=on_gpu)


def corners(pack: Pack, chance: RandomViews) -> tuple[np.ndarray, np.ndarray]:
    """Top and left of squares, (B,) int64 each."""
    rows = chance.rows
    free = np.stack([pack.height[rows], pack.width[rows]], axis=1) - pack.preparation.image_size
    top, left = (chance.place * (free + 1)).astype(np.int64).T
    return top, left


class HostSource:
    """Batches in the processor's memory, from the file mapped there; for a GPU, pinned."""

    ahead = 2

    def __init__(self, pack: Pack, pin: bool = False) -> None:
        self.pack, self.pin = pack, pin

    def batch(self, chance: RandomViews) -> Batch:
        """See `Source`."""
        pack, size, b = self.pack, self.pack.preparation.image_size, len(chance.rows)
        n, side = pack.preparation.superpixels, size * (pack.preparation.method != "none")
        batch = Batch(
            image=torch.empty((b, 3, size, size), dtype=torch.uint8, pin_memory=self.pin),
            texture=torch.empty((b, 1, side, side), pin_memory=self.pin),
            mean=torch.empty((b, n, 3), pin_memory=self.pin),
            covariance=torch.empty((b, n, 6), pin_memory=self.pin),
        )
        self.cut(chance, batch.image.numpy())
        if side:
            self.texture(chance, batch.image.numpy(), batch.texture.numpy())
        batch.mean.numpy()[:] = pack.mean[chance.rows]
        batch.covariance.numpy()[:] = pack.covariance[chance.rows]
        return batch

    def cut(self, chance: RandomViews, image: np.ndarray) -> None:
        """Fill (B, 3, S, S) uint8 with squares."""
        from dpam.imaging.crops import cut

        pack, rows = self.pack, chance.rows
        where = pack.offset[rows], pack.width[rows], *corners(pack, chance)
        cut(pack.rows["pixels"], *where, chance.flip, image)

    def texture(self, chance: RandomViews, image: np.ndarray, grain: np.ndarray) -> None:
        """Fill (B, 1, S, S) float32 with the texture of the squares (B, 3, S, S) uint8."""
        from dpam.imaging.crops import textures

        if "texture" in self.pack.rows:
            for out, row, mirrored in zip(grain, chance.rows, chance.flip, strict=True):
                out[0] = self.pack.rows["texture"][row][:, :: -1 if mirrored else 1]
        else:
            textures(image, self.pack.preparation.texture == "signed", grain)


class ResizingSource(HostSource):
    """Batches of images that are kept in full: parts of them, degraded or not, are resized."""

    def __init__(self, pack: Pack, pin: bool = False) -> None:
        super().__init__(pack, pin)
        if pin:  # a GPU must not wait for the processor's threads
            self.ahead = max(2, min(16, os.cpu_count() or 1))

    def cut(self, chance: RandomViews, image: np.ndarray) -> None:
        """Fill (B, 3, S, S) uint8 with the views."""
        size, how = image.shape[-1], self.pack.preparation.resize
        columns = vars(chance).values()
        for out, (row, place, flip, share, fault) in zip(
            image, zip(*columns, strict=True), strict=True
        ):
            rgb = self.pack.image(int(row))
            if fault is not None:
                rgb = degrade(rgb, *fault)
            sides = np.array(rgb.shape[:2])
            height, width = np.maximum(1, (share * sides).round().astype(int))
            top, left = (place * (sides - (height, width) + 1)).astype(int)
            square = resize(rgb[top : top + height, left : left + width], size, size, how)
            out[:] = square[:, :: -1 if flip else 1].transpose(2, 0, 1)


class DeviceSource:
    """Batches made on a device that holds the whole pack."""

    ahead = 0  # the device queues the work by itself

    def __init__(self, pack: Pack, device: torch.device) -> None:
        self.pack, self.device = pack, device
        self.stored = {
            name: upload(rows, device) for name, rows in pack.rows.items() if name != "packed"
        }
        size = pack.preparation.image_size
        self.across = 3 * torch.arange(size, device=device)
        self.down = torch.arange(size, device=device)[:, None]
        self.channel = torch.arange(3, device=device)[:, None, None]

    def batch(self, chance: RandomViews) -> Batch:
        """See `Source`."""
        pack, rows = self.pack, chance.rows
        top, left = corners(pack, chance)
        width = 3 * pack.width[rows]
        numbers = np.stack([pack.offset[rows] + top * width + 3 * left, width, chance.flip, rows])
        begin, width, mirrored, chosen = torch.from_numpy(numbers).to(self.device)
        index = begin.view(-1, 1, 1, 1) + width.view(-1, 1, 1, 1) * self.down + self.across
        image = self.stored["pixels"][index + self.channel]
        mirrored = mirrored.bool().view(-1, 1, 1, 1)
        image = torch.where(mirrored, image.flip(-1), image)
        if "texture" in self.stored:
            grain = self.stored["texture"][chosen][:, None].float()
            grain = torch.where(mirrored, grain.flip(-1), grain)
        else:
            grain = grain_of(image, reading(pack.preparation)["kind"]).to(self.device)
        statistics = (
            self.stored[name][chosen] if name in self.stored else torch.empty(len(rows), 0, count)
            for name, count in (("mean", 3), ("covariance", 6))
        )
        return Batch(image, grain, *(values.to(self.device) for values in statistics))


class JoinedSource:
    """Batches of several packs: each makes the views of its own images."""

    def __init__(self, pack: JoinedPack, device: torch.device) -> None:
        self.pack, self.device = pack, device
        self.sources = [batch_source(each, device) for each in pack.packs]
        self.ahead = max(source.ahead for source in self.sources)

    def batch(self, chance: RandomViews) -> Batch:
        """See `Source`."""
        member = self.pack.members(chance.rows)
        parts, places, superpixels = [], [], self.pack.preparation.superpixels
        for number, source in enumerate(self.sources):
            where = np.flatnonzero(member == number)
            if len(where):
                own = RandomViews(
                    chance.rows[where] - self.pack.first[number],
                    chance.place[where],
                    chance.flip[where],
                    chance.share[where],
                    [chance.faults[index] for index in where.tolist()],
                )
                parts.append(thin(source.batch(own).to(self.device), superpixels))
                places.append(where)
        order = torch.from_numpy(np.argsort(np.concatenate(places))).to(self.device)
        names = vars(parts[0])
        return Batch(**{n: torch.cat([getattr(part, n) for part in parts])[order] for n in names})


def upload(rows: np.ndarray, device: torch.device, step: int = 2**24) -> Tensor:
    """A copy on a device, made `step` numbers at a time."""
    flat = rows.reshape(-1)
    copy = torch.empty(flat.shape, dtype=torch.from_numpy(flat[:0].copy()).dtype, device=device)
    for start in range(0, len(flat), step):
        part = slice(start, start + step)
        copy[part] = torch.from_numpy(flat[part].copy())
    return copy.view(rows.shape)
