"""The Vision Transformer that DPAM looks through; which of its blocks are read.

timm builds it, but for those of `dpam.model.vit`. It is imported where it is needed, as it
takes three seconds.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dpam.errors import DpamError
from dpam.model.shapes import SHAPES
from dpam.model.vit import ViT
from dpam.utils.files import refuse_unreadable
from dpam.utils.tensors import read_tensors, refuse_misfit

log = logging.getLogger(__name__)

# Parts of a ViT behind its last block: never computed here, so a weights file may lack them.
BEHIND_THE_BLOCKS = ("norm.", "fc_norm.", "head.", "head_dist.", "attn_pool.", "pre_logits.")

HOW_TO_GET_WEIGHTS = (
    "either give this machine access to huggingface.co, or download a weights file elsewhere "
    "and name it as `model.weights: FILE` in the configuration"
)


class Backbone(nn.Module):
    """The outputs of some blocks of a ViT, without class and register tokens, side by side.

    Shortcut: nothing after the last block that is read is computed. Those parameters are kept, so
    that checkpoints stay complete, and need no gradient.

    Args:
        name: a Vision Transformer of timm.
        pretrained: whether to load timm's weights of that name from the hub.
        image_size: side of the square image in pixels; None: the ViT's own.
        out_indices: indices of the blocks to read, ascending; None: `default_taps`.
        weights: a local file with the ViT's weights, used instead of the hub.

    Raises:
        DpamError: no such ViT, an image size or out_indices that it does not allow, or no weights.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool,
        image_size: int | None,
        out_indices: Sequence[int] | None,
        weights: str | Path | None,
    ) -> None:
        super().__init__()
        self.vit = create_vit(name, image_size, from_hub=pretrained and weights is None)
        depth = len(self.vit.blocks)
        self.out_indices = default_taps(name, depth) if out_indices is None else tuple(out_indices)
        if (
            list(self.out_indices) != sorted(set(self.out_indices) & set(range(depth)))
            or not self.out_indices
        ):
            raise DpamError(
                f"out_indices {list(self.out_indices)}: expected ascending indices of the {depth} "
                f"blocks of {name}, 0 to {depth - 1}"
            )
        if weights is not None:
            load_weights(self.vit, self.out_indices[-1], weights)

        self.mean, self.std = normalisation(self.vit)
        self.image_size: int = self.vit.patch_embed.img_size[0]
        self.grid: int = self.vit.patch_embed.grid_size[0]
        self.channels: int = len(self.out_indices) * self.vit.embed_dim
        for parameter_name, parameter in self.vit.named_parameters():
            parameter.requires_grad_(not is_unused(parameter_name, self.out_indices[-1]))

    def forward(self, image: Tensor) -> Tensor:
        """Features of an image.

        Args:
            image: (B, 3, H, W), normalised with `mean` and `std`.

        Returns:
            (B, C, T): C = out_indices · width of the ViT, T = grid².
        """
        return torch.cat(self.tokens(image), dim=2).mT.contiguous()  # else each reader copies it

    def tokens(self, image: Tensor) -> list[Tensor]:
        """The patch tokens after each block that is read, (B, T, width of the ViT) each."""
        outputs: list[Tensor]
        if isinstance(self.vit, ViT):
            outputs = self.vit(image, self.out_indices)
        else:
            outputs = self.vit.forward_intermediates(
                image,
                indices=list(self.out_indices),
                stop_early=True,
                intermediates_only=True,
                output_fmt="NLC",
            )
        return outputs

    def fold_layer_scale(self) -> None:
        """Shortcut for inference: one pass less over all tokens for each half of a block.

        LayerScale multiplies what a linear layer gives, g (W x + b) = (g W) x + g b, so its factors
        go into that layer's weights.
        """
        for block in self.vit.blocks:
            for name, before in (("ls1", "attn.proj"), ("ls2", "mlp.fc2")):
                scale = getattr(getattr(block, name, None), "gamma", None)
                if scale is None:  # not all ViTs have it
                    continue
                linear = block.get_submodule(before)
                linear.weight.data *= scale.data[:, None]
                if linear.bias is not None:
                    linear.bias.data *= scale.data
                setattr(block, name, nn.Identity())

    def grad_checkpointing(self, enable: bool) -> None:
        """Whether training keeps only each block's input, and computes the rest again in backward.

        The result is the same to the bit.
        """
        self.vit.set_grad_checkpointing(enable)


def default_taps(name: str, depth: int) -> tuple[int, ...]:
    """Four blocks from the middle on, at the published fractions of the depth: 6 to 9 of 12."""
    if depth < 4:
        raise DpamError(f"{name} has {depth} blocks; DPAM reads four: choose a deeper ViT")
    step = max(1, depth // 12)
    start = min(depth // 2, depth - 4)
    return tuple(start + step * k for k in range(4))


def is_unused(name: str, last_read: int) -> bool:
    """Whether a parameter of the ViT lies behind the last block that is read."""
    if name.startswith("blocks."):
        return int(name.split(".")[1]) > last_read
    return name.startswith(BEHIND_THE_BLOCKS)


def create_vit(name: str, image_size: int | None, from_hub: bool) -> Any:
    """Create a ViT for square images of `image_size`, at random or with the hub's weights."""
    vit: Any
    if name in SHAPES and not from_hub:
        vit = ViT(SHAPES[name], image_size)
    else:
        vit = vit_of_timm(name, image_size)
    height, width = vit.patch_embed.img_size
    patch = vit.patch_embed.patch_size[0]
    if height != width or height % patch or height // patch < 4:
        raise DpamError(
            f"{name}: image size {height}x{width}: expected a square of at least 4x4 patches, "
            f"its side a multiple of {patch} pixels"
        )
    if from_hub:
        try:
            vit = vit_of_timm(name, image_size, pretrained=True)
        except Exception as error:  # timm, the hub and the network each raise kinds of their own
            reason = str(error).partition("\n")[0]
            raise DpamError(
                f"{name}: its pretrained weights cannot be had from the hub ({reason}); "
                f"{HOW_TO_GET_WEIGHTS}"
            ) from error
    return vit


def vit_of_timm(name: str, image_size: int | None, **more: Any) -> Any:
    """A ViT that timm builds, at random; or as `more` says to `timm.create_model`.

    Raises:
        DpamError: timm has no ViT of that name.
    """
    import timm

    if not timm.is_model(name.split(".")[0]):
        raise DpamError(
            f"{name}: timm has no such model; python -c 'import timm; "
            'print(timm.list_models("*vit*"))\' lists its Vision Transformers'
        )
    options: dict[str, Any] = {} if image_size is None else {"img_size": image_size}
    vit: Any
    try:
        vit = timm.create_model(name, **options, **more)
    except TypeError:  # it takes no image size
        vit = None
    except RuntimeError as error:  # such as weights of an unknown name, after the dot
        if more:
            raise
        raise DpamError(f"{name}: timm refuses it: {error}") from error
    if not (hasattr(vit, "blocks") and hasattr(vit, "num_prefix_tokens")):
        raise DpamError(f"{name}: expected a Vision Transformer of timm, found another network")
    return vit


def normalisation(vit: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of R, G, B that the images of a ViT are normalised with."""
    if isinstance(vit, ViT):
        return vit.shape.colours
    from timm.data.config import resolve_model_data_config

    config = resolve_model_data_config(vit)  # type: ignore[no-untyped-call]
    return tuple(config["mean"]), tuple(config["std"])


def load_weights(vit: Any, last_read: int, path: str | Path) -> None:
    """Fill a ViT from a local file: timm's or DINO's names, or a checkpoint of ours.

    See `fill`.

    Raises:
        DpamError: the file is missing, unreadable, or not of this ViT.
    """
    refuse_unreadable(path, HOW_TO_GET_WEIGHTS)
    try:
        count = fill(vit, last_read, vit_part(read_tensors(path)))
    except DpamError as error:
        raise DpamError(f"{path}: {error}") from error
    log.info("%s: %d tensors of the ViT loaded", path, count)


def vit_part(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a ViT by timm's or DINO's names.

    Args:
        tensors: of the ViT alone, perhaps with the prefix "backbone.", or of a network of ours.
    """
    for prefix in ("backbone.vit.", "vit."):
        own = {
            name.removeprefix(prefix): tensor
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }
        if own:
            return own
    return {name.removeprefix("backbone."): tensor for name, tensor in tensors.items()}


def fill(vit: Any, last_read: int, tensors: Mapping[str, Tensor]) -> int:
    """Fill a ViT with tensors by timm's or DINO's names; how many of them it took.

    Position embeddings and patch kernels of another size are resampled as timm does it. What lies
    behind the last block that is read may be missing.

    Raises:
        DpamError: they are not of this ViT.
    """
    from timm.models.vision_transformer import checkpoint_filter_fn

    full = {name: tensor.float() for name, tensor in tensors.items()}  # half ones, too
    state = checkpoint_filter_fn(full, vit)
    expected = vit.state_dict()
    used = {name: expected[name].shape for name in expected if not is_unused(name, last_read)}
    relevant = {
        name: tensor
        for name, tensor in state.items()
        if name in used or not (name in expected or name.startswith(BEHIND_THE_BLOCKS))
    }
    refuse_misfit(relevant, used)
    fitting = {
        name: tensor
        for name, tensor in state.items()
        if name in expected and tensor.shape == expected[name].shape
    }
    vit.load_state_dict(fitting, strict=False)
    return len(fitting)
