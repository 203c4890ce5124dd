"""A disk that fills, a results folder that is read-only: one line, and no half file."""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from running import call
from samples import photograph
from test_broken_checkpoints import pack
from watching import problem

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("mounts")]

TRAIN = (
    *("train", "../tiny.h5", "--splits", "../splits.csv", "--output", "model.safetensors"),
    *("--test-selected", "test_selected.safetensors", "--threads", 1),
    *("--history", "history.csv", "--set", "model={backbone: test_vit, embed_dim: 16}"),
    *("--set", "training={epochs: 2, batch_size: 4}", "--log", "train.log"),
)
CUSTOM = '{"labels": "scores.csv", "score_range": [0, 5], "higher_is_better": true}'
PACK = (
    *("pack-superpixels", "mine", "--root", "../data", "--custom", CUSTOM, "--threads", 1),
    *("--verified", "../verified.json", "--labels", "../labels.csv", "--image-size", 64),
    *("--output", "slic.h5", "--log", "pack.log"),
)


@contextmanager
def mounted(folder: Path, size: str):
    """A small disk of its own, in memory."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip(f"no disk can be mounted here: {answer.stderr.strip()}")
    before = os.getcwd()
    try:
        os.chdir(folder)
        yield folder
    finally:
        os.chdir(before)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def prepare_all(folder: Path) -> None:
    """What the three stages read."""
    pack(folder)
    data = folder / "data"
    data.mkdir()
    for number in range(6):
        Image.fromarray(photograph(number)).save(data / f"{number}.png")
    rows = "".join(f"{number}.png,{number}\n" for number in range(6))
    (data / "scores.csv").write_text("image,label\n" + rows)
    own = ("mine", "--root", "data", "--custom", CUSTOM)
    assert call("verify-download", *own, "--threads", 1, "--output", "verified.json").status == 0
    assert call("normalise-labels", *own, "--output", "labels.csv").status == 0


def assert_clear_and_whole(answer, folder: Path) -> None:
    assert answer.is_clear(), answer
    assert answer.status == 1
    assert "cannot be written" in answer.err, "it says which file"
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        growing = path.suffix == ".log" or path.name == "s.csv" or "tensorboard" in str(path)
        if path.is_file() and not hidden and not growing:
            assert not problem(path), path


@pytest.mark.parametrize("free", [0, 4, 64, 1000, 5000, 9000])
@pytest.mark.parametrize("stage", ["packing", "training", "prediction"])
def test_the_disk_fills(stage, free, model, tmp_path, note):
    """`free` kilobytes are free when the stage begins; then there is room, and it goes on."""
    prepare_all(tmp_path)
    command = {
        "packing": PACK,
        "training": TRAIN,
        "prediction": ("predict", "../data", "--checkpoint", model, "--output", "s.csv"),
    }[stage]
    with mounted(tmp_path / "disk", "32m") as disk:
        filler = disk / "filler"
        space = os.statvfs(disk)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - free * 1024)
        answer = call(*command, seconds=120)
        filled = answer.status != 0
        if filled:
            assert_clear_and_whole(answer, disk)
        filler.unlink()
        if filled:
            resumed = (*command, "--resume") if stage == "prediction" else command
            again = call(*resumed, seconds=120)
            assert again.status == 0, again
        if stage == "prediction":
            assert len((disk / "s.csv").read_text().splitlines()) == 7
        else:
            made = disk / ("slic.h5" if stage == "packing" else "model.safetensors")
            assert made.exists()
            assert not problem(made)
    outcome = f"one line: {answer.err.splitlines()[-1][:120]}" if filled else "enough room"
    note(f"full disk, {stage}", f"{free} kB free", outcome + "; with room it went on")


@pytest.mark.parametrize("stage", ["packing", "training", "prediction", "labels"])
def test_a_read_only_folder(stage, model, tmp_path, note):
    prepare_all(tmp_path)
    command = {
        "packing": PACK,
        "training": TRAIN,
        "prediction": ("predict", "../data", "--checkpoint", model, "--output", "s.csv"),
        "labels": ("normalise-labels", "mine", "--root", "../data", "--custom", CUSTOM,
                   "--output", "new/labels.csv"),
    }[stage]  # fmt: skip
    with mounted(tmp_path / "disk", "1m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        answer = call(*command)
        assert answer.is_clear(), answer
        assert answer.status == 1
        assert len(answer.err.splitlines()) == 1
        assert "Read-only file system" in answer.err
        assert not list(disk.iterdir())
    note("read-only results folder", stage, f"one line: {answer.err[:160]}")
