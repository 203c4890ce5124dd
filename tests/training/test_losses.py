"""The losses against their formulas, and what they are insensitive to."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpam.training.losses import LOSSES, loss_of, ordering

BATCHES = st.integers(2, 12).flatmap(
    lambda n: st.tuples(*[st.lists(st.floats(0, 1), min_size=n, max_size=n)] * 2)
)


def plain(name: str, s: np.ndarray, y: np.ndarray) -> float:
    if name == "mse":
        return float(np.mean((s - y) ** 2))
    if name == "smooth_l1":
        d = np.abs(s - y)
        return float(np.mean(np.where(d < 0.1, d**2 / 0.2, d - 0.05)))
    if name == "plcc":
        return float((1 - np.corrcoef(s, y)[0, 1]) / 2)
    n, total = len(s), 0.0
    for i in range(n):
        for j in range(n):
            if y[i] > y[j]:
                total += 2 * max(0.0, (y[i] - y[j]) - (s[i] - s[j]))
    return total / (n * (n - 1))


@pytest.mark.parametrize("name", LOSSES)
@given(batch=BATCHES)
def test_against_the_formula(name: str, batch: tuple[list[float], list[float]]) -> None:
    s, y = (np.array(values) for values in batch)
    if name == "plcc" and min(s.std(), y.std()) < 1e-3:
        return
    found = loss_of(name, torch.from_numpy(s), torch.from_numpy(y))
    assert found.item() == pytest.approx(plain(name, s, y), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_prediction_costs_nothing(name: str) -> None:
    y = torch.tensor([0.2, 0.9, 0.2, 0.5])
    assert loss_of(name, y, y).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5]])
def test_constant_predictions_and_single_images_stay_finite(name: str, values: list[float]) -> None:
    prediction = torch.tensor(values, requires_grad=True)
    loss = loss_of(name, prediction, torch.linspace(0.1, 0.9, len(values)))
    loss.backward()
    assert torch.isfinite(loss)
    assert prediction.grad is not None
    assert torch.isfinite(prediction.grad).all()


def test_half_precision_predictions_are_judged_in_float32() -> None:
    y = torch.tensor([0.2, 0.9])
    assert loss_of("mse", y.bfloat16(), y).dtype == torch.float32


def test_ordering_costs_what_lacks_to_two_hundredths_a_level() -> None:
    better = torch.tensor([0.50, 0.50, 0.50, 0.40])
    worse = torch.tensor([0.40, 0.48, 0.60, 0.40])
    levels = torch.tensor([[0.0, 5.0], [1.0, 4.0], [0.0, 1.0], [2.0, 2.0]])
    lacking = [0.0, 0.06 - 0.02, 0.02 + 0.10, 0.0]
    assert ordering(better, worse, levels).item() == pytest.approx(np.mean(lacking), abs=1e-6)
