"""Batches hold what the pack holds: every image once, cut and mirrored as said."""

import numpy as np
import torch
from samples import photograph, preparation

from dpam.batches import EpochPlan, View, collate, fixed_views
from dpam.images import texture
from dpam.preparation import Prepared, prepare
from dpam.store import Pack


def test_an_epoch_shows_every_image_once_but_those_that_fill_no_batch(pack_file):
    with Pack(pack_file) as pack:
        rows = np.arange(1, 12)
        plan = EpochPlan.draw(rows, 4, 0.5, [20, 1])
        batches = list(plan.batches(pack))
        assert [len(chosen) for chosen, _ in batches] == [4, 4]
        seen = np.concatenate([chosen for chosen, _ in batches])
        assert len(set(seen)) == 8
        assert set(seen) <= set(rows)
        again = list(EpochPlan.draw(rows, 4, 0.5, [20, 1]).batches(pack))
        for (_, first), (_, second) in zip(batches, again, strict=True):
            assert torch.equal(first.image, second.image)
            assert torch.equal(first.texture, second.texture)
        other = EpochPlan.draw(rows, 4, 0.5, [20, 2])
        assert other.order.tolist() != plan.order.tolist()


def test_an_epoch_goes_on_from_a_batch(pack_file):
    with Pack(pack_file) as pack:
        plan = EpochPlan.draw(np.arange(12), 3, 0.5, [20, 1])
        for (all_rows, whole), (rows, rest) in zip(
            list(plan.batches(pack))[2:], plan.batches(pack, first=2), strict=True
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
        _, batch = next(edge.batches(pack))
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
