"""`dpam adapt` on files."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from samples import ABOUT, in_full, photograph, save_network
from scipy.stats import spearmanr

import dpam
from dpam.cli import main
from dpam.model import create
from dpam.model.checkpoint import load_checkpoint, save_checkpoint

COUNT = 30


def call(*arguments) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def judge(tmp_path):
    """A plain head of random weights."""
    torch.manual_seed(2)
    net = create("pooled", backbone="test_vit", image_size=64, out_indices=[1, 3])
    torch.nn.init.normal_(net.out.weight, std=0.02)
    about = ABOUT | {"preparation": vars(in_full()), "learned_range": [0, 1], "views": 5}
    save_checkpoint(tmp_path / "judge.safetensors", net, about)
    return tmp_path / "judge.safetensors"


def tinted(number: int, first: int = 0) -> np.ndarray:
    """A photograph, the redder the larger its number."""
    rgb = photograph(first + number).astype(float)
    rgb[..., 0] *= 0.4 + 0.02 * number
    return rgb.clip(0, 255).astype(np.uint8)


@pytest.fixture
def labels(tmp_path):
    """A table beside its photographs; people like red, from 1 to 5."""
    folder = tmp_path / "my photos"
    (folder / "deep").mkdir(parents=True)
    names = [f"{'deep/' * (n % 2)}photo ({n}).png" for n in range(COUNT)]
    for number, name in enumerate(names):
        Image.fromarray(tinted(number)).save(folder / name)
    label = 1.2 + 3.6 * np.arange(COUNT) / COUNT
    pd.DataFrame({"image": names, "label": label}).to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


def adapted(labels, judge, output, *more) -> int:
    words = "adapt", labels, "--score-range", 1, 5, "--checkpoint", judge, "--output", output
    return call(*words, *more)


def test_it_learns_what_people_like(labels, judge, tmp_path, capsys):
    output = tmp_path / "mine.safetensors"
    assert adapted(labels, judge, output) == 0
    said = capsys.readouterr().err
    assert "30 photographs of 30 scenes" in said
    assert "the judge as it is: SRCC " in said
    assert "no better order" not in said
    unseen = [tinted(number, first=100) for number in range(COUNT)]
    before, after = (dpam.load(file).score(unseen) for file in (judge, output))
    assert spearmanr(before, range(COUNT))[0] < 0.7
    assert spearmanr(after, range(COUNT))[0] > 0.85
    known = pd.read_csv(labels)
    model = dpam.load(output)
    told = model.score([labels.parent / name for name in known["image"]])
    assert np.abs(told - known["label"]).mean() < 0.4
    rated = next(model.rate(unseen))
    assert rated.low < rated.score_100 < rated.high


def test_what_the_checkpoint_says(labels, judge, tmp_path, capsys):
    output = tmp_path / "mine.safetensors"
    assert adapted(labels, judge, output) == 0
    net, about = load_checkpoint(output)
    first, before = load_checkpoint(judge)
    assert about["preparation"] == before["preparation"]
    assert about["interval"]["images"] == about["validation"]["images"] == COUNT
    assert about["start"]["file"] == "judge.safetensors"
    assert len(about["start"]["sha256"]) == 64
    assert about["score_range"] == [1, 5]
    assert "split" not in about
    assert json.dumps(about["made_by"])
    for name, tensor in first.state_dict().items():
        close = torch.allclose(net.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)
        assert close != name.startswith("out."), name
    assert call("info", output) == 0
    assert "ridge regression" in capsys.readouterr().out


def test_low_labels_may_mean_good(labels, judge, tmp_path):
    table = pd.read_csv(labels)
    table["label"] = 6 - table["label"]
    table.to_csv(labels, index=False)
    assert adapted(labels, judge, tmp_path / "a.safetensors", "--lower-is-better") == 0
    model = dpam.load(tmp_path / "a.safetensors")
    assert not model.labels.higher_is_better
    rated = list(model.rate([tinted(0), tinted(29)]))
    assert rated[0].score_100 < rated[1].score_100
    assert rated[0].score > rated[1].score


def test_labels_without_sense_leave_the_order_as_it_was(labels, judge, tmp_path, capsys):
    table = pd.read_csv(labels)
    table["label"] = np.random.default_rng(0).permutation(table["label"])
    table.to_csv(labels, index=False)
    assert adapted(labels, judge, tmp_path / "a.safetensors") == 0
    photos = [photograph(seed) for seed in range(200, 220)]
    before, after = (dpam.load(file).score(photos) for file in (judge, tmp_path / "a.safetensors"))
    assert spearmanr(before, after)[0] > 0.9
    assert "no better order of photographs" in capsys.readouterr().err


def test_photographs_of_one_scene_and_near_duplicates_are_left_out_together(
    labels, judge, tmp_path, capsys
):
    table = pd.read_csv(labels)
    table["reference"] = [f"scene {row // 3}" if row < 9 else "" for row in range(COUNT)]
    table.to_csv(labels, index=False)
    for row in (10, 11):  # nearly the photograph 12
        rgb = tinted(12).astype(int) + row - 9
        Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(labels.parent / table["image"][row])
    assert adapted(labels, judge, tmp_path / "a.safetensors") == 0
    assert f"30 photographs of {30 - 6 - 2} scenes" in capsys.readouterr().err


def test_images_elsewhere_and_few_of_them(labels, judge, tmp_path, capsys):
    table = tmp_path / "few.txt"
    rows = pd.read_csv(labels).iloc[:12]
    lines = [f"{row.image} {row.label}" for row in rows.itertuples()]
    table.write_text("\n".join(lines))
    output = tmp_path / "few.safetensors"
    assert adapted(table, judge, output, "--images", labels.parent) == 0
    assert "no interval: it takes 20 photographs, here are 12" in capsys.readouterr().err
    assert dpam.load(output).width is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.assign(label=table["label"] + 2), "outside 1 to 5"),
        (lambda table: table.assign(image="x" + table["image"]), "has a label but is not there"),
        (lambda table: table.assign(image=table["image"].where(table.index > 0, " ")),
         "a row of the labels names no image"),
        (lambda table: table.assign(reference="a", Reference="b"), "found twice: reference"),
        (lambda table: table.iloc[:5], "at least 10 photographs of 5 scenes, found 5 of 5"),
        (lambda table: table.drop(columns="label"), "missing: label"),
        (lambda table: table.assign(label=3), "expected labels that differ"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_used(labels, judge, tmp_path, capsys, change, said):
    change(pd.read_csv(labels)).to_csv(labels, index=False)
    assert adapted(labels, judge, tmp_path / "a.safetensors") == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "a.safetensors").exists()


def test_labels_that_were_turned_round_are_noticed(labels, judge, tmp_path, capsys):
    first = tmp_path / "first.safetensors"
    assert adapted(labels, judge, first) == 0
    capsys.readouterr()
    assert adapted(labels, first, tmp_path / "b.safetensors") == 0
    assert "the other way round" not in capsys.readouterr().err
    assert adapted(labels, first, tmp_path / "a.safetensors", "--lower-is-better") == 0
    said = capsys.readouterr().err
    assert "the other way round than you: is --lower-is-better missing" in said
    assert "first.safetensors was adapted before" in said


def test_images_may_be_named_from_the_root_of_all_folders(labels, judge, tmp_path):
    table = pd.read_csv(labels)
    table["image"] = [str(labels.parent / name) for name in table["image"]]
    table.rename(columns={"label": "score"}).to_csv(tmp_path / "t.csv", index=False)
    output = tmp_path / "a.safetensors"
    assert adapted(tmp_path / "t.csv", judge, output, "--images", labels.parent) == 0


def test_columns_that_are_not_read_stop_nothing(labels, judge, tmp_path):
    table = pd.read_csv(labels).assign(split="holdout", level="x", distortion="two words")
    table.to_csv(labels, index=False)
    assert adapted(labels, judge, tmp_path / "a.safetensors") == 0


def test_a_range_that_is_turned_round(labels, judge, tmp_path, capsys):
    words = "adapt", labels, "--score-range", 5, 1, "--checkpoint", judge
    assert call(*words, "--output", tmp_path / "a.safetensors") == 1
    assert "--score-range: expected LOW below HIGH, found 5 1" in capsys.readouterr().err


def test_photographs_that_cannot_be_read_are_all_named(labels, judge, tmp_path, capsys):
    names = pd.read_csv(labels)["image"]
    (labels.parent / names[3]).write_text("no picture")
    Image.fromarray(photograph(1)[:8, :8]).save(labels.parent / names[8])
    assert adapted(labels, judge, tmp_path / "a.safetensors") == 1
    said = capsys.readouterr().err
    assert "2 photograph(s) cannot be read" in said
    assert names[3] in said
    assert names[8] in said


def test_other_networks_are_refused(labels, judge, tmp_path, capsys):
    other = save_network(tmp_path / "dpam.safetensors", spread=0.15)
    assert adapted(labels, other, tmp_path / "a.safetensors") == 1
    assert "expected a plain head (network: pooled)" in capsys.readouterr().err
    net, about = load_checkpoint(judge)
    save_checkpoint(tmp_path / "dmos.safetensors", net, about | {"learned_range": [0.2, 0.9]})
    assert adapted(labels, tmp_path / "dmos.safetensors", tmp_path / "a.safetensors") == 1
    assert "predicts quality from 0, worst, to 1, best" in capsys.readouterr().err
    assert adapted(labels, judge, tmp_path / "a.pt") == 1
    assert adapted(labels, judge, tmp_path / "a.safetensors", "--images", tmp_path / "no") == 1
    assert "expected the folder of the photographs" in capsys.readouterr().err
