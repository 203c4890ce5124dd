"""Sizes of the Vision Transformers that `dpam.model.vit` builds. Nothing here imports PyTorch."""

from typing import NamedTuple

Colour = tuple[float, float, float]

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and std of its photographs: R, G, B
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


class Shape(NamedTuple):
    """Sizes of a ViT, and what its images are normalised with.

    Attributes:
        width, depth, heads: channels of a token, blocks, heads of each block's attention.
        patch, image_size: sides in pixels.
        mlp: how many times as wide as a token a block's MLP is.
        layer_scale: whether its blocks have that.
        classes: of the layer behind the blocks, which no score depends on.
        colours: mean and standard deviation of R, G, B.
    """

    width: int
    depth: int
    heads: int
    patch: int
    image_size: int
    mlp: int = 4
    layer_scale: bool = False
    classes: int = 1000
    colours: tuple[Colour, Colour] = HALF


SHAPES = {  # by timm's names
    "vit_base_patch8_224": Shape(width=768, depth=12, heads=12, patch=8, image_size=224),
    "vit_small_patch14_dinov2": Shape(
        width=384, depth=12, heads=6, patch=14, image_size=518, layer_scale=True, classes=0,
        colours=IMAGENET,
    ),
    "test_vit": Shape(width=64, depth=6, heads=2, patch=16, image_size=160, mlp=3),
}  # fmt: skip
