"""The plain head, and networks that start from the weights of others."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from timm.layers import resample_abs_pos_embed
from torch import Tensor

from dpam.errors import DpamError
from dpam.model import DPAM, Network, PooledViT, create
from dpam.model.checkpoint import load_checkpoint, save_checkpoint
from dpam.model.start import start_from

SETTINGS = {"network": "pooled", "backbone": "test_vit", "image_size": 64, "out_indices": [1, 3]}


def pooled(seed: int = 0, **changes: object) -> PooledViT:
    """A pooled network with random weights everywhere, in evaluation."""
    torch.manual_seed(seed)
    net = create(**{**SETTINGS, **changes})  # type: ignore[arg-type]
    assert isinstance(net, PooledViT)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    return net.eval()


def images(side: int = 64, count: int = 3) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(5))


def assert_same(net: Network, state: dict[str, Tensor]) -> None:
    own = net.state_dict()
    assert own.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(own[name], tensor), name


def test_it_computes_what_it_says() -> None:
    net, x = pooled(backbone="test_vit2"), images()  # of timm, whose steps can be called
    vit = net.vit
    tokens = vit._pos_embed(vit.patch_embed(x))
    features = []
    for number in range(4):
        tokens = vit.blocks[number](tokens)
        if number in (1, 3):
            patches = tokens[:, 1:]
            mean = patches.sum(1) / patches.shape[1]
            spread = ((patches - mean[:, None]) ** 2).sum(1) / (patches.shape[1] - 1)
            features += [mean, spread.sqrt()]
    z = torch.cat(features, 1)
    z = (z - z.mean(1, keepdim=True)) / (z.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    line = (z * net.norm.weight + net.norm.bias) @ net.out.weight[0] + net.out.bias
    torch.testing.assert_close(net(x), 1 / (1 + torch.exp(-line)))


def test_maps_add_up_to_the_score_and_tell_the_patches_apart() -> None:
    """To first order: a patch's share is the slope of the score along its own part of it."""
    net, x = pooled(), images()
    quality, score, weight = net(x, return_maps=True)
    assert torch.equal(quality, net(x))
    assert score.shape == weight.shape == (3, net.grid, net.grid)
    assert torch.equal(weight, torch.ones_like(weight))
    torch.testing.assert_close(score.mean((1, 2)), quality)
    assert score.std() > 1e-4
    for tokens, shares in zip(zip(*net.tokens(x), strict=True), score, strict=True):
        torch.testing.assert_close(
            shares.flatten(), plain_shares(net, [t.double() for t in tokens])
        )


def plain_shares(net: PooledViT, tokens: list[Tensor]) -> Tensor:
    """The score of one image, put together again from sums over its patches, one by one."""
    parts = [part for t in tokens for part in (t.mean(0), t.std(0))]
    pooled = torch.cat(parts)
    deviation = (pooled.var(unbiased=False) + net.norm.eps).sqrt()
    count, shares = len(tokens[0]), []
    for patch in range(count):
        alone = [
            part
            for t in tokens
            for part in (t[patch], (t[patch] - t.mean(0)) ** 2 / t.std(0) * count / (count - 1))
        ]
        z = (torch.cat(alone) - torch.cat(alone).mean()) / deviation
        shares.append((z * net.norm.weight) @ net.out.weight[0].double())
    logit = torch.stack(shares)
    whole = net.out(net.norm(pooled.float()))[0].sigmoid().double()
    return (whole + whole * (1 - whole) * (logit - logit.mean())).float()


@pytest.mark.parametrize(
    ("backbone", "side"),
    [
        ("test_vit2", 64),  # timm's own kinds of blocks that have it,
        ("vit_relpos_small_patch16_224", 64),
        ("vit_small_patch14_dinov2", 56),  # and ours
    ],
)
def test_layer_scale_in_the_weights_before_it_changes_nothing(backbone: str, side: int) -> None:
    net = pooled(backbone=backbone, image_size=side)
    names = [name for name in net.state_dict() if name.endswith((".ls1.gamma", ".ls2.gamma"))]
    assert len(names) == 2 * 4
    before = net(images(side))
    net.fold_layer_scale()
    assert not set(names) & set(net.state_dict())
    torch.testing.assert_close(net(images(side)), before)
    net.fold_layer_scale()
    torch.testing.assert_close(net(images(side)), before)


def test_what_lies_behind_the_last_block_is_not_there() -> None:
    net = pooled()
    names = set(net.state_dict())
    assert {name.split(".")[0] for name in names} == {"vit", "norm", "out"}
    blocks = {name.split(".")[2] for name in names if name.startswith("vit.blocks.")}
    assert blocks == {"0", "1", "2", "3"}
    assert not any(name.startswith(("vit.norm.", "vit.head.")) for name in names)
    net.train()(images()).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_before_training_it_says_the_middle_and_then_it_learns() -> None:
    net = create(**SETTINGS)  # type: ignore[arg-type]
    assert (net(images()) == 0.5).all()
    before = net.out.weight.clone()
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    (net(images()) - torch.tensor([0.1, 0.5, 0.9])).square().sum().backward()
    optimiser.step()
    assert not torch.equal(net.out.weight, before)


def test_a_checkpoint_of_it_is_read_as_what_it_is(tmp_path: Path) -> None:
    net = pooled()
    save_checkpoint(tmp_path / "a.safetensors", net, {"dataset": "demo"})
    again, metadata = load_checkpoint(tmp_path / "a.safetensors")
    assert isinstance(again, PooledViT)
    assert metadata == {"dataset": "demo"}
    assert again.settings == net.settings
    assert_same(again, net.state_dict())


def test_unknown_networks_are_refused() -> None:
    with pytest.raises(DpamError, match="network: expected dpam, pooled; found 'vgg'"):
        create("vgg")


def test_a_start_from_a_line_keeps_its_order_and_its_slope_in_the_middle(tmp_path: Path) -> None:
    """A file without a header of ours: its last layer is the score itself, unbounded."""
    source, path = pooled(1), tmp_path / "line.safetensors"
    state = {name: tensor.half() for name, tensor in source.state_dict().items()}
    state["out.bias"] = torch.tensor([0.6]).half()
    save_file(state, path)
    features: list[Tensor] = []
    source.load_state_dict(state)
    source.out.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    source(images())
    line = features[0] @ source.out.weight[0] + source.out.bias

    net = pooled(2)
    about = start_from(net, path)
    torch.testing.assert_close(net(images()), torch.sigmoid(4 * (line - 0.5)))
    assert about == {
        "file": "line.safetensors",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


@pytest.mark.parametrize("half", [False, True])
def test_a_start_takes_all_that_fits_and_resamples_positions(tmp_path: Path, half: bool) -> None:
    source, path = pooled(1, image_size=64), tmp_path / "a.safetensors"
    save_checkpoint(path, source.half() if half else source, {"seed": 3})
    net = pooled(2, image_size=128)
    about = start_from(net, path, hashlib.sha256(path.read_bytes()).hexdigest().upper())
    assert about["settings"] == source.settings
    assert about["metadata"] == {"seed": 3}
    expected = {name: tensor.float() for name, tensor in source.state_dict().items()}
    grid = (net.grid, net.grid)
    assert grid != (source.grid, source.grid)
    expected["vit.pos_embed"] = resample_abs_pos_embed(expected["vit.pos_embed"], grid)
    assert_same(net, expected)


def test_a_start_of_dpam_takes_heads_of_the_same_shape(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = DPAM("test_vit", image_size=64, embed_dim=16)
    save_checkpoint(tmp_path / "a.safetensors", source, {})
    torch.manual_seed(2)
    net = DPAM("test_vit", image_size=64, embed_dim=16)
    start_from(net, tmp_path / "a.safetensors")
    assert_same(net, source.state_dict())
    wider = DPAM("test_vit", image_size=64, embed_dim=24)
    own = wider.state_dict()["halve.weight"].clone()
    start_from(wider, tmp_path / "a.safetensors")
    assert torch.equal(wider.state_dict()["halve.weight"], own)
    for name in ("fusion.mix.weight", "distortion.mix_norm.running_var"):
        assert torch.equal(wider.state_dict()[name], source.state_dict()[name])


def test_a_start_without_blocks_that_are_never_read_is_complete(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = DPAM("test_vit", image_size=64, embed_dim=16, out_indices=[1, 3])
    save_checkpoint(tmp_path / "whole.safetensors", source, {})
    header = {"format": "dpam-model-2", "settings": json.dumps(source.settings), "metadata": "{}"}
    state = load_file(tmp_path / "whole.safetensors")
    gone = ("backbone.vit.blocks.4", "backbone.vit.blocks.5", "backbone.vit.norm")
    less = {name: tensor for name, tensor in state.items() if not name.startswith(gone)}
    assert len(less) < len(state)
    save_file(less, tmp_path / "less.safetensors", header)
    net = DPAM("test_vit", image_size=64, embed_dim=16, out_indices=[1, 3])
    start_from(net, tmp_path / "less.safetensors")
    for name, tensor in less.items():
        assert torch.equal(net.state_dict()[name], tensor)


def test_another_network_or_other_blocks_give_their_vit_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = DPAM("test_vit", image_size=64, embed_dim=16, out_indices=[2, 3])
    save_checkpoint(tmp_path / "dpam.safetensors", source, {})
    other = pooled(3, out_indices=[0, 3])
    save_checkpoint(tmp_path / "pooled.safetensors", other, {})
    line = {**other.state_dict(), "vit.blocks.4.norm1.weight": torch.ones(64)}
    save_file(line, tmp_path / "deeper.safetensors")
    for file, vit in (
        ("dpam.safetensors", source.backbone.vit),
        ("pooled.safetensors", other.vit),
        ("deeper.safetensors", other.vit),
    ):
        net = pooled(2)
        head = net.out.weight.clone()
        start_from(net, tmp_path / file)
        assert torch.equal(net.out.weight, head)
        for name, tensor in net.vit.state_dict().items():
            assert torch.equal(tensor, vit.state_dict()[name])
        backbone = create(**SETTINGS, weights=tmp_path / file)  # type: ignore[arg-type]
        for name, tensor in backbone.vit.state_dict().items():
            assert torch.equal(tensor, vit.state_dict()[name])


def test_starts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", pooled(1), {})
    with pytest.raises(DpamError, match=r"a.safetensors: expected the file with SHA-256 ab, found"):
        start_from(pooled(), tmp_path / "a.safetensors", "ab")
    with pytest.raises(DpamError, match=r"none.safetensors: no such file"):
        start_from(pooled(), tmp_path / "none.safetensors")
    other = create("pooled", backbone="vit_tiny_patch16_224", image_size=64, out_indices=[1, 3])
    save_checkpoint(tmp_path / "b.safetensors", other, {})
    with pytest.raises(DpamError, match=r"b.safetensors: .* tensors do not fit"):
        start_from(pooled(), tmp_path / "b.safetensors")
    save_file(dict(pooled().vit.state_dict()), tmp_path / "vit.safetensors")
    with pytest.raises(DpamError, match=r"vit.safetensors: expected a checkpoint .*model.weights"):
        start_from(pooled(), tmp_path / "vit.safetensors")
    torch.save(pooled().state_dict(), tmp_path / "vit.pt")
    with pytest.raises(DpamError, match=r"vit.pt: expected a checkpoint of dpam \(.safetensors\)"):
        start_from(pooled(), tmp_path / "vit.pt")
