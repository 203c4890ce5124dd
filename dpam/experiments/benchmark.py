"""Time and memory of a network, measured side by side with another form of it."""

import ctypes
import gc
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Form:
    """A network with inputs that it takes.

    Attributes:
        net: maps `inputs` to scores (B,).
        inputs: for a batch of B images, on the network's device.
    """

    net: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Cost:
    """What a call costs.

    Attributes:
        seconds: median over the repetitions.
        memory: largest number of bytes in use above those in use before; None: not measured.
    """

    seconds: float
    memory: int | None


def inference(form: Form) -> None:
    """Scores of one batch."""
    with torch.inference_mode():
        form.net(*form.inputs)


def training_step(form: Form) -> None:
    """Scores, loss and gradients of one batch; the optimiser's step is the same for every form."""
    score = form.net(*form.inputs)
    loss = F.mse_loss(score, torch.full_like(score, 0.5))
    loss.backward()  # type: ignore[no-untyped-call]


def compare(
    step: Callable[[Form], None],
    forms: dict[str, Form],
    device: torch.device,
    precision: torch.dtype,
    repetitions: int,
) -> dict[str, Cost]:
    """Cost of one step of each form; they take turns, so that a busy moment hits all alike.

    Args:
        step: `inference` or `training_step`.
        forms: by name, all on `device`.
        device: where they lie.
        precision: float32, or bfloat16 for autocast.
        repetitions: timed calls of each, after one to set up and one to measure memory.
    """
    memory: dict[str, int | None] = {}
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
        for name, form in forms.items():
            step(form)  # lazy set-up and gradients are not counted
            with peak_memory(device) as peak:
                step(form)
            memory[name] = peak[0]
        for _ in range(repetitions):
            for name, form in forms.items():
                start = now(device)
                step(form)
                seconds[name].append(now(device) - start)
    return {name: Cost(statistics.median(seconds[name]), memory[name]) for name in forms}


def now(device: torch.device) -> float:
    """Seconds, once the device has finished what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@contextmanager
def peak_memory(device: torch.device) -> Iterator[list[int | None]]:
    """Fills its list with the bytes taken at the peak beyond those taken before.

    On a GPU PyTorch counts them. On the CPU it is the resident memory of the process, which Linux
    can count; None on other systems.
    """
    result: list[int | None] = []
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield result
        result.append(torch.cuda.max_memory_allocated(device) - before)
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc keeps what was freed: it would be taken again unseen
        libc.malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # from now on VmHWM is a new peak
    except OSError:
        yield result
        result.append(None)
        return
    before = resident_memory("VmRSS")
    yield result
    result.append(resident_memory("VmHWM") - before)


def resident_memory(kind: str) -> int:
    """Resident memory of this process in bytes: "VmRSS" now, "VmHWM" at its peak."""
    found = re.search(rf"{kind}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def gflop(form: Form) -> float:
    """GFLOP of one inference as PyTorch counts them, a multiply-add as two."""
    with FlopCounterMode(display=False) as counter:
        inference(form)
    return float(counter.get_total_flops() / 1e9)
