"""The pack gives back what was put in, and refuses what is none."""

import errno
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import h5py
import numpy as np
import pandas as pd
import pytest
from samples import labels_table, photograph, preparation, write_pack

from dpam.errors import DpamError
from dpam.imaging.filters import planes, resize, resize_cubic, texture
from dpam.pack.preparing import prepare
from dpam.pack.store import Pack
from dpam.pack.writing import PackWriter, lay_out


def test_a_pack_gives_back_what_was_put_in(pack_file):
    with Pack(pack_file) as pack:
        assert len(pack) == 12
        pd.testing.assert_frame_equal(pack.labels, labels_table(12), check_dtype=False)
        for index in range(len(pack)):
            expected, _ = prepare(photograph(index), pack.preparation)
            found = pack.prepared(index)
            np.testing.assert_array_equal(found.pixels, expected.pixels)
            np.testing.assert_array_equal(found.mean, expected.mean)
            np.testing.assert_array_equal(found.covariance, expected.covariance)
            if expected.texture is None:
                assert found.texture is None
            else:
                np.testing.assert_allclose(found.texture, expected.texture, atol=2e-3)


def test_examples_span_the_range_of_quality_best_first(pack_file):
    with Pack(pack_file) as pack:
        assert pack.examples[0] == 11
        assert pack.examples[-1] == 0
        shown = pack.example(pack.examples[0])
        expected = prepare(photograph(11), pack.preparation)[1]
        np.testing.assert_array_equal(shown.image, expected.image)
        np.testing.assert_array_equal(shown.label_map, expected.label_map)


def test_a_pack_that_fails_leaves_no_file(tmp_path):
    def images():
        yield prepare(photograph(0), preparation("crop"))
        raise DpamError("the second image is broken")

    with pytest.raises(DpamError, match="second image"):
        write_pack(tmp_path / "a.h5", labels_table(2), preparation("crop"), {}, images())
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_what_is_written(tmp_path, monkeypatch):
    """The space is reserved, but a quota or a network drive may still refuse to write."""
    how, path = preparation("crop"), tmp_path / "a.h5"
    images = [prepare(photograph(i), how)[0] for i in range(6)]
    settings = {"preparation": vars(how)}
    lay_out(path, labels_table(6), how, settings, np.full((6, 2), (80, 96)), {}, "mine")
    pwrite = os.pwrite

    def full(file, data, position):
        raise OSError(errno.ENOSPC, "No space left on device")

    with PackWriter(path) as writer:
        writer.write(3, images[3])
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(DpamError, match=r"a\.h5: cannot be written: No space left on device"):
            writer.write(1, images[1])
    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(DpamError, match="not complete; run pack_superpixels again"):
        Pack(path)
    with PackWriter(path) as writer:
        assert writer.identity == "mine"
        assert writer.packed.tolist() == [False, False, False, True, False, False]
        for row in (5, 0, 1, 4, 2):
            writer.write(row, images[row])
        writer.finish(tmp_path / "b.h5")
    with Pack(tmp_path / "b.h5") as pack:
        for row, image in enumerate(images):
            np.testing.assert_array_equal(pack.image(row), image.pixels)
            np.testing.assert_array_equal(pack.prepared(row).mean, image.mean)


def test_an_image_that_changed_its_size_is_refused(tmp_path):
    how = preparation("crop")
    image, _ = prepare(photograph(0, 80, 90), how)
    lay_out(tmp_path / "a.h5", labels_table(2), how, {}, np.full((2, 2), (80, 96)), {})
    with (
        PackWriter(tmp_path / "a.h5") as writer,
        pytest.raises(DpamError, match=r"from \(80, 96\) to \(80, 90\)"),
    ):
        writer.write(1, image)


def facts_of(pack):
    """In another process: what a pack sent there gives."""
    return [int(pack.image(row).sum()) for row in range(len(pack))], pack.labels["label"].sum()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pack_is_read_in_another_process(pack_file, method):
    with Pack(pack_file) as pack:
        expected = facts_of(pack)  # it is open here
        pack.labels["label"] += 1
        with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as executor:
            for pixels, scores in executor.map(facts_of, [pack, pack]):
                assert pixels == expected[0]
                assert scores == pytest.approx(expected[1] + len(pack))


def test_what_is_no_pack_is_refused(tmp_path):
    (tmp_path / "text.h5").write_text("nothing")
    h5py.File(tmp_path / "other.h5", "w").close()
    for name, reason in (
        ("text.h5", "expected a pack"),
        ("other.h5", "not a pack of this version"),
        ("none.h5", "no such file"),
    ):
        with pytest.raises(DpamError, match=reason):
            Pack(tmp_path / name)


def test_whole_images_are_resized_and_small_ones_enlarged_for_crops():
    rgb = photograph(3, 50, 60)
    whole, _ = prepare(rgb, preparation("whole"))
    np.testing.assert_array_equal(whole.pixels, resize(rgb, 64, 64))
    full = texture(planes(rgb)[None])
    np.testing.assert_array_equal(whole.texture, resize_cubic(full, 64, 64)[0].numpy())
    crop, _ = prepare(rgb, preparation("crop"))
    assert crop.pixels.shape == (64, 77, 3)
    assert crop.texture is None


def test_superpixel_colours_are_blue_green_red_means(pack_file):
    rgb = np.zeros((60, 60, 3), np.uint8)
    rgb[..., 0] = 51  # red
    prepared, _ = prepare(rgb, preparation("crop"))
    np.testing.assert_allclose(prepared.mean, np.tile([0, 0, 0.2], (12, 1)), atol=1e-6)
    np.testing.assert_allclose(prepared.covariance, 0, atol=1e-9)
    assert texture(planes(rgb)[None]).max() == 0
