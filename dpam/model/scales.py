"""Scales of several datasets: 0.6 of one is not 0.6 of another.

A network that learns several datasets scores on the scale of the first. To the scale of each other
one leads a linear map of its own, learned with the network.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Scales(nn.Module):
    """Linear maps from the scale of the first dataset: label = exp(log_slope) * score + offset.

    Args:
        names: of the datasets, two or more.

    Attributes:
        names: of the datasets; the first one's map is the identity and has no parameters.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = list(names)
        self.log_slope = nn.Parameter(torch.zeros(len(names) - 1))
        self.offset = nn.Parameter(torch.zeros(len(names) - 1))

    def forward(self, score: Tensor, member: Tensor) -> Tensor:
        """Scores (B,) on the scales of their datasets, whose indices are member, (B,) int64."""
        first = self.offset.new_zeros(1)
        slope, offset = torch.cat([first, self.log_slope]).exp(), torch.cat([first, self.offset])
        return slope[member] * score + offset[member]


def scales_of(net: nn.Module) -> Scales | None:
    """The scales of a network that learned several datasets; None of any other."""
    scales = getattr(net, "scales", None)
    return scales if isinstance(scales, Scales) else None


def scale_of(net: nn.Module, dataset: str) -> tuple[float, float]:
    """Slope and offset from a network's scores to a dataset's scale: 1 and 0 if it has none."""
    scales = scales_of(net)
    if scales is None or dataset not in scales.names[1:]:
        return 1.0, 0.0
    index = scales.names.index(dataset) - 1
    return scales.log_slope[index].exp().item(), scales.offset[index].item()


def answer_on_scale(net: nn.Module, dataset: str) -> None:
    """Let a network answer on the scale of a dataset from now on: its score, and its patches'."""
    slope, offset = scale_of(net, dataset)
    if (slope, offset) == (1.0, 0.0):
        return

    def mapped(module: nn.Module, inputs: tuple[Tensor, ...], answer: Any) -> Any:
        if isinstance(answer, Tensor):
            return slope * answer + offset
        quality, score, weight = answer
        return slope * quality + offset, slope * score + offset, weight

    net.register_forward_hook(mapped)
