"""The superpixel methods by name. A new one is a function and an entry of METHODS.

What a method computes with is imported when it runs: the workflow asks here for names alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch


class Settings(Protocol):
    """What methods are told; those of `dpam.pack.preparation.Preparation`."""

    @property
    def method(self) -> str:
        """One of NAMES."""

    @property
    def superpixel_size(self) -> tuple[int, int] | None:
        """(width, height) to resize to before; None: as stored."""

    @property
    def region_size(self) -> int:
        """Side of a superpixel, or of SLIC's initial cells, pixels."""

    @property
    def compactness(self) -> float:
        """SLIC's compactness."""

    @property
    def iterations(self) -> int:
        """SLIC's rounds."""

    @property
    def backend(self) -> str:
        """What computes SLIC."""

    @property
    def rim(self) -> str:
        """RIM's settings, dpam or paper."""

    @property
    def ainet(self) -> str | None:
        """File with AINet's weights."""


@dataclass(frozen=True)
class Segmentation:
    """The image that was segmented, (h, w, 3) uint8 RGB, and its label map, (h, w) uint16."""

    image: np.ndarray
    label_map: np.ndarray


Images = Sequence[np.ndarray]
Segment = Callable[[Images, "Settings", "torch.device"], Images]


def by_slic(images: Images, settings: Settings, device: "torch.device") -> Images:
    """See `dpam.superpixels.slico`; on a GPU torch takes all images of one size at once."""
    from dpam.superpixels.slico import slico, without_gaps

    how = settings.region_size, settings.compactness, settings.iterations
    if settings.backend != "torch" or device.type == "cpu":
        return [slico(image, *how, settings.backend) for image in images]
    from dpam.superpixels.slico_torch import slico_together

    found: dict[int, np.ndarray] = {}
    for size in {image.shape for image in images}:
        alike = [number for number, image in enumerate(images) if image.shape == size]
        label_maps = slico_together(np.stack([images[number] for number in alike]), *how, device)
        found |= zip(alike, map(without_gaps, label_maps), strict=True)
    return [found[number] for number in range(len(images))]


def by_rim(images: Images, settings: Settings, device: "torch.device") -> Images:
    """See `dpam.superpixels.rim`; all images at once."""
    from dpam.superpixels.rim import PRESETS, rim

    return list(rim(np.stack(images), PRESETS[settings.rim], device))


def by_ainet(images: Images, settings: Settings, device: "torch.device") -> Images:
    """See `dpam.superpixels.ainet`."""
    from dpam.superpixels.ainet import ainet, load_ainet

    net = load_ainet(settings.ainet).to(device)
    return [ainet(image, net, settings.region_size) for image in images]


class Method(NamedTuple):
    """A superpixel method.

    Attributes:
        segment: of images, each (h, w, 3) uint8 RGB, with the settings, on a device, the label
            maps, each (h, w) uint16, labels 0 ... K-1 without gaps.
        seconds: of one processor core for a megapixel that it segments; for `dpam estimate`.
        side: photographs are resized to squares of so many pixels; None: as the dataset's recipe
            says.
        uses_gpu: whether it computes on a GPU, where there is one, with the settings.
    """

    segment: Segment
    seconds: float
    side: int | None = None
    uses_gpu: Callable[[Settings], bool] = lambda _: False


METHODS = {
    "slic": Method(by_slic, seconds=0.085, uses_gpu=lambda how: how.backend == "torch"),
    "rim": Method(by_rim, seconds=279.0, side=224, uses_gpu=lambda _: True),
    "ainet": Method(by_ainet, seconds=1.5, uses_gpu=lambda _: True),
}
NONE = "none"  # of networks that read the image alone
NAMES = (*METHODS, NONE)
RIM = ("paper", "dpam")  # names of RIM's settings, see `dpam.superpixels.rim`


def segment(photographs: Images, settings: Settings, device: "torch.device") -> list[Segmentation]:
    """Superpixels of photographs, each (H, W, 3) uint8 RGB; with the method none all of it is one.

    Raises:
        DpamError: what the method needs is missing.
    """
    from dpam.imaging.filters import resize
    from dpam.superpixels.slico import resize_by_opencv

    if not photographs:
        return []
    if settings.method == NONE:
        return [Segmentation(rgb, np.zeros(rgb.shape[:2], np.uint16)) for rgb in photographs]
    method = METHODS[settings.method]
    size = settings.superpixel_size if method.side is None else (method.side, method.side)
    images = list(photographs)
    if size is not None:
        by_opencv = settings.method == "slic" and settings.backend == "opencv"
        images = [(resize_by_opencv if by_opencv else resize)(rgb, *size) for rgb in photographs]
    label_maps = method.segment(images, settings, device)
    return [Segmentation(*pair) for pair in zip(images, label_maps, strict=True)]
