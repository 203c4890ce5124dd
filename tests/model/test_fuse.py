"""A network that is made ready for inference gives the scores that it gave."""

from typing import Any

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
        for norm in (net.distortion.patterns_norm, net.distortion.mix_norm):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    return net


@pytest.fixture
def inputs() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    shapes = (2, 3, 64, 64), (2, 1, 64, 64), (2, 5, 3), (2, 5, 6)
    image, texture, mean, covariance = (
        torch.rand(shape, generator=generator, dtype=torch.float64) for shape in shapes
    )
    return image, texture, mean, covariance


def test_scores_stay_and_nothing_is_composed_again(
    net: DPAM, inputs: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.no_grad():
        before = net(*inputs)
    assert net.fuse() is net
    for part in (net.distortion, net.fusion):
        monkeypatch.setattr(part, "as_one_convolution", None)
    with torch.inference_mode():
        assert torch.allclose(net(*inputs), before, rtol=1e-12)
    image = inputs[0].clone().requires_grad_()
    net(image, *inputs[1:]).sum().backward()  # as where the score is a loss
    assert image.grad is not None
    assert image.grad.abs().max() > 0


@pytest.mark.parametrize("branch", ["texture", "superpixels"])
def test_a_constant_branch_stays_constant(branch: str, inputs: tuple[Tensor, ...]) -> None:
    torch.manual_seed(0)
    constant: dict[str, Any] = {branch: "constant"}
    net = DPAM("test_vit", image_size=64, embed_dim=16, dropout=0, **constant)
    net.double().eval()
    image, texture, mean, covariance = inputs
    other = (
        (image, 1 - texture, mean, covariance)
        if branch == "texture"
        else (image, texture, 1 - mean, 2 * covariance)
    )
    with torch.no_grad():
        before = net(*inputs)
        assert torch.allclose(net.fuse()(*inputs), before, rtol=1e-12)
        assert torch.equal(net(*other), net(*inputs))


def test_under_autocast_the_weights_are_composed_in_full_precision_too(
    net: DPAM, inputs: tuple[Tensor, ...]
) -> None:
    net.float()
    inputs = tuple(tensor.float() for tensor in inputs)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        before = net(*inputs)
        assert torch.equal(net.fuse()(*inputs), before)


def test_what_is_composed_follows_the_network_s_type_and_is_not_saved(
    net: DPAM, inputs: tuple[Tensor, ...]
) -> None:
    names = set(net.state_dict())
    with torch.no_grad():
        before = net(*inputs)
        after = net.fuse().float()(*(tensor.float() for tensor in inputs))
    assert set(net.state_dict()) <= names
    assert torch.allclose(after.double(), before, rtol=1e-4)


def test_in_training_mode_the_weights_count(net: DPAM, inputs: tuple[Tensor, ...]) -> None:
    net.fuse().train()
    net(*inputs).sum().backward()
    assert net.fusion.mix.weight.grad is not None
    assert net.distortion.mix.weight.grad is not None


@pytest.mark.parametrize("batch", [1, 64])
def test_in_evaluation_composing_or_not_is_the_same(net: DPAM, batch: int) -> None:
    generator = torch.Generator().manual_seed(2)
    a, b = (torch.rand(batch, 4 * 64, 16, generator=generator).double() for _ in range(2))
    weight, bias = net.fusion.as_one_convolution()
    expected = weight @ torch.cat([a, b], dim=1) + bias[:, None]
    with torch.no_grad():
        assert torch.allclose(net.fusion(a, b), expected, rtol=1e-10)
