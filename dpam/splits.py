"""Which images train, which validate, which test."""

import numpy as np
import pandas as pd

from dpam.errors import DpamError, listed


def draw(labels: pd.DataFrame, seed: int, count: int = 10) -> pd.DataFrame:
    """Draw random splits in which no reference image stands on two sides.

    Images with the same reference form a group, an image without one is its own. Of n groups,
    int(0.8 n) are for training and the rest for testing; one eighth of the training groups, at
    least one, becomes the validation part. A split depends on the seed, its number and the names
    of the groups only: two datasets made of the same references get the same parts.

    Args:
        labels: columns image and reference (text; empty if none).
        seed: not negative.
        count: number of random splits.

    Returns:
        Columns image, split00, split01, ..., whole; each cell train, validation or test.
        `whole` is train everywhere.

    Raises:
        DpamError: there are fewer than three groups.
    """
    reference = labels["reference"].astype(str)
    group = reference.where(reference != "", labels["image"].astype(str))
    names = np.array(sorted(set(group)))
    if len(names) < 3:
        raise DpamError(
            f"labels: expected at least 3 references (or images without one) to draw "
            f"training, validation and test parts from, found {len(names)}"
        )
    training = int(0.8 * len(names))
    validation = max(1, training // 8)
    parts = np.repeat(
        ["validation", "train", "test"],
        [validation, training - validation, len(names) - training],
    )
    splits = pd.DataFrame({"image": labels["image"]})
    for number in range(count):
        shuffled = np.random.default_rng([seed, number]).permutation(names)
        splits[f"split{number:02d}"] = group.map(dict(zip(shuffled, parts, strict=True)))
    splits["whole"] = "train"
    assert all(splits[column].groupby(group).nunique().max() == 1 for column in splits.columns[1:])
    return splits


def parts_to_score(
    labels: pd.DataFrame, splits: pd.DataFrame, split: str, part: str, own: bool
) -> pd.Series:
    """Which part each image belongs to that a run is tested on.

    On the dataset that it was trained on, those are the split's validation and test parts, of one
    distortion type if it was trained on one. On another dataset it is the same split's test part,
    or every image if it was trained on a `whole` dataset.

    Args:
        labels: columns image and distortion.
        splits: as `draw` returns it, of the same images.
        split: the run's split.
        part: all, or the distortion type that the run was trained on.
        own: whether this is the dataset that the run was trained on.

    Returns:
        (n,) in the order of labels: validation, test, or empty text for images not to be tested.

    Raises:
        DpamError: images that the splits lack, or no image of the test part.
    """
    known = splits.set_index("image")[split].reindex(labels["image"])
    if known.isna().any():
        raise listed(
            f"{known.isna().sum()} image(s) of the dataset are in no part",
            known.index[known.isna()].tolist(),
            "Draw the splits again.",
        )
    parts = pd.Series(known.to_numpy(), labels.index, dtype=str)
    if own:
        kept = parts.isin(["validation", "test"])
        if part != "all":
            kept &= labels["distortion"] == part
    elif split == "whole":
        parts[:], kept = "test", parts.notna()
    else:
        kept = parts == "test"
    if not (kept & (parts == "test")).any():
        of_type = "" if part == "all" else f" of type {part}"
        raise DpamError(f"{split} has no image{of_type} in its test part")
    return parts.where(kept, "")
