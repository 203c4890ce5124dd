"""Large sets of images are cut into parts, one job each; here locally, with small numbers."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image
from samples import photograph, save_judge

from dpam.pack.store import Pack

TOP = Path(__file__).resolve().parent.parent.parent
PARTS = ["Snakefile", "config.yaml", "workflow", "profiles", "envs", "dpam"]

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("pipeline")]


def snakemake(folder: Path, configuration: dict, *targets: str) -> str:
    """What Snakemake says of a run in a copy of the workflow."""
    for name in PARTS:
        if (TOP / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
            shutil.copytree(TOP / name, folder / name, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copy(TOP / name, folder / name)
    (folder / "mine.yaml").write_text(yaml.safe_dump(configuration))
    programs = Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    answer = subprocess.run(
        [programs / "snakemake", "--cores", "2", *targets, "--configfile", "mine.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PATH": path},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def done(said: str, rule: str) -> int:
    """How many jobs of a rule the terminal tells to be done."""
    return len(re.findall(rf"^\d+ of \d+.* \| {rule.replace('_', ' ')} ", said, re.MULTILINE))


def write_photographs(folder: Path, count: int) -> list[str]:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(photograph(number)).save(folder / f"{number}.png")
    return [f"{number}.png" for number in range(count)]


def test_a_large_dataset_is_packed_by_several_jobs(tmp_path):
    names = write_photographs(tmp_path / "data/mine/photos", 8)
    table = pd.DataFrame({"image": names, "score": range(8)})
    table.to_csv(tmp_path / "data/mine/scores.csv", index=False)
    custom = {"labels": "scores.csv", "score_range": [0, 8], "higher_is_better": True}
    experiment = {"name": "a", "datasets": ["mine"], "test_on": "self"}
    configuration = {
        "custom": {"mine": custom},
        "experiments": [experiment],
        "allow": {"mine": ["odd_size"]},
        "image_size": 64,
        "superpixels": {"images_per_job": 4},
        "training": {"batch_size": 2},
    }
    said = snakemake(tmp_path, configuration, "results/data/mine/slic.h5")
    assert done(said, "pack_shard") == 2
    assert done(said, "pack_superpixels") == 1
    files = {path.name for path in (tmp_path / "results/data/mine").iterdir()}
    assert {name for name in files if "h5" in name} == {"slic.h5"}
    with Pack(tmp_path / "results/data/mine/slic.h5") as pack:
        assert [Path(name).name for name in pack.labels["image"]] == names
        assert pack.examples


def test_photographs_are_scored_in_chunks_and_one_that_is_broken_has_its_error(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    names = [f"photos/{name}" for name in write_photographs(tmp_path / "photos", 5)]
    (tmp_path / names[3]).write_bytes(b"broken")
    (tmp_path / "list.txt").write_text("\n".join(reversed(names)) + "\n")
    save_judge(tmp_path / "dpam/weights/judge.safetensors")
    preset = yaml.safe_load((TOP / "workflow/presets/score.yaml").read_text())
    preset["scoring"] |= {"photographs": ["list.txt"], "per_job": 3}
    said = snakemake(tmp_path, preset, "score_photographs")
    assert done(said, "predict") == 2
    found = pd.read_parquet(tmp_path / "results/score/photographs/scores.parquet")
    assert found["image"].tolist() == names[::-1]
    assert found["score"].isna().tolist() == [False, True, False, False, False]
    assert "expected an image" in found["error"][1]
