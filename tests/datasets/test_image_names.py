"""Names in tables find the image that they mean, or say which they may mean."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpam.datasets.image_names import ImageNames

ACCENTS = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]


@pytest.mark.parametrize(
    ("images", "name", "expected"),
    [
        (["a/1.png", "b/2.png"], "1.png", ["a/1.png"]),
        (["a/1.png", "b/1.png"], "1.png", ["a/1.png", "b/1.png"]),
        (["a/1.png", "b/1.png"], "b/1.png", ["b/1.png"]),
        (["1.png", "b/1.png"], "1.png", ["1.png"]),
        (["a/b/1.png", "c/1.png"], "1.png", ["a/b/1.png", "c/1.png"]),
        (["11.png"], "1.png", []),
        (["1.png"], "1", []),
        (["photos/1.png", "photos/deep/1.png"], "1.png", ["photos/1.png"]),
        (["1.png"], " .\\1.PNG ", ["1.png"]),
        (["a/1.png"], "A//x/../1.png", ["a/1.png"]),
        (["a/1.png"], "../1.png", []),
        (["a.png", "A.png"], "A.png", ["A.png"]),
        (["x/a.png", "x/A.png"], "A.png", ["x/A.png"]),
        (["A.png", "x/a.png"], "a.png", ["A.png"]),
        ([ACCENTS[0]], ACCENTS[1], [ACCENTS[0]]),
        (ACCENTS, ACCENTS[1], [ACCENTS[1]]),
        (["back\\slash.png"], "back\\slash.png", ["back\\slash.png"]),
        (["1.png"], "", []),
        (["1.png"], ".", []),
    ],
)
def test_what_a_name_means(images, name, expected):
    assert ImageNames(images, ["photos", "."]).find(name) == expected


PARTS = st.lists(st.sampled_from(["a", "B", "b", "é", "ss"]), min_size=1, max_size=3)


@given(st.sets(PARTS.map(tuple), min_size=1), st.integers(0, 2))
def test_every_end_of_a_path_finds_it_or_says_that_it_is_not_the_only_one(paths, start):
    images = sorted("/".join(parts) for parts in paths)
    names = ImageNames(images)
    for image in images:
        end = "/".join(image.split("/")[start:])
        if end:
            same = [other for other in images if f"/{other.lower()}".endswith(f"/{end.lower()}")]
            found = names.find(end)
            assert set(found) <= set(same)
            assert image in found or end.lower() in {other.lower() for other in images}
            assert names.find(image) == [image]
