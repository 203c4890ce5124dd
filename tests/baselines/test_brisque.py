"""BRISQUE features: known distributions, symmetries, an independent implementation."""

import numpy as np
import pytest
import torch
from piq.brisque import _natural_scene_statistics
from scipy import stats
from scipy.ndimage import gaussian_filter
from skimage import data

from dpam.baselines.brisque import (
    FEATURES,
    asymmetric_fit,
    brisque_features,
    normalise,
    products,
    symmetric_fit,
)

pytestmark = pytest.mark.filterwarnings("error")


def photograph() -> np.ndarray:
    return np.asarray(data.astronaut())


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 5.0])
def test_the_shape_of_a_generalised_gaussian_is_found(shape: float) -> None:
    sample = stats.gennorm.rvs(shape, scale=0.7, size=200_000, random_state=1)
    found = symmetric_fit(sample)
    assert found[0] == pytest.approx(shape, rel=0.03)
    assert found[1] == pytest.approx(stats.gennorm.var(shape, scale=0.7), rel=0.02)


@pytest.mark.parametrize("shape", [0.6, 1.0, 2.0])
def test_the_sides_of_an_asymmetric_one_are_found(shape: float) -> None:
    left, right = 0.3, 0.8  # scales, so that the sides weigh as 3 to 8
    magnitude = np.abs(stats.gennorm.rvs(shape, size=400_000, random_state=2))
    above = np.random.default_rng(3).random(len(magnitude)) < right / (left + right)
    sample = np.where(above, right * magnitude, -left * magnitude)
    unit = stats.gennorm.var(shape)
    found = asymmetric_fit(sample)
    assert found[0] == pytest.approx(shape, rel=0.03)
    assert found[1] == pytest.approx(sample.mean(), rel=0.03)
    assert found[2:] == pytest.approx([left**2 * unit, right**2 * unit], rel=0.03)
    mirrored = asymmetric_fit(-sample)
    expected = [found[0], -found[1], found[3], found[2]]
    assert mirrored == pytest.approx(expected)


def test_a_symmetric_sample_has_the_same_shape_in_both_fits() -> None:
    sample = stats.gennorm.rvs(1.3, size=100_000, random_state=1)
    sample = np.concatenate([sample, -sample])
    assert asymmetric_fit(sample)[0] == pytest.approx(symmetric_fit(sample)[0])
    assert asymmetric_fit(sample)[1] == pytest.approx(0)


def test_normalised_luminance_by_hand() -> None:
    grey = np.random.default_rng(0).random((20, 20)) * 255
    offset = np.arange(-3, 4)
    window = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    patch = grey[7:14, 5:12]
    mean = (window * patch).sum()
    deviation = np.sqrt((window * (patch - mean) ** 2).sum())
    assert normalise(grey)[10, 8] == pytest.approx((grey[10, 8] - mean) / (deviation + 1))


def test_products_are_of_neighbours() -> None:
    values = np.arange(12.0).reshape(3, 4)
    assert products(values, 0, 1)[1, 2] == values[1, 2] * values[1, 3]
    assert products(values, 1, 0).shape == (2, 4)
    assert products(values, 1, 1)[0, 0] == values[0, 0] * values[1, 1]
    assert products(values, 1, -1)[0, 0] == values[0, 1] * values[1, 0]


def test_close_to_another_implementation() -> None:
    """piq pads with zeros and wraps around, which a large image hardly feels."""
    rgb = photograph()
    grey = rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    expected = _natural_scene_statistics(torch.from_numpy(grey)[None, None])[0].numpy()
    np.testing.assert_allclose(brisque_features(rgb)[:18], expected, rtol=0.04, atol=0.004)


def test_symmetries_of_an_image() -> None:
    rgb = photograph()[:300, :400]
    features = brisque_features(rgb)
    assert features.shape == (FEATURES,)
    mirrored = brisque_features(rgb[:, ::-1])
    for scale in (0, 18):  # the diagonals change places, nothing else does
        np.testing.assert_allclose(
            mirrored[scale : scale + 10], features[scale : scale + 10], rtol=1e-3
        )
        for mine, other in ((10, 14), (14, 10)):
            np.testing.assert_allclose(
                mirrored[scale + mine : scale + mine + 4],
                features[scale + other : scale + other + 4],
                rtol=1e-3,
                atol=1e-5,
            )


def test_noise_is_gaussian_and_its_neighbours_unrelated() -> None:
    noise = np.random.default_rng(0).normal(128, 25, (400, 400, 1)).clip(0, 255)
    grey = noise.round().astype(np.uint8).repeat(3, axis=2)
    features = brisque_features(grey)
    assert 1.9 < features[0] < 3
    # Taking the local mean away leaves a weak negative relation of direct neighbours.
    assert (np.abs(features[[3, 7, 11, 15]] + 0.1) < 0.05).all()
    blurred = gaussian_filter(grey.astype(float), (2, 2, 0)).round().astype(np.uint8)
    assert brisque_features(blurred)[3] > 0.03  # neighbours are alike


@pytest.mark.parametrize("size", [(16, 16), (17, 40)])
def test_flat_and_tiny_images_have_defined_features(size: tuple[int, int]) -> None:
    flat = np.full((*size, 3), 77, np.uint8)
    features = brisque_features(flat)
    assert np.isfinite(features).all()
    assert np.abs(features[1::18]).max() < 1e-9  # no variance
    step = flat.copy()
    step[:, 8:] = 200
    assert np.isfinite(brisque_features(step)).all()
