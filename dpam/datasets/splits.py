"""Which images train, which validate, which test."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dpam.errors import DpamError, error_of_many

AUTHORS_SEED = 20
FEWEST_TO_DRAW = 3  # clusters: one to train, one to validate, one to test
FEWEST_TO_SELECT = 5  # images; their order is right by luck in one of 24 epochs if they are four


def draw(
    labels: pd.DataFrame, near: pd.DataFrame, seed: int, count: int = 10, validation: bool = True
) -> pd.DataFrame:
    """Draw the splits; what shows the same never stands on two sides of one that is drawn here.

    Random splits are drawn from clusters (see `clusters`): images of one reference, and
    near-duplicates. Of n clusters, int(0.8 n) are for training and the rest for testing; one eighth
    of the training clusters, at least one, becomes the validation set. A random split depends on
    the seed, its number and the names of the clusters only: two datasets made of the same
    references, or two copies of one dataset in different folders, get the same subsets.

    `authors` has the test set of the released code: references, or images without one, in the
    order of the labels, shuffled by NumPy's generator of before 1.17 from seed 20, whatever `seed`
    is. `official` has the test set that the dataset declares; it is left out where there is none.
    These test sets stay as they are. Both splits get a validation set of an eighth of their
    training references, unless the dataset declares one; of what was drawn, images that are in a
    cluster with training images go back to training. `whole` is train everywhere.

    Args:
        labels: columns image, reference, official (text; empty if none), in the order of the
            label file.
        near: columns image, other: pairs of near-duplicates.
        seed: not negative.
        count: number of random splits.
        validation: whether to draw validation sets. If not, as released, these images train, too.

    Returns:
        Columns image, split00, split01, ..., authors, perhaps official, whole; each cell train,
        validation or test. A validation set of `authors` or `official` may be empty.

    Raises:
        DpamError: there are fewer than three clusters, or some images, but not all, have an
            official subset.
    """
    cluster = clusters(labels, near)
    names = sorted(set(cluster))
    if len(names) < FEWEST_TO_DRAW:
        raise DpamError(
            f"labels: expected at least {FEWEST_TO_DRAW} references (or images without one; "
            "near-duplicates count as one) to draw training, validation and test sets from, found "
            f"{len(names)}"
        )
    splits = pd.DataFrame({"image": labels["image"]})
    for number in range(count):
        shuffled = np.random.default_rng([seed, number]).permutation(names)
        splits[f"split{number:02d}"] = cluster.map(_subsets(*divide(list(shuffled))))
    order = list(dict.fromkeys(scenes(labels)))
    np.random.RandomState(AUTHORS_SEED).shuffle(order)
    authors = scenes(labels).map(_subsets(*divide(order)))
    splits["authors"] = _back_to_training(authors, labels, near)
    if (labels["official"] != "").any():
        splits["official"] = _official(labels, near, seed)
    if not validation:
        declared = ["official"] * ("validation" in set(labels["official"]))
        drawn = splits.columns.drop(["image", *declared])
        splits[drawn] = splits[drawn].replace("validation", "train")
    splits["whole"] = "train"
    random = splits.drop(columns=["image", "authors", "official"], errors="ignore")
    assert (random.groupby(cluster).nunique().max() == 1).all()
    return splits


def subsets_to_test(
    labels: pd.DataFrame, splits: pd.DataFrame, split: str, distortion: str, own: bool
) -> pd.Series:
    """Which subset each image belongs to that a run is tested on.

    On the dataset that it was trained on, those are the split's validation and test sets, of one
    distortion type if it was trained on one. On another dataset it is the same split's test set,
    or every image if it was trained on a `whole` dataset.

    Args:
        labels: columns image and distortion.
        splits: as `draw` returns it, of the same images.
        split: the run's split.
        distortion: all, or the distortion type that the run was trained on.
        own: whether this is the dataset that the run was trained on.

    Returns:
        (n,) in the order of labels: validation, test, or empty text for images not to be tested.

    Raises:
        DpamError: images that the splits lack, or no image of the test set.
    """
    known = splits.set_index("image")[split].reindex(labels["image"])
    if known.isna().any():
        raise error_of_many(
            f"{known.isna().sum()} image(s) of the dataset are in no subset",
            known.index[known.isna()].tolist(),
            "Draw the splits again.",
        )
    subsets = pd.Series(known.to_numpy(), labels.index, dtype=str)
    if own:
        kept = subsets.isin(["validation", "test"])
        if distortion != "all":
            kept &= labels["distortion"] == distortion
    elif split == "whole":
        subsets[:], kept = "test", subsets.notna()
    else:
        kept = subsets == "test"
    if not (kept & (subsets == "test")).any():
        of_type = "" if distortion == "all" else f" of type {distortion}"
        raise DpamError(f"{split} has no image{of_type} in its test set")
    return subsets.where(kept, "")


def too_few_to_select(references: Sequence[str]) -> str:
    """Why no epoch can be selected on images, in words; empty text if one can.

    Images of one reference tell how its distortions are ordered, and nothing of whether photographs
    are. Of few images a rank correlation is luck: whoever looks at it in dozens of epochs finds the
    luckiest, not the best.

    Args:
        references: (n,) names of the images' references, empty text where there is none.
    """
    known = {name for name in references if name}
    if len(known) == 1 and all(references):
        return f"{len(references)} images of one reference"
    if 0 < len(references) < FEWEST_TO_SELECT:
        return f"{len(references)} image{'s' * (len(references) > 1)}"
    return ""


def share_tested(subsets: pd.Series) -> float:
    """Images of a split's test set by those of its training and validation set.

    Args:
        subsets: (n,) train, validation or test of each image.
    """
    counts = subsets.value_counts()
    return float(counts.get("test", 0) / (counts.get("train", 0) + counts.get("validation", 0)))


def scenes(labels: pd.DataFrame) -> pd.Series:
    """What each image shows: its reference or, without one, its own file name.

    It is the path instead where file names are not unique.
    """
    image = labels["image"].astype(str)
    name = image.str.rsplit("/", n=1).str[-1]
    reference = labels["reference"].astype(str)
    return reference.where(reference != "", image if name.duplicated().any() else name)


def clusters(labels: pd.DataFrame, near: pd.DataFrame) -> pd.Series:
    """Which images belong together: those of one scene, and near-duplicates, through any chain.

    Args:
        labels: columns image and reference.
        near: columns image, other; pairs with an image that is not in labels say nothing.

    Returns:
        (n,) the name of each image's cluster: the first, in the order of text, of its scenes.
    """
    scene, names = pd.factorize(scenes(labels), sort=True)
    number = pd.Series(scene, labels["image"])
    pairs = near[near["image"].isin(number.index) & near["other"].isin(number.index)]
    ends = number[pairs["image"]], number[pairs["other"]]
    graph = coo_array((np.ones(len(pairs)), ends), shape=(len(names), len(names)))
    _, component = connected_components(graph, directed=False)
    first = pd.Series(names).groupby(component).first()  # names are sorted
    return pd.Series(first[component[scene]].to_numpy(), labels.index)


def divide(names: Sequence[str]) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Shuffled names as validation, training and test set."""
    training = int(0.8 * len(names))
    validation = max(1, training // 8)
    return names[:validation], names[validation:training], names[training:]


def _subsets(
    validation: Sequence[str], train: Sequence[str], test: Sequence[str]
) -> dict[str, str]:
    return {
        name: subset
        for subset, members in (("validation", validation), ("train", train), ("test", test))
        for name in members
    }


def _official(labels: pd.DataFrame, near: pd.DataFrame, seed: int) -> pd.Series:
    official = labels["official"].astype(str)
    lacking = labels["image"][official == ""]
    if len(lacking):
        raise DpamError(
            f"labels: {len(lacking)} of {len(labels)} images have no official subset, "
            f"e.g. {lacking.iloc[0]}; give one to all or to none"
        )
    if "validation" in set(official):
        return official
    training = scenes(labels)[official == "train"]
    shuffled = np.random.default_rng(seed).permutation(sorted(set(training)))
    validation = set(shuffled[: max(1, len(shuffled) // 8)])
    drawn = official.mask((official == "train") & scenes(labels).isin(validation), "validation")
    return _back_to_training(drawn, labels, near)


def _back_to_training(subsets: pd.Series, labels: pd.DataFrame, near: pd.DataFrame) -> pd.Series:
    """Parts in which validation images that are in a cluster with training images are training."""
    learning = labels[subsets != "test"]
    cluster = clusters(learning, near)
    trained = set(cluster[subsets[learning.index] == "train"])
    back = learning.index[cluster.isin(trained)]
    return subsets.mask(subsets.index.isin(back) & (subsets == "validation"), "train")


def apart(pairs: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Pairs of images that stand in different subsets of a split.

    Args:
        pairs: columns image, other, and what else is known of them.
        splits: as `draw` returns it.

    Returns:
        The pairs that some split tears apart, with a column `splits`: those splits' names.
    """
    subsets = splits.set_index("image")
    first, second = subsets.reindex(pairs["image"]), subsets.reindex(pairs["other"])
    torn = first.to_numpy() != second.to_numpy()
    names = [" ".join(subsets.columns[row]) for row in torn]
    kept: pd.DataFrame = pairs.assign(splits=names).loc[torn.any(axis=1)]
    return kept.reset_index(drop=True)
