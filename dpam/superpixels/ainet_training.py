"""Training of AINet on label maps: here those of SLIC, so that no labels are needed.

Settings are the authors' where the paper states them. Their boundary-perceiving term is left out:
at the released defaults it never takes effect.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dpam.superpixels.ainet import CELL, AINet, neighbourhoods
from dpam.superpixels.ainet_settings import AINetSettings
from dpam.utils.progress import track

SIDE = 208  # pixels of the squares that are trained on


def blocks(maps: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, h, 16, w, 16): pixels by cell."""
    count, channels, height, width = maps.shape
    return maps.reshape(count, channels, height // CELL, CELL, width // CELL, CELL)


def rebuild(features: Tensor, association: Tensor) -> Tensor:
    """Features as the superpixels keep them: pooled into cells, and spread to pixels again.

    Args:
        features: (B, C, H, W).
        association: (B, 9, H, W).

    Returns:
        (B, C, H, W): of each pixel, the association-weighted mean over its nine cells of the
        association-weighted mean over all pixels of each cell.
    """
    weight = blocks(association)
    one = torch.ones_like(features[:, :1])
    given = torch.einsum("bcyuxv,bkyuxv->bckyx", blocks(torch.cat([features, one], 1)), weight)
    rows, columns = given.shape[-2:]
    # What a cell's pixels give to their neighbour k arrives there: fold is the sum over k.
    pooled = F.fold(given.reshape(len(given), -1, rows * columns), (rows, columns), 3, padding=1)
    means = pooled[:, :-1] / (pooled[:, -1:] + 1e-8)
    spread = torch.einsum("bckyx,bkyuxv->bcyuxv", neighbourhoods(means), weight)
    return spread.reshape(features.shape)


def loss_of(association: Tensor, labels: Tensor, position: float) -> Tensor:
    """Cross-entropy of rebuilt labels, and distance of rebuilt from true positions.

    Args:
        association: (B, 9, H, W).
        labels: (B, H, W) integers from 0.
        position: weight of the second term.
    """
    _, _, height, width = association.shape
    device = association.device
    wanted = F.one_hot(labels).permute(0, 3, 1, 2).float()
    row = torch.arange(height, device=device, dtype=torch.float32).view(1, 1, -1, 1)
    column = torch.arange(width, device=device, dtype=torch.float32).view(1, 1, 1, -1)
    shape = (len(labels), 1, height, width)
    places = torch.cat([row.expand(shape), column.expand(shape)], dim=1)
    found = rebuild(torch.cat([wanted, places], dim=1), association)
    right = found[:, :-2].gather(1, labels[:, None])
    missed = -(right + 1e-8).log().sum()
    # The sum beneath the root keeps its gradient finite where a pixel is its own cell's centre.
    away = ((found[:, -2:] - places) ** 2).sum(dim=1).add(1e-8).sqrt().sum()
    return 0.005 * (missed + position / CELL * away) / len(labels)


def square(
    image: np.ndarray, labels: np.ndarray, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A random square of an image and of its label map, flipped and shuffled at random.

    Each with probability 0.5: left-right, top-bottom; two patches of 16 pixels change places; a
    strip of 16 rows or columns is shifted around.
    """
    height, width = labels.shape
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    both = np.dstack([image, labels])[top : top + side, left : left + side]
    for axis in (0, 1):
        if rng.random() < 0.5:
            both = np.flip(both, axis)
    both = both.copy()
    if rng.random() < 0.5:
        (y, x), (v, u) = rng.integers(0, side - CELL + 1, (2, 2))
        one, other = (
            both[y : y + CELL, x : x + CELL].copy(),
            both[v : v + CELL, u : u + CELL].copy(),
        )
        both[y : y + CELL, x : x + CELL] = other
        both[v : v + CELL, u : u + CELL] = one
    if rng.random() < 0.5:
        start, by = rng.integers(side - CELL + 1), rng.integers(1, side)
        strip = both[start : start + CELL] if rng.random() < 0.5 else both[:, start : start + CELL]
        strip[:] = np.roll(strip, by, axis=int(strip.shape[0] == CELL))
    return both[..., :3].astype(np.uint8), both[..., 3].astype(np.int64)


def train_ainet(
    images: Sequence[np.ndarray],
    segment: Callable[[np.ndarray], np.ndarray],
    settings: AINetSettings,
    device: torch.device,
) -> tuple[AINet, list[float]]:
    """Train the network on images and the label maps that `segment` gives of them.

    Args:
        images: (H, W, 3) uint8 RGB, both sides at least 16.
        segment: image -> (H, W) label map, the target.
        settings: how.
        device: where.

    Returns:
        The network on the CPU, in evaluation mode, and the loss of each step.
    """
    side = min(SIDE, *(min(image.shape[:2]) // CELL * CELL for image in images))
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    net = AINet().to(device).train()
    optimiser = torch.optim.Adam(
        net.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    targets: dict[int, np.ndarray] = {}
    history = []
    for _ in track(range(settings.steps), "training AINet", unit="step"):
        pairs = []
        for index in rng.integers(len(images), size=settings.batch_size).tolist():
            if index not in targets:
                targets[index] = segment(images[index])
            pairs.append(square(images[index], targets[index], side, rng))
        batch = torch.from_numpy(np.stack([image for image, _ in pairs])).to(device)
        labels = torch.from_numpy(
            np.stack([np.unique(m, return_inverse=True)[1].reshape(m.shape) for _, m in pairs])
        ).to(device)
        association = net(batch.permute(0, 3, 1, 2).float() / 255)
        loss = loss_of(association, labels, settings.position)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        history.append(loss.item())
    assert all(map(math.isfinite, history)), "the loss became infinite"
    return net.cpu().eval(), history
