"""Starting a network from the weights of another one."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from dpam.errors import DpamError
from dpam.model.backbone import fill, is_unused, vit_part
from dpam.model.header import FORMAT, metadata_of, read_settings
from dpam.model.networks import Network, backbone_of
from dpam.model.pooled import from_linear
from dpam.utils.tensors import read_tensors

log = logging.getLogger(__name__)


def start_from(net: Network, path: str | Path, sha256: str | None = None) -> dict[str, Any]:
    """Give a network the weights of a checkpoint, as many as fit; any precision.

    The ViT is taken whole, its position embeddings and patch kernels resampled where sizes differ.
    Of the rest, what has the same name and shape is taken, if both read the same blocks of the ViT;
    but for the scales of datasets, which are learned anew.

    A file by the names of `PooledViT` that is no checkpoint of ours is one whose last layer has no
    sigmoid behind it, and is converted (`dpam.model.pooled.from_linear`).

    Args:
        net: to be changed, on the processor.
        path: a checkpoint of ours (safetensors), complete or without unused blocks.
        sha256: what the file's SHA-256 must be, hexadecimal; None: anything.

    Returns:
        What to say of it: file, sha256, and, where the file tells them, its settings and metadata.

    Raises:
        DpamError: the file is missing, damaged, another one, or of another ViT.
    """
    if Path(path).suffix != ".safetensors":
        raise DpamError(f"{path}: expected a checkpoint of dpam (.safetensors), found another file")
    tensors = read_tensors(path)
    digest = sha256_of(path)
    if sha256 is not None and digest != sha256.lower():
        raise DpamError(f"{path}: expected the file with SHA-256 {sha256}, found {digest}")
    with safe_open(path, "pt") as file:
        header: dict[str, str] = file.metadata() or {}
    about: dict[str, Any] = {"file": Path(path).name, "sha256": digest}
    if header.get("format") == FORMAT:
        about["settings"] = read_settings(header)
        about["metadata"] = metadata_of(header)
        out_indices = about["settings"]["out_indices"]
    elif "out.weight" in tensors and "vit.pos_embed" in tensors:
        tensors, out_indices = from_linear(tensors), None
    else:
        raise DpamError(
            f"{path}: expected a checkpoint of dpam, found other tensors; weights of a ViT alone "
            "are named as model.weights"
        )
    try:
        taken = fill_all(net, tensors, out_indices)
    except DpamError as error:
        raise DpamError(f"{path}: {error}") from error
    count = len(net.state_dict())
    log.info("%s: the start of %d of %d tensors", path, taken, count)
    return about


def fill_all(net: Network, tensors: Mapping[str, Tensor], out_indices: list[int] | None) -> int:
    """Fill a network as `start_from` says; how many tensors it took.

    Args:
        net: to be changed.
        tensors: of another network.
        out_indices: the blocks of the ViT that it reads; None: some, up to its last block.

    Raises:
        DpamError: its ViT is another one.
    """
    backbone = backbone_of(net)
    last = backbone.out_indices[-1]
    part, built = vit_part(tensors), backbone.vit.state_dict().keys()
    deepest = max(
        (int(name.split(".")[1]) for name in part if name.startswith("blocks.")), default=0
    )
    part = {name: t for name, t in part.items() if name in built or not is_unused(name, last)}
    taken = fill(backbone.vit, last, part)
    if (out_indices is None and deepest != last) or (
        out_indices is not None and tuple(out_indices) != backbone.out_indices
    ):
        log.info("it reads other blocks of the ViT: all behind the ViT starts anew")
        return taken
    own = net.state_dict()
    head = {
        name: tensor.to(own[name].dtype)
        for name, tensor in tensors.items()
        if ".vit." not in f".{name}" and name in own and tensor.shape == own[name].shape
        if not name.startswith("scales.")  # of other datasets
    }
    net.load_state_dict(head, strict=False)
    return taken + len(head)


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
