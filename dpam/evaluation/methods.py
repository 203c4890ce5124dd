"""Names of methods: superpixels, behind a + a variant, and that it is an ensemble.

A method is slic, slic+no_texture, slic+ensemble, slic+no_texture+ensemble, or a baseline.
"""

from dpam.evaluation.baselines import BASELINES

BASE = "base"  # the variant that changes nothing, which no name tells
ENSEMBLE = "+ensemble"  # ends the name of a method whose predictions are means over seeds


def method_of(superpixels: str, variant: str) -> str:
    """The name of a method."""
    return superpixels if variant == BASE else f"{superpixels}+{variant}"


def parts_of(method: str) -> tuple[str, str]:
    """Superpixels and variant of a method or its ensemble; of a baseline its name and `base`."""
    superpixels, _, variant = method.removesuffix(ENSEMBLE).partition("+")
    return superpixels, variant or BASE


def is_ensemble(method: str) -> bool:
    """Whether predictions of a method are means over seeds."""
    return method.endswith(ENSEMBLE)


def is_network(method: str) -> bool:
    """Whether a network is trained for a method; baselines and ensembles have none of their own."""
    return method not in BASELINES and not is_ensemble(method)


def is_plain(method: str) -> bool:
    """Whether a method is neither a variant nor an ensemble; these have tables of their own."""
    return "+" not in method


def compared(first: str, second: str) -> bool:
    """Whether two methods are compared: a variant with base alone, an ensemble with its seeds."""
    if is_plain(first) and is_plain(second):
        return True
    return first == second.rpartition("+")[0] or second == first.rpartition("+")[0]
