"""Findings stop or are accepted; a second verification looks at changed files only."""

import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import miniatures
import numpy as np
import pytest
from PIL import Image

from dpam.datasets import DATASETS, find, inspection
from dpam.datasets.inspection import inspect
from dpam.datasets.verification import verify
from dpam.errors import DpamError
from dpam.imaging import perceptual_hash
from dpam.imaging.perceptual_hash import NEAR, difference_hash, near_duplicates, nearest

OWN = {"labels": "mine.csv", "score_range": [0, 10], "higher_is_better": True}


def scene(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A smooth picture with some structure, different for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def root(tmp_path) -> Path:
    """Six photographs with labels; the folder of the results is beside them."""
    folder = tmp_path / "mine"
    folder.mkdir()
    names = [f"{number}.png" for number in range(6)]
    for number, name in enumerate(names):
        scene(number).save(folder / name)
    miniatures.write_text(folder / "mine.csv", "image,label", *(f"{name},5" for name in names))
    return folder


def opened(monkeypatch) -> list[str]:
    """The paths that are decoded from now on, in this process."""
    paths: list[str] = []
    decode = Image.open

    def counting(content, *arguments, **options):
        paths.append("decoded")
        return decode(content, *arguments, **options)

    monkeypatch.setattr(Image, "open", counting)
    monkeypatch.setattr(inspection, "processes", here_only)
    return paths


@contextmanager
def here_only(count: int, kind: str):
    """A pool that works in this process, so that its calls can be counted."""
    yield SimpleNamespace(map=lambda call, *items, chunksize: map(call, *items))


def test_the_second_time_only_changes_are_looked_at(root, tmp_path, monkeypatch):
    cache = tmp_path / "inspections.json"
    paths = opened(monkeypatch)
    dataset = find("mine", OWN)
    first = verify(dataset, root, cache=cache)
    assert len(paths) == 6
    assert verify(dataset, root, cache=cache) == first
    assert len(paths) == 6
    os.utime(root / "1.png", (1, 1))  # another time, the same content: read, not decoded
    assert verify(dataset, root, cache=cache) == first
    assert len(paths) == 6
    scene(70).save(root / "2.png")
    second = verify(dataset, root, cache=cache)
    assert len(paths) == 7
    assert second["fingerprint"] != first["fingerprint"]
    cache.write_text(cache.read_text().replace('"pillow": "', '"pillow": "0.'))
    assert verify(dataset, root, cache=cache) == second
    assert len(paths) == 13, "another decoder looks at everything again"
    cache.write_text('{\n  "made_by": no JSON')
    assert verify(dataset, root, cache=cache) == second
    cache.write_text("of somebody else")
    with pytest.raises(DpamError, match=r"inspections\.json: would be replaced, but dpam did not"):
        verify(dataset, root, cache=cache)
    assert cache.read_text() == "of somebody else"


def test_what_was_found_is_kept_when_verification_stops(root, tmp_path, monkeypatch):
    cache = tmp_path / "inspections.json"
    (root / "5.png").write_bytes(b"broken")
    with pytest.raises(DpamError, match=r"5\.png: does not decode"):
        verify(find("mine", OWN), root, cache=cache)
    paths = opened(monkeypatch)
    scene(5).save(root / "5.png")
    verify(find("mine", OWN), root, cache=cache)
    assert len(paths) == 1


def test_an_interrupted_verification_goes_on(root, tmp_path, monkeypatch):
    cache = tmp_path / "inspections.json"
    paths = opened(monkeypatch)
    look = inspection.inspect

    def interrupted(path, before):
        if path.endswith("4.png"):
            raise KeyboardInterrupt
        return look(path, before)

    monkeypatch.setattr(inspection, "inspect", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            verify(find("mine", OWN), root, cache=cache)
        assert len(paths) == 4
    monkeypatch.setattr(inspection, "inspect", look)
    verify(find("mine", OWN), root, cache=cache)
    assert len(paths) == 6


def test_several_processes_find_the_same(root):
    one, two = (verify(find("mine", OWN), root, threads=threads) for threads in (1, 2))
    assert one == two


def test_findings_are_accepted_by_kind_or_one_by_one(root):
    dataset = replace(find("mine", OWN), images=7, sides=(64, 96))
    (root / "0.png").write_bytes(b"broken")
    (root / "1.png").unlink()
    scene(2, (200, 64)).save(root / "2.png")
    scene(3, (64, 31)).save(root / "3.png")
    scene(9).save(root / "stray.png")
    with pytest.raises(DpamError) as caught:
        verify(dataset, root)
    message = str(caught.value)
    for line in (
        "6 problem(s)",
        "3.png: is 64 x 31, at least 32 x 32 is needed [too_small]",
        "1.png: has a label but is not there [missing_image]",
        "0.png: does not decode",
        "[undecodable]",
        "2.png: is 200 x 64, expected sides of 64 to 96 pixels [odd_size]",
        "stray.png: has no label [unlabelled_image]",
        "labelled images: found 6, expected 7 [wrong_count]",
        "`allow:`",
    ):
        assert line in message
    some = ["odd_size", "unlabelled_image stray.png", "undecodable other.png", "wrong_count"]
    with pytest.raises(DpamError) as caught:
        verify(dataset, root, some)
    assert "3 problem(s)" in str(caught.value)
    assert "2.png" not in str(caught.value)
    everything = [*some, "undecodable 0.png", "missing_image", "too_small"]
    found = verify(dataset, root, everything)
    assert len(found["accepted"]) == 6
    assert "stray.png: has no label [unlabelled_image]" in found["accepted"]
    assert found["left_out"] == ["0.png", "1.png", "3.png"]
    assert found["findings"] == ["undecodable other.png: is allowed, but was not found"]


def test_an_image_whose_name_is_not_utf_8_has_no_label(root):
    scene(9).save(root / os.fsdecode(b"caf\xe9.png"))
    mine = find("mine", OWN)
    with pytest.raises(DpamError, match=r"caf\\xe9.png: has no label \[unlabelled_image\]"):
        verify(mine, root, threads=1)
    assert verify(mine, root, ["unlabelled_image"], threads=1)["counts"]["without_label"] == 1


def test_an_unknown_finding_cannot_be_allowed(root):
    with pytest.raises(DpamError, match=r"unknown finding.*\n  - odd_sizes\n.*odd_size"):
        verify(find("mine", OWN), root, ["odd_sizes"])


@pytest.mark.parametrize("name", ["csiq", "tid2013", "kadid10k", "koniq10k", "live"])
def test_sizes_of_the_published_images(name):
    published = {"csiq": (512, 512), "koniq10k": (1024, 768), "live": (768, 512)}
    sides = DATASETS[name].sides
    assert sides is not None
    size = published.get(name, (512, 384))
    assert sides[0] <= min(size)
    assert max(size) <= sides[1]


def test_near_duplicates_among_authentic_photographs(root):
    scene(0).save(root / "1.png", compress_level=1)  # the same picture
    scene(0, (192, 128)).save(root / "3.png")
    found = verify(find("mine", OWN), root)
    pairs = {(image, other) for image, other, _ in found["near_duplicates"]}
    assert pairs == {("0.png", "1.png"), ("0.png", "3.png"), ("1.png", "3.png")}
    lines = [f"{number}.png,{number},{'scene' * (number in (0, 1))}" for number in range(6)]
    (root / "mine.csv").write_text("\n".join(["image,label,reference", *lines]))
    pairs = {
        (image, other) for image, other, _ in verify(find("mine", OWN), root)["near_duplicates"]
    }
    assert pairs == {("0.png", "3.png"), ("1.png", "3.png")}, "within one reference they are known"
    assert set(found["perceptual_hashes"]) == {f"{number}.png" for number in range(6)}
    synthetic = replace(find("mine", OWN), kind="synthetic")
    assert verify(synthetic, root)["near_duplicates"] == []


def test_a_perceptual_hash_survives_recompression_and_tells_scenes_apart(tmp_path):
    scene(1).save(tmp_path / "a.jpg", quality=95)
    scene(1).save(tmp_path / "b.jpg", quality=20)
    scene(2).save(tmp_path / "c.jpg", quality=95)
    scene(1).convert("P").save(tmp_path / "d.png")
    hashes = {path.name: inspect(str(path)).perceptual_hash for path in sorted(tmp_path.iterdir())}
    pairs = near_duplicates(hashes)
    assert set(zip(pairs["image"], pairs["other"], strict=True)) == {
        ("a.jpg", "b.jpg"),
        ("a.jpg", "d.png"),
        ("b.jpg", "d.png"),
    }
    assert len(bytes.fromhex(hashes["a.jpg"])) == 32


@pytest.mark.parametrize("rows", [256, 7, 4, 1])
def test_near_duplicates_against_a_plain_count(monkeypatch, rows):
    monkeypatch.setattr(perceptual_hash, "ROWS", rows)
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2, (5, 256))
    bits = np.concatenate([base ^ (rng.random((5, 256)) < share) for share in (0, 0.05, 0.1, 0.2)])
    hashes = {f"{number:02d}": np.packbits(row).tobytes().hex() for number, row in enumerate(bits)}
    expected = {
        (f"{first:02d}", f"{second:02d}", int((bits[first] != bits[second]).sum()))
        for first in range(20)
        for second in range(first + 1, 20)
        if (bits[first] != bits[second]).sum() <= NEAR
    }
    assert 5 < len(expected) < 60
    found = near_duplicates(hashes)
    assert list(found.itertuples(index=False, name=None)) == sorted(expected)
    scene = {name: ("one", "two", "")[min(int(name) % 5, 2)] for name in hashes}
    apart = {pair for pair in expected if not scene[pair[0]] or scene[pair[0]] != scene[pair[1]]}
    assert len(apart) < len(expected)
    assert set(near_duplicates(hashes, scene).itertuples(index=False, name=None)) == apart


def test_close_pairs_of_many_hashes_against_a_plain_count_in_any_number_of_threads():
    rng = np.random.default_rng(2)
    base = rng.integers(0, 2, (1500, 256))
    base[:400] = base[0]  # one scene: more pairs than there was room for at first
    bits = np.concatenate([base, base[::2]]) ^ (rng.random((2250, 256)) < 0.06)
    words = np.packbits(bits, axis=1).view(np.uint64)
    signs = 1 - 2.0 * bits
    differ = ((256 - signs @ signs.T) / 2).astype(np.int64)
    row, other = np.nonzero(np.triu(differ <= NEAR, 1))
    expected = np.column_stack([row, other, differ[row, other]])
    assert len(expected) > 10_000
    for workers in (1, 3):
        found = perceptual_hash.close_pairs(words, words, workers=workers)
        assert np.array_equal(found, expected)
    row, other = np.nonzero(differ[:, 1100:] <= NEAR)
    expected = np.column_stack([row, other, differ[row, 1100 + other]])
    assert np.array_equal(perceptual_hash.close_pairs(words, words[1100:].copy()), expected)


def test_the_nearest_of_others_against_a_plain_search():
    rng = np.random.default_rng(1)
    base = rng.integers(0, 2, (6, 256))

    def noisy(share: float, count: int) -> dict[str, np.ndarray]:
        return {f"{share}-{i}": base[i % 6] ^ (rng.random(256) < share) for i in range(count)}

    bits = noisy(0.04, 12), noisy(0.02, 6) | noisy(0.08, 18) | noisy(0.5, 5)
    hashes, others = (
        {name: np.packbits(row).tobytes().hex() for name, row in side.items()} for side in bits
    )
    expected = {}
    for name, row in bits[0].items():
        differ = {other: int((row != column).sum()) for other, column in bits[1].items()}
        if min(differ.values()) <= NEAR:
            expected[name] = min(differ.values())
    found = nearest(hashes, others)
    assert 0 < len(expected) <= 12
    assert dict(zip(found["image"], found["bits"], strict=True)) == expected
    for image, other, count in found.itertuples(index=False):
        assert (bits[0][image] != bits[1][other]).sum() == count
    assert nearest(hashes, {}).empty
    assert nearest({}, others).empty


def test_pictures_without_structure_are_no_near_duplicates():
    hashes = {
        f"{shade}.png": difference_hash(Image.new("L", (50, 50), shade)) for shade in (3, 200)
    }
    assert near_duplicates(hashes).empty
    assert near_duplicates({}).empty
    assert nearest(hashes, hashes).empty
