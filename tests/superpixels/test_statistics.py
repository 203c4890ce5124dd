"""Statistics of superpixels against numpy's own and against what the released network does."""

import numpy as np
import pytest
import torch

from dpam.superpixels.statistics import (
    label_map_statistics,
    pixel_statistics,
    sampled_statistics,
)

UPPER = np.triu_indices(3)


def test_pixel_statistics_are_numpys():
    pixels = np.random.default_rng(0).random((2, 5, 20, 3))
    mean, covariance = pixel_statistics(pixels)
    assert mean.shape == (2, 5, 3)
    assert covariance.shape == (2, 5, 6)
    np.testing.assert_allclose(mean[1, 3], pixels[1, 3].mean(axis=0))
    np.testing.assert_allclose(covariance[1, 3], np.cov(pixels[1, 3].T)[UPPER])


def test_linear_maps_of_the_pixels_follow_from_nine_numbers():
    rng = np.random.default_rng(1)
    pixels, weight, bias = rng.random((4, 600, 3)), rng.normal(size=(256, 3)), rng.normal(size=256)
    mapped = torch.from_numpy(pixels @ weight.T + bias)
    mean, covariance = pixel_statistics(pixels)
    full = np.zeros((4, 3, 3))
    full[:, *UPPER] = covariance
    full = full + np.triu(full, 1).swapaxes(1, 2)
    deviation = np.sqrt(np.einsum("ci,nij,cj->nc", weight, full, weight))
    np.testing.assert_allclose(mean @ weight.T + bias, mapped.mean(dim=1), rtol=1e-10)
    np.testing.assert_allclose(deviation, mapped.std(dim=1), rtol=1e-10)


def test_one_pixel_has_no_covariance():
    mean, covariance = pixel_statistics(np.full((1, 3), 0.3))
    np.testing.assert_array_equal(mean, [0.3, 0.3, 0.3])
    np.testing.assert_array_equal(covariance, np.zeros(6))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_label_map_statistics(dtype):
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (30, 40, 3), np.uint8)
    labels = rng.integers(0, 7, (30, 40)).astype(dtype)
    labels[4, 5] = 7  # a superpixel of one pixel
    mean, covariance = label_map_statistics(labels, image)
    assert mean.shape == (8, 3)
    assert covariance.shape == (8, 6)
    assert mean.dtype == covariance.dtype == np.float64
    for label in range(7):
        pixels = image[labels == label] / 255
        np.testing.assert_allclose(mean[label], pixels.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(covariance[label], np.cov(pixels.T)[UPPER], rtol=1e-10)
    np.testing.assert_allclose(mean[7], image[4, 5] / 255, rtol=1e-15)
    np.testing.assert_array_equal(covariance[7], np.zeros(6))


def test_bright_uniform_superpixels_have_no_negative_variance():
    image = np.full((50, 50, 3), 250, np.uint8)
    _, covariance = label_map_statistics(np.zeros((50, 50), np.uint16), image)
    np.testing.assert_array_equal(covariance, np.zeros((1, 6)))


def test_a_gap_in_the_labels_is_refused():
    with pytest.raises(AssertionError, match="a label without pixels"):
        label_map_statistics(np.array([[0, 2]]), np.zeros((1, 2, 3), np.uint8))


def test_sampled_statistics_repeat_and_come_near_those_of_all_pixels():
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(4), 1000).reshape(40, 100)
    labels[0, :3] = 4  # fewer pixels than are drawn
    image = rng.integers(0, 256, (40, 100, 3), np.uint8)
    mean, covariance = sampled_statistics(labels, image, 600)
    again = sampled_statistics(labels, image, 600)
    np.testing.assert_array_equal(mean, again[0])
    np.testing.assert_array_equal(covariance, again[1])
    all_mean, all_covariance = label_map_statistics(labels, image)
    assert 0 < np.abs(mean - all_mean)[:4].max() < 0.03
    assert 0 < np.abs(covariance - all_covariance)[:4].max() < 0.02
    pixels = image[labels == 1][np.linspace(0, 999, 600).astype(int)] / 255
    np.testing.assert_allclose(mean[1], pixels.mean(axis=0))
    np.testing.assert_allclose(covariance[1], np.cov(pixels.T)[UPPER])
    drawn = image[0, :3] / 255
    assert (drawn.min(axis=0) <= mean[4]).all()
    assert (mean[4] <= drawn.max(axis=0)).all()
