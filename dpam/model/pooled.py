"""The plain head: statistics of a ViT's tokens, and one linear layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, overload

import torch
from torch import Tensor, nn

from dpam.model.backbone import BEHIND_THE_BLOCKS, Backbone

SLOPE = 4.0  # of the sigmoid that stands for a line through the middle of the scale


class PooledViT(Backbone):
    """One quality score for one image, from the mean and spread of a ViT's patch tokens.

    It reads the image alone. Blocks behind the last one that is read are not built.

    Args:
        backbone: a Vision Transformer of timm.
        pretrained: load the ViT's weights from timm's hub.
        image_size: side of the square input in pixels; None: the ViT's own.
        dropout: before the last layer.
        out_indices: which blocks of the ViT to read; None: four, 6 to 9 of a depth of 12.
        weights: a local file with the ViT's weights, used instead of the hub.

    Attributes:
        mean, std: what the image must be normalised with, for each of R, G, B.
        image_size, grid: side of the input in pixels, and in patches.
        settings: the arguments that rebuild this network, without the origin of its weights.

    Raises:
        DpamError: settings that do not fit together, or no weights where some were asked for.
    """

    reads = ("image",)

    def __init__(
        self,
        backbone: str = "vit_base_patch8_224",
        pretrained: bool = False,
        image_size: int | None = None,
        dropout: float = 0.1,
        out_indices: Sequence[int] | None = None,
        weights: str | Path | None = None,
    ) -> None:
        super().__init__(backbone, pretrained, image_size, out_indices, weights)
        del self.vit.blocks[self.out_indices[-1] + 1 :]
        for name in BEHIND_THE_BLOCKS:
            if isinstance(getattr(self.vit, name.rstrip("."), None), nn.Module):
                setattr(self.vit, name.rstrip("."), nn.Identity())
        self.norm = nn.LayerNorm(2 * self.channels)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(2 * self.channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.settings: dict[str, Any] = {
            "network": "pooled",
            "backbone": backbone,
            "image_size": self.image_size,
            "dropout": dropout,
            "out_indices": list(self.out_indices),
        }

    def fuse(self) -> Self:
        """Make it ready for inference alone; see `DPAM.fuse`."""
        self.eval()
        self.fold_layer_scale()
        return self

    @overload
    def __call__(self, image: Tensor, return_maps: Literal[False] = False) -> Tensor: ...
    @overload
    def __call__(
        self, image: Tensor, return_maps: Literal[True]
    ) -> tuple[Tensor, Tensor, Tensor]: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See `forward`."""
        return super().__call__(*args, **kwargs)

    def forward(  # type: ignore[override] # of the backbone, which gives features
        self, image: Tensor, return_maps: bool = False
    ) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Score a batch.

        Args:
            image: (B, 3, H, W), RGB, normalised with `mean` and `std`; H = W = `image_size`.
            return_maps: also return the pictures of where the score comes from.

        Returns:
            quality (B,), in (0, 1); with `return_maps` also the patches' scores and weights, (B, g,
            g) each, g = `grid`. The quality is the mean of the scores, which may pass 0 and 1, and
            the weights are 1.
        """
        tokens = self.tokens(image) if return_maps else []
        pooled = pool_tokens(tokens) if return_maps else self.pool(image)
        quality = self.head(pooled)
        if not return_maps:
            return quality
        slope = quality * (1 - quality)  # of the sigmoid
        score = quality[:, None] + slope[:, None] * self.shares(tokens, pooled)
        score = score.reshape(-1, self.grid, self.grid)
        return quality, score, torch.ones_like(score)

    def head(self, pooled: Tensor) -> Tensor:
        """The quality, (B,), of `pool`'s moments of tokens, (B, 2 * `channels`)."""
        logit: Tensor = self.out(self.dropout(self.norm(pooled)))
        return logit.squeeze(1).sigmoid()

    def pool(self, image: Tensor) -> Tensor:
        """Mean and spread of the tokens of each block that is read, (B, 2 * `channels`)."""
        return pool_tokens(self.tokens(image))

    def shares(self, tokens: Sequence[Tensor], pooled: Tensor) -> Tensor:
        """What each patch adds to the logit more or less than the others do.

        Means and variances are sums over patches, so what is linear in them is one, too. The
        standard deviation is taken as its square over itself, and the mean and variance in the
        LayerNorm as those of this image.

        Args:
            tokens: (B, T, width of the ViT) of each block that is read.
            pooled: (B, 2 * `channels`), their moments.

        Returns:
            (B, T), its mean over the patches 0.
        """
        slope = self.out.weight[0] * self.norm.weight
        scale = (pooled.var(dim=1, unbiased=False, keepdim=True) + self.norm.eps).sqrt()
        slopes = ((slope - slope.mean()) / scale).chunk(2 * len(tokens), dim=1)
        moments_of = pooled.chunk(2 * len(tokens), dim=1)
        total = pooled.new_zeros(tokens[0].shape[:2])
        for number, x in enumerate(tokens):
            mean, spread = moments_of[2 * number : 2 * number + 2]
            of_mean, of_spread = slopes[2 * number : 2 * number + 2]
            apart = x - mean[:, None]
            count = x.shape[1]
            total += torch.einsum("btc,bc->bt", apart, of_mean)
            square = apart.square() * count / (count - 1)
            total += torch.einsum("btc,bc->bt", square, of_spread / spread)
            total -= (of_spread * spread).sum(dim=1, keepdim=True)
        return total


def pool_tokens(tokens: Sequence[Tensor]) -> Tensor:
    """The `moments` of the tokens of several blocks, (B, 2 * the sum of their widths)."""
    return torch.cat([part for x in tokens for part in moments(x)], dim=1)


def moments(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over an image's tokens.

    PyTorch's own `std` takes seven times as long over an axis that is not the last.

    Args:
        tokens: (B, T, w).

    Returns:
        (B, w) each.
    """
    mean = tokens.mean(dim=1, keepdim=True)
    variance = (tokens - mean).square().sum(dim=1) / (tokens.shape[1] - 1)
    # Where all tokens are equal, the root has no gradient; of what is clamped it is 0.
    smallest = torch.finfo(variance.dtype).tiny
    return mean.squeeze(1), variance.clamp_min(smallest).sqrt()


def from_linear(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a network whose last layer was a score y without a sigmoid behind it.

    sigmoid(4 (y - 1/2)) has the value and the slope of y in the middle of the scale, and the order
    of y everywhere.

    Args:
        tensors: by the names of `PooledViT`.
    """
    state = dict(tensors)
    state["out.weight"] = SLOPE * tensors["out.weight"]
    state["out.bias"] = SLOPE * (tensors["out.bias"] - 0.5)
    return state
