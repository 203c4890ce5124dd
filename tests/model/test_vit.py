"""The ViT that is written out is timm's."""

import pytest
import timm
import torch
from timm.data.config import resolve_model_data_config
from timm.models import vision_transformer
from timm.models.vision_transformer import VisionTransformer

from dpam.model.backbone import fill
from dpam.model.shapes import SHAPES, Shape
from dpam.model.vit import Block, ViT

SMALL = Shape(48, depth=4, heads=3, patch=8, image_size=32, layer_scale=True, classes=0)
SIZES = {
    "embed_dim": 48, "depth": 4, "num_heads": 3, "patch_size": 8, "img_size": 32,
    "init_values": 1e-5, "num_classes": 0,
}  # fmt: skip


@pytest.fixture
def pair() -> tuple[ViT, VisionTransformer]:
    """Ours and timm's, with the same random weights."""
    torch.manual_seed(0)
    theirs = VisionTransformer(**SIZES)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    ours = ViT(SMALL)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("name", SHAPES)
def test_sizes_and_names_are_those_of_timm(name):
    with torch.device("meta"):
        theirs = timm.create_model(name)
    for image_size, vit in ((SHAPES[name].image_size, theirs), (4 * SHAPES[name].patch, None)):
        with torch.device("meta"):
            vit = vit or timm.create_model(name, img_size=image_size)
            ours = ViT(SHAPES[name], image_size)
        shapes = [{key: t.shape for key, t in net.state_dict().items()} for net in (ours, vit)]
        assert shapes[0] == shapes[1]
        for attribute in ("img_size", "grid_size", "patch_size"):
            assert getattr(ours.patch_embed, attribute) == getattr(vit.patch_embed, attribute)
        assert ours.num_prefix_tokens == vit.num_prefix_tokens
    config = resolve_model_data_config(theirs)
    assert (config["mean"], config["std"]) == SHAPES[name].colours


def test_tokens_and_gradients_are_those_of_timm(pair):
    image = torch.randn(2, 3, 32, 32)
    found = []
    for net in pair:
        if isinstance(net, ViT):
            tokens = net(image, [0, 2])
        else:
            tokens = net.forward_intermediates(
                image, indices=[0, 2], stop_early=True, intermediates_only=True, output_fmt="NLC"
            )
        sum(t.sin().sum() for t in tokens).backward()
        found.append((tokens, {name: p.grad for name, p in net.named_parameters()}))
    (ours, gradients), (theirs, expected) = found
    torch.testing.assert_close(ours, theirs)
    used = {name for name, gradient in expected.items() if gradient is not None}
    assert "blocks.2.ls2.gamma" in used
    assert {name for name, gradient in gradients.items() if gradient is not None} == used
    for name in used:
        torch.testing.assert_close(gradients[name], expected[name])


@pytest.mark.parametrize("image_size", [32, 56])
def test_weights_of_a_file_go_where_timm_puts_them(pair, image_size):
    ours, theirs = (
        ViT(SMALL, image_size),
        VisionTransformer(**SIZES | {"img_size": image_size}),
    )
    tensors = pair[1].state_dict()
    assert fill(ours, 3, tensors) == fill(theirs, 3, tensors) == len(tensors)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name


def test_checkpointing_changes_no_gradient(pair):
    net, image, found = pair[0], torch.randn(2, 3, 32, 32), []
    for enable in (False, True):
        net.zero_grad()
        net.set_grad_checkpointing(enable)
        net(image, [1, 3])[1].square().sum().backward()
        found.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["test_vit", "small"])
def test_it_starts_with_the_numbers_that_timm_draws(name):
    torch.manual_seed(0)
    ours = ViT(SHAPES.get(name, SMALL)).state_dict()
    torch.manual_seed(0)
    theirs = VisionTransformer(**SIZES) if name == "small" else timm.create_model(name)
    for key, tensor in theirs.state_dict().items():
        assert torch.equal(ours[key], tensor), key


def test_a_block_with_dropout_is_that_of_timm():
    options = {"mlp_ratio": 2.5, "proj_drop": 0.3, "norm_layer": torch.nn.LayerNorm}
    torch.manual_seed(0)
    theirs = vision_transformer.Block(48, 4, **options)
    torch.manual_seed(0)
    ours = Block(48, 4, 120, qkv_bias=False, dropout=0.3, eps=1e-5)
    assert {name: tensor.tolist() for name, tensor in ours.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in theirs.state_dict().items()
    }
    x, found = torch.randn(2, 9, 48), []
    for block in (ours, theirs):
        torch.manual_seed(1)
        found.append(block(x))
    torch.testing.assert_close(*found)
