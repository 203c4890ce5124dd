"""The judge that comes with the package: a small one in its place."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from samples import photograph, save_judge

import dpam
from dpam.cli import main
from dpam.errors import DpamError

# Scores, and needs nothing that takes long to import for other ends.
SCORING = """
import sys
from dpam.cli import main
assert main(["predict", sys.argv[1], "--output", "scores.jsonl"]) == 0
slow = {"timm", "torchvision", "torch._dynamo", "sympy", "pandas", "scipy.stats", "skimage", "h5py"}
slow |= {"matplotlib", "sklearn", "snakemake"}
assert not slow & set(sys.modules), slow & set(sys.modules)
"""
TOP = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def judge(tmp_path, monkeypatch):
    file = save_judge(tmp_path / "judge.safetensors")
    monkeypatch.setattr("dpam.inference.judge.WEIGHTS", tmp_path)
    return file


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(photograph(0)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_it_scores_where_no_checkpoint_is_named(judge, photo, capsys):
    score = dpam.load(judge).score(photo)
    assert dpam.load().score(photo) == score
    assert dpam.create_metric()(photo).item() == pytest.approx(score)
    assert main(["predict", str(photo)]) == 0
    assert f"{photo},{score}" in capsys.readouterr().out
    assert main(["info"]) == 0
    card = capsys.readouterr().out
    assert str(judge) in card
    assert "pooled" in card


def test_the_fine_judge_scores_where_it_is_asked_for(judge, photo, tmp_path, capsys):
    fine = save_judge(tmp_path / "judge_fine.safetensors", image_size=96)
    score = dpam.load(fine).score(photo)
    assert score != dpam.load().score(photo)
    assert dpam.load(judge="fine").score(photo) == score
    assert dpam.create_metric(judge="fine")(photo).item() == pytest.approx(score)
    assert main(["predict", str(photo), "--judge", "fine"]) == 0
    assert f"{photo},{score}" in capsys.readouterr().out
    assert main(["info", "--judge", "fine"]) == 0
    assert str(fine) in capsys.readouterr().out


def test_a_judge_that_is_none_or_beside_a_checkpoint_is_refused(judge, photo, capsys):
    with pytest.raises(DpamError, match="expected fast or fine; found 'best'"):
        dpam.load(judge="best")
    with pytest.raises(DpamError, match="a checkpoint or a judge, found both"):
        dpam.load(judge, judge="fast")
    for command in (["predict", str(photo), "--checkpoint"], ["info"]):
        with pytest.raises(SystemExit):
            main([*command, str(judge), "--judge", "fast"])
        assert "--judge: not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["predict", "photo.png"], ["info"], ["info", "--judge", "fine"]]
)
def test_a_copy_without_it_says_so_in_one_line(tmp_path, monkeypatch, capsys, command):
    monkeypatch.setattr("dpam.inference.judge.WEIGHTS", tmp_path)
    with pytest.raises(DpamError, match=r"judge.safetensors: no such file.*name a checkpoint"):
        dpam.load()
    assert main(command) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_installed_wheel_scores_in_another_folder(tmp_path, photo):
    """Built of a copy of the sources, installed without the network, run by its program."""
    source, site, elsewhere = (tmp_path / name for name in ("source", "site", "elsewhere"))
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    shutil.copytree(TOP / "dpam", source / "dpam", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TOP / name, source)
    small = save_judge(source / "dpam/weights/judge.safetensors", "vit_small_patch14_dinov2", 56)
    score = dpam.load(small).score(photo)
    pip = [sys.executable, "-m", "pip"]
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path]
    subprocess.run([*pip, *build, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    install = ["install", "--quiet", "--no-deps", "--no-index", "--target", site]
    subprocess.run([*pip, *install, wheel], check=True)
    shutil.rmtree(source)
    elsewhere.mkdir()
    here = {"cwd": elsewhere, "env": {**os.environ, "PYTHONPATH": str(site)}, "check": True}
    subprocess.run([site / "bin/dpam", "info"], **here)
    subprocess.run([sys.executable, "-c", SCORING, photo], **here)
    assert json.loads((elsewhere / "scores.jsonl").read_text())["score"] == pytest.approx(score)
    about = json.loads((elsewhere / "scores.jsonl.json").read_text())
    assert about["checkpoint"]["file"] == str(site / "dpam/weights/judge.safetensors")
