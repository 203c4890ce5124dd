"""A trained network as an ONNX model, for programs without PyTorch.

A model takes photographs that are prepared already, and gives qualities. Its properties say, as
JSON, how photographs are prepared and what qualities mean.
"""

import json
import logging
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dpam.inference.predict import normalise
from dpam.inference.scorer import Scorer
from dpam.model import Network
from dpam.model.enhancement import DynamicConvolution
from dpam.utils.files import atomic

OPSET = 18
# What inputs of networks are called here, as nodes of the graph have these names.
CALLED = {"mean": "colour_mean", "covariance": "colour_covariance"}
LARGEST = 2**15  # photographs at a time: PyTorch wants to know a bound
KNOWN = ("title", "dataset", "split", "seed", "interval")  # entries of a checkpoint that go along


class Exported(nn.Module):
    """The network of a scorer with what stands before and behind it.

    Args:
        scorer: its network is copied.
    """

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.net: Network = deepcopy(scorer.net)
        for module in self.net.modules():
            if isinstance(module, DynamicConvolution):
                module.__class__ = ShiftedSums
        self.scorer = scorer

    def forward(self, *inputs: Tensor) -> Tensor:
        """Qualities (N,) in [0, 1] of photographs (N, 3, S, S) in [0, 1]; the rest as the net's."""
        call: Callable[..., Tensor] = self.net
        quality: Tensor = self.scorer.meaning(call(normalise(self.net, inputs[0]), *inputs[1:]))
        return quality.clamp(0, 1)


class ShiftedSums(DynamicConvolution):
    """The same from nine products: ONNX knows no convolution with a kernel for each image."""

    def convolve(self, x: Tensor, kernels: Tensor) -> Tensor:
        """See `DynamicConvolution.convolve`."""
        height, width = x.shape[2:]
        around = F.pad(x, (1, 1, 1, 1))
        kernels = kernels.reshape(x.shape[0], -1, 9, 1, 1)
        shifts = [(top, left) for top in range(3) for left in range(3)]
        return torch.stack(
            [
                around[:, :, top : top + height, left : left + width] * kernels[:, :, number]
                for number, (top, left) in enumerate(shifts)
            ]
        ).sum(dim=0)


def export(scorer: Scorer, path: Path) -> list[str]:
    """Write the network of a scorer as an ONNX model; returns the names of its inputs.

    Inputs are image (N, 3, S, S), RGB in [0, 1], and of DPAM also texture (N, 1, S, S), and of
    superpixels colour_mean (N, P, 3) and colour_covariance (N, P, 6), see
    `dpam.model.DPAM.forward`; all float32. The output, quality (N,), goes from 0, worst, to 1,
    best.

    Raises:
        DpamError: the file is there already, or cannot be written.
    """
    how, reads = scorer.preparation, scorer.net.reads
    size, count = how.image_size, how.superpixels
    shapes = {
        "image": (3, size, size),
        "texture": (1, size, size),
        "mean": (count, 3),
        "covariance": (count, 6),
    }
    inputs = tuple(torch.rand(2, *shapes[name]) for name in reads)
    names = [CALLED.get(name, name) for name in reads]
    many = {0: torch.export.Dim("N", min=1, max=LARGEST)}
    dynamic = (tuple(many for _ in inputs),)
    for name in ("onnxscript", "onnx_ir"):  # they tell of each constant that they fold
        logging.getLogger(name).setLevel(logging.WARNING)
    exported = torch.export.export(Exported(scorer).cpu().eval(), inputs, dynamic_shapes=dynamic)
    program = torch.onnx.export(
        exported,
        input_names=names,
        output_names=["quality"],
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(properties(scorer))
    with atomic(path) as temporary:
        program.save(temporary)
    return names


def properties(scorer: Scorer) -> dict[str, str]:
    """What a model says of itself, each as JSON."""
    about = {key: scorer.metadata[key] for key in KNOWN if key in scorer.metadata}
    about |= {"preparation": vars(scorer.preparation), "views": scorer.views}
    about |= {"scale": vars(scorer.scale)}
    return {f"dpam.{key}": json.dumps(value) for key, value in about.items()}
