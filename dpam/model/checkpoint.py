"""Checkpoints: our own files, and the authors' format.

Our file is a safetensors file. Its header says, each as JSON, the network's settings, from which it
is rebuilt, and metadata, which its maker chooses. A checksum over all of it stands beside them, as
the format has none. Tensors may be of any precision, and those that no score
depends on may be left out; a network computes in float32, whatever its file holds.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dpam.errors import DpamError, error_of_many
from dpam.model.backbone import is_unused
from dpam.model.header import FORMAT, metadata_of, open_checkpoint, read_header, read_settings
from dpam.model.network import DPAM
from dpam.model.networks import Network, backbone_of, create
from dpam.utils.tensors import refuse_misfit, shape_text, write_tensors

# Our names -> the authors': each is the beginning of the names of the tensors of one part.
PARTS = {
    "backbone.vit.": "vit.",
    "semantic_query.similarity.colour.": "simi_matrix.pixel_conv.",
    "semantic_query.similarity.describe.": "simi_matrix.reduce_conv.",
    "semantic_query.similarity.gate.": "simi_matrix.similarity_weight_block.",
    "semantic_query.expand.": "slic_conv.",
    "distortion.patterns.": "ta.texture_attention.0.",
    "distortion.patterns_norm.": "ta.texture_attention.1.",
    "distortion.mix.": "ta.texture_attention.2.",
    "distortion.mix_norm.": "ta.texture_attention.3.",
    "distortion_query.": "t_conv.",
    "fusion.mix.": "fusionconv.",
    "fusion.reduce.": "conv1.",
    "halve.": "conv2.",
    "regression.score.": "fc_score.",
    "regression.weight.": "fc_weight.",
}
for ours, theirs in {
    "distortion_attention.": "teablock.0.",
    "semantic_attention.": "teablock.1.",
    "attention.": "tablock.",
}.items():
    PARTS |= {
        f"{ours}query.": f"{theirs}c_q.",
        f"{ours}key.": f"{theirs}c_k.",
        f"{ours}value.": f"{theirs}c_v.",
    }
for unit in "12":
    PARTS |= {
        f"unit{unit}.transformer.": f"block{unit}.",
        f"unit{unit}.dynamic.fine.": f"dyd{unit}.Block1.",
        f"unit{unit}.dynamic.coarse.": f"dyd{unit}.Block2.",
        f"unit{unit}.dynamic.to_kernel.": f"dyd{unit}.tokernel.",
        f"unit{unit}.dynamic.bias": f"dyd{unit}.bias",
        f"unit{unit}.mix.": f"catconv{unit}.",
    }
    for block in "01":
        PARTS |= {
            f"unit{unit}.residual.{block}.conv": f"resblock{unit}.blocks.{block}.conv",
            f"unit{unit}.residual.{block}.norm": f"resblock{unit}.blocks.{block}.bn",
        }


def authors_name(name: str) -> str:
    """The authors' name of the tensor that we call `name`."""
    part = next(part for part in PARTS if name.startswith(part))
    return PARTS[part] + name.removeprefix(part)


def from_authors(state_dict: Mapping[str, Tensor], net: DPAM | None = None) -> dict[str, Tensor]:
    """Our state dict from one in the authors' format.

    Args:
        state_dict: by the authors' names, with or without the prefix "module." of DataParallel.
        net: the network that it is meant for; None: the published size.

    Returns:
        for `DPAM.load_state_dict`.

    Raises:
        DpamError: names are missing or unexpected, or a tensor has another shape.
    """
    found = {name.removeprefix("module."): tensor for name, tensor in state_dict.items()}
    layout = layout_of(net)
    refuse_misfit(found, {authors_name(name): shape for name, shape in layout.items()})
    return {name: found[authors_name(name)] for name in layout}


def to_authors(state_dict: Mapping[str, Tensor], net: DPAM | None = None) -> dict[str, Tensor]:
    """The inverse of `from_authors`, names without "module.".

    Raises:
        DpamError: names are missing or unexpected, or a tensor has another shape.
    """
    if any(name.startswith("scales.") for name in state_dict):
        raise DpamError(
            "it learned several datasets, whose scales the authors' format does not hold"
        )
    refuse_misfit(state_dict, layout_of(net))
    return {authors_name(name): tensor for name, tensor in state_dict.items()}


def layout_of(net: Network | None) -> dict[str, torch.Size]:
    """Name and shape of every tensor of a network; None: of the published size."""
    if net is None:
        return published_layout()
    return {name: tensor.shape for name, tensor in net.state_dict().items()}


@cache
def published_layout() -> dict[str, torch.Size]:
    """Name and shape of every tensor of the published network."""
    with torch.device("meta"):
        return layout_of(DPAM())


def save_checkpoint(path: str | Path, net: Network, metadata: Mapping[str, Any]) -> None:
    """Write a network, atomically, with its metadata.

    Args:
        path: of the safetensors file.
        net: its settings travel with its weights.
        metadata: anything that JSON can hold.

    Raises:
        DpamError: the file cannot be written.
    """
    write_checkpoint(path, net.state_dict(), net.settings, metadata)


def to_small(net: Network) -> dict[str, Tensor]:
    """The state dict of a network in less than half the space.

    Each weight becomes the nearest number of float16: it moves by at most 2^-11 of itself, or,
    below 6.1e-5, by at most 3e-8. Integers stay. What no score depends on, the ViT behind the last
    block that is read, is left out.

    Raises:
        DpamError: a weight is too large for float16.
    """
    unread = unread_names(net)
    small = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in net.state_dict().items()
        if name not in unread
    }
    wrong = [name for name, tensor in small.items() if not tensor.isfinite().all()]
    if wrong:
        raise error_of_many("weights that are too large for float16", wrong)
    return small


def write_checkpoint(
    path: str | Path,
    state: Mapping[str, Tensor],
    settings: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> None:
    """Write the tensors of a network, atomically, with its settings and its metadata.

    Raises:
        DpamError: the file cannot be written.
    """
    tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    header = {
        "format": FORMAT,
        "settings": json.dumps(settings),
        "metadata": json.dumps(metadata),
    }
    header["checksum"] = checksum(header, tensors)
    write_tensors(path, tensors, header)


def unread_names(net: Network) -> set[str]:
    """Names of the tensors that no score depends on: of the ViT behind the last block read."""
    backbone = backbone_of(net)
    prefix = "vit." if backbone is net else "backbone.vit."
    names = backbone.vit.state_dict()
    return {f"{prefix}{name}" for name in names if is_unused(name, backbone.out_indices[-1])}


def load_checkpoint(path: str | Path) -> tuple[Network, dict[str, Any]]:
    """Rebuild the network that `save_checkpoint` wrote, on the CPU; also returns its metadata.

    Raises:
        DpamError: the file is missing, damaged, or not of this kind.
    """
    with open_checkpoint(path) as file:
        header = read_header(path, file)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if header.get("checksum") != checksum(header, tensors):
        raise DpamError(f"{path}: a damaged checkpoint, its checksum is wrong; copy it again")
    try:
        net = rebuild(read_settings(header), tensors)
    except DpamError as error:
        raise DpamError(f"{path}: {error}") from error
    return net, metadata_of(header)


def checksum(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over settings, metadata and tensors, hexadecimal."""
    digest = hashlib.sha256(f"{header.get('settings')}\n{header.get('metadata')}".encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {shape_text(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def rebuild(settings: Any, tensors: Mapping[str, Tensor]) -> Network:
    """The network of a checkpoint; what it does not read and the checkpoint lacks is 0.

    Raises:
        DpamError: there is no such network, the tensors do not fit it, or are no numbers.
    """
    if not isinstance(settings, dict) or {"pretrained", "weights"} & settings.keys():
        raise DpamError(f"expected the settings of a network, found {settings!r:.80}")
    try:
        with torch.device("meta"):  # takes no memory, whatever its size
            empty = create(**settings)
    except Exception as error:  # whatever a network of nonsense raises
        raise DpamError(f"its settings are those of no network: {error}") from error
    layout, unread = layout_of(empty), unread_names(empty)
    absent = {name: layout[name] for name in unread - tensors.keys()}
    refuse_misfit(tensors, {name: size for name, size in layout.items() if name not in absent})
    wrong = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if wrong:
        raise error_of_many("weights that are no finite numbers, of a training that failed", wrong)
    # Random weights that are overwritten at once take half a second to draw; but what a network
    # computes for itself, such as tables of rotations, is not in a checkpoint.
    computed = any(name not in layout for name, _ in empty.named_buffers())
    kinds = {name: tensor.dtype for name, tensor in empty.state_dict().items()}
    filled = {name: tensor.to(kinds[name], copy=True) for name, tensor in tensors.items()}
    filled |= {name: torch.zeros(size, dtype=kinds[name]) for name, size in absent.items()}
    net = create(**settings) if computed else empty
    net.load_state_dict(filled, assign=True)
    return net
