"""Each kind of change reruns what depends on it and nothing else: the table of docs/reruns.md.

A row says where a rerun begins; all that follows is found in the graph of jobs. `make reruns`
writes what was observed into the document.
"""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import NamedTuple

import pytest
from checkout import TOP, Job

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("pipeline")]

DOCUMENT = TOP / "docs/reruns.md"
BEGIN, END = "<!-- made by make reruns: begin -->\n", "<!-- made by make reruns: end -->\n"
HIDDEN = "photographs/.thumbnails"
RUN = "results/demo/runs/mine/all/slic/split00/seed20"
Change = Callable[[Path], Path | None]  # where the checkout lies afterwards; None: where it lay


def edit(path: str, old: str, new: str) -> Change:
    """Put one text for another in a file."""

    def change(folder: Path) -> None:
        before = (folder / path).read_text()
        assert old in before
        (folder / path).write_text(before.replace(old, new, 1))

    return change


def touch(pattern: str) -> Change:
    """Give files a new time and leave them as they are."""

    def change(folder: Path) -> None:
        found = [path for path in folder.glob(pattern) if path.is_file()]
        assert found
        now = time.time()
        for number, path in enumerate(sorted(found, reverse=True)):
            os.utime(path, (now + number, now + number))  # in an order of no meaning

    return change


def delete(path: str) -> Change:
    def change(folder: Path) -> None:
        (folder / path).unlink()

    return change


def another_picture(folder: Path) -> None:
    """Change one byte of a pixel; the file keeps its size."""
    path = folder / "photographs/3.bmp"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def hidden_file(folder: Path) -> None:
    (folder / HIDDEN).write_text("whatever a file manager leaves")


def other_versions(folder: Path) -> None:
    for file in ("envs/constraints.txt", "envs/dpam.yaml"):
        edit(file, "torch==", "torch==9")(folder)


def scale_as_released(folder: Path) -> None:
    edit("config.yaml", "scaling: declared", "scaling: faithful")(folder)
    edit(TINY, "train_on: [demo_synthetic, mine]", "datasets: [mine]")(folder)
    edit(TINY, "    baselines: [brisque_svr, vit_ridge]\n", "    baselines: []\n")(folder)


def move(folder: Path) -> Path:
    return folder.rename(folder.with_name("moved"))


def copy_without_times(folder: Path) -> Path:
    return shutil.copytree(folder, folder.with_name("copied"), copy_function=shutil.copyfile)


class Row(NamedTuple):
    """A kind of change.

    Attributes:
        kind: what a person would call it.
        how: what the test does.
        change: does it.
        begins: rules whose jobs rerun by themselves; what follows from them reruns, too.
        of: only jobs of this dataset rerun by themselves.
        new: part of the path of jobs that were none before.
        gone: words, each part of the path of jobs that are none any more.
    """

    kind: str
    how: str
    change: Change
    begins: str = ""
    of: str = ""
    new: str = ""
    gone: str = ""


DEMO, TINY = "workflow/presets/demo.yaml", "tiny.yaml"
ROWS = [
    # Code.
    Row(
        "docstring",
        "another one for `dpam/evaluation/metrics.py`",
        edit("dpam/evaluation/metrics.py", '"""', '"""In other words: '),
    ),
    Row(
        "comment",
        "one more in `dpam/model/network.py`",
        edit("dpam/model/network.py", "\nclass ", "\n# This is the network.\nclass "),
    ),
    Row(
        "layout",
        "blank lines in `dpam/pack/store.py`",
        edit("dpam/pack/store.py", "\nclass ", "\n\n\nclass "),
    ),
    Row(
        "metric code",
        "`dpam/evaluation/metrics.py`",
        edit("dpam/evaluation/metrics.py", "import numpy", "import math\nimport numpy"),
        "evaluate evaluate_test_selected",
    ),
    Row(
        "network code",
        "`dpam/model/regression.py`",
        edit("dpam/model/regression.py", "import torch\n", "import math\nimport torch\n"),
        "train extract_vit",
    ),
    Row(
        "training code",
        "`dpam/training/losses.py`",
        edit("dpam/training/losses.py", "import torch\n", "import math\nimport torch\n"),
        "train",
    ),
    Row(
        "packing code",
        "`dpam/commands/pack_superpixels.py`",
        edit(
            "dpam/commands/pack_superpixels.py",
            "import argparse\n",
            "import argparse\nimport bz2\n",
        ),
        "pack_superpixels",
    ),
    Row(
        "figure code",
        "`dpam/figures/curves.py`",
        edit("dpam/figures/curves.py", "\nimport ", "\nimport bz2\nimport "),
        "plot",
    ),
    Row(
        "look of the report",
        "a template in `dpam/report/`",
        edit("dpam/report/page.html.j2", "<table>", "<table >"),
        "report",
    ),
    Row(
        "a rule's command",
        "`evaluate` in `workflow/rules/`",
        edit("workflow/rules/evaluation.smk", '"dpam evaluate {input', '"dpam  evaluate {input'),
        "evaluate evaluate_test_selected",
    ),
    # Data.
    Row(
        "labels of one dataset",
        "one label of `mine`, on which two networks train, and one with another dataset",
        edit("photographs/scores.csv", "3.bmp,3", "3.bmp,4"),
        "verify_download",
        of="mine",
    ),
    Row("one image", "one pixel of one of `mine`", another_picture, "verify_download", of="mine"),
    Row("a file that is hidden", "beside the images of `mine`", hidden_file),
    Row("touched: a dataset", "all files of `mine`", touch("photographs/*")),
    Row("touched: code", "all of `dpam/`", touch("dpam/**/*.py")),
    Row("touched: configuration", "`config.yaml`, presets", touch("**/*.yaml")),
    Row("touched: results", "all, packs and weights too", touch("results/**/*")),
    # Configuration, by the rule that reads it.
    Row(
        "key of make_demo_data",
        "`demo.crops`",
        edit(TINY, "crops: 6", "crops: 7"),
        "make_demo_data",
    ),
    Row(
        "key of verify_download",
        "`allow.mine`",
        edit("config.yaml", "allow: {}", "allow: {mine: [odd_size]}"),
        "verify_download",
        of="mine",
    ),
    Row(
        "key of verify_download, normalise_labels, pack_superpixels",
        "`custom.mine.score_range`",
        edit(TINY, "[0, 20]", "[0, 21]"),
        "verify_download",
        of="mine",
    ),
    Row(
        "key of draw_splits",
        "`splits.seed`",
        edit("workflow/presets/demo.yaml", "splits:\n  seed: 21", "splits:\n  seed: 22"),
        "draw_splits",
    ),
    Row(
        "key of pack_superpixels",
        "`superpixels.texture`",
        edit("config.yaml", "texture: wrapped", "texture: signed"),
        "pack_superpixels",
    ),
    Row(
        "key of pack_superpixels, extract_vit",
        "`image_size`",
        edit(TINY, "image_size: 64", "image_size: 96"),
        "pack_superpixels extract_vit",
    ),
    Row(
        "key of superpixels that none of the runs uses",
        "`superpixels.rim`",
        edit("config.yaml", "\n  rim: dpam", "\n  rim: paper"),
        "report",
    ),
    Row(
        "key of train",
        "`training.learning_rate`",
        edit(DEMO, "learning_rate: 1.0e-3", "learning_rate: 2.0e-3"),
        "train",
    ),
    Row(
        "key of train",
        "`labels.scaling`, without baselines and the network of two datasets, which it is not for",
        scale_as_released,
        "list_runs train",
        gone="demo_synthetic+mine brisque vit",
    ),
    Row("key of train", "`model.dropout`", edit(DEMO, "dropout: 0", "dropout: 0.2"), "train"),
    Row(
        "key of train, extract_vit",
        "`model.out_indices`",
        edit(TINY, "out_indices: [5]", "out_indices: [4]"),
        "train extract_vit",
    ),
    Row(
        "key of test",
        "`views`",
        edit(DEMO, "\nviews: 1", "\nviews: 5"),
        "test test_test_selected",
    ),
    Row(
        "one more seed",
        "of the experiment `own`",
        edit(TINY, "datasets: [mine]\n", "datasets: [mine]\n    seeds: [20, 21]\n"),
        "list_runs",
        new="21/",  # also of the ensemble, seed20+21
    ),
    Row(
        "a variant",
        "another change in `variants.blind`",
        edit(TINY, "{texture: constant}", "{superpixels: constant}"),
        "train",
        of="slic+blind",
    ),
    Row(
        "one more variant",
        "of the experiment `own`",
        edit(
            TINY,
            "[base, blind]\n    test_on: self\nvariants:\n",
            "[base, blind, plain]\n    test_on: self\nvariants:\n  plain: {views: 5}\n",
        ),
        "list_runs",
        new="slic+plain",
    ),
    Row(
        "one more dataset",
        "in `train_on` of the experiment `union`",
        edit(TINY, "[demo_synthetic, mine]", "[demo_synthetic, mine, demo_authentic]"),
        "list_runs",
        new="demo_synthetic+mine+demo_authentic",
    ),
    Row(
        "order of datasets",
        "in `train_on` of the experiment `union`: the first one's scale is that of the scores",
        edit(TINY, "[demo_synthetic, mine]", "[mine, demo_synthetic]"),
        "list_runs",
        new="mine+demo_synthetic",
    ),
    # Surroundings.
    Row("a library's version", "torch in `envs/`", other_versions),
    Row("the profile", "`cores` of the default", edit("profiles/default/config.yaml", "all", "1")),
    Row("moved repository", "with its results", move),
    Row("copied repository", "with its results, all times new", copy_without_times),
    Row(
        "deleted: the last output",
        "the report",
        delete("results/demo/report/index.html"),
        "report",
    ),
    Row("deleted: a pack", "that all runs have read", delete("results/demo/data/mine/slic.h5")),
    Row("deleted: weights", "that were tested", delete(f"{RUN}/model.safetensors")),
]
observed: dict[Row, list[Job]] = {}


@pytest.fixture
def edited(finished, tmp_path):
    """Lends the checkout to a change; afterwards it is as it was, times included."""
    saved = shutil.copytree(finished.folder, tmp_path / "saved")
    yield finished
    shutil.copytree(saved, finished.folder, dirs_exist_ok=True)
    (finished.folder / HIDDEN).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def graph(finished) -> list[Job]:
    """All jobs, whether they have run or not."""
    return finished.planned("--forceall")


def following(begun: list[Job], graph: list[Job]) -> list[Job]:
    """The jobs and all that reads what they make, directly or through others."""
    found, waiting = set(), list(begun)
    while waiting:
        job = waiting.pop()
        if job not in found:
            found.add(job)
            waiting.extend(other for other in graph if other.inputs & job.outputs)
    return [job for job in graph if job in found]


def expected(row: Row, graph: list[Job]) -> list[Job]:
    begun = [
        job
        for job in graph
        if job.rule in row.begins.split() and any(row.of in path for path in job.outputs)
    ]
    return [
        job
        for job in following(begun, graph)
        if not any(word in path for word in row.gone.split() for path in job.outputs)
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind}, {row.how}")
def test_a_change_reruns_what_follows_from_it_and_nothing_else(row, edited, graph):
    checkout = copy(edited)
    checkout.folder = row.change(edited.folder) or edited.folder
    observed[row] = checkout.planned()
    known = {job.outputs for job in graph}
    added = [job for job in observed[row] if job.outputs not in known]
    assert {job.outputs for job in observed[row]} & known == {
        job.outputs for job in expected(row, graph)
    }
    assert bool(added) == bool(row.new)
    assert all(any(row.new in path for path in job.outputs) for job in added)


def in_order(graph: list[Job]) -> list[str]:
    """The rules, upstream first; those on one level by name."""
    level: dict[str, int] = {}
    jobs, depth = graph, 0
    while jobs:
        level |= {job.rule: depth for job in jobs}
        made = frozenset().union(*(job.outputs for job in jobs))
        jobs, depth = [job for job in jobs if job.inputs & made], depth + 1
    return sorted(level, key=lambda rule: (level[rule], rule))


def table(graph: list[Job]) -> str:
    """What was observed, in Markdown."""
    rules = in_order(graph)
    new = {job.rule for row in ROWS for job in observed[row]} - set(rules)
    rules += sorted(new)
    lines = ["| change | made by | expected to rerun | observed to rerun |", "|---|---|---|---|"]
    for row in ROWS:
        place = f" of `{row.of}`" if row.of else ""
        jobs = ", and the jobs that are new" if row.new else ""
        begins = " and ".join(f"`{rule}`" for rule in row.begins.split())
        wanted = f"{begins}{place} and what follows{jobs}" if begins else "nothing"
        counts = Counter(job.rule for job in observed[row])
        found = [f"{rule} {counts[rule]}" for rule in rules if counts[rule]]
        lines.append(f"| {row.kind} | {row.how} | {wanted} | {', '.join(found) or 'nothing'} |")
    return "\n".join(lines) + "\n"


def test_the_document_shows_what_was_observed(graph):
    if len(observed) < len(ROWS):
        pytest.skip("not all changes were tried in this run")
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    shown, _, after = rest.partition(END)
    if "DPAM_WRITE_RERUNS" in os.environ:
        DOCUMENT.write_text(before + BEGIN + table(graph) + END + after)
    else:
        assert shown == table(graph), "make reruns writes it anew"
