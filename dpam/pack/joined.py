"""Several packs read as one, so that one network can learn several datasets; nothing is copied."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from dpam.datasets.joining import joined_name
from dpam.errors import DpamError
from dpam.evaluation.unions import is_own, union_of
from dpam.pack.batches import Batch
from dpam.pack.preparation import Prepared, select
from dpam.pack.store import Pack

Seen = TypeVar("Seen", Prepared, Batch)
# What of a preparation belongs to the dataset; the rest must be alike.
OF_DATASET = {
    "network_input",
    "superpixels",
    "superpixel_size",
    "region_size",
    "compactness",
    "iterations",
}


class JoinedPack:
    """Several packs, one after the other.

    Of every image the network sees as many superpixels as the dataset with the fewest has.

    Attributes:
        packs: their order is that of the rows.
        first: (packs,) number of the row where each begins.
        labels: the labels tables; images and references have the names of `joined_name`.
        settings: what scores mean, and how photographs are prepared for them, is as of the first.
        preparation: of the first, with the superpixels that the network sees.
        path: of all, for messages.
    """

    def __init__(self, packs: Sequence[Pack]) -> None:
        self.packs = list(packs)
        self.path = " + ".join(str(pack.path) for pack in packs)
        names = [pack.settings["dataset"] for pack in packs]
        if len(set(names)) < len(names):
            raise DpamError(f"{self.path}: expected different datasets, found {', '.join(names)}")
        for other in packs[1:]:
            refuse_unlike(packs[0], other)
        self.first = np.cumsum([0, *map(len, packs[:-1])])
        tables = []
        for name, pack in zip(names, packs, strict=True):
            image = [joined_name(name, each) for each in pack.labels["image"]]
            reference = [each and joined_name(name, each) for each in pack.labels["reference"]]
            tables.append(pack.labels.assign(image=image, reference=reference))
        self.labels = pd.concat(tables, ignore_index=True)
        fewest = min(pack.preparation.superpixels for pack in packs)
        self.preparation = replace(packs[0].preparation, superpixels=fewest)
        about = [{k: v for k, v in pack.settings.items() if k != "made_by"} for pack in packs]
        self.settings: dict[str, Any] = {
            **about[0],
            "dataset": union_of(names),
            "title": " + ".join(each["title"] for each in about),
            "preparation": vars(self.preparation),
            "joined": about,
        }

    def __len__(self) -> int:
        return len(self.labels)

    def prepared(self, index: int) -> Prepared:
        """One image, ready for the network."""
        number = int(self.members(index))
        prepared = self.packs[number].prepared(index - int(self.first[number]))
        return thin(prepared, self.preparation.superpixels)

    def members(self, rows: np.ndarray | int) -> np.ndarray:
        """Of rows, (m,) or one, the indices of the packs that have them."""
        return np.asarray(np.searchsorted(self.first, rows, side="right") - 1)


AnyPack = Pack | JoinedPack


def packs_of(pack: AnyPack) -> list[Pack]:
    """The packs that are read as one."""
    return pack.packs if isinstance(pack, JoinedPack) else [pack]


@contextmanager
def open_packs(paths: Sequence[Path]) -> Iterator[AnyPack]:
    """One pack, or several as one, each with its checksum verified.

    Raises:
        DpamError: one is damaged, or they were not made alike.
    """
    with ExitStack() as stack:
        packs = [stack.enter_context(Pack(path)) for path in paths]
        joined = packs[0] if len(packs) == 1 else JoinedPack(packs)
        for pack in packs:
            pack.check()
        yield joined


def refuse_unlike(first: Pack, other: Pack) -> None:
    """Raise a DpamError if one network cannot read both packs."""
    ours, theirs = (vars(pack.preparation) for pack in (first, other))
    differ = [
        f"{name} {theirs[name]} instead of {ours[name]}"
        for name in ours
        if name not in OF_DATASET and ours[name] != theirs[name]
    ]
    if differ:
        raise DpamError(
            f"{other.path}: expected a pack made as {first.path}, found {', '.join(differ)}; pack "
            "both with the same settings"
        )


def superpixels_seen(pack: Pack, trained: Mapping[str, Any]) -> int:
    """Of a pack's images, how many superpixels a network sees; of its own datasets as in training.

    Args:
        pack: that is tested.
        trained: the metadata of the network.
    """
    if "joined" in trained and is_own(trained["dataset"], pack.settings["dataset"]):
        return int(trained["preparation"]["superpixels"])
    return pack.preparation.superpixels


def thin(seen: Seen, superpixels: int) -> Seen:
    """An image or a batch of which the network sees so many superpixels, picked as in packing."""
    known = seen.mean.shape[-2]
    if known == superpixels:
        return seen
    chosen = select(known, superpixels)
    mean, covariance = seen.mean[..., chosen, :], seen.covariance[..., chosen, :]
    return replace(seen, mean=mean, covariance=covariance)
