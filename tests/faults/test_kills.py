"""Fifty SIGKILLs: the results are bitwise those of the undisturbed run, and never half."""

import os
import shutil
import time
from pathlib import Path

import pytest
from checkout import TOP, Checkout
from killing import SNAKEMAKE, STAGES, WORKER, Workflow
from watching import Watcher, digests

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("kills")]

KILLS = int(os.environ.get("DPAM_KILLS", "50"))
MINUTES = 40  # at most, for all of it
COMPARED = (
    "tables/*", "runs.csv", "runs/**/on-*.csv", "runs/**/on-*.json", "runs/**/*.safetensors",
    "data/*/*.csv", "data/*/*.h5", "data/*/*.npy", "datasets/**/*",
)  # fmt: skip


def test_fifty_kills(tmp_path, note):
    (tmp_path / "checkout").mkdir()
    checkout = Checkout(tmp_path / "checkout")
    shutil.copy(TOP / "tests/faults/one.yaml", checkout.folder)
    results = checkout.folder / "results/demo"
    workflow = Workflow(checkout, ["workflow/presets/demo.yaml", "one.yaml"], seed=20)
    end = time.monotonic() + 60 * MINUTES
    with Watcher(results) as calm:
        assert workflow.run(0, end) == 0, workflow.log.read_text()[-5000:]
    assert not calm.problems
    expected = digests(results, COMPARED)
    for pattern in COMPARED:
        assert digests(results, (pattern,)), f"{pattern}: nothing to compare"

    workflow.log.unlink()
    rounds = workflow.starts = appearances = 0
    problems = []
    while workflow.kills.total() < KILLS and time.monotonic() < end:
        shutil.rmtree(results)
        with Watcher(results) as watcher:
            assert workflow.run(KILLS, end) == 0, workflow.log.read_text()[-5000:]
        problems += watcher.problems
        appearances += watcher.appearances
        found = digests(results, COMPARED)
        problems += [
            f"{name}: other bytes than undisturbed"
            for name in expected.keys() | found.keys()
            if expected.get(name) != found.get(name)
        ]
        rounds += 1
    log = workflow.log.read_text()
    Path(os.environ.get("DPAM_KILL_LOG", tmp_path / "all.log")).write_text(log)
    assert not problems, "\n".join(problems)
    assert workflow.kills.total() == KILLS
    assert all(workflow.kills[what] for what in (*STAGES, SNAKEMAKE)), workflow.kills
    assert "Traceback" not in log
    time.sleep(2)
    assert not workflow.processes(), "no process outlives the workflow"
    assert not list(results.rglob("*.part*")), "nothing half is left behind"
    for what in (*STAGES, WORKER, SNAKEMAKE):
        note("SIGKILL", f"{workflow.kills[what]} x {what}", "bitwise as undisturbed")
    note("kills: figures", "complete runs, bitwise compared", str(rounds))
    note("kills: figures", "starts of Snakemake", str(workflow.starts))
    note("kills: figures", "files compared in each", str(len(expected)))
    note("kills: figures", "appearances of files, whole each time", str(appearances))
