"""Which weights learn how fast, and when, and their moving average."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dpam.experiments.settings import ALL, TrainingSettings
from dpam.model import Network, backbone_of
from dpam.model.scales import scales_of

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def moving_average(
    decay: float,
) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """What takes one step of an exponential moving average, for PyTorch's AveragedModel.

    The decay after n steps is at most (1 + n) / (10 + n), as in TensorFlow: otherwise the state
    before the first step lasts. A batch norm starts with a variance of 1; where the true one is a
    thousandth, one per cent of that would be ten times as much.
    """

    def take_step(
        average: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int
    ) -> None:
        share = max(1 - decay, 9 / (10 + int(steps)))
        for old, new in zip(average, current, strict=True):
            old.copy_(old.lerp(new, share) if old.is_floating_point() else new)

    return take_step


def parameter_groups(net: Network, settings: TrainingSettings) -> list[dict[str, Any]]:
    """The parameters to train, grouped by learning rate, for an optimiser.

    Scales of datasets learn as fast as the head, without weight decay, which would pull them to
    that of the first.
    """
    groups: dict[float, list[Tensor]] = {}
    last = backbone_of(net).out_indices[-1]
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad or name.startswith("scales."):
            continue
        rate = settings.learning_rate
        of_vit = name.removeprefix("backbone.")
        if of_vit.startswith("vit."):
            if is_frozen(vit_depth(of_vit), settings.freeze_blocks):
                parameter.requires_grad_(False)
                continue
            rate *= settings.layer_decay ** (last + 1 - vit_depth(of_vit))
        groups.setdefault(rate, []).append(parameter)
    found = [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]
    if (scales := scales_of(net)) is not None:
        own = {"params": list(scales.parameters()), "lr": settings.learning_rate}
        found.append({**own, "weight_decay": 0.0})
    return found


def is_frozen(depth: int, freeze_blocks: int | str) -> bool:
    """Whether what lies at a depth of the ViT is kept as it is."""
    return freeze_blocks == ALL or depth < int(freeze_blocks) > 0


def vit_depth(name: str) -> int:
    """Index of the block that a parameter of the ViT belongs to; -1 before the first."""
    words = name.split(".")  # vit.blocks.3.attn...
    return int(words[2]) if words[1] == "blocks" else -1


def rate_factor(settings: TrainingSettings, step: int, steps: int) -> float:
    """What the learning rate is multiplied with at `step` of `steps` of the optimiser."""
    warm = math.ceil(settings.warmup * steps)
    if step < warm:
        return (step + 1) / warm
    step, steps = step - warm, max(1, steps - warm)
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "batch_cosine":
        return (1 + math.cos(math.pi * step / 50)) / 2
    if settings.schedule == "epoch_cosine":
        step, steps = step * settings.epochs // steps, settings.epochs
    return (1 + math.cos(math.pi * step / steps)) / 2
