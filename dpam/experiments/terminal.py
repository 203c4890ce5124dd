"""What a run of the workflow says on the terminal: a line per finished job, and the time left.

Snakemake tells its log handlers what happens; its own blocks of lines go on to its log file in
`.snakemake/log`. Jobs that run on this machine leave their messages in their log files and keep
to warnings on the terminal; of each, the last message stands in its line.
"""

import io
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from dpam.utils.progress import duration, roughly

NO_JOBS = ("total", "all")  # in Snakemake's counts: their sum, and the name of all results
BEFORE = {"seed": "seed ", "test_dataset": "on "}  # what stands before a wildcard in a job's line
QUICK = 2.0  # seconds that a job takes at least
LONGEST_ERROR = 8  # lines on the terminal; its log has all
# What Snakemake says of each job, and of itself before the first.
BLOCKS = {
    LogEvent.WORKFLOW_STARTED,
    LogEvent.RUN_INFO,
    LogEvent.RESOURCES_INFO,
    LogEvent.JOB_INFO,
    LogEvent.JOB_STARTED,
    LogEvent.JOB_FINISHED,
    LogEvent.JOB_ERROR,
    LogEvent.GROUP_INFO,
    LogEvent.GROUP_ERROR,
    LogEvent.SHELLCMD,
    LogEvent.PROGRESS,
}
CHATTER = (
    "Using ",
    "Config file ",
    "Assuming ",
    "Building DAG",
    "Select jobs",
    "Execute ",
    "Provided ",
    "Rules claiming",
    "Conda environments",
    "Singularity containers",
    "Complete log",
    "Removing temporary",
    "Touching output",
)


class Progress:
    """How far a run is: jobs planned by rule, and what those that are done took, in seconds."""

    def __init__(self, planned: Mapping[str, int]) -> None:
        self.planned = planned
        self.took: dict[str, list[float]] = {}

    def counts(self) -> tuple[int, int]:
        """Jobs that are done, and all; a checkpoint may add some."""
        done = sum(map(len, self.took.values()))
        return done, max(done, sum(self.planned.values()))

    def left(self, elapsed: float, running: Mapping[str, float]) -> str:
        """The time left, if a job takes what its rule's jobs took so far, at the pace so far.

        `more than` that, as long as a rule has no job that is done; such jobs are taken to last as
        long as one of their rule has been running, and nothing is said of less than a minute. The
        pace: seconds of jobs per second, as several run at once.

        Args:
            elapsed: since the start, seconds.
            running: how long a job of a rule has been running, seconds.

        Returns:
            words, or an empty text.
        """
        spent = sum(map(sum, self.took.values()))
        left = 0.0
        for rule, jobs in self.planned.items():
            took = self.took.get(rule) or [max(QUICK, running.get(rule, 0.0))]
            left += max(0, jobs - len(self.took.get(rule, []))) * sum(took) / len(took)
        at_pace = left * elapsed / spent if spent else 0.0
        if self.planned.keys() <= self.took.keys():
            return roughly(at_pace)
        return f"more than {roughly(at_pace).removeprefix('about ')}" if at_pace >= 60 else ""


class Lines(logging.Handler):
    """A line on the terminal for each job that is done, or failed.

    Args:
        write: what takes a line.
        dry: whether this is a dry run, which runs no job.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        dry: Callable[[], bool],
    ) -> None:
        super().__init__()
        self.write, self.dry = write, dry
        self.progress = Progress({})
        self.jobs: dict[int, tuple[Any, float]] = {}
        self.began = time.monotonic()

    def emit(self, record: Any) -> None:
        """Note what begins, say what ends.

        An error in here must not reach Snakemake: it would wait for ever for the job that it was
        about to tell of.
        """
        try:
            if not self.dry():
                self.tell(record)
        except Exception:
            self.handleError(record)

    def tell(self, record: Any) -> None:
        """The same, of a run that is not dry."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            counts = {rule: jobs for rule, jobs in record.stats.items() if rule not in NO_JOBS}
            if not self.progress.planned:
                self.write(f"{sum(counts.values())} jobs")
            self.progress.planned = counts
        elif event == LogEvent.JOB_INFO and record.rule_name not in NO_JOBS:
            self.jobs[record.jobid] = record, time.monotonic()
        elif event == LogEvent.JOB_FINISHED and record.job_id in self.jobs:
            self.finished(*self.jobs.pop(record.job_id))
        elif event == LogEvent.JOB_ERROR and record.jobid in self.jobs:
            job, _ = self.jobs[record.jobid]
            self.write(f"failed: {title(job)}: {last_error(job) or 'no message'}{its_log(job)}")
        elif event == LogEvent.GROUP_ERROR:
            self.write(f"failed: a group of jobs (see {', '.join(record.aux_logs)})")

    def finished(self, job: Any, began: float) -> None:
        """Say what a job was, found and took, and what is left of the whole run."""
        took = time.monotonic() - began
        self.progress.took.setdefault(job.rule_name, []).append(took)
        done, planned = self.progress.counts()
        now = time.monotonic()
        running = {record.rule_name: now - since for record, since in self.jobs.values()}
        left = self.progress.left(now - self.began, running)
        place = f"{done} of {planned}" + (f", {left} left" if left and done < planned else "")
        said = last_message(job)
        line = f"{title(job)}{': ' if said else ''}{said}"
        self.write(f"{place} | {line} ({duration(took)})")


class OnlyWhatMatters(logging.Filter):
    """For Snakemake's own handlers of the terminal: without what `Lines` says instead."""

    def __init__(self, dry: Callable[[], bool]) -> None:
        super().__init__()
        self.dry = dry

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown."""
        if self.dry():
            return True
        event = getattr(record, "event", None)
        if event in BLOCKS:
            return False
        text = record.getMessage() if record.msg else ""
        if event == LogEvent.ERROR:  # a failed command, which JOB_ERROR told already
            return "CalledProcessError" not in text
        return record.levelno > logging.INFO or not text.startswith(CHATTER)


def say_lines(logger: logging.Logger, dry: Callable[[], bool]) -> None:
    """Say lines for people where Snakemake would write its blocks.

    Args:
        logger: Snakemake's.
        dry: see `Lines`.
    """
    for handler in handlers_of_terminal(logger):
        handler.addFilter(OnlyWhatMatters(dry))
        write = partial(print, file=handler.stream, flush=True)
        logger.addHandler(Lines(write, dry))


def end_when_unread(logger: logging.Logger) -> None:
    """Let the jobs that run come to their end, and begin no others, if nobody reads the terminal.

    As in `snakemake | head`. Snakemake (9.27) would wait for ever: its own handler raises then, in
    the thread that was about to tell of a job's end.
    """
    for handler in handlers_of_terminal(logger):
        handler.setStream(StillRead(handler.stream))


def handlers_of_terminal(logger: logging.Logger) -> list[Any]:
    """Those of Snakemake's handlers that write to the terminal and not to a file of their own."""
    return [
        handler
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler)
        and not isinstance(handler, logging.FileHandler)
    ]


class StillRead:
    """A stream that asks this process to end when nobody reads it any more, and never raises so.

    Args:
        stream: to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write, or, where that is in vain, end."""
        self.attempt(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, or, where that is in vain, end."""
        self.attempt(self.stream.flush)

    def attempt(self, act: Callable[[], object]) -> None:
        """Do something with the stream; the first time that it is in vain, ask for the end."""
        try:
            act()
        except BrokenPipeError:
            self.stream = io.StringIO()
            # Not in here: Snakemake's answer to the signal is a message, and its handler, which is
            # at work, does not take another.
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()


def title(job: Any) -> str:
    """The rule and what its wildcards say: `train demo_synthetic slic split00 seed 20`."""
    said = {name: str(value) for name, value in dict(job.wildcards or {}).items()}
    if said.get("distortion") == "all":
        del said["distortion"]
    words = [BEFORE.get(name, "") + value for name, value in said.items()]
    rule = job.rule_name.replace("test_selected", "test-selected").replace("_", " ")
    return " ".join([rule, *words])


def last_message(job: Any) -> str:
    """The last line of a job's log; empty if there is none."""
    return "".join(lines_of_log(job)[-1:]).strip()


def last_error(job: Any) -> str:
    """The error that a job's log ends with, of a long one its beginning and end; or its last line.

    An error about several files names them on lines of their own.
    """
    said = lines_of_log(job)
    begins = [number for number, line in enumerate(said) if line.startswith("dpam ")]
    error = said[begins[-1] :] if begins else said[-1:]
    if len(error) > LONGEST_ERROR:
        error = [*error[: LONGEST_ERROR - 2], "  ...", error[-1]]
    return "\n".join(error).strip()


def lines_of_log(job: Any) -> list[str]:
    """The lines of a job's log that say something."""
    for name in job.log or []:
        path = Path(str(name).split(" (")[0])
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        if said := [line for line in lines[1:] if line.strip()]:  # the first is the command
            return said
    return []


def its_log(job: Any) -> str:
    """Where all of a job's log stands."""
    return f" (see {job.log[0]})" if job.log else ""
