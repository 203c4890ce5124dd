"""The networks: DPAM, the published function at a fraction of its cost, and a plain pooled ViT."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpam.model.network import DPAM
    from dpam.model.networks import Network, backbone_of, create
    from dpam.model.pooled import PooledViT

__all__ = ["DPAM", "Network", "PooledViT", "backbone_of", "create"]
# Imported when asked for: headers of checkpoints and sizes of ViTs are read without PyTorch.
HOMES = {
    "DPAM": "network",
    "Network": "networks",
    "PooledViT": "pooled",
    "backbone_of": "networks",
    "create": "networks",
}


def __getattr__(name: str) -> Any:
    """The networks."""
    if name in HOMES:
        return getattr(importlib.import_module(f"dpam.model.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
