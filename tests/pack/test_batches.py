"""Batches hold what the pack holds: every image once, cut and mirrored as said."""

import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from samples import in_full, labels_table, photograph, preparation, write_pack

from dpam.imaging.distortions import DEFECTS, degrade
from dpam.imaging.filters import texture
from dpam.pack.batches import View, collate, fixed_views
from dpam.pack.preparation import Prepared
from dpam.pack.preparing import CPU, prepare
from dpam.pack.store import Pack
from dpam.training.augmentation import EpochPlan
from dpam.training.batch_sources import DeviceSource, HostSource, ResizingSource, batch_source


def test_an_epoch_shows_every_image_once_but_those_that_fill_no_batch(pack_file):
    with Pack(pack_file) as pack:
        rows = np.arange(1, 12)
        plan = EpochPlan.draw(rows, 4, 0.5, [20, 1])
        batches = list(plan.batches(HostSource(pack)))
        assert [len(chosen) for chosen, _ in batches] == [4, 4]
        seen = np.concatenate([chosen for chosen, _ in batches])
        assert len(set(seen)) == 8
        assert set(seen) <= set(rows)
        again = list(EpochPlan.draw(rows, 4, 0.5, [20, 1]).batches(HostSource(pack)))
        for (_, first), (_, second) in zip(batches, again, strict=True):
            assert torch.equal(first.image, second.image)
            assert torch.equal(first.texture, second.texture)
        other = EpochPlan.draw(rows, 4, 0.5, [20, 2])
        assert other.order.tolist() != plan.order.tolist()


def test_an_epoch_goes_on_from_a_batch(pack_file):
    with Pack(pack_file) as pack:
        plan = EpochPlan.draw(np.arange(12), 3, 0.5, [20, 1])
        for (all_rows, whole), (rows, rest) in zip(
            list(plan.batches(HostSource(pack)))[2:],
            plan.batches(HostSource(pack), first=2),
            strict=True,
        ):
            assert np.array_equal(all_rows, rows)
            assert torch.equal(whole.image, rest.image)


def test_crops_lie_anywhere_in_the_image_and_only_there(pack_file):
    """Chance of almost 1 is the last place; flips are as likely as said."""
    plan = EpochPlan.draw(np.arange(4000), 4, 0.7, [1])
    assert 0.67 < plan.flip.mean() < 0.73
    assert 0 <= plan.place.min() < 0.01
    assert 0.99 < plan.place.max() < 1
    with Pack(pack_file) as pack:
        height = pack.image(0).shape[0]
        nearly_one = np.nextafter(1, 0)
        edge = EpochPlan(np.array([0]), np.array([[nearly_one, 0]]), np.array([False]), 1)
        _, batch = next(edge.batches(HostSource(pack)))
        expected = pack.image(0)[height - 64 :, :64].transpose(2, 0, 1)
        assert np.array_equal(batch.image[0].numpy(), expected)


def test_a_view_is_cut_and_mirrored_with_its_texture(pack_file):
    with Pack(pack_file) as pack:
        image = pack.prepared(2)
        height, width = image.pixels.shape[:2]
        top, left = height - 64, width - 64
        plain = collate([View(image, top, left)], 64)
        mirrored = collate([View(image, top, left, flip=True)], 64)
        square = image.pixels[top:, left:].transpose(2, 0, 1)
        assert np.array_equal(plain.image[0].numpy(), square)
        assert torch.equal(mirrored.image, plain.image.flip(-1))
        assert torch.equal(mirrored.texture, plain.texture.flip(-1))
        assert torch.equal(mirrored.mean, plain.mean)
        if image.texture is None:
            assert torch.equal(plain.texture, texture(plain.image))


def test_fixed_views_are_the_centre_and_the_corners(pack_file):
    with Pack(pack_file) as pack:
        image = pack.prepared(0)
        height, width = image.pixels.shape[:2]
        places = {(view.top, view.left) for view in fixed_views(image, 64, 5)}
        if image.texture is None:
            down, right = height - 64, width - 64
            corners = {(0, 0), (0, right), (down, 0), (down, right)}
            assert places == {(down // 2, right // 2)} | corners
        else:
            assert places == {(0, 0)}
        assert len(fixed_views(image, 64, 1)) == 1


def test_a_grid_of_views_reaches_from_corner_to_corner_without_repeats(pack_file):
    with Pack(pack_file) as pack:
        image = pack.prepared(0)
        down, right = image.pixels.shape[0] - 64, image.pixels.shape[1] - 64
        for views in (4, 9, 16, 25):
            places = [(view.top, view.left) for view in fixed_views(image, 64, views)]
            assert len(places) == len(set(places))
            if image.texture is None:
                assert len(places) == views
                assert places[0] == (0, 0)
                assert places[-1] == (down, right)
                mirrored = {(down - top, right - left) for top, left in places}
                assert {(round(t), round(x)) for t, x in mirrored} == set(places)
            else:
                assert places == [(0, 0)]
        if image.texture is None:  # as high as a view: a row of places
            strip = Prepared(image.pixels[:64], None, image.mean, image.covariance)
            places = [(view.top, view.left) for view in fixed_views(strip, 64, 5)]
            assert places == [(0, right // 2), (0, 0), (0, right)]


def test_the_whole_image_is_as_if_prepared_whole():
    image, how = photograph(3), preparation("crop")
    cut, expected = prepare(image, how)[0], prepare(image, preparation("whole"))[0]
    (view,) = fixed_views(cut, 64, "whole")
    assert np.array_equal(view.image.pixels, expected.pixels)
    assert np.array_equal(view.image.texture, expected.texture)
    assert np.array_equal(view.image.mean, expected.mean)
    assert fixed_views(expected, 64, "whole")[0].image is expected


@pytest.fixture(params=["whole", "crop", "signed"])
def ragged(request, tmp_path):
    """A pack of images of different sizes; with signed texture, of crops too."""
    how = preparation("whole" if request.param == "whole" else "crop")
    if request.param == "signed":
        how = dataclasses.replace(how, texture="signed")
    images = [prepare(photograph(i, 65 + 5 * (i % 4), 90 - 6 * (i % 3)), how) for i in range(12)]
    write_pack(tmp_path / "a.h5", labels_table(12), how, {"preparation": vars(how)}, images)
    with Pack(tmp_path / "a.h5") as pack:
        yield pack


def plainly(pack, plan):
    """The plan's batches, written out image by image."""
    size = pack.preparation.image_size
    for start in range(0, len(plan.order) - plan.batch_size + 1, plan.batch_size):
        views = []
        for i in range(start, start + plan.batch_size):
            image = pack.prepared(int(plan.order[i]))
            free = np.array(image.pixels.shape[:2]) - size
            top, left = (plan.place[i] * (free + 1)).astype(int)
            views.append(View(image, int(top), int(left), bool(plan.flip[i])))
        yield plan.order[start : start + plan.batch_size], collate(views, size)


def assert_same_batches(found, expected):
    found, expected = list(found), list(expected)
    assert len(found) == len(expected)
    for (rows, batch), (other_rows, other) in zip(found, expected, strict=True):
        assert np.array_equal(rows, other_rows)
        for name, tensor in vars(batch).items():
            assert tensor.dtype == vars(other)[name].dtype
            assert torch.equal(tensor, vars(other)[name]), name


@pytest.mark.parametrize("source", [HostSource, lambda pack: DeviceSource(pack, CPU)])
def test_every_source_gives_the_plain_batches_to_the_bit(ragged, source):
    plan = EpochPlan.draw(np.tile(np.arange(12), 4), 5, 0.5, [20, 1])
    assert_same_batches(plan.batches(source(ragged)), plainly(ragged, plan))
    if ragged.preparation.texture == "signed":
        _, batch = next(plan.batches(source(ragged)))
        assert batch.texture.min() < 0


def test_a_processor_reads_the_file_and_batches_left_unread_are_no_harm(ragged):
    source = batch_source(ragged, CPU)
    assert isinstance(source, HostSource)
    plan = EpochPlan.draw(np.arange(12), 2, 0.5, [20, 1])
    unread = plan.batches(source)
    next(unread)
    unread.close()
    assert_same_batches(plan.batches(source), plainly(ragged, plan))


def sums(source):
    """In another process: sums over an epoch's batches."""
    plan = EpochPlan.draw(np.arange(12), 4, 0.5, [20, 1])
    return [[float(t.double().sum()) for t in vars(b).values()] for _, b in plan.batches(source)]


def test_batches_are_made_in_another_process(pack_file):
    with Pack(pack_file) as pack:
        source = HostSource(pack)
        expected = sums(source)
        with ProcessPoolExecutor(1, multiprocessing.get_context("forkserver")) as executor:
            assert list(executor.map(sums, [source, source])) == [expected, expected]


def full(tmp_path, method):
    """A pack of images that are kept in full."""
    how = in_full(method)
    images = [prepare(photograph(i, 70 + 5 * (i % 4), 90 + 6 * (i % 3)), how) for i in range(12)]
    write_pack(tmp_path / "a.h5", labels_table(12), how, {"preparation": vars(how)}, images)
    return Pack(tmp_path / "a.h5")


@pytest.mark.parametrize("method", ["none", "slic"])
def test_images_in_full_are_resized_as_they_are_tested(tmp_path, method):
    """Without crops and defects a training batch is the fixed view, perhaps mirrored."""
    pack = full(tmp_path, method)
    source = batch_source(pack, CPU)
    assert isinstance(source, ResizingSource)
    plan = EpochPlan.draw(np.tile(np.arange(12), 2), 5, 0.5, [20, 1])
    images = {row: fixed_views(pack.prepared(row), 64, 5) for row in range(12)}
    for start, (rows, batch) in zip(range(0, 24, 5), plan.batches(source), strict=False):
        views = [
            dataclasses.replace(images[int(row)][0], flip=bool(flip))
            for row, flip in zip(rows, plan.flip[start : start + 5], strict=True)
        ]
        assert_same_batches([(rows, batch)], [(rows, collate(views, 64))])
    assert {len(views) for views in images.values()} == {1}
    row = pack.prepared(3)
    assert min(row.pixels.shape[:2]) == 72  # of 85
    expected = Image.fromarray(row.pixels).resize((64, 64), Image.Resampling.BICUBIC)
    found = collate(images[3], 64)
    assert np.array_equal(found.image[0].permute(1, 2, 0), np.asarray(expected))
    if method == "none":
        assert found.texture.shape == (1, 1, 0, 0)
        assert found.mean.shape == (1, 0, 3)
        assert {"mean", "texture", "covariance"}.isdisjoint(pack.rows)
    else:  # of what the network reads
        assert torch.equal(found.texture, texture(found.image))


def test_a_crop_is_a_tenth_smaller_at_most_and_lies_anywhere(full_pack):
    plan = EpochPlan.draw(np.arange(4000), 4, 0.5, [3], crop=0.5)
    assert ((plan.share >= 0.9) & (plan.share <= 1)).all()
    assert 0.45 < (plan.share < 1).mean() < 0.55
    assert plan.share[plan.share < 1].mean() == pytest.approx(0.95, abs=0.005)
    without = EpochPlan.draw(np.arange(4000), 4, 0.5, [3])
    assert np.array_equal(plan.order, without.order)
    assert np.array_equal(plan.flip, without.flip)
    with Pack(full_pack) as pack:
        rgb = pack.image(2)
        height, width = (round(0.9 * side) for side in rgb.shape[:2])
        edge = np.array([[np.nextafter(1, 0), 0.0]])
        crop = EpochPlan(np.array([2]), edge, np.array([True]), 1, np.array([0.9]))
        _, batch = next(crop.batches(batch_source(pack, CPU)))
        part = Image.fromarray(rgb[-height:, :width]).resize((64, 64), Image.Resampling.BICUBIC)
        assert np.array_equal(batch.image[0].permute(1, 2, 0), np.asarray(part)[:, ::-1])


def test_a_quarter_of_a_batch_comes_twice_more_with_a_defect(full_pack):
    with Pack(full_pack) as pack:
        plan = EpochPlan.draw(np.arange(12), 8, 0.5, [3], crop=1.0, degraded=True)
        ((rows, batch),) = plan.batches(batch_source(pack, CPU))
        assert len(rows) == 8
        assert len(batch.image) == len(batch.mean) == 12
        without = EpochPlan.draw(np.arange(12), 8, 0.5, [3], crop=1.0)
        ((_, plain),) = without.batches(batch_source(pack, CPU))
        assert torch.equal(batch.image[:8], plain.image)
        pairs = plan.pairs
        for place in range(4):
            number, side = place % 2, place // 2
            rgb = pack.image(int(rows[number]))
            fault = pairs.defects[0, number], pairs.levels[0, number, side], pairs.seeds[0, number]
            rgb = degrade(rgb, *fault)
            height, width = (round(plan.share[number] * side) for side in rgb.shape[:2])
            free = np.array(rgb.shape[:2]) - (height, width) + 1
            top, left = (plan.place[number] * free).astype(int)
            part = Image.fromarray(rgb[top : top + height, left : left + width])
            expected = np.asarray(part.resize((64, 64), Image.Resampling.BICUBIC))
            expected = expected[:, ::-1] if plan.flip[number] else expected
            assert np.array_equal(batch.image[8 + place].permute(1, 2, 0), expected)


def test_levels_of_pairs_are_sorted_and_a_third_is_as_it_is():
    pairs = EpochPlan.draw(np.arange(12000), 4, 0.5, [3], degraded=True).pairs
    assert pairs.levels.shape == (3000, 1, 2)
    better, worse = pairs.levels[:, 0].T
    assert (better < worse).all()
    assert (worse <= 5).all()
    assert (better == 0).mean() == pytest.approx(1 / 3, abs=0.03)
    assert set(pairs.defects[:, 0]) == set(DEFECTS)
    assert len(np.unique(pairs.seeds)) == 3000


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_holds_the_pack_and_gives_the_same_batches(ragged):
    device = torch.device("cuda")
    source = batch_source(ragged, device)
    assert isinstance(source, DeviceSource)
    plan = EpochPlan.draw(np.tile(np.arange(12), 4), 5, 0.5, [20, 1])
    for other in (source, HostSource(ragged, pin=True)):
        moved = ((rows, batch.to(device).to(CPU)) for rows, batch in plan.batches(other))
        assert_same_batches(moved, plainly(ragged, plan))
