"""ONNX models say what the networks say, of any number of photographs."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from samples import ABOUT, in_full, photograph

import dpam
from dpam.cli import main
from dpam.inference.predict import network_inputs
from dpam.model import create
from dpam.model.checkpoint import save_checkpoint
from dpam.pack.batches import collate, fixed_views
from dpam.pack.preparing import prepare


def saved(folder, method, **more):
    """A small network of either kind whose scores depend on the image."""
    torch.manual_seed(3)
    of_kind = {"network": "pooled"} if method == "none" else {"embed_dim": 16}
    net = create(backbone="test_vit", image_size=64, out_indices=[1, 3], **of_kind)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.15)
    metadata = {**ABOUT, "preparation": vars(in_full(method)), "views": "whole", **more}
    save_checkpoint(folder / "model.safetensors", net, metadata)
    return folder / "model.safetensors"


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("method", "more"),
    [("none", {}), ("slic", {"predicts_dmos": True, "learned_range": [0.1, 0.8]})],
)
def test_the_model_scores_files_as_the_network_does(tmp_path, method, more):
    path = saved(tmp_path, method, **more)
    assert main(["export-onnx", str(path), "--output", str(tmp_path / "model.onnx")]) == 0
    model, scorer = session(tmp_path / "model.onnx"), dpam.load(path)
    names = [one.name for one in model.get_inputs()]
    assert [name.removeprefix("colour_") for name in names] == list(scorer.net.reads)
    assert [one.name for one in model.get_outputs()] == ["quality"]
    for count in (1, 2, 5):
        photographs = [photograph(seed, 85, 96) for seed in range(count)]
        views = [
            view
            for rgb in photographs
            for view in fixed_views(prepare(rgb, scorer.preparation)[0], 64, scorer.views)
        ]
        batch = collate(views, 64)
        inputs = [batch.image.float() / 255, *network_inputs(scorer.net, batch)[1:]]
        fed = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
        (quality,) = model.run(None, fed)
        expected = [rated.score_100 / 100 for rated in scorer.rate(photographs)]
        np.testing.assert_allclose(quality, expected, atol=1e-4)
    assert np.ptp(expected) > 1e-3


def test_the_model_says_how_photographs_are_prepared(tmp_path, capsys):
    path = saved(tmp_path, "none", title="Tiny")
    output = tmp_path / "model.onnx"
    assert main(["export-onnx", str(path), "--output", str(output)]) == 0
    properties = {one.key: json.loads(one.value) for one in onnx.load(output).metadata_props}
    assert properties["dpam.preparation"]["image_size"] == 64
    assert properties["dpam.views"] == "whole"
    assert properties["dpam.title"] == "Tiny"
    assert properties["dpam.scale"] == {
        "kind": "MOS", "low": 1.0, "high": 5.0, "higher_is_better": True
    }  # fmt: skip
    capsys.readouterr()
    for name, words in (
        ("model.onnx", "exists already"),
        ("model.bin", "expected a name in .onnx"),
    ):
        assert main(["export-onnx", str(path), "--output", str(tmp_path / name)]) == 1
        assert words in capsys.readouterr().err
