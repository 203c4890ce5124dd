"""The machine that a result came from: device, threads, seeds, versions."""

import logging
import platform
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dpam import __version__

log = logging.getLogger(__name__)

RECORDED = ("torch", "timm", "numpy", "scipy", "scikit-image", "numba", "h5py")


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name() -> str:
    """A name that a reader knows: the card's, or CPU with its number of threads."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    count = torch.get_num_threads()
    return f"CPU, {count} thread{'' if count == 1 else 's'}"


def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`function` through `torch.compile`; where that fails, as it is, with one line in the log.

    Compilation happens in the first call, and again for each new shape.
    """
    from torch._dynamo.exc import TorchDynamoException  # takes a second

    chosen = torch.compile(function, dynamic=False)

    def call(*args: Tensor) -> Tensor:
        nonlocal chosen
        try:
            return chosen(*args)
        except TorchDynamoException as error:  # no compiler, say; what the network itself raises
            reason = str(error).strip().partition("\n")[0]
            log.warning("torch.compile does not work here (%s); going on without it", reason)
            chosen = function
            return chosen(*args)

    return call


def commit() -> str | None:
    """The commit of the source tree that runs; None where it is no git checkout.

    A tree with changes that are not committed is marked with "+changes".
    """
    folder = Path(__file__).resolve().parent
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty=+changes"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def record() -> dict[str, Any]:
    """What a result should say about where it came from."""
    return {
        "dpam": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device_name(),
        "versions": {name: version(name) for name in RECORDED},
    }
