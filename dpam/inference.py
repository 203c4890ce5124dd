"""Batched scores of prepared images."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dpam.batches import Batch, View, Views, collate, fixed_views
from dpam.model import DPAM
from dpam.preparation import Prepared


def network_inputs(net: DPAM, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What the network takes of a batch: its image normalised with the network's mean and std."""
    mean, std = (
        torch.tensor(values, device=batch.image.device).view(3, 1, 1)
        for values in (net.mean, net.std)
    )
    image = (batch.image.float() / 255 - mean) / std
    return image, batch.texture, batch.mean, batch.covariance


@torch.inference_mode()
def predict(
    net: DPAM,
    images: Iterable[Prepared],
    size: int,
    views: Views,
    device: torch.device,
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """Score every image once: the mean over its fixed views.

    Args:
        net: on `device`; it is left in evaluation mode.
        images: prepared images; read one by one.
        size: side of the network's input.
        views: see `dpam.batches.fixed_views`.
        device: where the network lies.
        batch_size: views per batch.

    Returns:
        predictions (n,) on the scale of the labels the network was trained with, and their
        standard deviations over the views (n,), both float64.
    """
    net.eval()
    rows: list[int] = []
    scores: list[float] = []
    views_of_all = (
        (row, view) for row, image in enumerate(images) for view in fixed_views(image, size, views)
    )
    for chunk in chunks(views_of_all, batch_size):
        batch = collate([view for _, view in chunk], size).to(device)
        rows.extend(row for row, _ in chunk)
        scores.extend(net(*network_inputs(net, batch)).double().tolist())
    by_image = pd.Series(scores, dtype=float).groupby(rows)
    return by_image.mean().to_numpy(), by_image.std(ddof=0).to_numpy()


def chunks(views: Iterator[tuple[int, View]], size: int) -> Iterator[list[tuple[int, View]]]:
    """Lists of up to `size` items."""
    while chunk := list(islice(views, size)):
        yield chunk
