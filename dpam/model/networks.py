"""Which networks there are."""

from collections.abc import Sequence
from inspect import signature
from typing import Any

from dpam.errors import DpamError
from dpam.model.backbone import Backbone
from dpam.model.network import DPAM
from dpam.model.pooled import PooledViT
from dpam.model.scales import Scales

Network = DPAM | PooledViT
NETWORKS: dict[str, type[DPAM] | type[PooledViT]] = {"dpam": DPAM, "pooled": PooledViT}
# Settings that the pooled network has not.
OF_DPAM = set(signature(DPAM).parameters) - set(signature(PooledViT).parameters)


def create(network: str = "dpam", scales: Sequence[str] = (), **settings: Any) -> Network:
    """A network by its name.

    Args:
        network: one of NETWORKS.
        scales: names of the datasets that it learns, if they are several; see `Scales`.
        settings: as of its class.

    Raises:
        DpamError: no such network, or settings that do not fit together.
    """
    if network not in NETWORKS:
        raise DpamError(f"network: expected {', '.join(NETWORKS)}; found {network!r}")
    if network == "pooled":
        settings = {key: value for key, value in settings.items() if key not in OF_DPAM}
    net = NETWORKS[network](**settings)
    if scales:
        net.add_module("scales", Scales(scales))
        net.settings["scales"] = list(scales)
    return net


def backbone_of(net: Network) -> Backbone:
    """The ViT that a network looks through."""
    return net if isinstance(net, PooledViT) else net.backbone
