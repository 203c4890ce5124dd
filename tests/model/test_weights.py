"""Weights of the ViT from local files."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from dpam.errors import DpamError
from dpam.model import DPAM


def vit_state(name: str = "test_vit", **options: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(7)
    state = timm.create_model(name, **options).state_dict()
    return {key: tensor.clone() for key, tensor in state.items()}


def loaded(path, backbone: str = "test_vit", **settings: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    net = DPAM(backbone, embed_dim=16, weights=path, **settings)
    assert "weights" not in net.settings
    return net.backbone.vit.state_dict()


def test_safetensors(tmp_path):
    state = vit_state()
    save_file(state, tmp_path / "vit.safetensors")
    found = loaded(tmp_path / "vit.safetensors")
    assert all(torch.equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize("place", [None, "state_dict", "model", "teacher"])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone."])
def test_pytorch_files_of_training_programs(tmp_path, place, prefix):
    """As DINO writes them: a teacher's backbone, and heads of other purposes."""
    state = {prefix + name: tensor for name, tensor in vit_state().items()}
    state = {name: tensor for name, tensor in state.items() if "head." not in name}
    state["head.mlp.0.weight"] = torch.zeros(3, 3)
    torch.save(state if place is None else {place: state, "epoch": 3}, tmp_path / "vit.pth")
    found = loaded(tmp_path / "vit.pth")
    expected = vit_state()
    for name in ("cls_token", "pos_embed", "blocks.5.mlp.fc2.weight", "patch_embed.proj.weight"):
        assert torch.equal(found[name], expected[name]), name


def test_position_embeddings_are_resampled(tmp_path):
    state = vit_state()  # 10x10 patches
    pos_embed = state["pos_embed"]
    pos_embed[:, 1:] = torch.linspace(0, 1, 10)[None, :, None].repeat(1, 10, 64)
    save_file(state, tmp_path / "vit.safetensors")
    found = loaded(tmp_path / "vit.safetensors", image_size=224)["pos_embed"]  # 14x14 patches
    assert found.shape == (1, 197, 64)
    assert torch.equal(found[:, 0], pos_embed[:, 0])
    rows = found[0, 1:, 0].reshape(14, 14)
    torch.testing.assert_close(rows, rows[:1].expand(14, 14))
    assert (rows[0].diff() > 0).all()
    assert rows[0].mean().item() == pytest.approx(0.5, abs=1e-3)


def test_what_is_never_read_may_be_missing(tmp_path):
    state = vit_state("vit_tiny_patch16_224", img_size=64)
    used = {
        name: tensor
        for name, tensor in state.items()
        if not name.startswith(("blocks.10.", "blocks.11.", "norm.", "head."))
    }
    save_file(used, tmp_path / "vit.safetensors")
    found = loaded(tmp_path / "vit.safetensors", "vit_tiny_patch16_224", image_size=64)
    assert all(torch.equal(found[name], used[name]) for name in used)


def test_weights_of_another_vit_are_refused(tmp_path):
    state = vit_state()
    del state["blocks.0.norm1.weight"]
    state["blocks.6.norm1.weight"] = torch.ones(64)
    state["blocks.1.mlp.fc1.bias"] = torch.ones(3)
    save_file(state, tmp_path / "vit.safetensors")
    with pytest.raises(DpamError) as error:
        loaded(tmp_path / "vit.safetensors")
    lines = str(error.value).splitlines()
    assert "vit.safetensors" in lines[0]
    assert lines[1:] == [
        "  - missing: blocks.0.norm1.weight",
        "  - unexpected: blocks.6.norm1.weight",
        "  - of another shape: blocks.1.mlp.fc1.bias: expected 192, found 3",
    ]


def test_a_missing_file_names_both_ways(tmp_path):
    with pytest.raises(DpamError) as error:
        loaded(tmp_path / "vit.safetensors")
    message = str(error.value)
    assert "vit.safetensors: no such file" in message
    assert "huggingface.co" in message
    assert "model.weights: FILE" in message


@pytest.mark.parametrize("name", ["vit.safetensors", "vit.pth"])
def test_damaged_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(DpamError, match=name):
        loaded(tmp_path / name)


def test_a_pickled_model_is_never_opened(tmp_path):
    torch.save(timm.create_model("test_vit"), tmp_path / "vit.pth")
    with pytest.raises(DpamError, match="pickled model"):
        loaded(tmp_path / "vit.pth")


def test_no_tensors(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "vit.pth")
    with pytest.raises(DpamError, match="named tensors, found none"):
        loaded(tmp_path / "vit.pth")
