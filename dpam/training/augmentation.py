"""What chance decides about an epoch of training: order, crops, flips, degraded copies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np

from dpam.imaging.distortions import DEFECTS, LEVELS
from dpam.pack.batches import Batch
from dpam.utils.parallel import in_order

LEAST_SHARE = 0.9  # of either side of an image that a random crop has
UNTOUCHED = 1 / 3  # of pairs, whose better copy is the image as it is


class Fault(NamedTuple):
    """A defect to give an image; arguments of `dpam.imaging.distortions.degrade`."""

    defect: str
    level: float
    seed: int


@dataclass(frozen=True)
class RandomViews:
    """B views, drawn at random, of images of a pack.

    Attributes:
        rows: (B,) rows of the pack.
        place: (B, 2) where in [0, 1) the view lies between top and bottom, left and right.
        flip: (B,) bool, whether it is mirrored left-right.
        share: (B,) of either side of the image that the view has, where images are kept in full.
        faults: of each view, None: as the image is; likewise.
    """

    rows: np.ndarray
    place: np.ndarray
    flip: np.ndarray
    share: np.ndarray
    faults: Sequence[Fault | None]


class Source(Protocol):
    """Makes training batches of a pack.

    Attributes:
        ahead: how many batches are worth making beside the one in use.
    """

    ahead: int

    def batch(self, chance: RandomViews) -> Batch:
        """The views that were drawn."""
        ...


@dataclass(frozen=True)
class Pairs:
    """Pairs of copies of an image with more and less of one defect, P of them in each batch.

    Attributes:
        levels: (batches, P, 2) of the better and the worse copy, 0 to 5.
        defects: (batches, P) names.
        seeds: (batches, P) of their chance.
    """

    levels: np.ndarray
    defects: np.ndarray
    seeds: np.ndarray

    @classmethod
    def draw(cls, batches: int, count: int, generator: np.random.Generator) -> Self:
        """Draw `count` pairs for each batch.

        Levels are drawn from the continuum, so that steady ones, as of an evaluation, are new.
        """
        shape = (batches, count)
        levels = np.sort(generator.random((*shape, 2)) * LEVELS, axis=-1)
        levels[generator.random(shape) < UNTOUCHED, 0] = 0
        defects = generator.choice(list(DEFECTS), shape)
        return cls(levels, defects, generator.integers(2**32, size=shape))

    def faults(self, batch: int, side: int) -> list[Fault]:
        """Of the better copies (side 0) or the worse ones (1) of a batch."""
        columns = self.defects[batch], self.levels[batch, :, side], self.seeds[batch]
        return [Fault(str(d), float(x), int(s)) for d, x, s in zip(*columns, strict=True)]


@dataclass(frozen=True)
class EpochPlan:
    """One epoch in random order, all of its chance drawn beforehand.

    Attributes:
        order: (n,) rows of the pack.
        place: (n, 2) where in [0, 1) the crop lies between top and bottom, left and right.
        flip: (n,) whether it is mirrored.
        batch_size: images per batch; an incomplete last batch is left out.
        share: (n,) of either side of an image that is read; None: all of each.
        pairs: of degraded copies of the first images of each batch, which follow its own: first
            the better of each pair, then the worse, with the image's own crop and flip.
    """

    order: np.ndarray
    place: np.ndarray
    flip: np.ndarray
    batch_size: int
    share: np.ndarray | None = None
    pairs: Pairs | None = None

    @classmethod
    def draw(
        cls,
        rows: np.ndarray,
        batch_size: int,
        flip: float,
        seed: Sequence[int],
        crop: float = 0.0,
        degraded: bool = False,
    ) -> "EpochPlan":
        """Draw order, places and flips, crops and pairs.

        Args:
            rows: of the pack.
            batch_size: images per batch.
            flip: probability of mirroring an image.
            seed: of all that is drawn.
            crop: probability that 0.9 to 1 of either side of an image is read.
            degraded: whether a quarter of each batch, one image at least, becomes pairs of degraded
                copies.
        """
        generator = np.random.default_rng(seed)
        n = len(rows)
        order = generator.permutation(rows)
        place = generator.random((n, 2))
        mirrored = generator.random(n) < flip
        share = pairs = None
        if crop:
            part = generator.uniform(LEAST_SHARE, 1, n)
            share = np.where(generator.random(n) < crop, part, 1.0)
        if degraded:
            pairs = Pairs.draw(n // batch_size, max(1, batch_size // 4), generator)
        return cls(order, place, mirrored, batch_size, share, pairs)

    def chance(self, batch: int) -> RandomViews:
        """What chance says of the views of a batch."""
        chosen = np.arange(batch * self.batch_size, (batch + 1) * self.batch_size)
        faults: list[Fault | None] = [None] * self.batch_size
        if self.pairs is not None:
            copied = chosen[: self.pairs.levels.shape[1]]
            chosen = np.concatenate([chosen, copied, copied])
            faults += [*self.pairs.faults(batch, 0), *self.pairs.faults(batch, 1)]
        share = np.ones(len(self.order)) if self.share is None else self.share
        return RandomViews(
            self.order[chosen], self.place[chosen], self.flip[chosen], share[chosen], faults
        )

    def batches(self, source: Source, first: int = 0) -> Iterator[tuple[np.ndarray, Batch]]:
        """From batch `first` on: its rows of the pack, and the batch.

        While one is in use the next ones are made, by threads.
        """

        def make(batch: int) -> tuple[np.ndarray, Batch]:
            chance = self.chance(batch)
            return chance.rows[: self.batch_size], source.batch(chance)

        numbers = range(first, len(self.order) // self.batch_size)
        if not source.ahead:
            yield from map(make, numbers)
        else:
            yield from in_order(make, numbers, source.ahead, source.ahead + 1)
