"""Which images are shown with their maps, and the file that holds them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpam.errors import DpamError
from dpam.figures.gallery import (
    Gallery,
    QualityExample,
    choose,
    most_wrong,
    read_gallery,
    write_gallery,
)


def test_most_wrong_by_the_size_of_the_error() -> None:
    label = np.array([0.5, 0.1, 0.9, 0.4])
    prediction = np.array([0.6, 0.9, 0.2, 0.4])
    assert most_wrong(label, prediction, 3) == [1, 2, 0]


def test_two_of_each_kind_and_no_image_twice() -> None:
    label = np.array([0.0, 0.1, 0.2, 0.5, 0.8, 0.9, 1.0])
    prediction = np.array([0.9, 0.1, 0.2, 0.5, 0.8, 0.9, 0.4])
    table = pd.DataFrame({"label": label, "prediction": prediction})
    assert choose(table) == [
        *[("best", 5), ("best", 4)],
        *[("worst", 1), ("worst", 2)],
        *[("most wrong", 0), ("most wrong", 6)],
    ]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=9))
def test_few_images_are_shared_out(pairs: list[tuple[float, float]]) -> None:
    table = pd.DataFrame(pairs, columns=["label", "prediction"], dtype=float)
    rows = [row for _, row in choose(table)]
    assert len(set(rows)) == len(rows) == min(6, len(table))


def test_a_gallery_is_read_as_it_was_written(tmp_path) -> None:
    rng = np.random.default_rng(0)
    maps = [np.where(rng.random((5, 4)) < 0.3, np.nan, rng.random((5, 4))) for _ in range(2)]
    photo = rng.integers(0, 255, (5, 4, 3), dtype=np.uint8)
    examples = [
        QualityExample("best", "\u00fcnter (1).png", 0.75, 0.5, photo, *maps),
        QualityExample("most wrong", "b.png", 0.25, 0.125, photo[:, ::-1], *maps[::-1]),
    ]
    path = tmp_path / "maps.npz"
    write_gallery(path, Gallery("Tiny, split00", examples))
    found = read_gallery(path)
    assert found.title == "Tiny, split00"
    for one, expected in zip(found.examples, examples, strict=True):
        for name, value in vars(expected).items():
            np.testing.assert_array_equal(getattr(one, name), value)
    before = path.read_bytes()
    path.unlink()
    write_gallery(path, Gallery("Tiny, split00", examples))
    assert path.read_bytes() == before


def test_what_is_no_gallery_is_one_line(tmp_path) -> None:
    path = tmp_path / "maps.npz"
    with pytest.raises(DpamError, match="map_quality makes it"):
        read_gallery(path)
    path.write_text("something else")
    with pytest.raises(DpamError, match="expected quality maps"):
        read_gallery(path)
    np.savez(path, title=np.array([{}], dtype=object))
    with pytest.raises(DpamError, match="expected quality maps"):
        read_gallery(path)
