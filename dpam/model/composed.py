"""Weights composed from other weights: made once, and again when one of these changes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Affine = tuple[Tensor, Tensor]  # weight and bias of an affine map

SAMPLED = 64  # values of a weight that are compared


class Composition:
    """Remembers an affine map that was composed from weights, for evaluation.

    While gradients are wanted the weights are about to change, and the composition is part of the
    graph: then, and inside `torch.compile`, nothing is remembered.
    """

    def __init__(self) -> None:
        self.made: tuple[list[object], Tensor, list[Tensor], Affine] | None = None

    def __call__(self, compose: Callable[[], Affine], weights: Sequence[Tensor]) -> Affine:
        """What `compose()` returns, or returned for the same weights before, in their precision.

        PyTorch counts changes of a tensor, but not those made through `.data`; for them, values
        from all over each weight are compared.

        Args:
            compose: depends on `weights` alone.
            weights: all that it depends on.
        """
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return compose()
        state: list[object] = [
            (w.data_ptr(), w.dtype, w.device, None if w.is_inference() else w._version)
            for w in weights
        ]
        sample = torch.cat([w.reshape(-1)[:: max(1, w.numel() // SAMPLED)] for w in weights])
        if self.made is None or self.made[0] != state or not torch.equal(self.made[1], sample):
            with torch.autocast(sample.device.type, enabled=False):
                affine = compose()
            # The aliases keep the memory taken, so that no other weight can come to its address.
            self.made = state, sample, [w.data for w in weights], affine
        return self.made[3]
