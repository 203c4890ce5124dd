"""One GPU for each job where a machine has several."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from dpam.utils.locks import take_lock

VISIBLE = "CUDA_VISIBLE_DEVICES"


def own_card() -> None:
    """Leave this process one of the GPUs that it sees, in CUDA_VISIBLE_DEVICES.

    To be called before anything runs on a GPU. The pool is what that variable names, or all GPUs.
    """
    import torch

    count = torch.cuda.device_count()
    if count > 1 and not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        named = os.environ.get(VISIBLE)
        pool = named.split(",")[:count] if named else list(map(str, range(count)))
        os.environ[VISIBLE] = take_card([card.strip() for card in pool])


def take_card(pool: Sequence[str], folder: Path | None = None) -> str:
    """A card that no other process of this user has taken; it is free again when this one ends.

    Where all are taken, processes share them by turns.

    Args:
        pool: names of the cards.
        folder: where the locks lie; None: in the machine's folder of temporary files.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"dpam-cards-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for card in pool:
        try:
            take_lock(folder / quote(card, safe=""))  # held as long as this process lives
        except BlockingIOError:
            continue
        return card
    return pool[os.getpid() % len(pool)]
