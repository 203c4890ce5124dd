"""Spans of time in words, and what a job says on a terminal that it shares."""

import logging
import os
import subprocess
import sys

import pytest

from dpam.utils import progress
from dpam.utils.progress import PROGRESS, SHARED_TERMINAL, OneOfMany, roughly


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (29, "less than a minute"),
        (60, "about 1 min"),
        (59 * 60, "about 59 min"),
        (3600, "about 1 h 0 min"),
        (7800, "about 2 h 10 min"),
    ],
)
def test_roughly(seconds, words):
    assert roughly(seconds) == words


def test_a_job_of_many_tells_warnings_and_now_and_then_its_progress(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    shown, told = OneOfMany(), []

    def tell(level, text, extra=None):
        record = logging.Logger("dpam").makeRecord("dpam", level, "", 0, text, (), None, "", extra)
        told.extend([text] if shown.filter(record) else [])

    tell(logging.INFO, "epoch 1", PROGRESS)
    tell(logging.INFO, "12 images packed")
    tell(logging.WARNING, "no interval")
    tell(logging.ERROR, "the disk is full")  # stands in its log, which Snakemake's line quotes
    clock[0] = 121.0
    tell(logging.INFO, "epoch 2", PROGRESS)
    tell(logging.INFO, "epoch 3", PROGRESS)
    assert told == ["no interval", "epoch 2"]


def test_on_a_shared_terminal_the_log_has_all_and_the_terminal_names_the_job(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("image,label\n")
    log = tmp_path / "mine-split00.log"
    command = [sys.executable, "-m", "dpam.cli", "draw-splits", str(table), "--log", str(log)]
    command += ["--verified", str(table), "--output", str(tmp_path / "splits.csv")]
    command += ["--near-duplicates", str(tmp_path / "near.csv"), "--seed", "1"]
    alone, shared = (
        subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        for env in (None, {**os.environ, SHARED_TERMINAL: "1"})
    )
    assert alone.returncode == shared.returncode == 1
    assert alone.stderr.startswith("dpam draw-splits: ")
    assert shared.stderr == ""
    assert alone.stderr in log.read_text()
