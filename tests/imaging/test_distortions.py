"""Faults made on purpose: the stronger the further from the photograph, by their own measure."""

import numpy as np
import pytest
from samples import photograph
from scipy import ndimage

from dpam.imaging.distortions import DEFECTS, degrade

RGB = photograph(1, 120, 160)


def distance(degraded: np.ndarray) -> float:
    return float(np.abs(degraded.astype(float) - RGB).mean())


@pytest.mark.parametrize("defect", DEFECTS)
def test_no_level_is_the_photograph_and_more_is_further_from_it(defect: str) -> None:
    assert degrade(RGB, defect, 0, 1) is RGB
    made = [degrade(RGB, defect, level, 1) for level in (0.5, 1, 2, 2.5, 3, 4, 5)]
    for image in made:
        assert image.dtype == np.uint8
        assert image.shape == RGB.shape
    distances = [distance(image) for image in made]
    assert distances == sorted(distances)
    assert distances[0] > 0
    assert np.array_equal(made[2], degrade(RGB, defect, 2, 1))
    assert len({image.tobytes() for image in made}) == len(made)


def test_blur_is_a_gaussian_of_its_strength() -> None:
    expected = ndimage.gaussian_filter(RGB[..., 0].astype(float), DEFECTS["blur"].strengths[3])
    np.testing.assert_allclose(degrade(RGB, "blur", 3, 0)[..., 0], expected, atol=0.51)


def test_noise_has_its_strength_and_exposure_its_stops() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = degrade(grey, "noise", 2, 7) - 128.0
    assert noise.std() == pytest.approx(DEFECTS["noise"].strengths[2], rel=0.02)
    for defect in ("over_exposure", "under_exposure"):
        stops = DEFECTS[defect].strengths[1]
        found = degrade(grey, defect, 1, 0)[0, 0, 0] / 255
        light = (128 / 255) ** 2.2 * 2**stops
        assert found**2.2 == pytest.approx(light, rel=0.02)


def test_one_seed_is_one_direction_at_all_levels() -> None:
    grey = np.full((40, 40, 3), 100, np.uint8)
    for seed in range(5):
        hues = [np.log(degrade(grey, "colour_cast", level, seed)[0, 0] / 100) for level in (2, 5)]
        assert np.corrcoef(hues)[0, 1] > 0.99
    casts = {degrade(grey, "colour_cast", 5, seed)[0, 0].tobytes() for seed in range(5)}
    assert len(casts) == 5
    dot = np.zeros((61, 61, 3), np.uint8)
    dot[30, 30] = 255
    angles = []
    for level in (3, 5):
        y, x = np.nonzero(degrade(dot, "motion_blur", level, 4)[..., 0] > 3)
        angles.append(np.linalg.svd(np.stack([y, x]) - 30.0)[0][:, 0])
    assert abs(angles[0] @ angles[1]) > 0.99
