"""No reference on two sides; subsets of the promised sizes; the same seed, the same subsets."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpam.datasets.splits import apart, clusters, draw, subsets_to_test, too_few_to_select
from dpam.errors import DpamError

NONE = pd.DataFrame(columns=["image", "other"], dtype=str)


def table(references: list[str]) -> pd.DataFrame:
    images = [f"{number}.png" for number in range(len(references))]
    return pd.DataFrame({"image": images, "reference": references, "official": ""})


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
            draw(labels, NONE, seed)
        return
    splits = draw(labels, NONE, seed)
    names = [f"split{number:02d}" for number in range(10)]
    assert list(splits.columns) == ["image", *names, "authors", "whole"]
    assert splits["image"].equals(labels["image"])
    assert set(splits["whole"]) == {"train"}
    for name in [*names, "authors"]:
        sizes = splits.groupby(name)[name].size().index
        assert set(sizes) == {"train", "validation", "test"}
        subsets = pd.DataFrame({"group": group, "subset": splits[name]}).drop_duplicates()
        assert len(subsets) == count  # each group stands in one subset
        sizes = subsets["subset"].value_counts()
        training = int(0.8 * count)
        assert sizes["test"] == count - training
        assert sizes["validation"] == max(1, training // 8)


@given(
    REFERENCES,
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=25),
    st.lists(st.sampled_from(["train", "test"]), min_size=60, max_size=60),
)
def test_near_duplicates_stay_on_one_side_of_what_is_drawn(references, pairs, official):
    labels = table(references).assign(official=official[: len(references)])
    n = len(labels)
    near = pd.DataFrame(
        [(f"{a % n}.png", f"{b % n}.png") for a, b in pairs], columns=["image", "other"]
    )
    try:
        splits = draw(labels, near, 3).set_index("image")
    except DpamError as error:
        assert "near-duplicates count as one" in str(error)  # noqa: PT017
        return
    first, second = splits.loc[near["image"]], splits.loc[near["other"]]
    for name in splits:
        sides = set(zip(first[name], second[name], strict=True))
        if name not in ("authors", "official"):
            assert all(one == other for one, other in sides)
        assert not sides & {("train", "validation"), ("validation", "train")}
        reference = labels["reference"].to_numpy()
        subsets = pd.Series(splits[name].to_numpy())[reference != ""]
        if name != "official":  # it is declared image by image
            assert all(len(set(p)) == 1 for _, p in subsets.groupby(reference[reference != ""]))
    assert ((splits["official"] == "test").to_numpy() == (labels["official"] == "test")).all()
    test = draw(labels, NONE, 3)["authors"] == "test"
    assert ((splits["authors"] == "test").to_numpy() == test).all()


@pytest.mark.parametrize(
    ("references", "reason"),
    [
        (["a"] * 40, "40 images of one reference"),
        (["a", "b"] * 3, ""),
        (["a", "b", "c", "d"], "4 images"),
        (["", "a", "a", "a", "a"], ""),  # that without a reference is another photograph
        ([""] * 5, ""),
        ([""] * 4, "4 images"),
        ([""], "1 image"),
        ([], ""),
    ],
)
def test_images_that_say_too_little_to_select_an_epoch_on(references, reason):
    assert too_few_to_select(references) == reason


def test_clusters_are_joined_through_any_chain_and_named_by_their_first_scene():
    labels = table(["", "cat", "cat", "", "", "dog"])
    near = pd.DataFrame(
        [("0.png", "2.png"), ("3.png", "0.png"), ("4.png", "gone.png")], columns=["image", "other"]
    )
    found = ["0.png", "0.png", "0.png", "0.png", "4.png", "dog"]
    assert clusters(labels, near).tolist() == found
    assert clusters(labels, NONE).tolist() == ["0.png", "cat", "cat", "3.png", "4.png", "dog"]
    assert clusters(labels[1:], near).tolist() == ["cat", "cat", "3.png", "4.png", "dog"]


def test_a_drawn_validation_image_like_a_training_image_goes_back_with_those_like_it():
    labels = table([""] * 40).assign(official=["train"] * 32 + ["test"] * 8)
    before = draw(labels, NONE, 1).set_index("image")["official"]
    validation = before.index[before == "validation"].tolist()
    trained, tested = before.index[before == "train"][0], before.index[before == "test"][0]
    assert len(validation) == 4
    first, second, third, _ = validation
    pairs = [(first, trained), (first, second), (tested, third)]
    near = pd.DataFrame(pairs, columns=["image", "other"])
    after = draw(labels, near, 1).set_index("image")["official"]
    assert after[before != after].to_dict() == {first: "train", second: "train"}


def test_published_sizes():
    sizes = draw(table([f"I{number:02d}" for number in range(81)]), NONE, 20)[
        "split00"
    ].value_counts()
    assert sizes.to_dict() == {"train": 56, "validation": 8, "test": 17}


def test_depends_on_the_set_of_references_only():
    rng = np.random.default_rng(0)
    names = ["astronaut", "coffee", "chelsea", "rocket", "china", "flower"]
    one = table(names * 3)
    other = table(list(rng.permutation(names * 5)))
    subsets = [
        dict(zip(labels["reference"], draw(labels, NONE, 7)["split03"], strict=True))
        for labels in (one, other)
    ]
    assert subsets[0] == subsets[1]


def test_seeds_and_splits_differ_and_repeat():
    labels = table([""] * 100)
    first = draw(labels, NONE, 1)
    assert first.equals(draw(labels, NONE, 1))
    assert not first["split00"].equals(draw(labels, NONE, 2)["split00"])
    assert len({tuple(first[f"split{number:02d}"]) for number in range(10)}) == 10
    assert draw(labels, NONE, 1, count=3).equals(
        first[["image", "split00", "split01", "split02", "authors", "whole"]]
    )


def test_numbers_as_references():
    labels = pd.DataFrame({"image": list("abcd"), "reference": [1, 1, 2, 3], "official": ""})
    splits = draw(labels, NONE, 0)
    assert splits["split00"][0] == splits["split00"][1]


@pytest.fixture
def subsets() -> tuple[pd.DataFrame, pd.DataFrame]:
    images = ["a", "b", "c", "d", "e", "f"]
    labels = pd.DataFrame({"image": images, "distortion": ["blur", "noise"] * 3})
    split = ["train", "test", "test", "validation", "validation", "train"]
    splits = pd.DataFrame({"image": images, "split00": split, "whole": "train"})
    return labels, splits.iloc[::-1]


@pytest.mark.parametrize(
    ("split", "subset", "own", "expected"),
    [
        ("split00", "all", True, ["", "test", "test", "validation", "validation", ""]),
        ("split00", "blur", True, ["", "", "test", "", "validation", ""]),
        ("split00", "blur", False, ["", "test", "test", "", "", ""]),
        ("whole", "all", False, ["test"] * 6),
        ("whole", "noise", False, ["test"] * 6),
    ],
)
def test_what_a_run_is_tested_on(subsets, split, subset, own, expected):
    assert subsets_to_test(*subsets, split, subset, own).tolist() == expected


def test_what_cannot_be_tested_is_refused(subsets):
    labels, splits = subsets
    with pytest.raises(DpamError, match="whole has no image in its test set"):
        subsets_to_test(labels, splits, "whole", "all", own=True)
    with pytest.raises(DpamError, match="split00 has no image of type fog"):
        subsets_to_test(labels, splits, "split00", "fog", own=True)
    with pytest.raises(DpamError, match=r"1 image\(s\) of the dataset are in no subset[^$]*  - c"):
        subsets_to_test(labels, splits[splits["image"] != "c"], "split00", "all", own=True)


RELEASED = json.loads(
    (Path(__file__).parents[1] / "data" / "preprocessing.json").read_text(encoding="utf-8")
)["splits"]


@pytest.mark.parametrize(("name", "references"), [("tid2013", 25), ("kadid10k", 81)])
def test_the_authors_split_of_references(name, references):
    labels = table([f"I{number:02d}" for number in range(1, references + 1) for _ in range(5)])
    splits = draw(labels, NONE, seed=3)
    subsets = splits["authors"].groupby(labels["reference"].str[1:]).first()
    expected = {subset: set(RELEASED[name][subset]) for subset in ("train", "test")}
    assert set(subsets.index[subsets == "test"]) == expected["test"]
    assert set(subsets.index[subsets != "test"]) == expected["train"]
    assert (subsets == "validation").sum() == len(expected["train"]) // 8
    assert draw(labels, NONE, seed=4)["authors"].equals(splits["authors"])


def test_the_authors_split_of_images_in_the_order_of_the_labels():
    expected = RELEASED["koniq10k_first_20"]
    labels = table([""] * 20)
    labels["image"] = [f"1024x768/{number}.jpg" for number in range(20)]
    names = labels["image"].str.removeprefix("1024x768/")
    assert set(names[draw(labels, NONE, 0)["authors"] == "test"]) == set(expected["test"])
    turned = labels[::-1].reset_index(drop=True)
    other = turned["image"][draw(turned, NONE, 0)["authors"] == "test"].str.removeprefix(
        "1024x768/"
    )
    assert set(other) != set(expected["test"])


def test_parts_do_not_depend_on_the_folder_of_the_images():
    labels = table([""] * 30)
    elsewhere = labels.assign(image="koniq10k/1024x768/" + labels["image"])
    columns = ["split00", "split05", "authors"]
    assert draw(labels, NONE, 1)[columns].equals(draw(elsewhere, NONE, 1)[columns])
    twice = labels.assign(image=[f"{number % 2}/{number // 2}.png" for number in range(30)])
    assert draw(twice, NONE, 1)["split00"].value_counts()["test"] == 6


def test_an_official_split_gets_a_validation_part_from_its_training_part():
    labels = table([""] * 20).assign(official=["train"] * 16 + ["test"] * 4)
    splits = draw(labels, NONE, 1)
    assert list(splits.columns[-2:]) == ["official", "whole"]
    assert (splits["official"][16:] == "test").all()
    assert splits["official"][:16].value_counts().to_dict() == {"train": 14, "validation": 2}
    declared = labels.assign(official=["train"] * 10 + ["validation"] * 5 + ["test"] * 5)
    assert draw(declared, NONE, 1)["official"].equals(declared["official"])


def test_without_validation_parts_all_that_is_not_tested_trains():
    labels = table([f"scene{i // 2}" for i in range(40)]).assign(
        official=["train"] * 32 + ["test"] * 8
    )
    with_validation, without = (
        draw(labels, NONE, 1, validation=subset) for subset in (True, False)
    )
    assert without.equals(with_validation.replace("validation", "train"))
    declared = labels.assign(official=["train"] * 20 + ["validation"] * 12 + ["test"] * 8)
    assert draw(declared, NONE, 1, validation=False)["official"].equals(declared["official"])


def test_an_official_split_of_some_images_is_refused():
    labels = table([""] * 4).assign(official=["train", "", "test", ""])
    with pytest.raises(DpamError, match=r"2 of 4 images have no official subset, e\.g\. 1\.png"):
        draw(labels, NONE, 1)


def test_pairs_torn_apart_are_found():
    splits = pd.DataFrame(
        {
            "image": ["a", "b", "c"],
            "split00": ["train", "test", "train"],
            "official": ["train", "validation", "test"],
            "whole": ["train"] * 3,
        }
    )
    pairs = pd.DataFrame([("a", "b", 3), ("a", "c", 0)], columns=["image", "other", "bits"])
    found = apart(pairs, splits)
    assert found["splits"].tolist() == ["split00 official", "official"]
    assert found["bits"].tolist() == [3, 0]
    together = splits.assign(split00="train", official="test")
    assert apart(pairs, together).empty
    assert apart(pairs[:0], splits).empty
