"""Batched scores of prepared images."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from dpam.batches import Batch, View, collate, fixed_views
from dpam.model import DPAM, Network
from dpam.preparation import Prepared
from dpam.views import Views


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
class Answer:
    """What the network says of the V views of one image.

    Attributes:
        quality: (V,) float64, on the scale of the labels that the network was trained with.
        token_score: (V, g, g) float32, of each patch, at least 0; (V, 0, 0) of a network that
            knows none.
        token_weight: (V, g, g) float32, in (0, 1), or (V, 0, 0); the quality is the weighted mean
            of the scores.
    """

    quality: np.ndarray
    token_score: np.ndarray
    token_weight: np.ndarray


def answers(
    net: Network,
    images: Iterable[Prepared],
    size: int,
    views: Views,
    device: torch.device,
    batch_size: int = 32,
) -> Iterator[Answer]:
    """Answers about images, in their order, as soon as the batch with an image's last view is done.

    Args:
        net: on `device`; it is left in evaluation mode.
        images: prepared images; read one by one, so that any number of them fits in memory.
        size: side of the network's input.
        views: see `dpam.batches.fixed_views`.
        device: where the network lies.
        batch_size: views per batch.
    """
    net.eval()
    waiting: list[tuple[float, np.ndarray, np.ndarray]] = []
    for chunk in chunks(numbered_views(images, size, views), batch_size):
        with torch.inference_mode():
            batch = collate([view for _, view in chunk], size).to(device)
            quality, score, weight = asked(net, batch)
        maps = [tensor.float().cpu().numpy() for tensor in (score, weight)]
        rows = zip(quality.tolist(), *maps, strict=True)
        for (left, _), row in zip(chunk, rows, strict=True):
            waiting.append(row)
            if not left:  # views of this image
                qualities, scores, weights = zip(*waiting, strict=True)
                yield Answer(np.array(qualities), np.stack(scores), np.stack(weights))
                waiting = []


def asked(net: Network, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """What the network says of a batch: quality (B,), patches' scores and weights (B, g, g)."""
    if isinstance(net, DPAM):
        image, texture, mean, covariance = network_inputs(net, batch)
        return net(image, texture, mean, covariance, return_maps=True)
    quality = net(*network_inputs(net, batch))
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
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """Score every image once: the mean over its fixed views; arguments as of `answers`.

    Returns:
        predictions (n,) on the scale of the labels the network was trained with, and their
        standard deviations over the views (n,), both float64.
    """
    found = [
        (answer.quality.mean(), answer.quality.std())
        for answer in answers(net, images, size, views, device, batch_size)
    ]
    mean, spread = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return mean, spread


def chunks(views: Iterator[tuple[int, View]], size: int) -> Iterator[list[tuple[int, View]]]:
    """Lists of up to `size` items."""
    while chunk := list(islice(views, size)):
        yield chunk
