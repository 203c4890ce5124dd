"""Compiled textures are PyTorch's, bit by bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dpam.imaging.crops import textures
from dpam.imaging.filters import texture
from dpam.pack.preparation import TEXTURES


@pytest.mark.parametrize("kind", TEXTURES)
@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(7, 40), st.integers(7, 40)),
    seed=st.integers(0, 1000),
    extreme=st.booleans(),
)
def test_textures_of_any_size(kind, shape, seed, extreme):
    count, height, width = shape
    values = np.random.default_rng(seed).integers(0, 256, (count, 3, height, width), np.uint8)
    if extreme:
        values = np.where(values < 128, 0, 255).astype(np.uint8)
    found = np.empty((count, 1, height, width), np.float32)
    textures(values, kind == "signed", found)
    np.testing.assert_array_equal(found, texture(torch.from_numpy(values), kind).numpy())
