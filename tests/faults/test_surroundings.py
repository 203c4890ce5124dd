"""Strange names, links, pipes, clocks, files that vanish, two that do the same."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkout import TOP, Checkout
from PIL import Image
from running import call
from samples import photograph
from test_broken_checkpoints import pack

from dpam.utils.locks import exclusive
from dpam.utils.reading import read_csv

NAMES = [
    "with spaces (1).png", "[brackets].png", "{braces}.png", "'quotes'.png", '"double".png',
    "new\nline.png", "tab\there.png", "naïve café.png", "图像.png", "-rf.png", "--help.png",
    "$HOME.png", "`touch canary`.png", ";touch canary;.png", "a&b|c.png", "*.png", "a?b.png",
    "back\\slash.png", "comma,.png", "per%cent.png", "#hash.png", "~.png", "=1+1.png", "é.png",
]  # fmt: skip
TOLD = ("back\\slash.png", "new\nline.png")  # a label file cannot say these, see below


def photographs(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(photograph(number)).save(folder / name, format="PNG")


def own(images: str = ".") -> str:
    return json.dumps(
        {"labels": "s.csv", "images": images, "score_range": [0, 99], "higher_is_better": True}
    )


def write_labels(path: Path, names: list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "label"), *((n, i) for i, n in enumerate(names))])


def through_packing(root: object, threads: int = 1) -> None:
    """Verify, normalise, draw, pack; each must succeed."""
    for name in ("verified.json", "labels.csv", "near.csv", "splits.csv", "slic.h5"):
        Path(name).unlink(missing_ok=True)  # of an earlier call
    data = ("mine", "--root", root, "--custom", own())
    for command in (
        ("verify-download", *data, "--threads", threads, "--output", "verified.json"),
        ("normalise-labels", *data, "--verified", "verified.json", "--output", "labels.csv"),
        ("draw-splits", "labels.csv", "--verified", "verified.json", "--seed", 1,
         "--near-duplicates", "near.csv", "--output", "splits.csv"),
        ("pack-superpixels", *data, "--verified", "verified.json", "--labels", "labels.csv",
         "--image-size", 64, "--threads", threads, "--output", "slic.h5"),
    ):  # fmt: skip
        answer = call(*command, seconds=120)
        assert answer.status == 0, answer


def test_strange_names_are_scored_one_by_one_and_together(model, tmp_path, note):
    photographs(tmp_path / "photos", NAMES)
    together = call("predict", "photos", "--checkpoint", model)
    assert together.status == 0, together
    found = {row["image"]: row["score"] for row in csv.DictReader(io.StringIO(together.out))}
    assert sorted(found) == sorted(f"photos/{name}" for name in NAMES)
    os.chdir("photos")
    words = [name if not name.startswith("-") else f"./{name}" for name in NAMES]
    alone = call("predict", *words, "--checkpoint", model)
    assert alone.status == 0, alone
    rows = list(csv.DictReader(io.StringIO(alone.out)))
    for name, row in zip(NAMES, rows, strict=True):
        assert float(row["score"]) == pytest.approx(float(found[f"photos/{name}"]), rel=1e-5)
    dashes = call("predict", "--checkpoint", model, "--", "-rf.png", "--help.png")
    assert dashes.out.count("\n") == 3, dashes
    assert not list(tmp_path.rglob("canary"))
    for name in NAMES:
        note("strange names", f"predict {name!r}", "scored")


def test_strange_names_in_a_dataset(tmp_path, note):
    names = [name for name in NAMES if name not in TOLD]
    photographs(tmp_path / "my data", names)
    write_labels(tmp_path / "my data/s.csv", names)
    through_packing("my data")
    table = read_csv("labels.csv", ["image", "label"])
    assert dict(zip(table["image"], (table["label"] * 99).round(), strict=True)) == {
        name: float(number) for number, name in enumerate(names)
    }
    assert not list(tmp_path.rglob("canary"))
    for name in names:
        note("strange names", f"verified, packed: {name!r}", "as any other")


def test_a_symlinked_root_and_symlinked_images(tmp_path, note):
    names = [f"{number}.png" for number in range(6)]
    photographs(tmp_path / "elsewhere", names)
    write_labels(tmp_path / "elsewhere/s.csv", names)
    through_packing("elsewhere")
    before = (tmp_path / "labels.csv").read_bytes(), (tmp_path / "slic.h5").read_bytes()
    (tmp_path / "root").symlink_to("elsewhere", target_is_directory=True)
    through_packing("root")
    assert before == ((tmp_path / "labels.csv").read_bytes(), (tmp_path / "slic.h5").read_bytes())
    note("symlinked data root", "the folder is a link", "the same labels and pack, bit for bit")
    (tmp_path / "links").mkdir()
    for name in [*names, "s.csv"]:
        (tmp_path / "links" / name).symlink_to(tmp_path / "elsewhere" / name)
    through_packing("links")
    assert (tmp_path / "labels.csv").read_bytes() == before[0]
    note("symlinked data root", "each image is a link", "the same labels")
    (tmp_path / "links/0.png").unlink()
    (tmp_path / "links/0.png").symlink_to("nowhere")
    (tmp_path / "verified.json").unlink()
    answer = call(
        *("verify-download", "mine", "--root", "links", "--custom", own(), "--threads", 1),
        *("--output", "verified.json"),
    )
    assert answer.status == 1
    assert "0.png: does not decode" in answer.err
    note("symlinked data root", "a link to nowhere", f"refused: {answer.err.splitlines()[1]}")


def test_pipes_and_folders_with_names_of_images(model, tmp_path, note):
    photographs(tmp_path / "photos", ["0.png", "1.png"])
    os.mkfifo(tmp_path / "photos/2.png")
    (tmp_path / "photos/3.png").mkdir()
    (tmp_path / "photos/4.png").symlink_to("/dev/zero")
    answer = call("predict", "photos", "--checkpoint", model, seconds=60)
    assert answer.is_clear(), answer
    assert answer.out.count("\n") == 3
    assert answer.status == 3
    write_labels(tmp_path / "photos/s.csv", [f"{number}.png" for number in range(5)])
    verified = call(
        *("verify-download", "mine", "--root", "photos", "--custom", own(), "--threads", 1),
        *("--output", "verified.json"),
        seconds=60,
    )
    assert verified.is_clear(), verified
    assert verified.status == 1
    for name in ("2.png", "3.png", "4.png"):
        assert name in verified.err
    note("no regular files", "pipe, folder, device named .png", "a line each; the others scored")


def test_a_label_file_that_is_a_pipe(tmp_path, note):
    photographs(tmp_path / "data", ["0.png"])
    os.mkfifo(tmp_path / "data/s.csv")
    answer = call(
        *("verify-download", "mine", "--root", "data", "--custom", own(), "--threads", 1),
        *("--output", "verified.json"),
        seconds=30,
    )
    assert answer.is_clear(), answer
    assert answer.status == 1
    note("no regular files", "labels from a pipe", f"refused: {answer.err[:120]}")


def started(folder: Path, *arguments: object) -> subprocess.Popen:
    """`dpam` as users start it, in a process that can be looked at."""
    program = str(Path(sys.executable).parent / "dpam")
    return subprocess.Popen(
        [program, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


TRAIN = (
    *("train", "tiny.h5", "--splits", "splits.csv", "--output", "run/model.safetensors"),
    *("--test-selected", "run/test_selected.safetensors"),
    *("--threads", 1),
    *("--history", "run/history.csv", "--set", "model={backbone: test_vit, embed_dim: 16}"),
)


@pytest.mark.faults
def test_files_removed_under_running_jobs(tmp_path, note):
    pack(tmp_path)
    settings = ("--set", "training={epochs: 6, batch_size: 4}")
    for what, removed in {
        "the pack": "tiny.h5", "the run's folder": "run", "the splits": "splits.csv"
    }.items():  # fmt: skip
        kept = tmp_path / "kept"
        process = started(tmp_path, *TRAIN, *settings)
        while not (tmp_path / "run/model.progress.pt").exists() and process.poll() is None:
            time.sleep(0.01)
        (tmp_path / removed).rename(kept)
        _, said = process.communicate(timeout=300)
        assert "Traceback" not in said, (what, said)
        assert process.returncode in (0, 1)
        if process.returncode == 0:
            assert (tmp_path / "run/model.safetensors").exists()
        outcome = "trained to the end" if process.returncode == 0 else said.splitlines()[-1]
        note("files removed under a running job", f"training: {what}", outcome[:160])
        if removed == "run":
            shutil.rmtree(kept)
        else:
            kept.rename(tmp_path / removed)
        shutil.rmtree(tmp_path / "run", ignore_errors=True)


def test_an_image_removed_before_it_is_packed(tmp_path, note):
    names = [f"{number}.png" for number in range(6)]
    photographs(tmp_path / "data", names)
    write_labels(tmp_path / "data/s.csv", names)
    through_packing("data")
    (tmp_path / "slic.h5").unlink()
    (tmp_path / "data/3.png").unlink()
    answer = call(
        *("pack-superpixels", "mine", "--root", "data", "--custom", own(), "--threads", 1),
        *("--verified", "verified.json", "--labels", "labels.csv", "--image-size", 64),
        *("--output", "slic.h5"),
    )
    assert answer.is_clear(), answer
    assert answer.status == 1
    assert "data/3.png: no such file" in answer.err
    assert not (tmp_path / "slic.h5").exists()  # what is packed stays, for another attempt
    note("files removed under a running job", "packing: an image", "refused: 3.png: no such file")


def test_one_process_at_a_time_makes_a_file(tmp_path, note):
    """A job that outlived its Snakemake, and the same job started again."""
    pack(tmp_path)
    (tmp_path / "run").mkdir()
    child = os.fork()
    if child == 0:
        with exclusive(tmp_path / "run/model.safetensors"):
            (tmp_path / "holds").touch()
            time.sleep(600)
        os._exit(0)
    while not (tmp_path / "holds").exists():
        time.sleep(0.01)
    command = (*TRAIN, "--set", "training={epochs: 1, batch_size: 4}")
    answer = call(*command)
    assert answer.status == 1
    assert "run/model.safetensors: another process is making it" in answer.err
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert call(*command).status == 0, "the lock ends with its process"
    assert not list((tmp_path / "run").glob(".*.lock"))
    note("two at once", "the same job twice", "the second is refused with one line")


def snakemake(checkout: Checkout, *options: str) -> subprocess.Popen:
    programs = Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [programs / "snakemake", "--cores", "1", "results/demo/data/demo_authentic/labels.csv",
         *options, "--configfile", "workflow/presets/demo.yaml", "one.yaml"],
        cwd=checkout.folder,
        env={**os.environ, "PYTHONPATH": str(checkout.folder), "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


@pytest.mark.faults
@pytest.mark.xdist_group("surroundings")
def test_two_snakemakes_at_once_and_a_clock_set_back(tmp_path, note):
    checkout = Checkout(tmp_path)
    shutil.copy(TOP / "tests/faults/one.yaml", tmp_path)
    first = snakemake(checkout)
    lock = tmp_path / ".snakemake/locks"
    while not (lock.exists() and any(lock.iterdir())) and first.poll() is None:
        time.sleep(0.02)
    second = snakemake(checkout)
    said = second.communicate(timeout=300)[0]
    assert second.returncode != 0
    assert "cannot be locked" in said
    assert "Traceback" not in said
    first_said = first.communicate(timeout=600)[0]
    assert first.returncode == 0, first_said
    labels = tmp_path / "results/demo/data/demo_authentic/labels.csv"
    before = labels.read_bytes()
    note("two at once", "two Snakemakes", "the second ends with Snakemake's lock message")

    # A clock that was set back: what was made first carries a later time than what came of it.
    ahead = time.time() + 3600
    os.utime(tmp_path / "results/demo/data/demo_authentic/verified.json", (ahead, ahead))
    again = snakemake(checkout)
    said = again.communicate(timeout=600)[0]
    assert again.returncode == 0, said
    assert labels.read_bytes() == before
    note("clock set back", "an input an hour newer than its output", "made again, bit for bit")
