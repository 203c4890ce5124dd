"""Every command of `dpam` leaves alone what it did not make.

All of them run in one folder, one after the other, each on what those before made. Before each,
files of a person lie everywhere: notes in every folder, and files with the names of what the
command writes, keeps beside it, or uses for a while. Afterwards all of them are as they were.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from samples import photograph

from dpam.cli import COMMANDS, main
from dpam.datasets import DATASETS, downloading
from dpam.datasets.dataset import Download

OWN = {"labels": "scores.csv", "score_range": [0, 100], "higher_is_better": True}
DATA = ("mine", "--root", "photos", "--custom", json.dumps(OWN))
MODEL = json.dumps({"backbone": "test_vit", "embed_dim": 16})
VIT = json.dumps({"backbone": "test_vit", "pretrained": False, "weights": None, "out_indices": [5]})
RUN = "runs/mine/all/slic/split00/seed20"
IDENTITY = {"dataset": "mine", "distortion": "all", "split": "split00", "seed": 20}
SIDES = [
    word
    for side in ("--", "--test-")
    for word in (f"{side}features", "data/brisque.npy", f"{side}labels", "data/labels.csv",
                 f"{side}splits", "data/splits.csv")
]  # fmt: skip
NOTES = b"notes of a person"
pytestmark = pytest.mark.xdist_group("commands")  # all of them after each other, once


@dataclass(frozen=True)
class Case:
    """A command, and where a person's files may stand in its way.

    Attributes:
        words: that follow the command.
        writes: what it writes; a name that ends in / is a folder.
        keeps: the names that it uses besides, for a while or for the next time.
        status: that it ends with.
    """

    words: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    status: int = 0


def evaluate(method: str) -> Case:
    folder = RUN.replace("slic", method)
    identity = json.dumps(IDENTITY | {"method": method, "test_dataset": "mine"})
    words = (
        *(f"{folder}/on-mine.csv", "--identity", identity, "--splits", "data/splits.csv"),
        *("--verified", "data/verified.json", "--test-verified", "data/verified.json"),
    )
    output = f"{folder}/on-mine.json"
    return Case((*words, "--output", output), (output,))


TABLES = [
    f"tables/{name}.{ending}"
    for name in ("significance", "own", "own_paper")
    for ending in ("csv", "tex", "md")
]
FIGURES = ("training_curves", "scatter", "distortion_types", "examples", "labels", "quality_maps",
           "superpixels", "cross_dataset")  # fmt: skip
# In an order in which each finds what it needs.
CASES = {
    "make-demo-data": Case(
        ("demo_authentic", "--photographs", "china", "--crops", "1", "--output", "demo"),
        ("demo", "demo/"),
    ),
    "download": Case(
        ("kadid10k", "--roots", '{"kadid10k": "kadid"}'),
        keeps=("kadid/a.zip", "kadid/.a.zip.part", "kadid/downloads.json"),
        status=1,  # there is no server
    ),
    "verify-download": Case(
        (*DATA, "--threads", "1", "--output", "data/verified.json"),
        ("data/verified.json",),
        ("data/inspections.json", "photos/.photos.zip.unpacking/"),
    ),
    "datasets": Case(("mine", "--configfile", "my.yaml", "--svg", "mine.svg"), ("mine.svg",)),
    "normalise-labels": Case(
        (*DATA, "--verified", "data/verified.json", "--output", "data/labels.csv"),
        ("data/labels.csv",),
    ),
    "draw-splits": Case(
        ("data/labels.csv", "--verified", "data/verified.json", "--seed", "1",
         "--output", "data/splits.csv", "--near-duplicates", "data/near.csv"),
        ("data/splits.csv", "data/near.csv"),
    ),
    "join-splits": Case(
        (*["data/splits.csv"] * 2, "--labels", *["data/labels.csv"] * 2,
         "--verified", "data/verified.json", "other.json",
         "--output", "joined/splits.csv", "--near-duplicates", "joined/near.csv"),
        ("joined/splits.csv", "joined/near.csv"),
    ),
    "pack-superpixels": Case(
        (*DATA, "--verified", "data/verified.json", "--labels", "data/labels.csv",
         "--image-size", "64", "--threads", "1", "--output", "data/slic.h5"),
        ("data/slic.h5",),
        ("data/.slic.part.h5", "data/..slic.part.01234567.part.h5"),
    ),
    "inspect": Case(("data/slic.h5", "--contact-sheet", "sheet.png"), ("sheet.png",)),
    "train": Case(
        ("data/slic.h5", "--splits", "data/splits.csv", "--threads", "1",
         "--set", f"model={MODEL}", "training={epochs: 1, batch_size: 4}",
         "--history", f"{RUN}/history.csv", "--output", f"{RUN}/model.safetensors",
         "--test-selected", f"{RUN}/test_selected.safetensors"),
        tuple(f"{RUN}/{name}" for name in
              ("model.safetensors", "test_selected.safetensors", "history.csv")),
        (f"{RUN}/model.progress.pt", f"{RUN}/model.diverged.json", f"{RUN}/progress.pt",
         f"{RUN}/.model.progress.01234567.part.pt",
         f"{RUN}/model.tensorboard/events.out.tfevents.1"),
    ),
    "test": Case(
        (f"{RUN}/model.safetensors", "data/slic.h5", "--splits", "data/splits.csv",
         "--output", f"{RUN}/on-mine.csv"),
        (f"{RUN}/on-mine.csv",),
    ),
    "map-quality": Case(
        (f"{RUN}/model.safetensors", "data/slic.h5", "--predictions", f"{RUN}/on-mine.csv",
         "--output", f"{RUN}/maps-on-mine.npz"),
        (f"{RUN}/maps-on-mine.npz",),
    ),
    "extract-brisque": Case(
        ("data/labels.csv", "--root", "photos", "--threads", "1", "--output", "data/brisque.npy"),
        ("data/brisque.npy",),
    ),
    "extract-vit": Case(
        (*DATA, "--labels", "data/labels.csv", "--model", VIT, "--image-size", "64",
         "--output", "data/vit.npy"),
        ("data/vit.npy",),
    ),
    "train-baseline": Case(
        ("brisque_svr", *SIDES, "--output", f"{RUN.replace('slic', 'brisque_svr')}/on-mine.csv"),
        (f"{RUN.replace('slic', 'brisque_svr')}/on-mine.csv",),
    ),
    "average": Case(
        (f"{RUN}/on-mine.csv", f"{RUN}/on-mine.csv", "--output", "mean.csv"), ("mean.csv",)
    ),
    "evaluate": evaluate("slic"),
    "tabulate": Case(
        ("runs.csv", "--output-dir", "tables"),
        ("tables/metrics.csv", "tables/types_and_levels.csv", *TABLES),
    ),
    "plot": Case(
        ("runs.csv", "--packs", "data/slic.h5", "--maps", f"{RUN}/maps-on-mine.npz",
         "--output-dir", "figures"),
        ("figures/most_wrong.json", "figures/scatter.svg", "figures/pdf/scatter.pdf"),
    ),
    "report": Case(
        ("--tables-dir", "tables", "--figures-dir", "figures", "--benchmarks-dir", "benchmarks",
         "--verified", "data/verified.json", "--results-dir", ".", "--config", "my.yaml",
         "--as-released", "my.yaml", "--output", "report/index.html"),
        ("report/index.html", "report/jobs.csv", "report/disk.csv"),
    ),
    "estimate": Case(
        ("runs.csv", "--custom", json.dumps({"mine": OWN}), "--images", '{"mine": 10}',
         "--model", MODEL, "--image-size", "64", "--output", "estimate.csv"),
        ("estimate.csv",),
    ),
    "predict": Case(
        ("photos/photos", "--checkpoint", f"{RUN}/model.safetensors", "--labels",
         "photos/photos/scores.csv", "--output", "mine.csv", "--failures", "failures.txt",
         "--scatter", "mine.scatter.svg", "--maps", "maps"),
        ("mine.csv", "failures.txt", "mine.scatter.svg", "maps/"),
        ("mine.csv.json", ".mine.csv.part.jsonl"),
    ),
    "adapt": Case(
        ("photos/photos/scores.csv", "--score-range", "0", "100", "--output", "own.safetensors"),
        ("own.safetensors",),
    ),
    "list-photographs": Case(
        ("photos", "--output-dir", "lists"),
        ("lists", "lists/"),
    ),
    "gather-scores": Case(
        ("lists", "scores", "--output", "gathered.parquet"), ("gathered.parquet",)
    ),
    "info": Case((f"{RUN}/model.safetensors",)),
    "superpixels": Case(
        ("photos/photos/0.png", "--output-dir", "pictures"),
        ("pictures/0-slic.png", "pictures/0-slic-labels.png"),
    ),
    "train-ainet": Case(
        ("photos/photos", "--steps", "1", "--batch-size", "1", "--output", "ainet.safetensors"),
        ("ainet.safetensors",),
    ),
    "import-checkpoint": Case(
        ("photos/photos/0.png", "authors.safetensors"), ("authors.safetensors",), status=1
    ),
    "export-checkpoint": Case(
        (f"{RUN}/model.safetensors", "authors.pt"), ("authors.pt",), status=1  # too small a network
    ),
    "export-onnx": Case(
        ("photos/photos/0.png", "--output", "model.onnx"), ("model.onnx",), status=1
    ),
}  # fmt: skip


@dataclass
class Seen:
    """What came of a command: where a file of a person lay, exit status, what was lost or changed.

    Attributes:
        taken: what is written -> exit status and lines of the error where that was there already.
        kept: the names that it uses -> exit status and lines where those were there already.
        status: of the run with nothing in its way.
        lost: the files of all these that were not as before.
    """

    taken: dict[str, tuple[int, list[str]]]
    kept: dict[str, tuple[int, list[str]]]
    status: int | None = None
    lost: tuple[str, ...] = ()


def tree() -> dict[str, bytes]:
    """All files here and their content."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def put(name: str) -> None:
    """Put a person's file there, in a folder if the name ends in /; not over what is there."""
    path = Path(name, "notes.txt") if name.endswith("/") else Path(name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(NOTES)


def forget(there: set[Path]) -> None:
    """Remove what has come since."""
    for path in sorted(set(Path().rglob("*")) - there, reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def beside(case: Case) -> list[str]:
    """Names that temporary files of this process might have, and notes in each folder."""
    names = {f"{folder}/" for folder in ("", *{os.path.dirname(name) for name in case.writes})}
    for output in map(Path, case.writes):
        names.add(str(output.with_name(f".{output.stem}.{os.getpid()}.part{output.suffix}")))
        names.add(str(output.with_name(f"{output.name}.part")))
    return sorted(name for name in names if name not in ("/", *case.writes))


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """All commands, one after the other."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("person")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(downloading, "ATTEMPTS", 1)
        nowhere = (Download("http://127.0.0.1:9/a.zip", "a.zip", "md5:0"),)
        patch.setitem(DATASETS, "kadid10k", replace(DATASETS["kadid10k"], downloads=nowhere))
        begin(folder)
        yield {command: tell(command, case) for command, case in CASES.items()}


def begin(folder: Path) -> None:
    """A dataset in an archive, and what describes it and its one run."""
    import zipfile

    (folder / "photos").mkdir()
    with zipfile.ZipFile("photos/photos.zip", "w") as archive:
        for number in range(10):
            Image.fromarray(photograph(number)).save("photo.png")
            archive.write("photo.png", f"{number}.png")
        table = pd.DataFrame({"image": [f"{i}.png" for i in range(10)],
                              "score": np.linspace(10, 90, 10)})  # fmt: skip
        archive.writestr("scores.csv", table.to_csv(index=False))
    Path("my.yaml").write_text(json.dumps({"roots": {"mine": "photos"}, "custom": {"mine": OWN}}))
    other = {"dataset": "other", "near_duplicates": []}
    other["perceptual_hashes"] = {f"photos/{i}.png": "0f" * 32 for i in range(10)}
    Path("other.json").write_text(json.dumps(other))
    row = {"experiment": "own", **IDENTITY, "method": "slic", "test_dataset": "mine", "run": RUN}
    pd.DataFrame([row]).to_csv("runs.csv", index=False)
    Path("benchmarks").mkdir()


def tell(command: str, case: Case) -> Seen:
    """Run a command with a person's files in its way, one by one, and then without."""
    if command == "gather-scores":
        Path("scores").mkdir()
        Path("scores/00000.csv").write_bytes(Path("mine.csv").read_bytes())
        Path("scores/00000.failures.txt").write_bytes(Path("failures.txt").read_bytes())
    seen, lost = Seen({}, {}), set()
    logged = ("--log", f"{command}.log")
    for names, found in ((case.writes, seen.taken), (case.keeps, seen.kept)):
        for name in names:
            there = set(Path().rglob("*"))
            put(name)
            before = tree()
            found[name] = run(command, *case.words)
            after = tree()
            lost |= {path for path in before if after.get(path) != before[path]}
            if found is seen.taken:
                lost |= after.keys() - before.keys()
            forget(there)
    for name in beside(case):
        put(name)
    before = tree()
    seen.status = run(command, *case.words, *logged)[0]
    after = tree()
    lost |= {path for path in before if after.get(path) != before[path]}
    seen.lost = tuple(sorted(lost))
    return seen


def run(*words: str) -> tuple[int, list[str]]:
    """Exit status, and what the command said of an error."""
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dpam.cli.logging.error", lambda text, *values: said.append(text % values))
        status = main(list(words))
    return status, said


def test_every_command_is_tried():
    assert CASES.keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", list(CASES))
def test_a_person_s_files_are_as_they_were(story, command):
    assert story[command].lost == ()


@pytest.mark.parametrize("command", list(CASES))
def test_what_is_there_is_refused_in_one_line_and_else_it_works(story, command):
    seen = story[command]
    for name, (status, said) in seen.taken.items():
        assert status == 1, name
        assert len(said) == 1
        assert name.rstrip("/") in said[0]
    assert seen.status == CASES[command].status, seen
