"""`dpam` in a process of its own that can hang, crash and take memory without harming the tests."""

import importlib
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch

from dpam.cli import COMMANDS, main

for module, _ in COMMANDS.values():
    importlib.import_module(module)  # once, not in each process

MEMORY = 32 * 2**30  # bytes of address space


class Outcome(NamedTuple):
    """How a command ended: exit status (negative: by that signal; None: it hung), what it said."""

    status: int | None
    out: str
    err: str

    def is_clear(self) -> bool:
        """Whether it ended by itself, without a traceback, a bug or a library's warning."""
        unclear = ("Traceback", "bug in dpam", "Warning", "Exception ignored", "Logging error")
        return self.status in range(64) and not any(word in self.err for word in unclear)


def call(*arguments: object, seconds: float = 60, stdin: Path = Path(os.devnull)) -> Outcome:
    """Run `dpam` in a forked process, which has all modules already; its whole group ends with it.

    Its standard output and error are caught below Python, so that what C libraries say is there.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [os.open(stdin, os.O_RDONLY | os.O_NONBLOCK)]
        for name in ("out", "err"):
            files.append(os.open(os.path.join(folder, name), os.O_CREAT | os.O_WRONLY))
        child = os.fork()
        if child == 0:
            _become(files, [str(word) for word in arguments])
        for file in files:
            os.close(file)
        status = _wait(child, seconds)
        texts = [
            Path(folder, name).read_bytes().decode(errors="replace") for name in ("out", "err")
        ]
        return Outcome(status, *texts)


def _become(files: list[int], arguments: list[str]) -> None:
    status = 70
    try:
        os.setsid()
        for number, file in enumerate(files):
            os.dup2(file, number)
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
            for number, mode in enumerate(("r", "w", "w"))
        )
        torch.set_num_threads(1)  # makes its pool anew, which two threads at once cannot
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        status = main(arguments)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


def _wait(child: int, seconds: float) -> int | None:
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what it may have left behind
