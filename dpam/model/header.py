"""The header of a checkpoint: what it says of its network. Nothing here imports PyTorch.

See `dpam.model.checkpoint` for the whole file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open

from dpam.errors import DpamError
from dpam.utils.files import refuse_unreadable

FORMAT = "dpam-model-2"
# In older checkpoints -> what it is called now; None: nothing reads it any more.
RENAMED = {
    "part": "distortion",
    "ruler": "compactness",
    "taps": "out_indices",
    "released_padding": None,
}


def open_checkpoint(path: str | Path, framework: str = "pt") -> Any:
    """Open a safetensors file; its tensors are read only when asked for."""
    refuse_unreadable(path)
    try:
        return safe_open(path, framework=framework)
    except (SafetensorError, OSError) as error:
        raise DpamError(
            f"{path}: expected a checkpoint of dpam (safetensors), found something else or a "
            f"damaged file ({error})"
        ) from error


def read_header(path: str | Path, file: Any) -> dict[str, str]:
    """The header of a checkpoint, refused if it is not ours."""
    header: dict[str, str] = file.metadata() or {}
    if header.get("format") != FORMAT:
        raise DpamError(
            f"{path}: expected a checkpoint of dpam (format {FORMAT}), found "
            f"{header.get('format', 'none')}; `dpam import-checkpoint` reads those of the authors"
        )
    return header


def read_settings(header: Mapping[str, str]) -> Any:
    """The settings in a header, by the names that they have today."""
    return rename(json.loads(header["settings"]))


def metadata_of(header: Mapping[str, str]) -> dict[str, Any]:
    """The metadata in a header, by the names that they have today."""
    metadata = rename(json.loads(header["metadata"]))
    if isinstance(metadata, dict):
        rename(metadata.get("preparation"))
    return cast(dict[str, Any], metadata)


def rename(found: Any) -> Any:
    """An object of JSON with today's names, changed in place; what is none stays as it is."""
    if isinstance(found, dict):  # another value is refused by whoever wants to know something
        for old in RENAMED.keys() & found:
            value, new = found.pop(old), RENAMED[old]
            if new is not None:
                found[new] = value
    return found
