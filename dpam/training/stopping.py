"""Stopping a training in its midst, so that it can go on as if it had not been stopped."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

import torch
from torch import Tensor


class Stoppable(Protocol):
    """What looks at `asked_to_stop`, the name of the signal that asked."""

    asked_to_stop: str


@contextmanager
def stopping_on_signals(trainer: Stoppable) -> Iterator[None]:
    """SIGTERM, SIGUSR1: stop at the next step of the optimiser, where there is one left.

    Clusters send them in advance.
    """

    def ask_to_stop(number: int, _: FrameType | None) -> None:
        trainer.asked_to_stop = signal.Signals(number).name

    before = {
        number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGUSR1)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of PyTorch's random numbers that dropout draws from."""
    state = {"cpu": torch.get_rng_state()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Go on with the random numbers after `state`."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
