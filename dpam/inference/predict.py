"""Batched scores of prepared images.

Files and folders come from `dpam.inference.sources`; `dpam.commands.predict` scores them.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from dpam.model import Network
from dpam.pack.batches import Batch, View, collate, fixed_views
from dpam.pack.preparation import Prepared
from dpam.pack.views import Views
from dpam.utils.parallel import in_order
from dpam.utils.runtime import whole_float32

BATCH = (2, 32)  # views: of each thread of a processor, whose caches hold few; of a GPU
Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


def network_inputs(net: Network, batch: Batch) -> tuple[Tensor, ...]:
    """What the network takes of a batch: its image normalised with the network's mean and std."""
    kind = next(net.parameters()).dtype
    image = normalise(net, batch.image.to(kind) / 255)
    return image, *(getattr(batch, name).to(kind) for name in net.reads[1:])


def normalise(net: Network, image: Tensor) -> Tensor:
    """An image (..., 3, S, S) in [0, 1] with the network's mean and std."""
    mean, std = (torch.tensor(values).to(image).view(3, 1, 1) for values in (net.mean, net.std))
    return (image - mean) / std


@dataclass(frozen=True)
class Prediction:
    """What the network says of the V views of one image.

    Attributes:
        quality: (V,) float64, on the scale of the labels that the network was trained with.
        token_score: (V, g, g) float32, of each patch; it may pass the ends of that scale. (V, 0, 0)
            if not asked for.
        token_weight: (V, g, g) float32, or (V, 0, 0); the quality is the weighted mean of the
            scores.
    """

    quality: np.ndarray
    token_score: np.ndarray
    token_weight: np.ndarray


def predict_views(
    net: Network,
    images: Iterable[Prepared],
    size: int,
    views: Views,
    device: torch.device,
    batch_size: int | None = None,
    maps: bool = True,
) -> Iterator[Prediction]:
    """Answers about images, in their order, as soon as the batch with an image's last view is done.

    Args:
        net: on `device`; it is left in evaluation mode.
        images: prepared images; read one by one, so that any number of them fits in memory.
        size: side of the network's input.
        views: see `dpam.pack.batches.fixed_views`.
        device: where the network lies.
        batch_size: views per batch; None: as many as are best there.
        maps: whether to ask for patches' scores and weights, which take a little time.
    """
    net.eval()
    where = device.type
    # Of this thread, for those that compute.
    dtype, enabled = torch.get_autocast_dtype(where), torch.is_autocast_enabled(where)

    def compute(chunk: list[tuple[int, View]]) -> Iterator[ViewPrediction]:
        autocast = torch.autocast(where, dtype, enabled)
        with torch.inference_mode(), autocast, whole_float32(device):
            batch = collate([view for _, view in chunk], size).to(device)
            quality, score, weight = predict_batch(net, batch, maps)
        found = [tensor.float().cpu().numpy() for tensor in (score, weight)]
        return map(ViewPrediction, (left for left, _ in chunk), quality.tolist(), *found)

    waiting: list[ViewPrediction] = []
    results = in_batches(compute, images, size, views, device, batch_size)
    for part in chain.from_iterable(results):
        waiting.append(part)
        if not part.left:
            yield Prediction(
                np.array([part.quality for part in waiting]),
                np.stack([part.score for part in waiting]),
                np.stack([part.weight for part in waiting]),
            )
            waiting = []


def in_batches(
    compute: Callable[[list[tuple[int, View]]], Result],
    images: Iterable[Prepared],
    size: int,
    views: Views,
    device: torch.device,
    batch_size: int | None = None,
) -> Iterator[Result]:
    """Results of `compute`, in order, of batches of `numbered_views`; on a processor side by side.

    Arguments are as of `predict_views`.
    """
    pieces = chunks(numbered_views(images, size, views), batch_size or BATCH[device.type != "cpu"])
    spread = beside_each_other if device.type == "cpu" else map
    yield from spread(compute, pieces)


class ViewPrediction(NamedTuple):
    """What the network says of a view; `left`: so many views of its image are to follow."""

    left: int
    quality: float
    score: np.ndarray
    weight: np.ndarray


def beside_each_other(
    compute: Callable[[Chunk], Result], chunks: Iterable[Chunk]
) -> Iterator[Result]:
    """Results in order, of one thread per chunk, instead of PyTorch's threads for each in turn.

    These wait for each other at every layer, the more so the busier the machine. A single chunk has
    them all.
    """
    threads, rest = torch.get_num_threads(), iter(chunks)
    first = list(islice(rest, 2))
    if threads == 1 or len(first) < 2:
        yield from map(compute, chain(first, rest))
        return
    torch.set_num_threads(1)
    try:
        yield from in_order(compute, chain(first, rest), threads)
    finally:
        torch.set_num_threads(threads)


def predict_batch(net: Network, batch: Batch, maps: bool) -> tuple[Tensor, Tensor, Tensor]:
    """What the network says of a batch: quality (B,), patches' scores and weights (B, g, g).

    Without `maps` the latter two are (B, 0, 0).
    """
    call: Callable[..., Any] = net
    inputs = network_inputs(net, batch)
    if maps:
        found: tuple[Tensor, Tensor, Tensor] = call(*inputs, return_maps=True)
        return found
    quality: Tensor = call(*inputs)
    nothing = quality.new_empty(len(quality), 0, 0)
    return quality, nothing, nothing


def numbered_views(
    images: Iterable[Prepared], size: int, views: Views
) -> Iterator[tuple[int, View]]:
    """The fixed views of images, each with the number of views of its image that are to follow."""
    for image in images:
        fixed = fixed_views(image, size, views)
        yield from zip(reversed(range(len(fixed))), fixed, strict=True)


def predict(
    net: Network,
    images: Iterable[Prepared],
    size: int,
    views: Views,
    device: torch.device,
    batch_size: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Score every image once: the mean over its fixed views; arguments as in `predict_views`.

    Returns:
        predictions (n,) on the scale of the labels the network was trained with, and their
        standard deviations over the views (n,), both float64.
    """
    found = [
        (prediction.quality.mean(), prediction.quality.std())
        for prediction in predict_views(net, images, size, views, device, batch_size, maps=False)
    ]
    mean, spread = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return mean, spread


def chunks(views: Iterator[tuple[int, View]], size: int) -> Iterator[list[tuple[int, View]]]:
    """Lists of up to `size` items."""
    while chunk := list(islice(views, size)):
        yield chunk
