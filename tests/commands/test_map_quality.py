"""`dpam map-quality`: the maps it keeps are those of the scored image."""

import numpy as np
import pandas as pd
import pytest
import torch

from dpam.cli import main
from dpam.figures.gallery import read_gallery
from dpam.inference.predict import predict
from dpam.model import DPAM
from dpam.model.checkpoint import save_checkpoint
from dpam.pack.store import Pack


@pytest.fixture
def run(pack_file, tmp_path):
    """Arguments of `map-quality` for a network and its predictions on a small pack."""
    torch.manual_seed(3)
    net = DPAM("test_vit", image_size=64, embed_dim=16)
    with Pack(pack_file) as pack:
        facts = {key: pack.settings[key] for key in pack.settings if key != "made_by"}
        about = {**facts, "split": "split00", "distortion": "all", "selected_by": "validation"}
        save_checkpoint(tmp_path / "model.safetensors", net, about)
        images = [pack.prepared(row) for row in range(len(pack))]
        prediction, _ = predict(net, images, 64, 5, torch.device("cpu"))
        table = pack.labels.assign(prediction=prediction, subset="test")
    table.loc[table.index[-2:], "subset"] = "validation"
    table.to_csv(tmp_path / "on-tiny.csv", index=False)
    arguments = ["map-quality", str(tmp_path / "model.safetensors"), str(pack_file)]
    arguments += ["--predictions", str(tmp_path / "on-tiny.csv")]
    return [*arguments, "--output", str(tmp_path / "maps.npz"), "--threads", "1"]


def test_maps_of_tested_images_add_up_to_their_quality(run, tmp_path):
    assert main(run) == 0
    gallery = read_gallery(tmp_path / "maps.npz")
    assert gallery.title == "Tiny, split00, slic, label: MOS"
    kinds = [example.kind for example in gallery.examples]
    assert kinds == ["best"] * 2 + ["worst"] * 2 + ["most wrong"] * 2
    table = pd.read_csv(tmp_path / "on-tiny.csv").set_index("image")
    for example in gallery.examples:
        row = table.loc[example.image]
        assert row["subset"] == "test"
        assert (example.label, example.prediction) == (row["label"], row["prediction"])
        assert example.photo.shape == (*example.lost.shape, 3)
        assert example.score.shape == example.lost.shape
        assert np.nanmin(example.score) >= 0
    whole = [e for e in gallery.examples if e.photo.shape[:2] == (64, 64)]
    for example in whole:  # one view: what the patches lose is what the quality lacks
        assert np.nanmean(example.lost) == pytest.approx(1 - example.prediction, abs=1e-5)
    assert len(whole) in (0, len(gallery.examples))


def test_predictions_of_other_images_are_refused(run, tmp_path, capsys):
    table = pd.read_csv(tmp_path / "on-tiny.csv")
    table["image"] = "other " + table["image"]
    table.to_csv(tmp_path / "on-tiny.csv", index=False)
    assert main(run) == 1
    assert "test again" in capsys.readouterr().err
    assert not (tmp_path / "maps.npz").exists()
