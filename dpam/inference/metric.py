"""A trained network as a module that maps images to scores, also as a loss to optimise images by.

metric = dpam.create_metric(as_loss=True)      # of the package's judge, or of a checkpoint
metric(images).sum().backward()                # images (N, 3, H, W) in [0, 1]
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dpam.imaging.filters import resize_cubic
from dpam.inference.photographs import Photo, is_one, rgb_array, unit_tensor
from dpam.inference.predict import normalise
from dpam.inference.scorer import Scorer, load
from dpam.pack.batches import collate, fixed_views
from dpam.pack.preparation import Prepared, select
from dpam.pack.preparing import prepare
from dpam.pack.views import Views
from dpam.utils.runtime import whole_float32


@dataclass(frozen=True)
class FixedInputs:
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

    def __repr__(self) -> str:
        return f"IqaMetric({self.scorer!r}, as_loss={self.as_loss})"

    def forward(self, photos: Photo | Iterable[Photo]) -> Tensor:
        """Score photographs.

        Args:
            photos: (N, 3, H, W) RGB, uint8 or floats in [0, 1], both sides at least 32; or all else
                that `Scorer.score` takes, the name of a file too.

        Returns:
            (N,) float32, one for a single photograph; within `score_range` but for a loss; on the
            device of a tensor that is given, else on that of the network.

        Raises:
            DpamError: it is something else, of another shape or range, or too small.
        """
        weights = next(self.net.parameters())
        self.scorer.device = weights.device  # `metric.to(device)` moves it
        where = photos.device if isinstance(photos, Tensor) else weights.device
        if not self.as_loss:
            rated = [score.score for score in self.scorer.rate(photos)]
            return torch.tensor(rated, dtype=torch.float32, device=where)
        many = cast(Iterable[Photo], [photos] if is_one(photos) else photos)
        images = (unit_tensor(photo, self.scorer.preparation) for photo in many)
        with torch.autocast(weights.device.type, enabled=False), whole_float32(weights.device):
            scores = [self.one(image.to(weights), self.fixed_inputs(image)) for image in images]
        if not scores:  # an empty batch still has a gradient, empty as well
            none = photos if isinstance(photos, Tensor) else torch.empty(0)
            return none.flatten().float()
        return torch.stack(scores).to(where)

    def fixed_inputs(self, image: Tensor) -> FixedInputs:
        """What is held fixed of an image, (3, H, W) in [0, 1]."""
        scorer = self.scorer
        rgb = rgb_array(image, scorer.preparation)
        prepared, segmentation = prepare(rgb, scorer.preparation, scorer.device)
        return FixedInputs(prepared, segmentation.label_map)

    def one(self, image: Tensor, fixed: FixedInputs) -> Tensor:
        """The score () of an image (3, H, W) in [0, 1], differentiable with respect to it."""
        size, how = self.net.image_size, self.scorer.preparation.resize
        views = fixed_views(fixed.prepared, size, self.scorer.views)
        pixels = image
        for source in (fixed.prepared, views[0].image):  # the same, but for views of the whole
            tall, wide = source.pixels.shape[:2]
            pixels = resize(pixels, tall, wide, how)
        pictures = []
        for view in views:
            height, width = view.extent(size)
            cut = pixels[:, view.top : view.top + height, view.left : view.left + width]
            pictures.append(resize(cut, size, size, how))
        inputs = [normalise(self.net, torch.stack(pictures))]
        if "texture" in self.net.reads:
            inputs.append(collate(views, size).texture.to(image))
        if "mean" in self.net.reads:
            inputs += self.statistics(image, fixed, len(views))
        network: nn.Module = self.net
        quality: Tensor = network(*inputs).mean()
        return self.scorer.scale.native(self.scorer.meaning(quality))

    def statistics(self, image: Tensor, fixed: FixedInputs, views: int) -> list[Tensor]:
        """Mean (V, N, 3) and covariance (V, N, 6) of the superpixels, the same for each view."""
        tall, wide = fixed.label_map.shape
        segmented = resize(image, tall, wide, "cubic")
        labels = torch.from_numpy(fixed.label_map.astype(int))
        found = colours(segmented.flip(0), labels)
        chosen = torch.from_numpy(select(len(found[0]), self.scorer.preparation.superpixels))
        return [values[chosen.to(image.device)].to(image).expand(views, -1, -1) for values in found]


def resize(image: Tensor, height: int, width: int, how: str) -> Tensor:
    """Resize (3, H, W) floats as `dpam.imaging.filters.resize` resizes bytes, but for rounding."""
    if image.shape[1:] == (height, width):
        return image
    if how == "antialias":
        return F.interpolate(image[None], (height, width), mode="bicubic", antialias=True)[0]
    return resize_cubic(image, height, width)


def colours(image: Tensor, label_map: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of superpixels' colours, differentiable; K superpixels.

    Args:
        image: (3, h, w) in any order of channels.
        label_map: (h, w) int64, labels 0 ... K-1.

    Returns:
        (K, 3) and (K, 6), upper triangle row by row; see `label_map_statistics`.
    """
    labels = label_map.reshape(-1).to(image.device)
    kind = torch.promote_types(image.dtype, torch.float32)
    pixels = image.to(kind).flatten(1).T  # (h w, 3)
    count = torch.bincount(labels)[:, None]  # (K, 1)
    mean = torch.zeros(len(count), 3).to(pixels).index_add(0, labels, pixels) / count
    centred = pixels - mean[labels]
    first, second = torch.triu_indices(3, 3, device=image.device)
    products = centred[:, first] * centred[:, second]
    spread = torch.zeros(len(count), 6).to(pixels).index_add(0, labels, products)
    return mean, spread / (count - 1).clamp(min=1)


def create_metric(
    path: str | Path | None = None,
    as_loss: bool = False,
    dataset: str | None = None,
    device: str | torch.device = "auto",
    views: Views | None = None,
    judge: str | None = None,
) -> IqaMetric:
    """A judge of the package or a checkpoint as a module; see `IqaMetric` and `dpam.load`.

    Raises:
        DpamError: the checkpoint cannot be read.
    """
    return IqaMetric(load(path, dataset, device, views, judge), as_loss)
