"""How many squares of a photograph are scored; `dpam.pack.batches.fixed_views` cuts them."""

from typing import Literal

Views = int | Literal["whole"]
VIEWS: tuple[Views, ...] = ("whole", 1, 4, 5, 9, 16, 25)  # what may be chosen
USUAL: Views = 5  # for checkpoints that do not say it


def number_of_views(text: str) -> Views:
    """A number of views, or "whole"."""
    return "whole" if text == "whole" else int(text)
