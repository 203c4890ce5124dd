"""Small tests compute on one thread: several on two cores only wait for each other."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    if request.node.get_closest_marker("large") is None:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
