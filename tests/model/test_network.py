"""The network's interface, settings and behaviour where the reference is no measure."""

import json
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from dpam.errors import DpamError
from dpam.model import DPAM
from dpam.model.backbone import default_taps
from dpam.model.perception import Fusion, fold_batch_norm, square_root


def small_net(**settings: Any) -> DPAM:
    torch.manual_seed(0)
    return DPAM(**{"backbone": "test_vit", "image_size": 64, "embed_dim": 16, **settings})


def batch(size: int = 64, count: int = 2, superpixels: int = 7) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    colours = torch.rand(count, superpixels, 9, 3, generator=generator)
    centred = colours - colours.mean(dim=2, keepdim=True)
    covariance = torch.einsum("bnpi,bnpj->bnij", centred, centred) / 8
    rows, columns = torch.triu_indices(3, 3)
    return [
        torch.randn(count, 3, size, size, generator=generator),
        torch.rand(count, 1, size, size, generator=generator),
        colours.mean(dim=2),
        covariance[..., rows, columns],
    ]


def test_score_and_maps():
    net = small_net(image_size=80).eval()
    inputs = batch(80, count=3)
    score = net(*inputs)
    again, token_score, token_weight = net(*inputs, return_maps=True)
    assert score.shape == (3,)
    assert token_score.shape == token_weight.shape == (3, 5, 5)
    assert torch.equal(score, again)
    assert (token_score >= 0).all()
    assert ((token_weight > 0) & (token_weight < 1)).all()
    total = (token_score * token_weight).sum((1, 2)) / token_weight.sum((1, 2))
    torch.testing.assert_close(score, total)


def test_score_is_finite_where_all_weights_underflow():
    net = small_net().eval()
    nn.init.constant_(net.regression.weight[-1].bias, -1000)
    nn.init.constant_(net.regression.score[-1].bias, 1)
    score = net(*batch())
    assert score.isfinite().all()
    assert (score > 0).all()


def test_settings_rebuild_the_network():
    net = small_net(dropout=0.3, out_indices=(0, 2, 5))
    settings = json.loads(json.dumps(net.settings))
    again = DPAM(**settings)
    assert again.settings == net.settings
    again.load_state_dict(net.state_dict())
    inputs = batch()
    assert torch.equal(net.eval()(*inputs), again.eval()(*inputs))


def test_scores_start_in_the_middle_or_as_pytorch_starts_them():
    def bias(**settings: float | None) -> float:
        torch.manual_seed(7)
        net = DPAM("test_vit", image_size=64, embed_dim=16, **settings)
        assert "score_bias" not in net.settings  # it says how weights began, not what they are
        return net.regression.score[-1].bias.item()

    assert bias() == bias(score_bias=0.5) == 0.5
    released = bias(score_bias=None)
    assert abs(released) < 8**-0.5  # PyTorch's bound for eight inputs
    assert released != 0.5


def test_taps_choose_the_blocks():
    net = small_net(out_indices=(0, 3)).eval()
    assert net.backbone.channels == 2 * 64
    net.backbone.vit.blocks[4].register_forward_hook(pytest.fail)
    net(*batch()).sum().backward()
    unused = {name for name, p in net.named_parameters() if p.grad is None}
    assert any(name.startswith("backbone.vit.blocks.4.") for name in unused)
    assert all(not p.requires_grad for name, p in net.named_parameters() if name in unused)
    assert not any(name.startswith("backbone.vit.blocks.3.") for name in unused)


@pytest.mark.parametrize(
    ("depth", "out_indices"),
    [
        (12, (6, 7, 8, 9)),
        (6, (2, 3, 4, 5)),
        (4, (0, 1, 2, 3)),
        (24, (12, 14, 16, 18)),
        (40, (20, 23, 26, 29)),
    ],
)
def test_default_taps(depth, out_indices):
    assert default_taps("a_vit", depth) == out_indices


def test_image_size_and_normalisation_are_the_vits_own():
    net = DPAM("test_vit", embed_dim=16)
    assert (net.image_size, net.grid) == (160, 10)
    assert net.mean == net.std == (0.5, 0.5, 0.5)
    net = DPAM("vit_small_patch14_reg4_dinov2", image_size=56, embed_dim=16)
    assert net.mean == (0.485, 0.456, 0.406)
    assert net.std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize("vit", ["test_vit", "test_vit_relpos"])
def test_no_dropout_at_all(vit):
    """Also where the ViT brings dropout of its own."""
    net = small_net(backbone=vit, dropout=0).train()
    inputs = batch()
    assert torch.equal(net(*inputs), net(*inputs))


def test_attention_dropout_stays_as_published():
    net = small_net(dropout=0.4)
    rates = {
        name: module.p
        for name, module in net.named_modules()
        if isinstance(module, nn.Dropout) and not name.startswith("backbone.") and module.p
    }
    attention = {f"{kind}.dropout" for kind in ("distortion_attention", "semantic_attention")}
    attention |= {"attention.dropout"}
    assert {name for name, rate in rates.items() if rate == 0.1} == attention
    mlps = {f"unit{u}.transformer.{part}" for u in (1, 2) for part in ("mlp.drop1", "mlp.drop2")}
    projections = {f"unit{u}.transformer.attn.proj_drop" for u in (1, 2)}
    heads = {"regression.score.2", "regression.weight.2"}
    assert {name for name, rate in rates.items() if rate == 0.4} == mlps | projections | heads


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_bfloat16_autocast_gives_scores_in_float32_and_finite_gradients(mode):
    net = getattr(small_net(dropout=0), mode)()
    nn.init.constant_(net.regression.score[-1].bias, 1)
    inputs = batch()
    with torch.autocast("cpu", torch.bfloat16):
        score = net(*inputs)
        score.sum().backward()
    assert score.dtype == torch.float32
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


def test_a_changed_weight_changes_the_score():
    net = small_net().eval()
    nn.init.constant_(net.regression.score[-1].bias, 1)
    inputs = batch()
    with torch.no_grad():
        before = net(*inputs)
        for part in (
            net.fusion.mix,
            net.fusion.reduce,
            net.distortion.mix,
            net.distortion.patterns,
        ):
            part.weight.data.mul_(1.5)
            after = net(*inputs)
            assert not torch.equal(before, after)
            before = after


def test_fusion_does_the_same_either_way():
    """With few places the two convolutions run one after the other, with many as one."""
    torch.manual_seed(0)
    fusion = Fusion(channels=12, width=8).double()
    a, b = torch.randn(2, 3, 12, 40, dtype=torch.float64)
    one_by_one = [fusion(a[:, :, [k]][:1], b[:, :, [k]][:1]) for k in range(40)]
    torch.testing.assert_close(torch.cat(one_by_one, dim=2), fusion(a, b)[:1])


def test_square_root_at_zero():
    x = torch.tensor([-1e-20, 0.0, 1e-40, 4.0], requires_grad=True)
    root = square_root(x)
    root.sum().backward()
    assert root.tolist() == pytest.approx([0, 0, 1e-20, 2], rel=1e-3)
    assert x.grad[:2].tolist() == [0, 0]
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("training", [True, False])
def test_folded_batch_norm_is_batch_norm(training):
    torch.manual_seed(0)
    norm, reference = (nn.BatchNorm2d(5).double().train(training) for _ in range(2))
    with torch.no_grad():
        for tensor in norm.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    reference.load_state_dict(norm.state_dict())
    kernel, bias = torch.randn(5, 9).double(), torch.randn(5).double()
    patches = torch.randn(9, 24).double()
    expected = reference((kernel @ patches + bias[:, None]).reshape(1, 5, 4, 6)).reshape(5, 24)
    kernel, bias = fold_batch_norm(norm, kernel, bias, patches)
    torch.testing.assert_close(kernel @ patches + bias[:, None], expected)
    for name, tensor in norm.state_dict().items():
        torch.testing.assert_close(tensor, reference.state_dict()[name], msg=name)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backbone": "no_such_vit"}, ["no_such_vit", "timm"]),
        ({"backbone": "test_vit.no_such_weights"}, ["test_vit", "no_such_weights"]),
        ({"backbone": "resnet18"}, ["resnet18", "Vision Transformer"]),
        ({"image_size": 70}, ["70x70", "multiple of 16"]),
        ({"image_size": 48}, ["48x48", "4x4 patches"]),
        ({"embed_dim": 20}, ["embed_dim 20", "multiple of 8"]),
        ({"out_indices": (1, 6)}, ["[1, 6]", "0 to 5"]),
        ({"out_indices": (2, 1)}, ["[2, 1]", "ascending"]),
        ({"out_indices": ()}, ["[]"]),
    ],
)
def test_settings_that_do_not_fit(settings, words):
    with pytest.raises(DpamError) as error:
        small_net(**settings)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_vit_of_three_blocks_is_refused():
    with pytest.raises(DpamError, match="short_vit has 3 blocks"):
        default_taps("short_vit", 3)


def test_without_a_network_the_error_names_both_ways(monkeypatch):
    create = timm.create_model

    def offline(name: str, pretrained: bool = False, **options: Any) -> nn.Module:
        if pretrained:
            raise ConnectionError("no route to the hub\nand more")
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(DpamError) as error:
        small_net(pretrained=True)
    message = str(error.value)
    assert "no route to the hub" in message
    assert "and more" not in message
    assert "huggingface.co" in message
    assert "model.weights: FILE" in message


def test_recomputing_keeps_less_for_the_same_gradients():
    kept, gradients = [], []
    for grad_checkpointing in (False, True):
        net = small_net(dropout=0.1).train()
        net.backbone.grad_checkpointing(grad_checkpointing)
        storages = {}

        def keep(tensor, storages=storages):
            storages[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        torch.manual_seed(2)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            score = net(*batch())
        kept.append(sum(tensor.untyped_storage().nbytes() for tensor in storages.values()))
        score.sum().backward()
        gradients.append([p.grad for p in net.parameters() if p.grad is not None])
    assert kept[1] < 0.8 * kept[0]
    assert len(gradients[0]) == len(gradients[1])
    for first, second in zip(*gradients, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("branch", ["texture", "superpixels"])
def test_a_constant_branch_sees_an_evenly_grey_image(branch):
    """It is the network itself with the branch's inputs put there by hand, and blind to others."""
    inputs = batch()
    plain, blind = small_net().eval(), small_net(**{branch: "constant"}).eval()
    for parameter in plain.parameters():
        nn.init.normal_(parameter, 0, 0.15)  # so that it sees differences
    nn.init.ones_(plain.semantic_query.similarity.gate[0].bias)  # and the gate is open
    nn.init.ones_(plain.semantic_query.similarity.gate[1].weight)
    blind.load_state_dict(plain.state_dict())
    image, texture, mean, covariance = inputs
    if branch == "texture":
        by_hand = image, torch.zeros_like(texture), mean, covariance
        changed = image, 1 - texture, mean, covariance
        same = image, texture, 1 - mean, covariance
    else:
        by_hand = image, texture, torch.full_like(mean, 0.5), torch.zeros_like(covariance)
        changed = image, texture, 1 - mean, 2 * covariance
        same = image, 1 - texture, mean, covariance
    assert torch.equal(blind(*inputs), plain(*by_hand))
    assert torch.equal(blind(*changed), blind(*inputs))
    assert not torch.equal(blind(*same), blind(*inputs))
    assert not torch.equal(blind(*inputs), plain(*inputs))
    assert blind.settings == {**plain.settings, branch: "constant"}
    loss = blind.train()(*inputs).sum()
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in blind.parameters())
    with pytest.raises(DpamError, match=f"{branch}: expected used or constant, found 'no'"):
        small_net(**{branch: "no"})
