"""DPAM in 250 lines, straight from its description: for reading, and the oracle of the tests.

A photograph's patches, from four blocks of a Vision Transformer, meet the texture and the
superpixels in cross-attention. Two stages then mix what is far and what is near, and each patch
gives a score and a weight. The fast form (`dpam.model.network`) computes the same with a third
fewer products; tests compare the two in float64, and with golden values. Submodules carry the
names of the authors' checkpoints, so that their tensors load without translation.

Shapes: b batch; d width of the ViT, c = 4 d; g side of the grid of patches, t = g² patches;
e `embed_dim`; n superpixels of p pixels each; w channels of a stage, e or e/2.
"""

from typing import Any, cast

import timm
import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce
from timm.models.vision_transformer import Block
from torch import Tensor, nn


class SimilarityMatrix(nn.Module):
    """How alike superpixels are: cosine of their pixels' mean and spread, weighted by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.pixel_conv = nn.Conv2d(3, 256, 1)
        self.reduce_conv = nn.Conv2d(512, 256, 1)
        self.similarity_weight_block = nn.Sequential(
            nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU()
        )

    def forward(self, superpixels: Tensor) -> Tensor:  # (b, n, p, 3) -> (b, 1, n, n)
        x = self.pixel_conv(rearrange(superpixels, "b n p rgb -> b rgb p n"))
        x = torch.cat([reduce(x, "b k p n -> b k n", "mean"), x.std(dim=2)], dim=1)
        x = self.reduce_conv(rearrange(x, "b k n -> b k n 1"))
        f = F.normalize(rearrange(x, "b k n 1 -> b k n"), dim=1)
        similarity = rearrange(einsum(f, f, "b k n, b k m -> b n m"), "b n m -> b 1 n m")
        return similarity * self.similarity_weight_block(similarity)


class TextureAttention(nn.Module):
    """The texture, averaged over each patch, as a weight from 0 to 1 per channel."""

    def __init__(self, channels: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.texture_attention = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.Sigmoid(),
        )

    def forward(self, texture: Tensor) -> Tensor:  # (b, 3, any, any) -> (b, c, g, g)
        return self.texture_attention(F.adaptive_avg_pool2d(texture, self.grid))


def reread(x: Tensor) -> Tensor:
    """(b, c, t), of which the numbers in the order (t, c) are read as (c, t), as the authors do."""
    return rearrange(x, "b c t -> b t c").reshape(x.shape)


class Attention(nn.Module):
    """Channels attend to channels; `SelfAttention` and `CrossAttention` say to which."""

    def __init__(self, tokens: int, dropout: float) -> None:
        super().__init__()
        self.c_q = nn.Linear(tokens, tokens)
        self.c_k = nn.Linear(tokens, tokens)
        self.c_v = nn.Linear(tokens, tokens)
        self.dropout = nn.Dropout(dropout)

    def weights(self, query: Tensor, x: Tensor) -> Tensor:  # (b, c, t) twice -> (b, c, c)
        """How much each channel of the query takes of each channel of x; rows sum to 1."""
        scores = einsum(self.c_q(query), self.c_k(x), "b i t, b j t -> b i j")
        return torch.softmax(scores * x.shape[2] ** -0.5, dim=-1)


class CrossAttention(Attention):
    """The query is the texture, or the superpixels."""

    def forward(self, query: Tensor, x: Tensor) -> Tensor:  # (b, c, t) twice -> (b, c, t)
        v = reread(self.c_v(x))
        return self.dropout(einsum(self.weights(query, x), v, "b i j, b j t -> b i t")) + x


class SelfAttention(Attention):
    """The query is the input; what is read anew is not the values but their weighted sum."""

    def forward(self, x: Tensor) -> Tensor:  # (b, e, t) -> (b, e, t)
        y = einsum(self.weights(x, x), self.c_v(x), "b i j, b j t -> b i t")
        return self.dropout(reread(y)) + x


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:  # (b, w, g, g) -> (b, w, g, g)
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + x)


class ResidualBlocks(nn.Module):
    """Two residual blocks, under the authors' name."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(ResidualBlock(width), ResidualBlock(width))

    def forward(self, x: Tensor) -> Tensor:  # (b, w, g, g) -> (b, w, g, g)
        return self.blocks(x)


class DynamicConvolution(nn.Module):
    """A depthwise 3x3 convolution whose kernels each image makes for itself."""

    def __init__(self, width: int) -> None:
        super().__init__()

        def depthwise() -> nn.Module:
            return nn.Conv2d(width, width, 3, padding=1, groups=width)

        self.bias = nn.Parameter(torch.zeros(width))
        self.tokernel = nn.Conv2d(width, 9 * width, 1)
        self.Block1 = nn.Sequential(depthwise(), depthwise(), depthwise())
        self.Block2 = nn.Sequential(depthwise(), depthwise(), depthwise())

    def forward(self, x: Tensor) -> Tensor:  # (b, w, g, g) -> (b, w, g, g)
        width = x.shape[1]
        y = self.Block1(F.avg_pool2d(x, 2))
        y = self.Block2(F.max_pool2d(y, 2))
        kernels = self.tokernel(F.adaptive_avg_pool2d(y, 1))
        kernels = rearrange(kernels, "b (w i j) 1 1 -> b w 1 i j", i=3, j=3)
        images = [
            F.conv2d(image[None], kernel, self.bias, padding=1, groups=width)
            for image, kernel in zip(x, kernels, strict=True)
        ]
        return torch.cat(images)


class ReferenceDPAM(nn.Module):
    """The network of the paper.

    Args:
        vit: name of a timm Vision Transformer.
        out_indices: the four blocks to read.
        embed_dim: e.
        dropout: every dropout at once; comparisons take 0, as chance differs between forms.
        vit_options: further arguments for timm.
    """

    def __init__(
        self,
        vit: str = "vit_base_patch8_224",
        out_indices: tuple[int, ...] = (6, 7, 8, 9),
        embed_dim: int = 768,
        dropout: float = 0.0,
        **vit_options: Any,
    ) -> None:
        super().__init__()
        self.vit = cast(Any, timm.create_model(vit, **vit_options))
        self.out_indices = out_indices
        channels: int = len(out_indices) * self.vit.embed_dim
        half = embed_dim // 2
        self.grid: int = self.vit.patch_embed.grid_size[0]
        tokens = self.grid**2
        self.simi_matrix = SimilarityMatrix()
        self.slic_conv = nn.Conv2d(1, channels, 1)
        self.ta = TextureAttention(channels, self.grid)
        self.t_conv = nn.Conv2d(channels, channels, 1)
        self.teablock = nn.ModuleList(CrossAttention(tokens, dropout) for _ in range(2))
        self.fusionconv = nn.Conv2d(2 * channels, channels, 1)
        self.conv1 = nn.Conv2d(channels, embed_dim, 1)
        for stage, width in ((1, embed_dim), (2, half)):
            ratio = embed_dim / width
            block = Block(width, 4, ratio, proj_drop=dropout, norm_layer=nn.LayerNorm)
            self.add_module(f"block{stage}", block)
            self.add_module(f"resblock{stage}", ResidualBlocks(width))
            self.add_module(f"dyd{stage}", DynamicConvolution(width))
            self.add_module(f"catconv{stage}", nn.Conv2d(2 * width, width, 1))
        self.tablock = SelfAttention(tokens, dropout)
        self.conv2 = nn.Conv2d(embed_dim, half, 1)

        def head() -> list[nn.Module]:
            return [nn.Linear(half, half), nn.ReLU(), nn.Dropout(dropout), nn.Linear(half, 1)]

        self.fc_score = nn.Sequential(*head(), nn.ReLU())
        self.fc_weight = nn.Sequential(*head(), nn.Sigmoid())
        for module in self.vit.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout

    def features(self, image: Tensor) -> Tensor:  # (b, 3, h, w) -> (b, c, t)
        """The patches of the four blocks, one above the other."""
        outputs = {}
        hooks = [
            self.vit.blocks[index].register_forward_hook(
                lambda _module, _inputs, output, index=index: outputs.update({index: output})
            )
            for index in self.out_indices
        ]
        self.vit.forward_features(image)
        for hook in hooks:
            hook.remove()
        patches = [outputs[index][:, self.vit.num_prefix_tokens :] for index in self.out_indices]
        return rearrange(patches, "four b t d -> b (four d) t")

    def stage(self, number: int, x: Tensor) -> Tensor:  # (b, w, g, g) -> (b, w, g, g)
        """What is far, by a transformer block, beside what is near, by convolutions."""
        block, resblock, dyd, catconv = (
            self.get_submodule(f"{name}{number}")
            for name in ("block", "resblock", "dyd", "catconv")
        )
        far = rearrange(
            block(rearrange(x, "b w i j -> b (i j) w")), "b (i j) w -> b w i j", i=self.grid
        )
        near = dyd(resblock(x))
        return catconv(torch.cat([far, near], dim=1))

    def forward(self, image: Tensor, texture: Tensor, superpixels: Tensor) -> Tensor:
        """(b, 3, h, w), (b, 3, any, any), (b, n, p, 3) -> (b,) scores."""
        grid = (self.grid, self.grid)
        x = self.features(image)
        t = rearrange(self.t_conv(self.ta(texture)), "b c i j -> b c (i j)")
        s = self.slic_conv(self.simi_matrix(superpixels))
        s = F.interpolate(s, grid, mode="bilinear", align_corners=False)
        s = rearrange(s, "b c i j -> b c (i j)")
        x = torch.cat([self.teablock[0](t, x), self.teablock[1](s, x)], dim=1)
        x = self.conv1(self.fusionconv(rearrange(x, "b c (i j) -> b c i j", i=self.grid)))
        x = rearrange(self.stage(1, x), "b e i j -> b e (i j)")
        x = rearrange(self.tablock(x), "b e (i j) -> b e i j", i=self.grid)
        x = rearrange(self.stage(2, self.conv2(x)), "b w i j -> b (i j) w")
        score, weight = self.fc_score(x), self.fc_weight(x)  # (b, t, 1)
        total = reduce(score * weight, "b t 1 -> b", "sum")
        return total / reduce(weight, "b t 1 -> b", "sum")
