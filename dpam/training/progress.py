"""The progress of a training run: a file beside its outputs from which it goes on."""

import logging
import pickle
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import torch

from dpam.errors import DpamError
from dpam.utils.files import atomic, not_ours, refuse_other, remove_halves, write_json
from dpam.utils.reading import read_json

log = logging.getLogger(__name__)

ZIP = b"PK\x03\x04"  # what files of PyTorch begin with


class Progress:
    """Where a run keeps its state.

    Attributes:
        path: the file, `NAME.progress.pt`.
        identity: hash of what the weights depend on; what was kept under another is ignored.
        diverged: `NAME.diverged.json`, which says that the loss was not a number, so that the next
            attempt ends at once.
        saved: when it was last saved, or else begun, on the monotonic clock.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity
        self.diverged = path.with_suffix("").with_suffix(".diverged.json")
        self.saved = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """What was kept, if it belongs to this run.

        What a kill left half written beside it is removed.

        Raises:
            DpamError: this very run has diverged before, or the files are there and not ours.
        """
        refuse_other(self.diverged, b'{\n  "identity"')
        refuse_other(self.path, ZIP)
        if self.diverged.is_file():
            before = read_json(self.diverged)
            if before["identity"] == self.identity:
                raise DpamError(f"{before['message']}; to try again, remove {self.diverged}")
            self.diverged.unlink()
        if self.path.parent.is_dir():
            remove_halves(self.path, ZIP)
        if not self.path.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            if is_whole(self.path):  # of other things than tensors
                raise not_ours(self.path) from error
            log.warning("%s: unreadable (%s); starting again", self.path, error)
            return None
        if not isinstance(state, dict) or "identity" not in state:
            raise not_ours(self.path)
        if state["identity"] != self.identity:
            log.info("%s: made under other settings, data or code; starting again", self.path)
            return None
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Keep the state."""
        with atomic(self.path, ZIP) as temporary:
            torch.save({"identity": self.identity, **state}, temporary)
        self.saved = time.monotonic()

    def end_diverged(self, message: str) -> NoReturn:
        """Leave word for the next attempt, and end.

        Raises:
            DpamError: always.
        """
        write_json(self.diverged, {"identity": self.identity, "message": message}, replace=True)
        raise DpamError(message)


def is_whole(path: Path) -> bool:
    """Whether a file of PyTorch is as it was written, whatever it holds."""
    with suppress(Exception), zipfile.ZipFile(path) as file:  # of a damaged one, it raises anything
        return file.testzip() is None
    return False
