"""DPAM: blind image quality assessment with dual perception-aware attention."""

__version__ = "0.1.0"
