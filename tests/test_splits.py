"""No reference on two sides; parts of the promised sizes; the same seed, the same parts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpam.errors import DpamError
from dpam.splits import draw, parts_to_score


def table(references: list[str]) -> pd.DataFrame:
    images = [f"{number}.png" for number in range(len(references))]
    return pd.DataFrame({"image": images, "reference": references})


REFERENCES = st.lists(
    st.sampled_from(["", "astronaut", "coffee", "cat", "I01", "I02", "1600"]),
    min_size=3,
    max_size=60,
)


@given(REFERENCES, st.integers(0, 2**32))
def test_every_split(references, seed):
    labels = table(references)
    group = labels["reference"].where(labels["reference"] != "", labels["image"])
    count = group.nunique()
    if count < 3:
        with pytest.raises(DpamError, match="at least 3"):
            draw(labels, seed)
        return
    splits = draw(labels, seed)
    names = [f"split{number:02d}" for number in range(10)]
    assert list(splits.columns) == ["image", *names, "whole"]
    assert splits["image"].equals(labels["image"])
    assert set(splits["whole"]) == {"train"}
    for name in names:
        sizes = splits.groupby(name)[name].size().index
        assert set(sizes) == {"train", "validation", "test"}
        parts = pd.DataFrame({"group": group, "part": splits[name]}).drop_duplicates()
        assert len(parts) == count  # each group stands in one part
        sizes = parts["part"].value_counts()
        training = int(0.8 * count)
        assert sizes["test"] == count - training
        assert sizes["validation"] == max(1, training // 8)


def test_published_sizes():
    sizes = draw(table([f"I{number:02d}" for number in range(81)]), 20)["split00"].value_counts()
    assert sizes.to_dict() == {"train": 56, "validation": 8, "test": 17}


def test_depends_on_the_set_of_references_only():
    rng = np.random.default_rng(0)
    names = ["astronaut", "coffee", "chelsea", "rocket", "china", "flower"]
    one = table(names * 3)
    other = table(list(rng.permutation(names * 5)))
    parts = [
        dict(zip(labels["reference"], draw(labels, 7)["split03"], strict=True))
        for labels in (one, other)
    ]
    assert parts[0] == parts[1]


def test_seeds_and_splits_differ_and_repeat():
    labels = table([""] * 100)
    first = draw(labels, 1)
    assert first.equals(draw(labels, 1))
    assert not first["split00"].equals(draw(labels, 2)["split00"])
    assert len({tuple(first[f"split{number:02d}"]) for number in range(10)}) == 10
    assert draw(labels, 1, count=3).equals(
        first[["image", "split00", "split01", "split02", "whole"]]
    )


def test_numbers_as_references():
    splits = draw(pd.DataFrame({"image": list("abcd"), "reference": [1, 1, 2, 3]}), 0)
    assert splits["split00"][0] == splits["split00"][1]


@pytest.fixture
def parts() -> tuple[pd.DataFrame, pd.DataFrame]:
    images = ["a", "b", "c", "d", "e", "f"]
    labels = pd.DataFrame({"image": images, "distortion": ["blur", "noise"] * 3})
    split = ["train", "test", "test", "validation", "validation", "train"]
    splits = pd.DataFrame({"image": images, "split00": split, "whole": "train"})
    return labels, splits.iloc[::-1]


@pytest.mark.parametrize(
    ("split", "part", "own", "expected"),
    [
        ("split00", "all", True, ["", "test", "test", "validation", "validation", ""]),
        ("split00", "blur", True, ["", "", "test", "", "validation", ""]),
        ("split00", "blur", False, ["", "test", "test", "", "", ""]),
        ("whole", "all", False, ["test"] * 6),
        ("whole", "noise", False, ["test"] * 6),
    ],
)
def test_what_a_run_is_tested_on(parts, split, part, own, expected):
    assert parts_to_score(*parts, split, part, own).tolist() == expected


def test_what_cannot_be_tested_is_refused(parts):
    labels, splits = parts
    with pytest.raises(DpamError, match="whole has no image in its test part"):
        parts_to_score(labels, splits, "whole", "all", own=True)
    with pytest.raises(DpamError, match="split00 has no image of type fog"):
        parts_to_score(labels, splits, "split00", "fog", own=True)
    with pytest.raises(DpamError, match=r"1 image\(s\) of the dataset are in no part[^$]*  - c"):
        parts_to_score(labels, splits[splits["image"] != "c"], "split00", "all", own=True)
