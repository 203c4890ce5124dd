"""Resizing, grey, blur and texture against the released preprocessing's answers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from dpam.imaging.filters import BLUR, blur, grey, planes, resize, resize_cubic, texture

CASES = json.loads((Path(__file__).parents[1] / "data/preprocessing.json").read_text())["cases"]
WHOLE = [case for case in CASES if case["recipe"] != "tid2013"]


def source(case):
    rgb = getattr(data, case["photo"])()[..., :3]
    return resize(rgb, *case["resized_to"]) if case["resized_to"] else rgb


def at(array, recorded):
    return array.reshape(-1)[recorded["index"]].astype(float)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['photo']}-{case['recipe']}")
def test_resized_photograph_is_the_released_one_exactly(case):
    bgr = source(case)[..., ::-1]
    assert list(bgr.shape) == case["image"]["shape"]
    np.testing.assert_array_equal(at(bgr, case["image"]), case["image"]["value"])


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: f"{case['photo']}-{case['recipe']}")
def test_grey_blur_and_network_image_are_the_released_ones(case):
    rgb = source(case)
    luma = grey(planes(rgb)[None])
    assert np.abs(at(luma.numpy(), case["gray"]) - case["gray"]["value"]).max() == 0
    assert np.abs(at(blur(luma).numpy(), case["blurred"]) - case["blurred"]["value"]).max() == 0
    network = (resize(rgb, 224, 224).transpose(2, 0, 1) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(
        at(network, case["vit_input"]), case["vit_input"]["value"], atol=1e-6
    )


def test_texture_wraps_as_uint8():
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 40, 50), np.uint8))
    luma = grey(image)
    difference = luma.numpy().astype(int) - blur(luma).numpy().astype(int)
    assert (difference < 0).any()
    np.testing.assert_allclose(texture(image).numpy(), difference % 256 / 255, atol=1e-7)


def test_blur_is_a_plain_convolution_with_a_mirrored_border():
    image = np.random.default_rng(1).integers(0, 256, (20, 24), np.uint8)
    kernel = np.array(BLUR)
    padded = np.pad(image.astype(int), 6, mode="reflect")
    expected = np.array(
        [[kernel @ padded[y : y + 13, x : x + 13] @ kernel for x in range(24)] for y in range(20)]
    )
    found = blur(torch.from_numpy(image)[None, None]).numpy()[0, 0]
    np.testing.assert_array_equal(found, (expected + 2**15) >> 16)
    gaussian = np.exp(-(np.arange(-6, 7) ** 2) / 8)
    assert np.abs(kernel / 256 - gaussian / gaussian.sum()).max() < 0.004
    assert kernel.sum() == 256


def test_signed_texture_is_the_difference_itself():
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 40, 50), np.uint8))
    luma = grey(image)
    difference = luma.numpy().astype(int) - blur(luma).numpy().astype(int)
    np.testing.assert_allclose(texture(image, "signed").numpy(), difference / 255, atol=1e-7)
    wrapped = texture(image).numpy()
    np.testing.assert_allclose(wrapped, (difference % 256) / 255, atol=1e-7)


def test_grey_and_blur_are_opencv_s_to_the_bit():
    cv2 = pytest.importorskip("cv2", reason="needs the extra opencv")
    image = np.random.default_rng(2).integers(0, 256, (61, 83, 3), np.uint8)
    luma = grey(planes(image))
    np.testing.assert_array_equal(luma[0].numpy(), cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    expected = cv2.GaussianBlur(luma[0].numpy(), (0, 0), 2)
    np.testing.assert_array_equal(blur(luma[None])[0, 0].numpy(), expected)


def test_resizing_keeps_the_type():
    floats = torch.rand(1, 30, 30)
    assert resize_cubic(floats, 11, 17).shape == (1, 11, 17)
    assert resize_cubic(floats, 11, 17).dtype == torch.float32
    assert resize_cubic((floats * 255).byte(), 11, 17).dtype == torch.uint8


def test_resizing_computes_in_float64_what_comes_in_it():
    image = torch.rand(1, 30, 30, dtype=torch.float64)
    found = resize_cubic(image, 11, 17)
    assert found.dtype == torch.float64
    assert (found - resize_cubic(image.float(), 11, 17)).abs().max() > 0
