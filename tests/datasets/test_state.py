"""A dataset's state changes with its files, and not with their times or their place."""

import os

import pytest
from miniatures import write_image, write_text

from dpam.datasets.inspection import inspect_all
from dpam.datasets.state import LARGE, folder_state


@pytest.fixture
def root(tmp_path):
    """Three photographs, labels, and an archive beside what was unpacked from it."""
    for number in range(3):
        write_image(tmp_path / f"mine/deep/{number}.bmp", number)
    write_text(tmp_path / "mine/scores.csv", "image,label", "0.bmp,1")
    write_text(tmp_path / "mine/more.zip", "an archive")
    write_image(tmp_path / "mine/more/9.bmp", 9)
    return tmp_path / "mine"


@pytest.fixture
def cache(root, tmp_path):
    file = tmp_path / "inspections.json"
    inspect_all(root, [f"deep/{number}.bmp" for number in range(3)], 1, file)
    return file


def test_another_place_other_times_and_hidden_files_leave_it(root, cache):
    before = folder_state(root, cache)
    for path in root.rglob("*"):
        os.utime(path, (1, 1))
    (root / ".thumbnails").write_text("x")
    (root / "more/9.bmp").unlink()
    assert folder_state(root, cache) == before
    assert folder_state(root.rename(root.with_name("elsewhere")), cache) == before


@pytest.mark.parametrize("name", ["deep/1.bmp", "scores.csv", "more.zip"])
def test_other_content_of_the_same_size_changes_it(root, cache, name):
    before = folder_state(root, cache)
    content = bytearray((root / name).read_bytes())
    content[-1] ^= 1
    (root / name).write_bytes(content)
    assert folder_state(root, cache) != before


def test_files_that_come_go_or_are_renamed_change_it(root, cache):
    seen = {folder_state(root, cache)}
    write_image(root / "deep/3.bmp", 3)
    seen.add(folder_state(root, cache))
    (root / "deep/0.bmp").unlink()
    seen.add(folder_state(root, cache))
    (root / "deep/1.bmp").rename(root / "deep/5.bmp")
    seen.add(folder_state(root, cache))
    assert len(seen) == 4


def test_before_the_first_verification_and_for_large_files_times_count(root, tmp_path):
    nothing = tmp_path / "none.json"
    with (root / "large.7z").open("wb") as file:
        file.truncate(LARGE + 1)
    seen = {folder_state(root, nothing)}
    for name in ("deep/0.bmp", "large.7z"):
        os.utime(root / name, (1, 1))
        seen.add(folder_state(root, nothing))
    assert len(seen) == 3


def test_a_second_verification_keeps_the_state(root, cache):
    os.utime(root / "deep/0.bmp", (1, 1))
    before = folder_state(root, cache)
    inspect_all(root, [f"deep/{number}.bmp" for number in range(3)], 1, cache)
    assert folder_state(root, cache) == before


def test_files_of_any_name_or_kind_are_no_harm(root, cache):
    found = {folder_state(root, cache)}
    (root / os.fsdecode(b"caf\xe9.png")).write_text("x")
    found.add(folder_state(root, cache))
    (root / "broken.txt").symlink_to("nothing")
    found.add(folder_state(root, cache))
    os.mkfifo(root / "pipe.txt")
    found.add(folder_state(root, cache))
    assert len(found) == 4
