"""Spans of time in words, and what a job says on a terminal that it shares."""

import logging
import os
import subprocess
import sys

import pytest

from dpam.utils import progress
from dpam.utils.progress import PROGRESS, SHARED_TERMINAL, WAITING, OneOfMany, roughly, track


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
    tell(logging.INFO, "compiling", WAITING)
    assert told == ["no interval", "epoch 2", "compiling"]


def test_the_first_of_many_may_take_long(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    monkeypatch.setenv(SHARED_TERMINAL, "1")

    def slow():
        for item in range(3):
            clock[0] += 30
            yield item

    assert list(track(slow(), "looking", 3)) == [0, 1, 2]
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "looking: 0 of 3",
        "looking: 1 of 3, about 2 min left",
        "looking: 2 of 3, about 1 min left",
    ]


def test_where_no_bar_can_be_seen_the_log_says_how_far_a_job_is(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    monkeypatch.setenv(SHARED_TERMINAL, "1")
    for _ in track(range(2000), "packing"):
        clock[0] += 0.045  # seconds: 90 in all
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "packing: 445 of 2,000, about 1 min left",
        "packing: 890 of 2,000, about 1 min left",
        "packing: 1,335 of 2,000, less than a minute left",
        "packing: 1,780 of 2,000, less than a minute left",
    ]
    assert all(hasattr(record, "progress") for record in caplog.records)
    caplog.clear()
    assert list(track(iter("abc"), "listing")) == ["a", "b", "c"]
    assert caplog.records == []


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
