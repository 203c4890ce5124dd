"""Named tensors: reading and writing files of them, and whether they fit a network."""

import json
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dpam.errors import DpamError, error_of_many
from dpam.utils.files import atomic, refuse_unreadable

# Where training programs put the state dict in a larger dictionary, the one to prefer first.
PLACES = ("state_dict", "model_state_dict", "model", "teacher")


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read the state dict of a safetensors or PyTorch file.

    A PyTorch file may hold it under one of the usual keys of a larger dictionary. The prefix
    "module." of DataParallel is taken off the names.

    Raises:
        DpamError: the file is missing, unreadable, or holds no state dict.
    """
    refuse_unreadable(path)
    try:
        if Path(path).suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, OSError, RuntimeError, EOFError) as error:
        raise DpamError(
            f"{path}: expected a PyTorch or safetensors file of named tensors, found one that is "
            "damaged or that holds more, such as a pickled model; only its state dict can be read"
        ) from error
    places: list[Any] = [content]
    if isinstance(content, dict):
        places += [content[key] for key in PLACES if key in content]
    for place in places:
        if is_state_dict(place):
            return {name.removeprefix("module."): tensor for name, tensor in place.items()}
    raise DpamError(f"{path}: expected a dictionary of named tensors, found none")


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a safetensors file, atomically; the same content always gives the same bytes.

    Raises:
        DpamError: the file cannot be written.
    """
    with atomic(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(dict(tensors), temporary, dict(metadata))
        temporary.chmod(mode)  # the library's are closed to other users
        with temporary.open("r+b") as file:  # the library writes metadata in an order by chance
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
            text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
            assert len(text) <= length, "only the order has changed"
            file.seek(8)
            file.write(text.ljust(length))


def is_state_dict(content: object) -> bool:
    """Whether this is a dictionary of named tensors, and not empty."""
    return (
        isinstance(content, dict)
        and bool(content)
        and all(isinstance(name, str) for name in content)
        and all(isinstance(value, Tensor) for value in content.values())
    )


def refuse_misfit(found: Mapping[str, Tensor], expected: Mapping[str, torch.Size]) -> None:
    """Raise a DpamError that names every tensor of `found` which does not fit `expected`."""
    offenders = [f"missing: {name}" for name in expected if name not in found]
    offenders += [f"unexpected: {name}" for name in found if name not in expected]
    offenders += [
        f"of another shape: {name}: expected {shape_text(shape)}, "
        f"found {shape_text(found[name].shape)}"
        for name, shape in expected.items()
        if name in found and found[name].shape != shape
    ]
    if offenders:
        raise error_of_many(f"{len(offenders)} tensors do not fit the network", offenders)


def shape_text(shape: torch.Size) -> str:
    """As "768x3x8x8"; "scalar" without axes."""
    return "x".join(str(side) for side in shape) or "scalar"
