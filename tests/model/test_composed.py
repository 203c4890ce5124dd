"""What evaluation remembers of composed weights follows every change of the weights."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dpam.model import DPAM


@pytest.fixture
def net() -> DPAM:
    torch.manual_seed(0)
    net = DPAM("test_vit", image_size=64, embed_dim=16, dropout=0).double().eval()
    with torch.no_grad():
        net.regression.score[-1].get_parameter("bias").fill_(2)
    return net


@pytest.fixture
def inputs() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    shapes = (2, 3, 64, 64), (2, 1, 64, 64), (2, 5, 3), (2, 5, 6)
    image, texture, mean, covariance = (
        torch.rand(shape, generator=generator, dtype=torch.float64) for shape in shapes
    )
    return image, texture, mean, covariance


@torch.no_grad()
def scale_fusion(net: DPAM) -> None:
    net.fusion.mix.weight.mul_(1.5)


def replace_fusion(net: DPAM) -> None:
    net.fusion.reduce.weight.data = 1.5 * net.fusion.reduce.weight.data


def average_unseen(net: DPAM) -> None:
    net.fusion.mix.weight.data.mul_(0.9).add_(0.01)  # no count of changes sees this


@torch.no_grad()
def move_statistics(net: DPAM) -> None:
    assert net.distortion.patterns_norm.running_mean is not None
    net.distortion.patterns_norm.running_mean.add_(1)


def load_others(net: DPAM) -> None:
    net.load_state_dict({name: 1.1 * value for name, value in net.state_dict().items()})


def train_a_step(net: DPAM) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(2)
    image = torch.rand(2, 3, 64, 64, generator=generator, dtype=torch.float64)
    texture = torch.rand(2, 1, 64, 64, generator=generator, dtype=torch.float64)
    mean = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64)
    covariance = torch.rand(2, 5, 6, generator=generator, dtype=torch.float64)
    net.train()
    net(image, texture, mean, covariance).sum().backward()
    optimizer.step()
    net.eval()


@pytest.mark.parametrize(
    "change",
    [scale_fusion, replace_fusion, average_unseen, move_statistics, load_others, train_a_step],
)
def test_a_change_of_weights_is_seen(
    net: DPAM, inputs: tuple[Tensor, ...], change: Callable[[DPAM], None]
) -> None:
    with torch.inference_mode():
        before = net(*inputs)
        assert torch.equal(net(*inputs), before)
    change(net)
    with torch.inference_mode():
        after = net(*inputs)
        fresh = copy.deepcopy(net)
        fresh.fusion.composition.made = fresh.distortion.composition.made = None
        assert torch.allclose(after, fresh(*inputs), rtol=1e-13)
    assert not torch.allclose(after, before, rtol=1e-9)


def test_a_conversion_there_and_back(net: DPAM, inputs: tuple[Tensor, ...]) -> None:
    with torch.inference_mode():
        exact = net(*inputs)
        rounded = net.half().double()(*inputs)
        fresh = copy.deepcopy(net)
        fresh.fusion.composition.made = fresh.distortion.composition.made = None
        assert torch.allclose(rounded, fresh(*inputs), rtol=1e-13)
    assert not torch.allclose(rounded, exact, rtol=1e-9)


def test_it_is_composed_once(
    net: DPAM, inputs: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    compose = net.fusion.as_one_convolution
    monkeypatch.setattr(net.fusion, "as_one_convolution", lambda: calls.append(1) or compose())
    with torch.inference_mode():
        for _ in range(3):
            net(*inputs)
    assert len(calls) == 1
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        net(*inputs)
    assert len(calls) == 1


def test_with_gradients_nothing_is_remembered(net: DPAM, inputs: tuple[Tensor, ...]) -> None:
    with torch.inference_mode():
        score = net(*inputs)
    image = inputs[0].clone().requires_grad_()
    with_gradient = net(image, *inputs[1:])
    with_gradient.sum().backward()
    assert torch.allclose(with_gradient, score, rtol=1e-12)
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    assert net.fusion.mix.weight.grad is not None


def test_weights_made_in_inference_mode(inputs: tuple[Tensor, ...]) -> None:
    with torch.inference_mode():
        net = DPAM("test_vit", image_size=64, embed_dim=16, dropout=0).double().eval()
        before = net(*inputs)
        net.fusion.mix.weight.mul_(1.5)
        net.regression.score[-1].get_parameter("bias").add_(1)
        assert not torch.allclose(net(*inputs), before)
