"""The network against the reference, in float64: other ViTs, other sizes, awkward inputs."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dpam.model import DPAM
from dpam.model.checkpoint import authors_name, from_authors
from dpam.model.reference import ReferenceDPAM
from dpam.superpixels.statistics import pixel_statistics


@dataclass
class Case:
    """A network in both forms, with the same weights, and a batch for each."""

    ours: DPAM
    reference: ReferenceDPAM
    image: Tensor  # (B, 3, S, S)
    texture: Tensor  # (B, 1, S, S)
    superpixels: Tensor  # (B, N, P, 3)

    def our_score(self) -> Tensor:
        mean, covariance = map(torch.from_numpy, pixel_statistics(self.superpixels.numpy()))
        return self.ours(self.image, self.texture, mean, covariance)

    def reference_score(self) -> Tensor:
        return self.reference(self.image, self.texture.repeat(1, 3, 1, 1), self.superpixels)

    def in_float32(self) -> None:
        for net in (self.ours, self.reference):
            net.float().zero_grad()
        self.image, self.texture = self.image.float(), self.texture.float()
        self.superpixels = self.superpixels.float()


@torch.no_grad()
def make_case(
    vit: str = "test_vit",
    image_size: int = 64,
    embed_dim: int = 16,
    batch: int = 2,
    superpixels: int = 7,
    pixels: int = 8,
    seed: int = 0,
) -> Case:
    torch.manual_seed(seed)
    ours = DPAM(vit, image_size=image_size, embed_dim=embed_dim, dropout=0).double()
    out_indices = tuple(ours.settings["out_indices"])
    reference = ReferenceDPAM(vit, out_indices, embed_dim, img_size=image_size).double()
    for (
        name,
        tensor,
    ) in reference.state_dict().items():  # none 0 or 1, where errors could hide
        if name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand_like(tensor))
        elif tensor.is_floating_point():
            tensor.add_(0.2 * torch.randn_like(tensor) * (0.1 + tensor.std(correction=0)))
    reference.fc_score[3].bias += 2  # off the flat side of the ReLU, where nothing counts
    ours.load_state_dict(from_authors(reference.state_dict(), ours))
    return Case(
        ours,
        reference,
        image=torch.randn(batch, 3, image_size, image_size, dtype=torch.float64),
        texture=torch.rand(batch, 1, image_size, image_size, dtype=torch.float64),
        superpixels=torch.rand(batch, superpixels, pixels, 3, dtype=torch.float64),
    )


def assert_same_evaluation(case: Case) -> None:
    case.ours.eval()
    case.reference.eval()
    with torch.no_grad():
        torch.testing.assert_close(case.our_score(), case.reference_score(), rtol=1e-9, atol=1e-12)


def assert_same_training_step(case: Case) -> None:
    """Scores, gradients (the same ones missing) and batch-norm buffers agree, and are finite."""
    case.ours.train()
    case.reference.train()
    ours, reference = case.our_score(), case.reference_score()
    torch.testing.assert_close(ours, reference, rtol=1e-9, atol=1e-12)
    target = torch.arange(len(ours), dtype=torch.float64)
    for score in (ours, reference):
        F.mse_loss(score, target).backward()
    theirs = {name: parameter.grad for name, parameter in case.reference.named_parameters()}
    scale = max(float(g.abs().max()) for g in theirs.values() if g is not None)
    assert scale > 0, "the score depends on nothing"
    for name, parameter in case.ours.named_parameters():
        expected = theirs.pop(authors_name(name))
        if expected is None:
            assert parameter.grad is None, name
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # Some true gradients are 0 (a bias before a norm): rounding is measured by the others.
        floor = max(1e-9 * float(expected.abs().max()), 1e-12 * scale)
        assert float((parameter.grad - expected).abs().max()) <= floor, name
    assert not theirs
    expected_buffers = dict(case.reference.named_buffers())
    for name, buffer in case.ours.named_buffers():
        torch.testing.assert_close(
            buffer, expected_buffers[authors_name(name)], rtol=1e-10, atol=1e-12, msg=name
        )


def scores_and_gradient(net: DPAM | ReferenceDPAM, answer: Callable[[], Tensor]) -> list[Tensor]:
    """Scores (B,) of a training step, and its gradient by all weights as one vector."""
    net.train()
    score = answer()
    F.mse_loss(score.double(), torch.arange(len(score), dtype=torch.float64)).backward()
    names = {p: authors_name(n) if net.__class__ is DPAM else n for n, p in net.named_parameters()}
    gradients = {names[p]: p.grad.double() for p in net.parameters() if p.grad is not None}
    return [score.detach().double(), torch.cat([gradients[n].flatten() for n in sorted(gradients)])]


def test_bfloat16_costs_no_more_than_in_the_reference() -> None:
    """Under autocast as this machine does it; several networks, as one may round luckily."""
    errors: dict[str, list[list[float]]] = {"ours": [], "reference": []}
    for seed in range(8):
        case = make_case(embed_dim=32, batch=4, seed=seed)
        exact = scores_and_gradient(case.reference, case.reference_score)
        case.in_float32()
        with torch.autocast("cpu", torch.bfloat16):
            ours = scores_and_gradient(case.ours, case.our_score)
            reference = scores_and_gradient(case.reference, case.reference_score)
        for name, found in (("ours", ours), ("reference", reference)):
            errors[name].append(
                [float((a - b).norm() / b.norm()) for a, b in zip(found, exact, strict=True)]
            )
    ours, reference = (torch.tensor(errors[name]).square().mean(0).sqrt() for name in errors)
    assert (ours <= 2 * reference).all(), (ours, reference)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    image_size=st.sampled_from([64, 80, 96]),  # g = 4, 5, 6
    embed_dim=st.sampled_from([8, 16, 48]),
    batch=st.integers(1, 3),
    superpixels=st.integers(2, 20),
    pixels=st.integers(2, 9),
    seed=st.integers(0, 1000),
)
def test_random_sizes(
    image_size: int, embed_dim: int, batch: int, superpixels: int, pixels: int, seed: int
) -> None:
    case = make_case("test_vit", image_size, embed_dim, batch, superpixels, pixels, seed)
    assert_same_evaluation(case)
    assert_same_training_step(case)


@pytest.mark.parametrize(
    ("vit", "image_size"),
    [
        ("vit_tiny_patch16_224", 64),
        ("vit_tiny_patch16_224", 176),  # 121 tokens
        ("test_vit2", 64),  # a register token instead of the class token, LayerScale
        ("test_vit_relpos", 64),  # neither, relative positions
        ("eva02_tiny_patch14_224", 56),  # rotary positions
        ("vit_small_patch14_reg4_dinov2", 56),  # four register tokens, LayerScale, no head
    ],
)
def test_other_vits(vit: str, image_size: int) -> None:
    case = make_case(vit, image_size)
    assert_same_evaluation(case)
    assert_same_training_step(case)


def test_uniform_superpixels_have_no_gradient_of_deviation() -> None:
    """Saturated sky: zero variance. torch.std's gradient is 0 there, and so is ours."""
    case = make_case(superpixels=6, pixels=8)
    case.superpixels[:, :3] = torch.tensor([1.0, 0.5, 0.25])
    assert_same_evaluation(case)
    assert_same_training_step(case)
    case.superpixels[:] = 1
    case.ours.zero_grad()
    case.reference.zero_grad()
    assert_same_training_step(case)


def test_black_image() -> None:
    case = make_case(batch=1)
    case.image.zero_()
    case.texture.zero_()
    case.superpixels.zero_()
    assert_same_evaluation(case)
    assert_same_training_step(case)


def test_memory_layout_of_the_input_does_not_matter() -> None:
    case = make_case(batch=2)
    case.image = case.image.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    case.texture = case.texture.mT
    case.superpixels = case.superpixels.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    assert not case.image.is_contiguous()
    assert not case.texture.is_contiguous()
    assert_same_evaluation(case)
    assert_same_training_step(case)
