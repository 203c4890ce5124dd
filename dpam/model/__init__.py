"""The DPAM network: the published function, at a fraction of its cost."""

from dpam.model.network import DPAM

__all__ = ["DPAM"]
