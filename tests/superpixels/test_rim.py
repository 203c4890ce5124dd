"""RIM: what its terms are, that it optimises, and that images of a batch stay apart."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data

from dpam.superpixels.kernels import divide, enforce
from dpam.superpixels.quality import compactness, explained_variation
from dpam.superpixels.rim import PRESETS, Networks, RimSettings, losses, rim, standardise

CPU = torch.device("cpu")
SMALL = RimSettings(superpixels=12, steps=3, reconstruction=2.0)


@pytest.fixture
def images():
    return np.stack([data.astronaut()[40:80, 150:198], data.coffee()[100:140, 200:248]])


def test_standardised_inputs(images):
    inputs = standardise(torch.from_numpy(images).permute(0, 3, 1, 2))
    assert inputs.shape == (2, 5, 40, 48)
    torch.testing.assert_close(inputs.mean(dim=(2, 3)), torch.zeros(2, 5), atol=1e-4, rtol=0)
    torch.testing.assert_close(inputs.std(dim=(2, 3)), torch.ones(2, 5), atol=1e-4, rtol=0)
    assert (inputs[:, 3].diff(dim=1) > 0).all()
    assert (inputs[:, 4].diff(dim=2) > 0).all()


def test_losses_are_those_of_plain_loops():
    rng = np.random.default_rng(0)
    height, width, k = 4, 5, 3
    logits, inputs = rng.normal(size=(k, height, width)), rng.normal(size=(5, height, width))
    rebuilt = rng.normal(size=(3, height, width))
    p = np.exp(logits) / np.exp(logits).sum(axis=0)
    entropy = np.mean(
        [-(p[:, y, x] * np.log(p[:, y, x])).sum() for y in range(4) for x in range(5)]
    )
    marginal = p.mean(axis=(1, 2))
    spread = -(marginal * np.log(marginal)).sum()
    rough = 0.0
    for dy, dx in ((1, 0), (0, 1)):
        terms = []
        for y in range(height - dy):
            for x in range(width - dx):
                jump = ((inputs[:, y + dy, x + dx] - inputs[:, y, x]) ** 2).sum()
                change = np.abs(p[:, y + dy, x + dx] - p[:, y, x]).sum()
                terms.append(change * np.exp(-jump / 8))
        rough += np.mean(terms)
    missed = ((rebuilt - inputs[:3]) ** 2).mean()
    expected = entropy - 2 * spread + 3 * rough + 5 * missed
    how = RimSettings(entropy=2, smoothness=3, reconstruction=5)
    found = losses(*(torch.from_numpy(v)[None] for v in (logits, rebuilt, inputs)), how)
    assert found.tolist() == pytest.approx([expected])


def test_images_of_a_batch_do_not_influence_each_other(images):
    inputs = standardise(torch.from_numpy(images).permute(0, 3, 1, 2))
    together = Networks(2, 6)(inputs)
    for index in range(2):
        alone = Networks(1, 6)(inputs[index : index + 1])
        for one, both in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], both[index], atol=1e-4, rtol=1e-4)
    both = rim(images, SMALL, CPU)
    alone = np.concatenate([rim(images[i : i + 1], SMALL, CPU) for i in range(2)])
    assert (both == alone).mean() > 0.98


def test_label_maps_are_connected_and_repeat(images):
    labels = rim(images, SMALL, CPU)
    assert labels.shape == (2, 40, 48)
    for one in labels:
        assert np.unique(one).tolist() == list(range(one.max() + 1))
        assert all(ndimage.label(one == k)[1] == 1 for k in range(one.max() + 1))
    np.testing.assert_array_equal(rim(images, SMALL, CPU), labels)


def test_steps_turn_fragments_into_superpixels(images):
    few, many = (
        rim(images[:1], RimSettings(superpixels=12, steps=steps, stable=0), CPU)[0]
        for steps in (1, 40)
    )
    assert 4 < many.max() < few.max()
    assert compactness(many) > compactness(few) + 0.03
    assert explained_variation(many, images[0]) > 0.5


def test_it_stops_when_labels_are_stable(images, monkeypatch):
    steps = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *a, **k: steps.append(step(*a, **k)))
    rim(images, RimSettings(superpixels=4, steps=200, learning_rate=1e-9), CPU)
    assert len(steps) == 20  # the second look sees what the first saw


def test_the_presets_say_what_the_publications_say():
    assert PRESETS["paper"] == RimSettings(100, 500, 2, 2, 10, 1e-2)
    assert PRESETS["dpam"] == RimSettings(100, 5, 2, 2, 2, 1e-2)


def overlap(one, other):
    """Share of the pixels in the segments that fit best, whatever the segments' numbers."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one.reshape(-1), other.reshape(-1)), 1)
    return min(table.max(axis=0).sum(), table.max(axis=1).sum()) / one.size


def assert_same_up_to_rounding(found, expected):
    """What one pixel more or less changes is not the same: the numbers of all segments after it."""
    for one, other in zip(found, expected, strict=True):
        assert overlap(one, other) > 0.97


def rounded(x, bits):
    """Floats without the last bits of their mantissa; gradients go through."""
    half = 1 << (bits - 1)
    short = ((x.detach().contiguous().view(torch.int32) + half) & -(1 << bits)).view(torch.float32)
    return x + (short - x).detach()


def test_rounding_moves_few_pixels_but_that_of_tf32_many(images, monkeypatch):
    """TF32 has 13 bits less than float32: convolutions on a GPU are in it unless told otherwise."""
    expected = rim(images, SMALL, CPU)
    forward = torch.nn.Conv2d._conv_forward
    for bits in (2, 13):

        def shorter(self, x, weight, bias, bits=bits):
            return forward(self, rounded(x, bits), rounded(weight, bits), bias)

        monkeypatch.setattr(torch.nn.Conv2d, "_conv_forward", shorter)
        found = rim(images, SMALL, CPU)
        if bits == 2:
            assert_same_up_to_rounding(found, expected)
        else:
            assert min(map(overlap, found, expected)) < 0.95


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_up_to_rounding(images):
    assert_same_up_to_rounding(rim(images, SMALL, torch.device("cuda")), rim(images, SMALL, CPU))


def test_large_pieces_are_divided_and_small_ones_join():
    labels = np.zeros((20, 30), np.int64)
    labels[5, 5] = 3
    pieces = divide(labels, 100)
    assert np.bincount(pieces.reshape(-1)).max() <= 100
    for piece in np.unique(pieces):
        assert ndimage.label(pieces == piece)[1] == 1
        assert len(np.unique(labels[pieces == piece])) == 1
    assert enforce(labels).max() == 0  # the lone pixel is far under 0.06 of the mean
    blocks = np.kron(np.arange(6).reshape(2, 3), np.ones((10, 10), int))
    np.testing.assert_array_equal(enforce(blocks), blocks)
