"""Our checkpoints, the authors' format, and the two subcommands between them."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from dpam.cli import main
from dpam.errors import DpamError
from dpam.model import DPAM, create
from dpam.model.checkpoint import (
    from_authors,
    load_checkpoint,
    published_layout,
    save_checkpoint,
    to_authors,
    to_small,
    write_checkpoint,
)
from dpam.model.start import start_from

METADATA = {"dataset": "demo", "seed": 20, "score_range": [1, 5], "selected_by": None}


@pytest.fixture
def net() -> DPAM:
    torch.manual_seed(0)
    return DPAM("test_vit", image_size=64, embed_dim=16, dropout=0.2)


@pytest.fixture
def file(net: DPAM, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "model.safetensors", net, METADATA)
    return tmp_path / "model.safetensors"


def test_save_and_load(net, file):
    again, metadata = load_checkpoint(file)
    assert metadata == METADATA
    assert again.settings == net.settings
    assert again.state_dict().keys() == net.state_dict().keys()
    assert all(torch.equal(t, net.state_dict()[name]) for name, t in again.state_dict().items())


def test_a_network_with_tables_that_no_checkpoint_holds_is_read_whole(tmp_path):
    settings = {"backbone": "eva02_tiny_patch14_224", "image_size": 56, "out_indices": [0, 1]}
    net = create("pooled", **settings).eval()
    assert set(dict(net.named_buffers())) - set(net.state_dict())
    torch.nn.init.normal_(net.out.weight)
    save_checkpoint(tmp_path / "eva.safetensors", net, METADATA)
    again, _ = load_checkpoint(tmp_path / "eva.safetensors")
    image = torch.randn(1, 3, 56, 56)
    assert torch.equal(again.eval()(image), net(image))


def test_any_safetensors_reader_can_read_it(net, file):
    with safe_open(file, "np") as plain:
        assert json.loads(plain.metadata()["settings"]) == net.settings
        assert plain.get_slice("fusion.mix.weight").get_shape() == [256, 512, 1, 1]


def test_an_earlier_file_survives_a_failed_write(net, file):
    before = file.read_bytes()
    with pytest.raises(TypeError):
        save_checkpoint(file, net, {"not JSON": object()})
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_files_that_are_no_checkpoint(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(DpamError, match=r"model.safetensors: no such file"):
        load_checkpoint(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(DpamError, match=r"model.safetensors: expected a checkpoint of dpam"):
        load_checkpoint(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(DpamError, match=r"model.safetensors: .*found none"):
        load_checkpoint(path)
    with pytest.raises(DpamError, match=str(tmp_path)):
        load_checkpoint(tmp_path)


def test_a_cut_file(file):
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DpamError, match=r"model.safetensors: expected a checkpoint of dpam"):
        load_checkpoint(file)


def test_a_file_whose_tensors_are_not_those_of_its_settings(net, tmp_path):
    net.settings["embed_dim"] = 24
    save_checkpoint(tmp_path / "model.safetensors", net, {})
    with pytest.raises(DpamError) as error:
        load_checkpoint(tmp_path / "model.safetensors")
    assert "model.safetensors" in str(error.value)
    assert "halve.weight: expected 12x24x1x1, found 8x16x1x1" in str(error.value)


def test_a_setting_that_was_called_otherwise_is_understood(net, tmp_path):
    settings = {**net.settings, "taps": net.settings["out_indices"]}
    del settings["out_indices"]
    write_checkpoint(tmp_path / "old.safetensors", net.state_dict(), settings, METADATA)
    assert load_checkpoint(tmp_path / "old.safetensors")[0].settings == net.settings
    again = DPAM("test_vit", image_size=64, embed_dim=16)
    assert start_from(again, tmp_path / "old.safetensors")["settings"] == net.settings
    assert torch.equal(again.halve.weight, net.halve.weight)


def test_authors_names_of_any_size(net):
    theirs = to_authors(net.state_dict(), net)
    assert len(theirs) == len(net.state_dict())
    assert torch.equal(theirs["teablock.1.c_k.weight"], net.semantic_attention.key.weight)
    back = from_authors({f"module.{name}": tensor for name, tensor in theirs.items()}, net)
    assert back.keys() == net.state_dict().keys()
    assert all(torch.equal(t, net.state_dict()[name]) for name, t in back.items())


def test_what_does_not_fit_is_named(net):
    theirs = to_authors(net.state_dict(), net)
    del theirs["conv1.bias"], theirs["dyd2.bias"]
    theirs["vit.extra"] = torch.zeros(1)
    theirs["conv2.weight"] = torch.zeros(4, 4)
    with pytest.raises(DpamError) as error:
        from_authors(theirs, net)
    lines = set(str(error.value).splitlines()[1:])
    assert lines == {
        "  - missing: conv1.bias",
        "  - missing: dyd2.bias",
        "  - unexpected: vit.extra",
        "  - of another shape: conv2.weight: expected 8x16x1x1, found 4x4",
    }


def test_import_refuses_a_network_of_another_size(net, tmp_path, capsys):
    torch.save(to_authors(net.state_dict(), net), tmp_path / "authors.pt")
    assert main(["import-checkpoint", str(tmp_path / "authors.pt"), str(tmp_path / "m")]) == 1
    said = capsys.readouterr().err
    assert "authors.pt: " in said
    assert "of another shape: conv1.weight: expected 768x3072x1x1, found 16x256x1x1" in said
    assert "missing: vit.blocks.11.norm1.weight" in said
    assert not (tmp_path / "m").exists()


def test_import_never_unpickles_a_model(net, tmp_path, capsys):
    torch.save(net, tmp_path / "authors.pt")
    assert main(["import-checkpoint", str(tmp_path / "authors.pt"), str(tmp_path / "m")]) == 1
    assert "pickled model" in capsys.readouterr().err


def test_export_refuses_a_network_of_another_size(file, tmp_path, capsys):
    assert main(["export-checkpoint", str(file), str(tmp_path / "authors.pt")]) == 1
    said = capsys.readouterr().err
    assert "model.safetensors: " in said
    assert "of another shape: fusion.reduce.weight: expected 768x3072x1x1" in said
    assert not (tmp_path / "authors.pt").exists()


def test_a_small_copy_rounds_what_scores_depend_on_and_nothing_else(tmp_path):
    torch.manual_seed(0)
    net = DPAM("test_vit", image_size=64, embed_dim=16, out_indices=[1, 3])
    for buffer in net.buffers():
        buffer += 7
    source, small = tmp_path / "model.safetensors", tmp_path / "small.safetensors"
    save_checkpoint(source, net, METADATA)
    assert main(["export-checkpoint", str(source), str(small)]) == 0
    assert small.stat().st_size < source.stat().st_size / 2
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    origin = {"file": "model.safetensors", "sha256": digest}
    again, metadata = load_checkpoint(small)
    assert metadata == {**METADATA, "exported_from": origin}
    assert again.settings == net.settings
    behind = range(4, len(net.backbone.vit.blocks))
    assert behind
    unread = (
        "backbone.vit.norm.",
        "backbone.vit.head.",
        *(f"backbone.vit.blocks.{number}." for number in behind),
    )
    for name, tensor in net.state_dict().items():
        found = again.state_dict()[name]
        assert found.dtype == tensor.dtype
        if name.startswith(unread):
            assert not found.any(), name
        elif name.endswith("num_batches_tracked"):
            assert torch.equal(found, tensor)
        else:
            assert torch.equal(found, tensor.half().float()), name
    inputs = (
        torch.randn(2, 3, 64, 64),
        torch.rand(2, 1, 64, 64),
        torch.rand(2, 9, 3),
        torch.rand(2, 9, 6),
    )
    with torch.no_grad():
        scores = [network.eval()(*inputs) for network in (net, again)]
    torch.testing.assert_close(*scores, rtol=0, atol=1e-3)


def test_a_small_copy_of_weights_beyond_float16_is_refused(net):
    net.halve.bias.data[0] = 1e5
    with pytest.raises(DpamError, match=r"too large for float16:\n  - halve.bias"):
        to_small(net)


@pytest.mark.large
@pytest.mark.xdist_group("large")
def test_import_and_export(tmp_path):
    generator = torch.Generator().manual_seed(0)
    net = DPAM()
    theirs = {
        name: torch.rand(tensor.shape, generator=generator).to(tensor.dtype)
        for name, tensor in to_authors(net.state_dict()).items()
    }
    torch.save({"model": theirs, "epoch": 7}, tmp_path / "authors.pt")
    ours, back = tmp_path / "model.safetensors", tmp_path / "back.pt"
    assert main(["import-checkpoint", str(tmp_path / "authors.pt"), str(ours)]) == 0
    assert load_checkpoint(ours)[1]["imported_from"]["file"] == "authors.pt"
    assert main(["export-checkpoint", str(ours), str(back)]) == 0
    found = torch.load(back, weights_only=True)
    assert len(found) == len(published_layout()) == 325
    assert all(torch.equal(found[name], theirs[name]) for name in theirs)


def test_the_same_network_gives_the_same_bytes(net, tmp_path):
    """safetensors alone writes its metadata in another order each time."""
    files = [tmp_path / f"{number}.safetensors" for number in range(8)]
    for path in files:
        save_checkpoint(path, net, {"title": "Größe", "note": "line\n\x01"})
    assert len({path.read_bytes() for path in files}) == 1
    assert load_checkpoint(files[0])[1] == {"title": "Größe", "note": "line\n\x01"}
