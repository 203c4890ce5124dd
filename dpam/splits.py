"""Which images train, which validate, which test."""

import numpy as np
import pandas as pd

from dpam.errors import DpamError


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
