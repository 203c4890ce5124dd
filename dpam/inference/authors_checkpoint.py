"""Checkpoints of the paper's authors, with what is needed to score photographs with them."""

import hashlib
from pathlib import Path
from typing import Any

from dpam.datasets import find
from dpam.errors import DpamError
from dpam.model import DPAM
from dpam.model.checkpoint import from_authors
from dpam.pack.recipes import facts_of, preparation_of
from dpam.utils.runtime import record
from dpam.utils.tensors import read_tensors

# The release inverts the scores of one dataset whose lower score is better (CSIQ), not of the
# other: a network that it trained on LIVE predicts DMOS.
PREDICTS_DMOS = ("live",)


def from_release(path: str | Path, dataset: str | None) -> tuple[DPAM, dict[str, Any]]:
    """A network in the authors' format, and metadata as of a checkpoint of ours.

    Args:
        path: PyTorch file with a state dict of the published network; only tensors are read.
        dataset: key of the known dataset that it was trained on, whose recipe and score range
            apply; None: not known, then photographs cannot be scored with it.

    Raises:
        DpamError: the file is missing or holds something else, or no dataset has that name.
    """
    trained_on = None if dataset is None else find(dataset)
    tensors = read_tensors(path)
    try:
        state = from_authors(tensors)
    except DpamError as error:
        raise DpamError(f"{path}: {error}") from error
    net = DPAM()
    net.load_state_dict(state)
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    origin = {"file": Path(path).name, "sha256": digest, "format": "the authors'"}
    metadata: dict[str, Any] = {"imported_from": origin, "made_by": record()}
    if trained_on is not None:
        preparation = preparation_of(trained_on, net.image_size, method="slic", backend="numba")
        metadata |= facts_of(trained_on) | {
            "preparation": vars(preparation),
            "predicts_dmos": trained_on.name in PREDICTS_DMOS,
            # Stretched by the extremes of a training set that the file does not tell.
            "learned_range": None,
        }
    return net, metadata
