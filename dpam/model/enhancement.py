"""Enhancement: a transformer and a dynamic convolution side by side, attention in between.

B batch, g grid side, T = g² tokens, w width of a unit.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dpam.model.perception import reread_transposed, softmax
from dpam.model.vit import Block

HEADS = 4


class ParallelUnit(nn.Module):
    """A transformer block (global) and a dynamic residual block (local) on the same features.

    Args:
        width: channels in and out.
        hidden: width of the transformer's MLP.
        dropout: in the transformer's MLP and projection.
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.transformer = Block(width, HEADS, hidden, qkv_bias=False, dropout=dropout, eps=1e-5)
        self.residual = nn.Sequential(ResidualBlock(width), ResidualBlock(width))
        # How the numbers lie in memory: channels last is what fast convolution kernels want.
        self.residual.to(memory_format=torch.channels_last)
        self.dynamic = DynamicConvolution(width)
        self.mix = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:  # (B, w, g, g) -> (B, w, g, g)
        """Both branches, mixed."""
        tokens = self.transformer(x.flatten(2).mT)  # (B, T, w)
        far = tokens.mT.unflatten(2, x.shape[2:])  # (B, w, g, g)
        near = self.dynamic(self.residual(x))  # (B, w, g, g)
        result: Tensor = self.mix(torch.cat([far, near], dim=1))
        return result


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:  # (B, w, g, g) -> (B, w, g, g)
        """The input and its correction, rectified."""
        correction = self.norm1(self.conv1(x)).relu()
        correction = self.norm2(self.conv2(correction))
        return F.relu(correction + x)


class DynamicConvolution(nn.Module):
    """A depth-wise 3x3 convolution whose kernels are made from its own input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(*(depthwise(width) for _ in range(3)))
        self.coarse = nn.Sequential(*(depthwise(width) for _ in range(3)))
        self.to_kernel = nn.Conv2d(width, 9 * width, 1)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:  # (B, w, g, g) -> (B, w, g, g)
        """Each image convolved with its own kernels."""
        summary = self.fine(F.avg_pool2d(x, 2))  # (B, w, g/2, g/2)
        summary = self.coarse(F.max_pool2d(summary, 2))  # (B, w, g/4, g/4)
        summary = summary.mean(dim=(2, 3), keepdim=True)  # (B, w, 1, 1)
        kernels = self.to_kernel(summary).reshape(-1, 1, 3, 3)  # (B·w, 1, 3, 3)
        return self.convolve(x, kernels) + self.bias[:, None, None]

    def convolve(self, x: Tensor, kernels: Tensor) -> Tensor:
        """Each channel of each image, (B, w, g, g), with its own kernel, (B·w, 1, 3, 3)."""
        maps = x.reshape(1, -1, *x.shape[2:])  # (1, B·w, g, g)
        return F.conv2d(maps, kernels, padding=1, groups=len(kernels)).reshape(x.shape)


def depthwise(width: int) -> nn.Conv2d:
    """A 3x3 convolution of each channel by itself."""
    return nn.Conv2d(width, width, 3, padding=1, groups=width)


class SelfAttention(nn.Module):
    """Attention among channels over the grid, added to its input."""

    def __init__(self, tokens: int, dropout: float) -> None:
        super().__init__()
        self.query = nn.Linear(tokens, tokens)
        self.key = nn.Linear(tokens, tokens)
        self.value = nn.Linear(tokens, tokens)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:  # (B, e, T) -> (B, e, T)
        """Here the product is re-read transposed; in `CrossAttention` it is the value."""
        scaled = self.query(x) * x.shape[2] ** -0.5
        attention = softmax(scaled @ self.key(x).mT)  # (B, e, e)
        attended = reread_transposed(attention @ self.value(x))
        result: Tensor = self.dropout(attended) + x
        return result
