"""Join the splits of several datasets.

A training image that looks like another dataset's validation or test image is left out.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from dpam.errors import error_of_many
from dpam.utils.reading import read_json

LEFT_OUT = "left_out"  # the subset of images that would train, but look like held-out ones


def joined_name(dataset: str, name: str) -> str:
    """The name of an image, or of what it shows, where several datasets are one."""
    return f"{dataset}/{name}"


def read_hashes(verified: Sequence[str], images: Iterable[str]) -> dict[str, str]:
    """The perceptual hashes of images, from what verify-download found in their dataset.

    Args:
        verified: the file of a dataset, or of each of several.
        images: of several datasets by `joined_name`.

    Raises:
        DpamError: the files do not tell them.
    """
    found: dict[str, str] = {}
    for path in verified:
        told = read_json(path)
        own = told.get("perceptual_hashes", {})
        if len(verified) > 1:
            own = {joined_name(told["dataset"], image): own[image] for image in own}
        found |= own
    missing = [image for image in images if image not in found]
    if missing:
        raise error_of_many(
            f"{', '.join(verified)}: tells no perceptual hash of {len(missing)} image(s)",
            missing,
            "Run `dpam verify-download` again.",
        )
    return {image: found[image] for image in images}


def join_splits(
    splits: Mapping[str, pd.DataFrame], cluster: Mapping[str, pd.Series], near: pd.DataFrame
) -> pd.DataFrame:
    """The splits that all datasets have, as one table; every dataset keeps its test sets.

    Where an image looks like a validation or test image of another dataset, the training images of
    its whole cluster become LEFT_OUT.

    Args:
        splits: of each dataset, as `dpam.datasets.splits.draw` returns them.
        cluster: (n,) of each dataset the name of each image's cluster, in the order of its splits.
        near: columns image, other: pairs of near-duplicates of different datasets, by
            `joined_name`.

    Returns:
        Columns image, by `joined_name`, and a column per split.
    """
    tables = [
        table.assign(image=[joined_name(name, image) for image in table["image"]])
        for name, table in splits.items()
    ]
    joined = pd.concat(tables, join="inner", ignore_index=True)
    whose = pd.Series(
        [joined_name(name, each) for name in splits for each in cluster[name]], joined["image"]
    )
    seen = pd.concat([near["image"], near["other"]], ignore_index=True)
    beside = pd.concat([near["other"], near["image"]], ignore_index=True)
    for split in joined.columns.drop("image"):
        subset = joined[split]
        held_out = set(joined["image"][subset.isin(["validation", "test"])])
        met = set(whose[seen[beside.isin(held_out)]])
        leave = (subset == "train") & whose.isin(met).to_numpy()
        joined[split] = subset.mask(leave, LEFT_OUT)
    return joined
