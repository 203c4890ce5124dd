"""Features of a frozen Vision Transformer: mean and deviation of its patches' tokens."""

from collections.abc import Iterable
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from dpam.imaging.filters import planes, resize
from dpam.model.backbone import Backbone
from dpam.pack.batches import fixed_views
from dpam.pack.preparation import Prepared
from dpam.utils.runtime import whole_float32

VIEWS = 5


def squares(rgb: np.ndarray, network_input: str, size: int) -> list[np.ndarray]:
    """What the network would see of an image.

    Args:
        rgb: (H, W, 3) uint8.
        network_input: whole, the image resized; crop, five squares of it as it is stored.
        size: side of a square.

    Returns:
        (size, size, 3) uint8 each.
    """
    if network_input == "whole":
        return [resize(rgb, size, size)]
    height, width = rgb.shape[:2]
    grow = max(1.0, size / min(height, width))
    pixels = resize(rgb, round(width * grow), round(height * grow)) if grow > 1 else rgb
    image = Prepared(pixels, None, np.empty((0, 3)), np.empty((0, 6)))
    return [
        pixels[view.top : view.top + size, view.left : view.left + size]
        for view in fixed_views(image, size, VIEWS)
    ]


def token_statistics(backbone: Backbone, image: Tensor) -> Tensor:
    """Mean and standard deviation over the patches of each channel of the blocks that are read.

    Args:
        image: (B, 3, S, S) uint8.

    Returns:
        (B, 2 C), the means before the deviations.
    """
    mean, std = (
        torch.tensor(values, device=image.device).view(3, 1, 1)
        for values in (backbone.mean, backbone.std)
    )
    tokens = backbone((image.float() / 255 - mean) / std)  # (B, C, T)
    return torch.cat([tokens.mean(dim=2), tokens.std(dim=2)], dim=1)


@torch.inference_mode()
def vit_features(
    backbone: Backbone,
    images: Iterable[list[np.ndarray]],
    device: torch.device,
    batch_size: int = 16,
) -> np.ndarray:
    """Features of images, each the mean over its squares.

    Args:
        backbone: on `device`; it is left in evaluation mode.
        images: the squares of each image; read as they are needed.
        device: where the backbone lies.
        batch_size: images per batch.

    Returns:
        (n, 2 C) float32.
    """
    backbone.eval()
    features = [np.empty((0, 2 * backbone.channels), np.float32)]
    remaining = iter(images)
    while chunk := list(islice(remaining, batch_size)):
        views = torch.stack([planes(square) for image in chunk for square in image]).to(device)
        with whole_float32(device):
            found = torch.split(token_statistics(backbone, views), [len(image) for image in chunk])
        features.append(torch.stack([part.mean(dim=0) for part in found]).cpu().numpy())
    return np.concatenate(features)
