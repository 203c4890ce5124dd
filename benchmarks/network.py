"""Measure the network at its published size: the reference, as described, beside ours.

Both forms run in this process on the same random inputs and take turns. One row each for inference
and for a training step (scores, loss and gradients; the optimiser's step is the same for both), in
float32 and under bfloat16 autocast, at several batch sizes. Memory is what a step takes at its peak
beyond weights, gradients and inputs. "of peak" is the share of this device's measured rate in
products of large matrices, with the products of our inference as PyTorch counts them, three times
as many in training. "recomputing" keeps less of the backbone for the backward pass and computes it
again (`training.grad_checkpointing`). The reference is `dpam/model/reference.py`.

    python benchmarks/network.py
"""

import argparse
import copy
from collections.abc import Callable

import torch
from torch import Tensor

from dpam.experiments.benchmark import (
    Cost,
    Form,
    compare,
    gflop,
    inference,
    now,
    training_step,
)
from dpam.model import DPAM
from dpam.model.reference import ReferenceDPAM
from dpam.superpixels.statistics import pixel_statistics
from dpam.utils.progress import track
from dpam.utils.runtime import compile_network, device, record

MEGABYTE = 2**20
SUPERPIXELS, PIXELS = 140, 600  # per image and per superpixel, as released for LIVE Challenge
# Batch sizes of inference and of training; the released one is 12.
BATCHES = {"cpu": ((1, 4), (2,)), "cuda": ((1, 12, 64), (12, 48))}
SIDES = {"cpu": 2048, "cuda": 8192}  # of the matrices whose product is the peak
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
STEPS = {"inference": inference, "training": training_step}
HEADER = [
    "step",
    "precision",
    "batch",
    "form",
    "images/s",
    "speed",
    "MB/image",
    "memory",
    "of peak",
]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3, help="timed steps of each form")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile, too")
    args = parser.parse_args()
    where = device()
    reference, ours = ReferenceDPAM(dropout=0.1).to(where), DPAM().to(where)
    fused = copy.deepcopy(ours).fuse()
    nets: dict[str, Callable[..., Tensor]] = {"reference": reference, "ours": fused}
    in_training = nets | {"ours": ours, "ours, recomputing": recompute(ours)}
    if args.compile:
        nets["ours, compiled"] = compile_network(fused)
        in_training["ours, compiled"] = compile_network(ours)
    peaks = {
        name: matrix_product_peak(where, dtype, SIDES[where.type])
        for name, dtype in PRECISIONS.items()
    }
    work = {
        name: gflop(Form(nets[name], inputs_of(name, ours.image_size, 12, where))) / 12
        for name in ("reference", "ours")
    }
    cases = [
        (step, precision, batch)
        for step, batches in zip(STEPS, BATCHES[where.type], strict=True)
        for precision in PRECISIONS
        for batch in batches
    ]
    rows = [HEADER, ["---"] * len(HEADER)]
    for step, precision, batch in track(cases, "measuring", unit="case"):
        reference.train(step == "training")
        ours.train(step == "training")
        forms = {
            name: Form(net, inputs_of(name, ours.image_size, batch, where))
            for name, net in (in_training if ours.training else nets).items()
        }
        costs = compare(STEPS[step], forms, where, PRECISIONS[precision], args.repetitions)
        products = work["ours"] * (3 if step == "training" else 1)
        for name, cost in costs.items():
            share = batch / cost.seconds * products / peaks[precision]
            rows.append(
                [
                    *(step, precision, str(batch), name, f"{batch / cost.seconds:.3g}"),
                    f"{costs['reference'].seconds / cost.seconds:.2f}x",
                    *memory_columns(cost, costs["reference"], batch),
                    "" if name == "reference" else f"{share:.0%}",
                ]
            )
    made_by = record()
    versions = ", ".join(f"{name} {made_by['versions'][name]}" for name in ("torch", "timm"))
    text = (
        f"{made_by['device']}; Python {made_by['python']}, {versions}. GFLOP per image: reference "
        f"{work['reference']:.0f}, ours {work['ours']:.0f}. Products of {SIDES[where.type]}x"
        f"{SIDES[where.type]} matrices: "
        + ", ".join(f"{peak / 1000:.3g} TFLOP/s in {name}" for name, peak in peaks.items())
        + ".\n\n"
        + "".join(f"| {' | '.join(row)} |\n" for row in rows)
    )
    print(text)


def memory_columns(cost: Cost, reference: Cost, batch: int) -> list[str]:
    """Memory per image, and how many times less it is than the reference's."""
    if cost.memory is None or reference.memory is None:
        return ["not measured", ""]
    return [
        f"{cost.memory / batch / MEGABYTE:.0f}",
        f"1/{reference.memory / max(cost.memory, 1):.1f}",
    ]


def inputs_of(name: str, image_size: int, batch: int, where: torch.device) -> tuple[Tensor, ...]:
    """The same random batch as the form called `name` takes it."""
    image, texture, pixels = random_inputs(image_size, batch, SUPERPIXELS, PIXELS)
    if name == "reference":
        return image.to(where), texture.to(where), pixels.to(where)
    mean, covariance = map(torch.from_numpy, pixel_statistics(pixels.numpy()))
    return tuple(tensor.to(where) for tensor in (image, texture[:, :1], mean, covariance))


def recompute(net: DPAM) -> Callable[..., Tensor]:
    """The network, with `Backbone.grad_checkpointing` while it is called."""

    def call(image: Tensor, texture: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
        net.backbone.grad_checkpointing(True)
        score = net(image, texture, mean, covariance)
        net.backbone.grad_checkpointing(False)
        return score

    return call


def matrix_product_peak(device: torch.device, precision: torch.dtype, side: int) -> float:
    """GFLOP per second of a product of two square matrices, the best of ten."""
    a, b = torch.randn(2, side, side, device=device, dtype=precision)
    a @ b
    times = []
    for _ in range(10):
        start = now(device)
        a @ b
        times.append(now(device) - start)
    return 2 * side**3 / min(times) / 1e9


def random_inputs(
    image_size: int, batch: int, superpixels: int, pixels: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs as the release takes them: image, texture in three equal channels, pixels.

    Returns:
        image (B, 3, S, S), texture (B, 3, S, S), pixels of superpixels (B, N, P, 3).
    """
    generator = torch.Generator().manual_seed(20)
    image = torch.rand(batch, 3, image_size, image_size, generator=generator) * 2 - 1
    texture = torch.rand(batch, 1, image_size, image_size, generator=generator).repeat(1, 3, 1, 1)
    return image, texture, torch.rand(batch, superpixels, pixels, 3, generator=generator)


if __name__ == "__main__":
    main()
