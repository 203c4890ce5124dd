"""The machine that a result came from: device, threads, seeds, versions."""

import logging
import platform
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dpam import __version__
from dpam.errors import DpamError
from dpam.utils.progress import WAITING

log = logging.getLogger(__name__)

BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")  # a processor's instructions; the last is ARM's
RECORDED = ("torch", "timm", "numpy", "scipy", "scikit-image", "numba", "h5py")


def is_installed(package: str) -> bool:
    """Whether a package of others is there; who only scores has not all of them."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def device(name: str | torch.device = "auto") -> torch.device:
    """The device of a name.

    Args:
        name: "auto", a CUDA GPU where there is one, else the processor; "cpu"; "cuda"; "cuda:1",
            the second GPU; "mps", an Apple GPU.

    Raises:
        DpamError: there is no such device here.
    """
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if name == "auto":
        return torch.device("cuda" if gpus else "cpu")
    here = ["cpu", *(["cuda"] if gpus else []), *gpus]
    if torch.backends.mps.is_available():
        here.append("mps")
    if str(name) not in here:
        raise DpamError(f"device: expected auto, {', '.join(here)}; found {name}")
    return torch.device(name)


def device_name(where: torch.device | None = None) -> str:
    """A name that a reader knows: the card's, or CPU with its number of threads.

    Args:
        where: the device; None: see `device`.
    """
    where = where or device()
    if where.type == "cuda":
        return torch.cuda.get_device_name(where)
    if where.type == "mps":
        return "Apple GPU"
    count = torch.get_num_threads()
    return f"CPU, {count} thread{'' if count == 1 else 's'}"


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """What to compute in beside float32; None: nothing.

    `auto` takes bfloat16 where the device computes in it.
    """
    if precision == "auto":
        precision = "bfloat16" if computes_bfloat16(device) else "float32"
    elif precision == "bfloat16" and device.type == "cpu" and imitates_bfloat16():
        log.warning(
            "training.precision: bfloat16 is imitated by this processor, which takes many times as "
            "long as float32; auto chooses what is fast"
        )
    return torch.bfloat16 if precision == "bfloat16" else None


@contextmanager
def whole_float32(where: torch.device) -> Iterator[None]:
    """All bits of float32 on a GPU, too: convolutions there drop 13 (TF32) unless told not to.

    It is set for the whole process, so not for several threads at once. A processor needs nothing.
    """
    if where.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    others = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
    with cudnn.flags(allow_tf32=False, **others):
        yield


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for products in bfloat16, which then take half the time."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    able = torch.cpu.get_capabilities()
    return device.type == "cpu" and any(able.get(name) for name in BFLOAT16)


def imitates_bfloat16() -> bool:
    """Whether products in bfloat16 take the processor far longer than in float32.

    One with AVX-512 (BW) alone widens the numbers first, which costs little.
    """
    able = torch.cpu.get_capabilities()
    return not any(able.get(name) for name in (*BFLOAT16, "avx512_bw"))


def compile_network(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`function` through `torch.compile`; where that fails, as it is, with one line in the log.

    Compilation happens in the first call, and again for each new shape.
    """
    from torch._dynamo.exc import TorchDynamoException  # takes a second

    log.info("torch.compile works in the first step, for a minute or more", extra=WAITING)
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


def record(where: torch.device | None = None) -> dict[str, Any]:
    """What a result should say about where it came from; `where` as in `device_name`."""
    return {
        "dpam": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device_name(where),
        "versions": {name: version(name) for name in RECORDED if is_installed(name)},
    }
