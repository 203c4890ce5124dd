"""AINet superpixels: a trained network that gives each pixel to one of nine grid cells around it.

After Wang et al., "AINet: Association Implantation for Superpixel Segmentation", ICCV 2021; written
from the paper. `dpam train-ainet` trains it on your own images.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dpam.errors import DpamError
from dpam.imaging.filters import resize_cubic
from dpam.superpixels.slico import grid
from dpam.utils.runtime import whole_float32
from dpam.utils.tensors import read_tensors, refuse_misfit, write_tensors

CELL = 16  # pixels, side of a grid cell
WIDTHS = (16, 32, 64, 128, 256)
CENTRE = (0.411, 0.432, 0.45)  # mean colour that is taken off


def layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, leaky ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1),
    )


def neighbourhoods(cells: Tensor, dilation: int = 1) -> Tensor:
    """(B, C, h, w) -> (B, C, 9, h, w): each cell's 3x3 neighbours, row by row, 0 outside."""
    patches = F.unfold(cells, 3, dilation=dilation, padding=dilation)
    return patches.view(*cells.shape[:2], 9, *cells.shape[2:])


class LocalAttention(nn.Module):
    """Attention of each cell to its 3x3 neighbours, for each channel by itself."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.query, self.key, self.value = (layer(channels, channels) for _ in range(3))

    def forward(self, cells: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        query = self.query(cells)[:, :, None]
        key = neighbourhoods(self.key(cells), self.dilation)
        value = neighbourhoods(self.value(cells), self.dilation)
        weight = (query * key / cells.shape[1] ** 0.5).softmax(dim=2)
        attended: Tensor = (weight * value).sum(dim=2)
        return attended


class AINet(nn.Module):
    """The network.

    The authors' code pads the implanting convolution by 1, which shifts its windows off the blocks.
    """

    def __init__(self) -> None:
        super().__init__()
        pairs = zip((3, *WIDTHS), WIDTHS, strict=False)
        self.encoder = nn.ModuleList(
            nn.Sequential(layer(inputs, width, 1 if level == 0 else 2), layer(width, width))
            for level, (inputs, width) in enumerate(pairs)
        )
        self.near = LocalAttention(WIDTHS[-1], dilation=1)
        self.far = LocalAttention(WIDTHS[-1], dilation=2)
        steps = list(zip(WIDTHS[::-1], WIDTHS[-2::-1], strict=False))
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(wide, width, 4, 2, 1), nn.LeakyReLU(0.1))
            for wide, width in steps
        )
        self.decoder = nn.ModuleList(layer(2 * width, width) for _, width in steps)
        self.cells = nn.Sequential(layer(256, 256), layer(256, 64), layer(64, WIDTHS[0]))
        self.implant = nn.Conv2d(16, 16, 3, stride=3)
        self.associate = nn.Sequential(
            nn.BatchNorm2d(16), nn.LeakyReLU(0.1), layer(16, 16), nn.Conv2d(16, 9, 3, padding=1)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Association of each pixel with the 3x3 cells around it.

        Args:
            image: (B, 3, H, W) RGB in [0, 1], sides multiples of 16.

        Returns:
            (B, 9, H, W) probabilities, cells row by row, the pixel's own fifth.
        """
        features = image - torch.tensor(CENTRE, device=image.device).view(3, 1, 1)
        skips = []
        for stage in self.encoder:
            features = stage(features)
            skips.append(features)
        bottleneck = features + self.near(features) + self.far(features)
        pixels = bottleneck
        for up, merge, skip in zip(self.up, self.decoder, skips[-2::-1], strict=True):
            pixels = merge(torch.cat([up(pixels), skip], dim=1))
        blocks = neighbourhoods(self.cells(bottleneck))  # (B, 16, 9, h, w)
        blocks = blocks.repeat_interleave(CELL, dim=3).repeat_interleave(CELL, dim=4)
        own = F.one_hot(torch.tensor(4, device=image.device), 9).view(9, 1, 1)
        blocks = blocks + pixels[:, :, None] * own  # the pixel itself on its own cell
        implanted = self.implant(F.pixel_shuffle(blocks.flatten(1, 2), 3))  # of (B, 16, 3H, 3W)
        association: Tensor = self.associate(implanted).softmax(dim=1)
        return association


def owners(association: Tensor) -> Tensor:
    """The number of the cell that each pixel belongs to most, (B, H, W); cells row by row."""
    _, _, height, width = association.shape
    rows, columns = height // CELL, width // CELL
    numbers = torch.arange(1, rows * columns + 1, device=association.device).float()
    around = neighbourhoods(numbers.view(1, 1, rows, columns))[0, 0]  # (9, h, w), 0 outside
    around = around.repeat_interleave(CELL, dim=1).repeat_interleave(CELL, dim=2)
    best = association.masked_fill(around == 0, -1).argmax(dim=1, keepdim=True)
    return around.expand(len(association), -1, -1, -1).gather(1, best)[:, 0].long() - 1


@torch.no_grad()
def ainet(image: np.ndarray, net: AINet, region_size: int) -> np.ndarray:
    """Segment an image into superpixels, one per grid cell at first.

    Args:
        image: (H, W, 3) uint8 RGB.
        net: in evaluation mode.
        region_size: side of the grid's cells, pixels of the image.

    Returns:
        (H, W) uint16 label map with connected superpixels 0 ... K-1 without gaps.
    """
    from dpam.superpixels.kernels import enforce

    height, width = image.shape[:2]
    rows, columns = grid(image, region_size)
    colours = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    device = next(net.parameters()).device
    small = resize_cubic(colours.to(device), rows * CELL, columns * CELL)
    with whole_float32(device):
        cells = owners(net(small[None].float() / 255)).float()
    labels = F.interpolate(cells[None], (height, width), mode="nearest-exact")[0, 0]
    return enforce(labels.to(torch.int32).cpu().numpy())


def save_ainet(path: str | Path, net: AINet, metadata: dict[str, Any]) -> None:
    """Write weights as safetensors, atomically, with their metadata."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in net.state_dict().items()}
    write_tensors(path, tensors, {"metadata": json.dumps(metadata)})


@cache
def load_ainet(path: str | None) -> AINet:
    """The network with weights from a safetensors or PyTorch file, in evaluation mode, on the CPU.

    Args:
        path: the file; tensors have the names that `AINet.state_dict` gives.

    Raises:
        DpamError: no file is named, or it is missing, unreadable, or of another network.
    """
    if path is None:
        raise DpamError(
            "superpixel method ainet needs weights, which are not part of dpam: train them with "
            "`dpam train-ainet IMAGE... --output ainet.safetensors` and name the file "
            "(superpixels.ainet in the configuration, or --ainet)"
        )
    tensors = read_tensors(path)
    net = AINet()
    try:
        refuse_misfit(tensors, {name: value.shape for name, value in net.state_dict().items()})
    except DpamError as error:
        raise DpamError(f"{path}: {error}") from error
    net.load_state_dict(tensors)
    return net.eval()
