"""Names of methods: superpixels, behind a + a variant, and that it is an ensemble."""

ENSEMBLE = "+ensemble"  # ends the name of a method whose predictions are means over seeds


def compared(first: str, second: str) -> bool:
    """Whether two methods are compared: a variant with base alone, an ensemble with its seeds."""
    if "+" not in first + second:
        return True
    return first == second.rpartition("+")[0] or second == first.rpartition("+")[0]
