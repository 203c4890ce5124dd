"""A run's lines on the terminal: one for each job that is done or failed, and the time left."""

import io
import logging
import re
import subprocess
import sys

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from dpam.experiments import terminal
from dpam.experiments.terminal import Progress, say_lines


@pytest.fixture
def run(monkeypatch):
    """A logger as Snakemake's, a clock that the test turns, and what the terminal shows."""
    logger, screen, clock = logging.Logger("snakemake"), io.StringIO(), [0.0]
    logger.addHandler(logging.StreamHandler(screen))
    monkeypatch.setattr(terminal.time, "monotonic", lambda: clock[0])
    say_lines(logger, lambda: False)

    def say(event=None, text="", level=logging.INFO, **about):
        logger.log(level, text, extra=about if event is None else {"event": event, **about})

    return say, clock, screen


def job(rule, number, log=(), **wildcards):
    return {"rule_name": rule, "jobid": number, "log": list(log), "wildcards": wildcards}


def test_a_line_per_job_with_its_last_message_and_the_time_left(run, tmp_path):
    say, clock, screen = run
    log = tmp_path / "train.log"
    log.write_text("# dpam train x.h5\nepoch 1/2: loss 0.2\nweights of epoch 2: SRCC 0.812\n")
    say(LogEvent.RUN_INFO, stats={"train": 2, "all": 1, "total": 3})
    say(LogEvent.JOB_INFO, **job("train", 1, [log], dataset="mine", split="split00"))
    clock[0] = 1200.0
    say(LogEvent.JOB_FINISHED, job_id=1)
    say(LogEvent.JOB_INFO, **job("train", 2, [tmp_path / "missing.log"], dataset="mine"))
    clock[0] = 1241.0
    say(LogEvent.JOB_FINISHED, job_id=2)
    say(LogEvent.JOB_INFO, **job("all", 0))
    say(LogEvent.JOB_FINISHED, job_id=0)
    assert screen.getvalue().splitlines() == [
        "2 jobs",
        "1 of 2, about 20 min left | train mine split00: weights of epoch 2: SRCC 0.812 "
        "(20 min 00 s)",
        "2 of 2 | train mine (41.0 s)",
    ]


def test_a_title_says_what_is_a_seed_and_what_is_tested(run):
    say, _, screen = run
    of = {"dataset": "a", "distortion": "all", "method": "slic", "split": "split00", "seed": "20"}
    say(LogEvent.JOB_INFO, **job("test_test_selected", 1, **of, test_dataset="b"))
    say(LogEvent.JOB_INFO, **job("train", 2, **of | {"distortion": "blur"}))
    for number in (1, 2):
        say(LogEvent.JOB_FINISHED, job_id=number)
    first, second = screen.getvalue().splitlines()
    assert "| test test-selected a slic split00 seed 20 on b (" in first
    assert "| train a blur slic split00 seed 20 (" in second


def test_a_failed_job_tells_its_last_message_once(run, tmp_path):
    say, _, screen = run
    log = tmp_path / "pack.log"
    log.write_text("# dpam pack-superpixels\ndpam pack-superpixels: mine.h5: the disk is full\n")
    say(LogEvent.JOB_INFO, **job("pack", 4, [log], d="mine"))
    say(LogEvent.JOB_ERROR, "Error in rule pack", logging.ERROR, rule_name="pack", jobid=4)
    said = "RuleException:\nCalledProcessError in file \"data.smk\", line 60:\nCommand 'set -e'"
    say(LogEvent.ERROR, said, logging.ERROR, exception="RuleException")
    assert screen.getvalue() == (
        f"failed: pack mine: dpam pack-superpixels: mine.h5: the disk is full (see {log})\n"
    )


def test_a_failed_job_names_several_files_and_of_many_the_first(run, tmp_path):
    say, _, screen = run
    log = tmp_path / "verify.log"
    for count, shown in (2, [*range(2)]), (50, [*range(5), "..."]):
        files = [f"  - {number}.jpg: does not decode" for number in range(count)]
        error = ["dpam verify-download: mine: wrong:", *files, "Get a complete copy."]
        log.write_text("\n".join(["# dpam verify-download", "reading", *error, ""]))
        say(LogEvent.JOB_INFO, **job("verify", 4, [log], d="mine"))
        say(LogEvent.JOB_ERROR, "Error", logging.ERROR, rule_name="verify", jobid=4)
        lines = [f"  {x}" if x == "..." else files[x] for x in shown]
        assert screen.getvalue().splitlines() == [
            "failed: verify mine: dpam verify-download: mine: wrong:",
            *lines,
            f"Get a complete copy. (see {log})",
        ]
        screen.seek(0)
        screen.truncate()


def test_what_snakemake_says_of_other_things_stays(run):
    say, _, screen = run
    say(text="Building DAG of jobs...")
    say(text="Nothing to be done (all requested files are present and up to date).")
    say(text="unlocking", level=logging.WARNING)
    say(LogEvent.ERROR, "MissingInputException in rule train", logging.ERROR)
    assert screen.getvalue().splitlines() == [
        "Nothing to be done (all requested files are present and up to date).",
        "unlocking",
        "MissingInputException in rule train",
    ]


def test_a_dry_run_is_left_as_it_is():
    logger, screen = logging.Logger("snakemake"), io.StringIO()
    logger.addHandler(logging.StreamHandler(screen))
    say_lines(logger, lambda: True)
    logger.info("rule train:", extra={"event": LogEvent.JOB_INFO, **job("train", 1)})
    assert screen.getvalue() == "rule train:\n"


def test_the_log_file_keeps_everything(tmp_path):
    logger = logging.Logger("snakemake")
    logger.addHandler(logging.FileHandler(tmp_path / "all.log"))
    say_lines(logger, lambda: False)
    logger.info("rule train:", extra={"event": LogEvent.JOB_INFO, **job("train", 1)})
    assert (tmp_path / "all.log").read_text() == "rule train:\n"


def test_time_left_goes_by_what_jobs_of_a_rule_took():
    progress = Progress({"test": 3, "train": 4})
    assert progress.left(0, {}) == ""
    progress.took = {"train": [100.0, 300.0]}
    assert progress.left(400, {}) == "more than 7 min", "two trainings, and tests"
    assert progress.left(400, {"test": 120.0}) == "more than 13 min", "three tests of 2 min"
    assert Progress({"test": 3, "plot": 1}).left(9, {}) == "", "nobody knows"
    progress.took["test"] = [60.0]
    assert progress.left(460, {"test": 120.0}) == "about 9 min"
    assert progress.left(230, {}) == "about 4 min", "two jobs at once"
    assert progress.counts() == (3, 7)


def test_what_goes_wrong_in_a_line_stays_there(run, capsys, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", True)  # commands run by other tests unset it
    say, _, _ = run
    say(LogEvent.JOB_INFO, **(job("train", 1) | {"wildcards": 3}))
    say(LogEvent.JOB_FINISHED, job_id=1)  # has no title
    assert "TypeError" in capsys.readouterr().err


SNAKEFILE = """
from snakemake.logging import logger
from dpam.experiments.terminal import end_when_unread, say_lines

end_when_unread(logger)
LINES

rule all:
    input: "last.txt"

rule first:
    output: "first.txt"
    shell: "sleep 1; END"

rule later:
    input: "first.txt"
    output: "later.txt"
    shell: "sleep 3; touch {output}"

rule last:
    input: "later.txt"
    output: "last.txt"
    shell: "touch {output}"
"""


@pytest.mark.parametrize("lines", ["say_lines(logger, lambda: False)", ""])
@pytest.mark.parametrize("end", ["touch {output}", "exit 1"])
def test_it_ends_when_nobody_reads(tmp_path, end, lines):
    (tmp_path / "Snakefile").write_text(SNAKEFILE.replace("END", end).replace("LINES", lines))
    with subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        while not re.search("jobs|^total", running.stderr.readline()):
            pass
        running.stderr.close()
        try:
            status = running.wait(90)
        finally:
            running.kill()
    assert status != 0
    assert (tmp_path / "first.txt").exists() == end.startswith("touch")
    assert not (tmp_path / "last.txt").exists()
