"""The networks: DPAM, the published function at a fraction of its cost, and a plain pooled ViT."""

from dpam.model.network import DPAM
from dpam.model.networks import Network, backbone_of, create
from dpam.model.pooled import PooledViT

__all__ = ["DPAM", "Network", "PooledViT", "backbone_of", "create"]
