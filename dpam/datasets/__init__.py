"""The datasets that DPAM knows, and the user's own."""

from collections.abc import Mapping
from typing import Any

from dpam.datasets.biq2021 import BIQ2021
from dpam.datasets.csiq import CSIQ
from dpam.datasets.custom import custom_dataset
from dpam.datasets.dataset import (
    Dataset,
    Recipe,
    default_root,
    is_present,
    missing_files,
    missing_message,
    unpack_archives,
)
from dpam.datasets.demo import DEMO_AUTHENTIC, DEMO_SYNTHETIC, MADE_HERE
from dpam.datasets.kadid10k import KADID10K
from dpam.datasets.koniq10k import KONIQ10K
from dpam.datasets.live import LIVE
from dpam.datasets.livec import LIVEC
from dpam.datasets.spaq import SPAQ
from dpam.datasets.tid2013 import TID2013
from dpam.errors import DpamError

__all__ = [
    "DATASETS",
    "MADE_HERE",
    "Dataset",
    "Recipe",
    "default_root",
    "find",
    "is_present",
    "missing_files",
    "missing_message",
    "unpack_archives",
]

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        LIVE,
        CSIQ,
        TID2013,
        KADID10K,
        LIVEC,
        KONIQ10K,
        SPAQ,
        BIQ2021,
        DEMO_SYNTHETIC,
        DEMO_AUTHENTIC,
    )
}


def find(name: str, custom: Mapping[str, Any] | None = None) -> Dataset:
    """The dataset called `name`: one that is known, or the user's own.

    Args:
        name: its key in the configuration.
        custom: the settings of the user's own dataset (see
            `dpam.datasets.custom.custom_dataset`); None if it is a known one.

    Raises:
        DpamError: no dataset has that name (the known ones are listed), the name of a known one
            is given to the user's own, or its settings are wrong.
    """
    if custom is None and name in DATASETS:
        return DATASETS[name]
    known = ", ".join(DATASETS)
    if custom is None:
        raise DpamError(
            f"{name}: no such dataset; known are {known}. For one of your own, add its labels, "
            f"score_range and higher_is_better to the configuration."
        )
    if name in DATASETS:
        raise DpamError(f"{name}: a known dataset; give your own another name than {known}")
    return custom_dataset(name, custom)
