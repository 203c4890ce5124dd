"""A trained network as a module that maps images to scores, also as a loss to optimise images by.

metric = dpam.create_metric("model.safetensors", as_loss=True)
metric(images).sum().backward()                # images (N, 3, H, W) in [0, 1]
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dpam.batches import collate, fixed_views
from dpam.filters import resize_cubic
from dpam.preparation import Prepared, prepare, select
from dpam.scorer import Scorer, load, rgb_array
from dpam.views import Views


@dataclass(frozen=True)
class Held:
    """What of an image is held fixed while it changes: these are no smooth functions of it.

    Attributes:
        prepared: its texture comes from differences of integers that wrap modulo 256.
        label_map: (h, w) which pixel belongs to which superpixel.
    """

    prepared: Prepared
    label_map: np.ndarray


class IqaMetric(nn.Module):
    """Quality of images without a reference, on the scale of the dataset of the training.

    Args:
        scorer: the network.
        as_loss: let gradients reach the images. Superpixels and texture are held fixed, those of
            each image as it is given; the colours of the superpixels follow the image. The image
            is not rounded to 8 bits then, so that scores differ slightly from those without. Nor
            are scores bounded: at an end of the range there would be no gradient, so an image that
            is optimised may score beyond it, which says no more than the end does.

    Attributes:
        lower_better: whether a smaller score means better quality.
        score_range: (lowest, highest) score.
    """

    def __init__(self, scorer: Scorer, as_loss: bool = False) -> None:
        super().__init__()
        self.scorer, self.net, self.as_loss = scorer, scorer.net, as_loss
        self.lower_better = not scorer.scale.higher_is_better
        self.score_range = scorer.scale.range
        self.train(False)
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> "IqaMetric":
        """A judge never trains: dropout and batch norm stay as in evaluation."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Score images.

        Args:
            images: (N, 3, H, W) RGB in [0, 1], both sides at least 32; on the network's device.

        Returns:
            (N,) float32, within `score_range` but for a loss.

        Raises:
            DpamError: images of another shape or range, or too small.
        """
        self.scorer.device = next(self.net.parameters()).device  # `metric.to(device)` moves it
        if not self.as_loss:
            scores = self.scorer.score(images.detach())
            return torch.as_tensor(scores, dtype=torch.float32, device=images.device)
        return torch.stack([self.one(image, self.hold(image)) for image in images])

    def hold(self, image: Tensor) -> Held:
        """What is held fixed of an image, (3, H, W) in [0, 1]."""
        rgb, scorer = rgb_array(image.detach().clamp(0, 1)), self.scorer
        prepared, segmentation = prepare(rgb, scorer.preparation, scorer.device)
        return Held(prepared, segmentation.label_map)

    def one(self, image: Tensor, held: Held) -> Tensor:
        """The score () of an image (3, H, W) in [0, 1], differentiable with respect to it."""
        preparation, size = self.scorer.preparation, self.net.image_size
        views = fixed_views(held.prepared, size, self.scorer.views)
        pixels = image
        for source in (held.prepared, views[0].image):  # the same, but for views of the whole
            if pixels.shape[1:] != source.pixels.shape[:2]:
                pixels = resize_cubic(pixels, *source.pixels.shape[:2])
        grain = collate(views, size).texture.to(image)
        pictures = torch.stack([pixels[:, v.top :, v.left :][:, :size, :size] for v in views])
        normal = [
            torch.tensor(values).to(image).view(3, 1, 1) for values in (self.net.mean, self.net.std)
        ]

        segmented = image
        if image.shape[1:] != held.label_map.shape:
            segmented = resize_cubic(image, *held.label_map.shape)
        colour_mean, colour_covariance = colours(
            segmented.flip(0), torch.from_numpy(held.label_map.astype(int))
        )
        chosen = torch.from_numpy(select(len(colour_mean), preparation.superpixels)).to(
            image.device
        )
        mean, covariance = (
            values[chosen].to(image).expand(len(views), -1, -1)
            for values in (colour_mean, colour_covariance)
        )
        quality: Tensor = self.net(
            (pictures - normal[0]) / normal[1], grain, mean, covariance
        ).mean()
        return self.scorer.scale.native(self.scorer.meaning(quality))


def colours(image: Tensor, label_map: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of superpixels' colours, differentiable; K superpixels.

    Args:
        image: (3, h, w) in any order of channels.
        label_map: (h, w) int64, labels 0 ... K-1.

    Returns:
        (K, 3) and (K, 6), upper triangle row by row, float64; see `label_map_statistics`.
    """
    labels = label_map.reshape(-1).to(image.device)
    pixels = image.double().flatten(1).T  # (h w, 3)
    count = torch.bincount(labels)[:, None]  # (K, 1)
    mean = torch.zeros(len(count), 3).to(pixels).index_add(0, labels, pixels) / count
    centred = pixels - mean[labels]
    first, second = torch.triu_indices(3, 3, device=image.device)
    products = centred[:, first] * centred[:, second]
    spread = torch.zeros(len(count), 6).to(pixels).index_add(0, labels, products)
    return mean, spread / (count - 1).clamp(min=1)


def create_metric(
    path: str | Path,
    as_loss: bool = False,
    dataset: str | None = None,
    device: str | torch.device = "auto",
    views: Views | None = None,
) -> IqaMetric:
    """A checkpoint as a module; arguments as of `IqaMetric` and `dpam.load`.

    Raises:
        DpamError: the checkpoint cannot be read.
    """
    return IqaMetric(load(path, dataset, device, views), as_loss)
