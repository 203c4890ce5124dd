"""DPAM: dual perception-aware blind image quality assessment, as in the paper's figure.

Perception: a ViT's features are queried by the image's texture (where is it distorted?) and by its
superpixels (what is it?). Enhancement: global and local refinement on the grid of patches.
Regression: a weighted mean of each patch's score.

The function is the released network's; where the release does linear work that can be done with
less, the part's docstring says "Shortcut" and states the identity.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, overload

import torch
from torch import Tensor, nn

from dpam.errors import DpamError
from dpam.model.backbone import Backbone
from dpam.model.enhancement import ParallelUnit, SelfAttention
from dpam.model.perception import (
    CrossAttention,
    DistortionAware,
    Fusion,
    LowRankCrossAttention,
    SemanticQuery,
)
from dpam.model.regression import WeightedRegression

ATTENTION_DROPOUT = 0.1  # fixed in the release, whatever the network's own dropout is
BRANCHES = ("used", "constant")
GREY = 0.5  # colour of the image that constant branches see


class DPAM(nn.Module):
    """One quality score for one image, without a reference.

    Args:
        backbone: a Vision Transformer of timm.
        pretrained: load the ViT's weights from timm's hub.
        image_size: side of the square input in pixels; None: the ViT's own.
        embed_dim: width of the first enhancement unit, a multiple of 8; the second has half of it.
        dropout: 0 switches every dropout off; with any other value those in the two kinds of
            channel attention stay at the published 0.1.
        out_indices: which blocks of the ViT to read; None: four, 6 to 9 of a depth of 12.
        weights: a local file with the ViT's weights, used instead of the hub.
        texture: "used", or "constant": whatever the image, its texture is taken to be that of an
            evenly grey one, 0, so that this branch tells nothing.
        superpixels: likewise; the superpixels of an evenly grey image all have the mean colour 0.5
            and no covariance.
        score_bias: what the patches' scores start around; see `WeightedRegression`.

    Attributes:
        mean, std: what the image must be normalised with, for each of R, G, B.
        image_size, grid: side of the input in pixels, and in patches.
        settings: the arguments that rebuild this network, without the origin of its weights.

    Raises:
        DpamError: settings that do not fit together, or no weights where some were asked for.
    """

    reads = ("image", "texture", "mean", "covariance")  # of a batch

    def __init__(
        self,
        backbone: str = "vit_base_patch8_224",
        pretrained: bool = False,
        image_size: int | None = None,
        embed_dim: int = 768,
        dropout: float = 0.1,
        out_indices: Sequence[int] | None = None,
        weights: str | Path | None = None,
        texture: str = "used",
        superpixels: str = "used",
        score_bias: float | None = 0.5,
    ) -> None:
        super().__init__()
        if embed_dim < 8 or embed_dim % 8:
            raise DpamError(f"embed_dim {embed_dim}: expected a positive multiple of 8")
        branches = {"texture": texture, "superpixels": superpixels}
        for name, choice in branches.items():
            if choice not in BRANCHES:
                raise DpamError(f"{name}: expected {' or '.join(BRANCHES)}, found {choice!r}")

        self.backbone = Backbone(backbone, pretrained, image_size, out_indices, weights)
        channels, grid = self.backbone.channels, self.backbone.grid
        tokens = grid**2

        self.distortion = DistortionAware(channels, grid)
        self.distortion_query = nn.Conv2d(channels, channels, 1)
        self.semantic_query = SemanticQuery(channels, grid)
        self.distortion_attention = CrossAttention(tokens, ATTENTION_DROPOUT)
        self.semantic_attention = LowRankCrossAttention(tokens, ATTENTION_DROPOUT)
        self.fusion = Fusion(channels, embed_dim)

        self.unit1 = ParallelUnit(embed_dim, embed_dim, dropout)
        self.attention = SelfAttention(tokens, ATTENTION_DROPOUT)
        self.halve = nn.Conv2d(embed_dim, embed_dim // 2, 1)
        self.unit2 = ParallelUnit(embed_dim // 2, embed_dim, dropout)

        self.regression = WeightedRegression(embed_dim // 2, dropout, score_bias)

        if dropout == 0:  # those of the attention, and any that the ViT brings along
            for module in self.modules():
                if isinstance(module, nn.Dropout):
                    module.p = 0.0

        self.mean, self.std = self.backbone.mean, self.backbone.std
        self.image_size, self.grid = self.backbone.image_size, grid
        self.settings: dict[str, Any] = {
            "backbone": backbone,
            "image_size": self.image_size,
            "embed_dim": embed_dim,
            "dropout": dropout,
            "out_indices": list(self.backbone.out_indices),
        }
        self.constant = {name for name, choice in branches.items() if choice == "constant"}
        self.settings |= {name: "constant" for name in branches if name in self.constant}

    def fuse(self) -> Self:
        """Make it ready for inference alone: what depends on weights alone is computed once.

        Scores stay the same but for rounding. Weights that change later are not seen, and the
        ViT's are changed; so it is for a network that will not be trained, nor saved.

        Returns:
            the network itself, in evaluation mode.
        """
        self.eval()
        self.backbone.fold_layer_scale()
        with torch.autocast(next(self.parameters()).device.type, enabled=False):
            self.distortion.fuse()
            self.fusion.fuse()
        return self

    @overload
    def __call__(
        self,
        image: Tensor,
        texture: Tensor,
        mean: Tensor,
        covariance: Tensor,
        return_maps: Literal[False] = False,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        image: Tensor,
        texture: Tensor,
        mean: Tensor,
        covariance: Tensor,
        return_maps: Literal[True],
    ) -> tuple[Tensor, Tensor, Tensor]: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See `forward`."""
        return super().__call__(*args, **kwargs)

    def forward(
        self,
        image: Tensor,
        texture: Tensor,
        mean: Tensor,
        covariance: Tensor,
        return_maps: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Score a batch.

        Args:
            image: (B, 3, H, W), RGB, normalised with `mean` and `std`; H = W = `image_size`.
            texture: (B, 1, any height, any width), the image's fine structure.
            mean: (B, N, 3), mean colour of each superpixel, in [0, 1]; published weights expect
                the colours in the order blue, green, red.
            covariance: (B, N, 6), unbiased covariance of those colours, upper triangle row by row.
            return_maps: also return the pictures of where the score comes from.

        Returns:
            quality (B,); with `return_maps` also the patches' scores, at least 0, and weights, in
            (0, 1): (B, g, g) each. The quality is the weighted mean of the scores.
        """
        grid = (self.grid, self.grid)

        if "texture" in self.constant:
            texture = torch.zeros_like(texture)
        if "superpixels" in self.constant:
            mean, covariance = torch.full_like(mean, GREY), torch.zeros_like(covariance)

        # Perception
        x = self.backbone(image)  # (B, C, T)
        distortion = self.distortion_query(self.distortion(texture)).flatten(2)  # (B, C, T)
        semantics = self.semantic_query(mean, covariance)  # (C, 2), (B, 2, T)
        x = self.fusion(
            self.distortion_attention(distortion, x),
            self.semantic_attention(*semantics, x),
        )  # (B, e, T)

        # Enhancement
        x = self.unit1(x.unflatten(2, grid))  # (B, e, g, g)
        x = self.attention(x.flatten(2))  # (B, e, T)
        x = self.halve(x.unflatten(2, grid))  # (B, e/2, g, g)
        x = self.unit2(x)  # (B, e/2, g, g)

        # Regression
        quality, score, weight = self.regression(x.flatten(2).mT)  # (B,), (B, T), (B, T)
        if return_maps:
            return quality, score.unflatten(1, grid), weight.unflatten(1, grid)
        result: Tensor = quality
        return result
