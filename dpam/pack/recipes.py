"""How a dataset's recipe becomes a preparation, and what travels with packs and checkpoints."""

from typing import Any

from dpam.datasets import Dataset
from dpam.pack.preparation import Preparation


def preparation_of(dataset: Dataset, image_size: int, **more: Any) -> Preparation:
    """The preparation of a dataset's images by its recipe.

    Args:
        dataset: which.
        image_size: side of the network's square input, pixels.
        more: `method` and what else of `Preparation` is not the default.
    """
    return Preparation(
        network_input=dataset.network_input,
        image_size=image_size,
        superpixels=0 if more["method"] == "none" else dataset.recipe.count,
        superpixel_size=dataset.recipe.size,
        region_size=dataset.recipe.region_size,
        compactness=dataset.recipe.compactness,
        iterations=dataset.recipe.iterations,
        **more,
    )


def facts_of(dataset: Dataset) -> dict[str, Any]:
    """What the scores of a network trained on the dataset mean."""
    return {
        "dataset": dataset.name,
        "title": dataset.title,
        "label_kind": dataset.label_kind,
        "score_range": dataset.score_range,
        "higher_is_better": dataset.higher_is_better,
    }
