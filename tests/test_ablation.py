"""The study of DPAM's branches, benchmarks/ablation.py, on a dozen small images."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dpam.errors import DpamError
from dpam.evaluation.correlation import srcc
from dpam.pack.store import Pack

FILE = Path(__file__).resolve().parent.parent / "benchmarks/ablation.py"
CONFIG = """
model: {backbone: test_vit, embed_dim: 16}
training: {epochs: 2, batch_size: 4, learning_rate: 1.0e-3, freeze_blocks: all}
"""


@pytest.fixture(scope="module")
def ablation():
    spec = importlib.util.spec_from_file_location("ablation", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_forms_are_trained_once_and_a_constant_branch_sees_a_constant(
    pack_file, tmp_path, monkeypatch, ablation, capsys
):
    torch.set_num_threads(1)
    with Pack(pack_file) as pack:
        images, kind = pack.labels["image"], pack.preparation.network_input
        if kind == "crop":
            with pytest.raises(DpamError, match="whose network_input is whole"):
                ablation.make_constant(pack, ["texture"])
            return
        before = {name: rows.copy() for name, rows in pack.rows.items()}
        ablation.make_constant(pack, ["texture", "mean", "covariance"])
        assert np.ptp(pack.rows["texture"]) == 0
        assert np.ptp(pack.rows["mean"], axis=(0, 1)).max() == 0
        mean = before["covariance"].mean(axis=(0, 1))
        np.testing.assert_allclose(pack.prepared(3).covariance[5], mean, rtol=1e-4)
        np.testing.assert_array_equal(pack.rows["pixels"], before["pixels"])
    subsets = ["train"] * 6 + ["validation"] * 3 + ["test"] * 3
    pd.DataFrame({"image": images, "split00": subsets}).to_csv(tmp_path / "s.csv", index=False)
    (tmp_path / "c.yaml").write_text(CONFIG)
    words = [pack_file, "--splits", tmp_path / "s.csv", "--config", tmp_path / "c.yaml"]
    words += ["--output-dir", tmp_path / "out"]
    monkeypatch.setattr("sys.argv", ["ablation.py", *map(str, words)])
    ablation.main()
    table = pd.read_csv(tmp_path / "out/ablation.csv")
    assert table["form"].str.partition("constant ")[2].tolist() == ["", "texture", "superpixels"]
    predictions = [
        pd.read_csv(tmp_path / "out" / name / "predictions.csv")["prediction"]
        for name in ("tiny", "tiny-without-texture", "tiny-without-superpixels")
    ]
    assert (predictions[0] != predictions[1]).any()
    assert (predictions[0] != predictions[2]).any()
    capsys.readouterr()
    ablation.main()  # goes on where it was: nothing is trained again
    assert "loss" not in capsys.readouterr().out


def test_differences_are_paired(ablation):
    rng = np.random.default_rng(0)
    label = rng.random(200)
    good, bad = label + 0.1 * rng.random(200), label + 2 * rng.random(200)
    alone = [""] * 200
    assert ablation.difference(good, good, label, alone) == [0, 0, 0]
    value, low, high = ablation.difference(bad, good, label, alone)
    assert value == pytest.approx(srcc(bad, label) - srcc(good, label))
    assert low < value < high < 0
    wide = ablation.difference(bad, good, label, [f"reference{i % 6}" for i in range(200)])
    assert wide[0] == pytest.approx(value)
    assert wide[1:] != [low, high]


def test_a_cached_backbone_answers_as_the_backbone_and_computes_each_image_once(ablation):
    seen = []

    def forward(image):
        seen.extend(image)
        return image.mean(dim=(2, 3))

    image = torch.rand(4, 3, 8, 8)
    cached = ablation.with_cache(forward, {})
    for chosen in ([0, 1], [1, 2, 0], [3, 3]):
        torch.testing.assert_close(cached(image[chosen]), image[chosen].mean(dim=(2, 3)))
    assert len(seen) == 5  # both copies of the last one, in one batch
