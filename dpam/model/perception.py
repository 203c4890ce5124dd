"""Perception: what the ViT sees, queried by the texture and by the superpixels.

B batch, g grid side, T = g² tokens, C channels, N superpixels.
"""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Affine = tuple[Tensor, Tensor]  # weight and bias of an affine map

COLOUR_FEATURES = 256  # learned functions of a pixel's colour; also the width of a descriptor


class Fused(nn.Module):
    """An affine map that was composed from the weights of others, once, for inference."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", weight.detach(), persistent=False)
        self.register_buffer("bias", bias.detach(), persistent=False)


class DistortionAware(nn.Module):
    """Texture query: how the fine structure answers to C learned 3x3 patterns, in (0, 1)."""

    def __init__(self, channels: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.patterns = nn.Conv2d(3, channels, 3, padding=1)  # the texture, repeated three times
        self.patterns_norm = nn.BatchNorm2d(channels)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.mix_norm = nn.BatchNorm2d(channels)
        self.fused: Fused | None = None

    def forward(self, texture: Tensor) -> Tensor:  # (B, 1, H, W) -> (B, C, g, g)
        """Answer of each pattern at each place."""
        pooled = F.adaptive_avg_pool2d(texture, self.grid)  # (B, 1, g, g)
        if self.fused is not None and not self.training:
            kernel, bias = self.fused.weight, self.fused.bias
        else:
            with torch.autocast(texture.device.type, enabled=False):
                kernel, bias = self.as_one_convolution(pooled)
        return F.conv2d(pooled, kernel, bias, padding=1).sigmoid()

    @torch.no_grad()
    def fuse(self) -> None:
        """Compose the convolutions once; in evaluation mode. See `DPAM.fuse`."""
        self.fused = Fused(*self.as_one_convolution(self.patterns.weight.new_zeros(1, 1, 3, 3)))

    def as_one_convolution(self, pooled: Tensor) -> Affine:
        """Shortcut: everything before the sigmoid is one 3x3 convolution from one channel.

        conv3x3 → batch norm → conv1x1 → batch norm has no non-linearity, and the three channels of
        the texture are equal, so their kernels add up. An output is k·p + c of the nine values p of
        a patch. In training, both norms' batch statistics follow from the mean m and the covariance
        Σ of the patches: mean k·m + c, variance kᵀΣk.

        Args:
            pooled: (B, 1, g, g); in evaluation the result does not depend on it.

        Returns:
            kernel (C, 1, 3, 3) and bias (C,).
        """
        patches = F.unfold(pooled, 3, padding=1)  # (B, 9, T)
        patches = patches.transpose(0, 1).flatten(1)  # (9, B·T)

        kernel, bias = matrix_and_bias(self.patterns)  # (C, 3 * 9), (C,)
        kernel = kernel.reshape(len(kernel), 3, 9).sum(dim=1)  # (C, 9)
        kernel, bias = fold_batch_norm(self.patterns_norm, kernel, bias, patches)
        kernel, bias = compose(*matrix_and_bias(self.mix), kernel, bias)
        kernel, bias = fold_batch_norm(self.mix_norm, kernel, bias, patches)
        return kernel.reshape(-1, 1, 3, 3), bias


def fold_batch_norm(norm: nn.BatchNorm2d, kernel: Tensor, bias: Tensor, patches: Tensor) -> Affine:
    """Fold a batch norm into the affine map `kernel @ patch + bias` that it follows.

    In training the norm's running statistics are updated as BatchNorm2d does it.

    Args:
        norm: of C channels.
        kernel: (C, K).
        bias: (C,).
        patches: (K, n), all that the map is applied to.

    Returns:
        kernel (C, K) and bias (C,) of the map with the norm behind it.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    if norm.training:
        assert norm.momentum is not None
        assert norm.num_batches_tracked is not None
        count = patches.shape[1]
        patch_mean = patches.mean(dim=1)  # (K,)
        centred = patches - patch_mean[:, None]
        covariance = centred @ centred.T / count  # (K, K), biased
        mean = kernel @ patch_mean + bias  # (C,)
        variance = ((kernel @ covariance) * kernel).sum(dim=1)  # (C,)
        with torch.no_grad():
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * count / (count - 1), norm.momentum)
            norm.num_batches_tracked.add_(1)
    else:
        mean, variance = norm.running_mean, norm.running_var
    scale = norm.weight * (variance + norm.eps).rsqrt()  # (C,)
    return scale[:, None] * kernel, scale * (bias - mean) + norm.bias


def matrix_and_bias(convolution: nn.Conv2d) -> Affine:
    """A convolution's weight as a matrix, (channels out, channels in * taps), and its bias."""
    assert convolution.bias is not None
    return convolution.weight.flatten(1), convolution.bias


def compose(
    outer_weight: Tensor, outer_bias: Tensor, inner_weight: Tensor, inner_bias: Tensor
) -> Affine:
    """Two affine maps as one: W₂(W₁x + b₁) + b₂ = (W₂W₁)x + (W₂b₁ + b₂)."""
    return outer_weight @ inner_weight, outer_weight @ inner_bias + outer_bias


class SuperpixelSimilarity(nn.Module):
    """How alike the colours of any two superpixels are, each pair weighed by a learned gate."""

    def __init__(self) -> None:
        super().__init__()
        self.colour = nn.Conv2d(3, COLOUR_FEATURES, 1)
        self.describe = nn.Conv2d(2 * COLOUR_FEATURES, COLOUR_FEATURES, 1)
        self.gate = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU())

    def forward(self, mean: Tensor, covariance: Tensor) -> Tensor:
        """(B, N, 3), (B, N, 6) -> (B, 1, N, N), computed in full precision."""
        with torch.autocast(mean.device.type, enabled=False):
            centre, spread = self.colour_statistics(mean, covariance)  # (B, N, 256) each
            colours = torch.cat([centre, spread], dim=2)  # (B, N, 512)
            descriptor = F.linear(colours, *matrix_and_bias(self.describe))
            descriptor = F.normalize(descriptor, dim=2)  # (B, N, 256)
            similarity = (descriptor @ descriptor.mT)[:, None]  # (B, 1, N, N)
            gated: Tensor = similarity * self.gate(similarity)
            return gated

    def colour_statistics(self, mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
        """Shortcut: nine numbers stand for all pixels of a superpixel.

        Over pixels p with mean μ and unbiased covariance Σ, a colour feature w·p + b has the mean
        w·μ + b and the unbiased standard deviation sqrt(wᵀΣw).

        Args:
            mean: (B, N, 3).
            covariance: (B, N, 6), upper triangle row by row.

        Returns:
            mean and standard deviation of every colour feature, (B, N, 256) each.
        """
        weight, bias = matrix_and_bias(self.colour)  # (256, 3), (256,)
        first, second = torch.triu_indices(3, 3, device=weight.device)
        twice = torch.where(first == second, 1, 2)  # each off-diagonal entry stands for two
        products = twice * weight[:, first] * weight[:, second]  # (256, 6)
        variance = covariance @ products.T
        return F.linear(mean, weight, bias), square_root(variance)


def square_root(x: Tensor) -> Tensor:
    """Square root, 0 for what rounding made negative; the gradient at 0 is 0, as torch.std's."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1).sqrt(), 0)


class CrossAttention(nn.Module):
    """Attention among channels: a query asks the ViT's features, which are the residual."""

    def __init__(self, tokens: int, dropout: float) -> None:
        super().__init__()
        self.query = nn.Linear(tokens, tokens)
        self.key = nn.Linear(tokens, tokens)
        self.value = nn.Linear(tokens, tokens)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, x: Tensor) -> Tensor:  # (B, C, T), (B, C, T) -> (B, C, T)
        """The features, changed by what the query found in them."""
        scaled = self.query(query) * x.shape[2] ** -0.5
        return self.attend(scaled @ self.key(x).mT, x)

    def attend(self, logits: Tensor, x: Tensor) -> Tensor:  # (B, C, C), (B, C, T) -> (B, C, T)
        """Attention from its logits."""
        result: Tensor = self.dropout(softmax(logits) @ reread_transposed(self.value(x))) + x
        return result


class LowRankCrossAttention(CrossAttention):
    """Cross-attention for a query that is known as a product of two thin matrices."""

    def forward(self, left: Tensor, right: Tensor, x: Tensor) -> Tensor:  # type: ignore[override]
        """Shortcut: logits of rank r + 1 instead of T.

        With query = L R, q = L R W_qᵀ + 1 b_qᵀ is again a product of thin matrices: of A = [L 1]
        and B = [R W_qᵀ; b_q]. So q kᵀ = A (B kᵀ), and B kᵀ = B W_k Xᵀ + B b_k needs no k either.

        Args:
            left: (C, r).
            right: (B, r, T).
            x: (B, C, T).

        Returns:
            (B, C, T).
        """
        left = torch.cat([left, left.new_ones(len(left), 1)], dim=1)  # (C, r + 1)
        bias = self.query.bias.expand(right.shape[0], 1, -1)  # (B, 1, T)
        right = torch.cat([F.linear(right, self.query.weight), bias], dim=1)  # (B, r + 1, T)
        by_key = (right @ self.key.weight) @ x.mT + (right @ self.key.bias)[..., None]
        scaled = left * x.shape[2] ** -0.5
        return self.attend(scaled @ by_key, x)  # by_key: (B, r + 1, C)


def softmax(logits: Tensor) -> Tensor:
    """Softmax over the last axis, in the precision of the logits.

    Sums are in float32 also where numbers are stored as bfloat16, as the kernels do it; autocast
    alone would store all in float32 as well, half of a training step's memory.
    """
    with torch.autocast(logits.device.type, enabled=False):
        return logits.softmax(dim=-1)


def reread_transposed(x: Tensor) -> Tensor:
    """Transpose (B, m, n) to (B, n, m), then read that memory as (B, m, n).

    Not a transpose back: the published network does this, and its weights depend on it.
    """
    return x.mT.reshape(x.shape)


class SemanticQuery(nn.Module):
    """Superpixel query: the similarity map, resized to the grid, times C learned weights."""

    def __init__(self, channels: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.similarity = SuperpixelSimilarity()
        self.expand = nn.Conv2d(1, channels, 1)

    def forward(self, mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
        """Shortcut: resize the map before its expansion to C channels, and keep it factored.

        Bilinear weights sum to 1, so a 1x1 convolution commutes with the resizing, its bias too.
        Its result w s + b 1 from the one-channel map s is a product [w b] [s; 1] of rank 2.

        Args:
            mean: (B, N, 3).
            covariance: (B, N, 6).

        Returns:
            left (C, 2) and right (B, 2, T), whose product is the query (B, C, T).
        """
        similarity = self.similarity(mean, covariance)  # (B, 1, N, N)
        size = (self.grid, self.grid)
        resized = F.interpolate(similarity, size, mode="bilinear", align_corners=False)
        resized = resized.flatten(2)  # (B, 1, T)
        weight, bias = matrix_and_bias(self.expand)  # (C, 1), (C,)
        left = torch.cat([weight, bias[:, None]], dim=1)
        return left, torch.cat([resized, torch.ones_like(resized)], dim=1)


class Fusion(nn.Module):
    """Mix both attentions' channels, then reduce them: two 1x1 convolutions, 2C → C → e."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, channels, 1)
        self.reduce = nn.Conv2d(channels, width, 1)
        self.fused: Fused | None = None

    def forward(self, a: Tensor, b: Tensor) -> Tensor:  # (B, C, T), (B, C, T) -> (B, e, T)
        """Shortcut: with nothing between them, the two convolutions are one (see `compose`).

        Composing costs e·C·2C products and saves some at each of the B·T places; it pays from a
        batch of two on at the published size, and once for all by `fuse`. The halves of the
        weight meet the two inputs without a concatenation.
        """
        if self.fused is not None and not self.training:
            return apply_to_halves(self.fused.weight, self.fused.bias, a, b)
        if self.composing_pays(a.shape[0] * a.shape[2]):
            # In training it is autocast's, as a part of the step; else it is rounded once, below.
            exact = torch.autocast(a.device.type, enabled=False)
            with nullcontext() if self.training else exact:
                weight, bias = self.as_one_convolution()
            return apply_to_halves(weight, bias, a, b)
        weight, bias = matrix_and_bias(self.reduce)
        return weight @ apply_to_halves(*matrix_and_bias(self.mix), a, b) + bias[:, None]

    @torch.no_grad()
    def fuse(self) -> None:
        """Compose the convolutions once. See `DPAM.fuse`."""
        self.fused = Fused(*self.as_one_convolution())

    def as_one_convolution(self) -> Affine:
        """Both convolutions' weight (e, 2C) and bias (e,)."""
        return compose(*matrix_and_bias(self.reduce), *matrix_and_bias(self.mix))

    def composing_pays(self, places: int) -> bool:
        """Whether composing costs fewer products than it saves at so many places."""
        width, channels = self.reduce.weight.shape[:2]
        return places * (2 * channels - width) > 2 * channels * width


def apply_to_halves(weight: Tensor, bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`weight @ concatenation of a and b + bias`, without the concatenation."""
    left, right = weight.chunk(2, dim=1)
    return left @ a + right @ b + bias[:, None]
