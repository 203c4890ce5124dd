"""A plain Vision Transformer (Dosovitskiy et al., ICLR 2021), perhaps with LayerScale as in DINOv2.

timm builds the same, and hundreds of others; but to import it takes three seconds, as PyTorch's
compiler comes along, and most jobs need one of a few ViTs. Tensors have timm's names, so that
weights fit either, and those drawn at random are timm's, number by number.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dpam.model.shapes import Shape

EPSILON = 1e-6  # of the norms


class ViT(nn.Module):
    """Tokens of an image after some of the blocks.

    Args:
        shape: its sizes.
        image_size: side of the square image in pixels, a multiple of the patch's; None: its own.
    """

    num_prefix_tokens = 1  # the class token

    def __init__(self, shape: Shape, image_size: int | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.embed_dim = shape.width
        self.patch_embed = PatchEmbed(shape.width, shape.patch, image_size or shape.image_size)
        places = self.patch_embed.grid_size[0] ** 2 + self.num_prefix_tokens
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, places, shape.width))
        self.blocks = nn.Sequential(
            *(
                Block(shape.width, shape.heads, shape.mlp * shape.width, scaled=shape.layer_scale)
                for _ in range(shape.depth)
            )
        )
        self.norm = nn.LayerNorm(shape.width, eps=EPSILON)
        if shape.classes:
            self.head = nn.Linear(shape.width, shape.classes)
        self.grad_checkpointing = False
        if not self.cls_token.is_meta:  # drawing there would import PyTorch's compiler
            self.draw_weights()

    def draw_weights(self) -> None:
        """Fill it with random numbers as timm does, from the same generator in the same order."""
        draw_normal(self.pos_embed)
        nn.init.normal_(self.cls_token, std=1e-6)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                draw_normal(module.weight)
                nn.init.zeros_(module.bias)

    def set_grad_checkpointing(self, enable: bool) -> None:
        """Whether training keeps only each block's input, and computes the rest again."""
        self.grad_checkpointing = enable

    def forward(self, image: Tensor, out_indices: Sequence[int]) -> list[Tensor]:
        """The patch tokens after each of the blocks, which are in ascending order.

        Args:
            image: (B, 3, H, W), normalised with `shape.colours`.
            out_indices: of the blocks, from 0; none behind the last one is computed.

        Returns:
            (B, T, width) each, T patches.
        """
        x = self.embed(image)
        outputs = []
        for number in range(out_indices[-1] + 1):
            block = self.blocks[number]
            if self.grad_checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
            if number in out_indices:
                outputs.append(x[:, self.num_prefix_tokens :])
        return outputs

    def embed(self, image: Tensor) -> Tensor:
        """What the first block reads, (B, 1 + T, width): the class token, then the patches'."""
        x = self.patch_embed(image)  # (B, T, w)
        return torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed


def draw_normal(tensor: Tensor, std: float = 0.02) -> None:
    """Fill a tensor with normal random numbers, those that timm draws."""
    with torch.no_grad():
        tensor.uniform_(-1, 1).erfinv_().mul_(std * math.sqrt(2)).clamp_(-2, 2)


class PatchEmbed(nn.Module):
    """A linear layer on each patch."""

    def __init__(self, width: int, patch: int, image_size: int) -> None:
        super().__init__()
        self.img_size = (image_size, image_size)
        self.patch_size = (patch, patch)
        self.grid_size = (image_size // patch, image_size // patch)
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, image: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, T, w)
        """The patches' tokens, row by row."""
        tokens: Tensor = self.proj(image).flatten(2).mT
        return tokens


class Block(nn.Module):
    """Attention between the tokens, then a network on each token.

    Args:
        width: channels of a token.
        heads: of the attention.
        hidden: width of the network.
        scaled: whether LayerScale follows either half.
        qkv_bias: whether queries, keys and values have a bias.
        dropout: in the network, and behind either half.
        eps: of the norms.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        scaled: bool = False,
        qkv_bias: bool = True,
        dropout: float = 0.0,
        eps: float = EPSILON,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads, qkv_bias, dropout)
        self.ls1 = LayerScale(width) if scaled else nn.Identity()
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, hidden, dropout)
        self.ls2 = LayerScale(width) if scaled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:  # (B, T, w) -> (B, T, w)
        """Both halves, each added to what it reads."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        result: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return result


class Attention(nn.Module):
    """Self-attention of several heads."""

    def __init__(self, width: int, heads: int, qkv_bias: bool, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)
        self.proj_drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, w) -> (B, T, w)
        """Each token reads from all."""
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)  # (B, heads, T, w / heads)
        read = F.scaled_dot_product_attention(q, k, v)
        result: Tensor = self.proj_drop(self.proj(read.transpose(1, 2).flatten(2)))
        return result


class MLP(nn.Module):
    """Two linear layers."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.drop1 = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, width)
        self.drop2 = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, w) -> (B, T, w)
        """On each token."""
        result: Tensor = self.drop2(self.fc2(self.drop1(F.gelu(self.fc1(x)))))
        return result


class LayerScale(nn.Module):
    """A learned factor for each channel, small at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:  # (B, T, w) -> (B, T, w)
        """Scale the channels."""
        return x * self.gamma
