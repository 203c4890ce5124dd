"""The machine that a result came from: device, threads, seeds, versions."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from dpam import __version__

RECORDED = ("torch", "timm", "numpy", "scipy", "scikit-image", "numba", "h5py")


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name() -> str:
    """A name that a reader knows: the card's, or CPU with its number of threads."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"


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
