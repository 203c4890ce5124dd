"""The learning curve, benchmarks/learning_curve.py, on a dozen small images."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from dpam.errors import DpamError
from dpam.pack.store import Pack

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def curve(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    for name in [name for name in sys.modules if name.partition(".")[0] == "judge"]:
        monkeypatch.delitem(sys.modules, name)
    spec = importlib.util.spec_from_file_location("learning_curve", FOLDER / "learning_curve.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_draws_are_nested_and_nothing_is_selected_on(curve):
    rows = {"train": np.arange(5, 50), "validation": np.arange(5), "test": np.arange(50, 60)}
    few, many = curve.draw(rows, 10, seed=3), curve.draw(rows, 20, seed=3)
    assert set(few["train"]) < set(many["train"]) <= set(rows["train"])
    assert set(curve.draw(rows, 10, seed=4)["train"]) != set(few["train"])
    assert not len(few["validation"])
    np.testing.assert_array_equal(few["test"], rows["test"])


def test_the_table_and_the_figure_stand_in_the_page(curve, tmp_path):
    found = [{"start": "adapt", "number": 0, "seed": 0, "srcc": 0.8}]
    found += [{"start": "adapt", "number": 25, "seed": s, "srcc": 0.8 + s / 10} for s in (0, 1)]
    found += [{"start": "scratch", "number": 400, "seed": 0, "srcc": 0.25}]
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n<!-- begin learning curve a -->\n<!-- end learning curve a -->\nEnd.\n"
    )
    curve.write_page(found, page, "a")
    text = page.read_text()
    assert "| photographs | adapt | scratch |" in text
    assert "| 25 | 0.850 ± 0.071 |  |" in text
    assert "| 400 |  | 0.250 |" in text
    assert "The judge as it is: 0.800." in text
    assert text.endswith("End.\n")
    assert (tmp_path / "images/learning_curve_a.png").is_file()
    page.write_text("# Page\n")
    with pytest.raises(DpamError, match="learning curve"):
        curve.write_page(found, page, "a")


def test_it_goes_on_where_it_was(curve, full_pack, tmp_path, monkeypatch, capsys):
    small = {"start": None, "backbone": "test_vit", "out_indices": [1]}
    frozen = curve.FROZEN | {"epochs": 2, "batch_size": 2}
    monkeypatch.setitem(curve.STARTS, "adapt", (small, frozen))
    monkeypatch.setitem(curve.STARTS, "preset", (small, frozen))
    monkeypatch.setitem(curve.REPEATS, 4, 2)
    build = curve.build_network

    def build_with_head(*settings):
        net, start = build(*settings)
        torch.nn.init.normal_(net.out.weight)
        return net, start

    monkeypatch.setattr(curve, "build_network", build_with_head)
    with Pack(full_pack) as pack:
        subsets = ["train"] * 6 + ["validation"] * 2 + ["test"] * 4
        table = pd.DataFrame({"image": pack.labels["image"], "split00": subsets})
    table.to_csv(tmp_path / "splits.csv", index=False)
    words = [full_pack, "--splits", tmp_path / "splits.csv", "--weights", "none"]
    words += ["--output-dir", tmp_path / "out", "--starts", "preset", "--numbers", 4]
    monkeypatch.setattr("sys.argv", ["learning_curve.py", *map(str, words)])
    curve.main()
    found = json.loads((tmp_path / "out/learning_curve.json").read_text())["found"]
    assert [(one["number"], one["seed"]) for one in found] == [(0, 0), (4, 0), (4, 1)]
    assert 8 <= len(load_file(tmp_path / "out/features_preset.safetensors")) <= 10
    assert "preset 2 " in capsys.readouterr().out
    curve.main()
    assert "preset 2 " not in capsys.readouterr().out


def test_the_judge_is_adapted(curve, full_pack):
    torch.manual_seed(0)
    model = {"network": "pooled", "backbone": "test_vit", "out_indices": [1]}
    with Pack(full_pack) as pack:
        net, _ = curve.build_network(model, pack)
        pack.labels["reference"] = ""
        light = np.array([pack.prepared(row).pixels.mean() for row in range(12)])
        pack.labels["label"] = 0.1 + 0.8 * (light - light.min()) / np.ptp(light)
        curve.teach(net, pack, np.arange(12))
        images = [pack.prepared(row) for row in range(12)]
    told, _ = curve.predict(net, images, 64, views=1, device=torch.device("cpu"))
    assert np.corrcoef(told, light)[0, 1] > 0.9


def test_a_cached_backbone_answers_as_the_backbone_and_computes_each_image_once(curve):
    seen = []

    def forward(image):
        seen.extend(image)
        return image.mean(dim=(2, 3))

    image = torch.rand(4, 3, 8, 8)
    cached = curve.with_cache(forward, {})
    for chosen in ([0, 1], [1, 2, 0], [3, 3]):
        torch.testing.assert_close(cached(image[chosen]), image[chosen].mean(dim=(2, 3)))
    assert len(seen) == 5  # both copies of the last one, in one batch
