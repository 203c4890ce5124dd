"""DPAM as its description says it, step by step and without any shortcut: the oracle of the tests.

Submodules carry the names of the authors' checkpoints, so their tensors load without translation.
Shapes: B batch, d width of the ViT, C = 4d, g grid side, T = g², e embed_dim, N superpixels of P
pixels each.
"""

import timm
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn


class SimilarityMatrix(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pixel_conv = nn.Conv2d(3, 256, 1)
        self.reduce_conv = nn.Conv2d(512, 256, 1)
        self.similarity_weight_block = nn.Sequential(
            nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU()
        )

    def forward(self, superpixels: Tensor) -> Tensor:  # (B, N, P, 3) -> (B, 1, N, N)
        x = self.pixel_conv(superpixels.permute(0, 3, 2, 1))  # (B, 256, P, N)
        x = torch.cat([x.mean(dim=2), x.std(dim=2)], dim=1)  # (B, 512, N)
        x = self.reduce_conv(x[..., None]).squeeze(3)  # (B, 256, N)
        f = F.normalize(x, dim=1)
        similarity = (f.transpose(1, 2) @ f).unsqueeze(1)  # (B, 1, N, N)
        return similarity * self.similarity_weight_block(similarity)


class TextureAttention(nn.Module):
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

    def forward(self, texture: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, C, g, g)
        return self.texture_attention(F.adaptive_avg_pool2d(texture, self.grid))


class CrossAttention(nn.Module):
    def __init__(self, tokens: int, dropout: float) -> None:
        super().__init__()
        self.c_q = nn.Linear(tokens, tokens)
        self.c_k = nn.Linear(tokens, tokens)
        self.c_v = nn.Linear(tokens, tokens)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, x: Tensor) -> Tensor:  # (B, C, T) twice -> (B, C, T)
        b, c, t = x.shape
        q, k, v = self.c_q(query), self.c_k(x), self.c_v(x)
        attention = torch.softmax(q @ k.transpose(1, 2) * t**-0.5, dim=-1)
        v = v.transpose(1, 2).contiguous().view(b, c, t)
        return self.dropout(attention @ v) + x


class SelfAttention(nn.Module):
    def __init__(self, tokens: int, dropout: float) -> None:
        super().__init__()
        self.c_q = nn.Linear(tokens, tokens)
        self.c_k = nn.Linear(tokens, tokens)
        self.c_v = nn.Linear(tokens, tokens)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:  # (B, e, T) -> (B, e, T)
        b, e, t = x.shape
        q, k, v = self.c_q(x), self.c_k(x), self.c_v(x)
        attention = torch.softmax(q @ k.transpose(1, 2) * t**-0.5, dim=-1)
        attended = (attention @ v).transpose(1, 2).contiguous().view(b, e, t)
        return self.dropout(attended) + x


class ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + x)


class ResidualBlocks(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(ResidualBlock(width), ResidualBlock(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class DynamicConvolution(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))
        self.tokernel = nn.Conv2d(width, 9 * width, 1)
        self.Block1 = nn.Sequential(
            *(nn.Conv2d(width, width, 3, padding=1, groups=width) for _ in range(3))
        )
        self.Block2 = nn.Sequential(
            *(nn.Conv2d(width, width, 3, padding=1, groups=width) for _ in range(3))
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, w, g, g) -> (B, w, g, g)
        width = x.shape[1]
        y = self.Block1(F.avg_pool2d(x, 2))
        y = self.Block2(F.max_pool2d(y, 2))
        kernels = self.tokernel(F.adaptive_avg_pool2d(y, 1))  # (B, 9w, 1, 1)
        images = [
            F.conv2d(image[None], kernel.view(width, 1, 3, 3), self.bias, padding=1, groups=width)
            for image, kernel in zip(x, kernels, strict=True)
        ]
        return torch.cat(images)


def head(width: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 1)]


class PlainDPAM(nn.Module):
    """`dropout` is every dropout at once; the tests compare with 0.

    Args:
        vit: name of a timm Vision Transformer.
        out_indices: the four blocks to read.
        embed_dim: e.
        vit_options: further arguments for timm.
    """

    def __init__(
        self,
        vit: str = "vit_base_patch8_224",
        out_indices: tuple[int, ...] = (6, 7, 8, 9),
        embed_dim: int = 768,
        dropout: float = 0.0,
        **vit_options: int,
    ) -> None:
        super().__init__()
        self.vit = timm.create_model(vit, **vit_options)
        self.out_indices = out_indices
        channels, half = len(out_indices) * self.vit.embed_dim, embed_dim // 2
        grid = self.grid = self.vit.patch_embed.grid_size[0]
        tokens = grid * grid
        self.simi_matrix = SimilarityMatrix()
        self.slic_conv = nn.Conv2d(1, channels, 1)
        self.ta = TextureAttention(channels, grid)
        self.t_conv = nn.Conv2d(channels, channels, 1)
        self.teablock = nn.ModuleList(CrossAttention(tokens, dropout) for _ in range(2))
        self.fusionconv = nn.Conv2d(2 * channels, channels, 1)
        self.conv1 = nn.Conv2d(channels, embed_dim, 1)
        for unit, width in ((1, embed_dim), (2, half)):
            block = Block(
                width,
                num_heads=4,
                mlp_ratio=embed_dim / width,
                proj_drop=dropout,
                norm_layer=nn.LayerNorm,
            )
            self.add_module(f"block{unit}", block)
            self.add_module(f"resblock{unit}", ResidualBlocks(width))
            self.add_module(f"dyd{unit}", DynamicConvolution(width))
            self.add_module(f"catconv{unit}", nn.Conv2d(2 * width, width, 1))
        self.tablock = SelfAttention(tokens, dropout)
        self.conv2 = nn.Conv2d(embed_dim, half, 1)
        self.fc_score = nn.Sequential(*head(half, dropout), nn.ReLU())
        self.fc_weight = nn.Sequential(*head(half, dropout), nn.Sigmoid())
        for module in self.vit.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout

    def features(self, image: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, C, T)
        outputs = {}
        hooks = [
            self.vit.blocks[tap].register_forward_hook(
                lambda _module, _inputs, output, tap=tap: outputs.update({tap: output})
            )
            for tap in self.out_indices
        ]
        self.vit.forward_features(image)
        for hook in hooks:
            hook.remove()
        patches = [outputs[tap][:, self.vit.num_prefix_tokens :] for tap in self.out_indices]
        return torch.cat(patches, dim=2).transpose(1, 2)

    def unit(self, number: int, x: Tensor) -> Tensor:  # (B, w, g, g) -> (B, w, g, g)
        block, resblock, dyd, catconv = (
            self.get_submodule(f"{name}{number}")
            for name in ("block", "resblock", "dyd", "catconv")
        )
        far = block(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)
        near = dyd(resblock(x))
        return catconv(torch.cat([far, near], dim=1))

    def forward(self, image: Tensor, texture: Tensor, superpixels: Tensor) -> Tensor:
        """(B, 3, H, W), (B, 3, any, any), (B, N, P, 3) -> (B,)"""
        grid = (self.grid, self.grid)
        x = self.features(image)  # (B, C, T)
        t = self.t_conv(self.ta(texture)).flatten(2)  # (B, C, T)
        s = self.slic_conv(self.simi_matrix(superpixels))  # (B, C, N, N)
        s = F.interpolate(s, grid, mode="bilinear", align_corners=False).flatten(2)
        x = torch.cat([self.teablock[0](t, x), self.teablock[1](s, x)], dim=1)  # (B, 2C, T)
        x = self.conv1(self.fusionconv(x.unflatten(2, grid)))  # (B, e, g, g)
        x = self.unit(1, x)
        x = self.tablock(x.flatten(2)).unflatten(2, grid)
        x = self.unit(2, self.conv2(x))  # (B, e/2, g, g)
        scores = []
        for tokens in x.flatten(2).transpose(1, 2):  # (T, e/2)
            score, weight = self.fc_score(tokens), self.fc_weight(tokens)
            scores.append((score * weight).sum() / weight.sum())
        return torch.stack(scores)
