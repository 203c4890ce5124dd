"""DPAM: blind image quality assessment with dual perception-aware attention."""

import importlib
from typing import Any

__version__ = "0.1.0"

# What `dpam.NAME` is; imported when asked for, so that `import dpam` needs no torch.
PUBLIC = {"load": "dpam.inference.scorer", "create_metric": "dpam.inference.metric"}


def __getattr__(name: str) -> Any:
    """`dpam.load` and `dpam.create_metric`."""
    if name in PUBLIC:
        return getattr(importlib.import_module(PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
