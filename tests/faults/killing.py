"""SIGKILLs at random moments of random jobs, their workers, and Snakemake itself."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
from checkout import Checkout

STAGES = (
    "make-demo-data", "verify-download", "normalise-labels", "draw-splits", "pack-superpixels",
    "train", "test", "map-quality", "extract-brisque", "extract-vit", "train-baseline", "evaluate",
    "tabulate", "plot", "report",
)  # fmt: skip
SNAKEMAKE, WORKER = "snakemake", "worker process"
SHARE = {SNAKEMAKE: 0.15, WORKER: 0.1}  # of the kills
# Kills of each at most, so that none is killed without end.
MOST = {SNAKEMAKE: 6, WORKER: 4} | dict.fromkeys(STAGES, 3)
PAUSE = 0.05  # seconds between two looks


class Workflow:
    """A checkout in which Snakemake runs, is killed, and is started again."""

    def __init__(self, checkout: Checkout, configuration: list[str], seed: int) -> None:
        self.checkout, self.configuration = checkout, configuration
        self.random = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()  # stages that had ended when they were to be killed
        self.starts = 0
        self.log = checkout.folder / "snakemake.log"

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Snakemake, in a process group of its own."""
        programs = Path(sys.executable).parent
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self.starts += 1
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [programs / "snakemake", "--cores", "2", "--rerun-incomplete", "--keep-going",
                 *options, "--configfile", *self.configuration],
                cwd=self.checkout.folder,
                env={**os.environ, "PYTHONPATH": str(self.checkout.folder), "PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def processes(self) -> dict[psutil.Process, str]:
        """What runs in the checkout, also what outlived its Snakemake: process -> what it is."""
        found = {}
        for process in psutil.process_iter():
            try:
                words, parent = process.cmdline(), process.ppid()
                if process.cwd() != str(self.checkout.folder):
                    continue
            except (psutil.Error, FileNotFoundError):
                continue
            if any(word.endswith("/bin/dpam") for word in words):
                stage = next((word for word in words if word in STAGES), "")
                forked = any(word in STAGES for word in self._words(parent))
                found[process] = WORKER if forked else stage
            elif "--multiprocessing-fork" in words:
                found[process] = WORKER
        return found

    @staticmethod
    def _words(number: int) -> list[str]:
        try:
            words = psutil.Process(number).cmdline()
        except psutil.Error:
            return []
        return words if any(word.endswith("/bin/dpam") for word in words) else []

    def run(self, kills: int, end: float) -> int:
        """Run to the end of the workflow, killing on the way; exit status of the last Snakemake.

        Args:
            kills: how many at most, together with those before.
            end: time (monotonic) by which it must be done; a run that is not is given up.
        """
        status = 1
        while status and time.monotonic() < end:
            snakemake = self.start()
            while snakemake.poll() is None and self.kills.total() < kills:
                self._kill_one(snakemake, kills - self.kills.total())
            try:
                status = snakemake.wait(max(1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(snakemake.pid, signal.SIGKILL)
            if status == -signal.SIGKILL:
                self.start("--unlock").wait()
        return status

    def _kill_one(self, snakemake: subprocess.Popen[bytes], left: int) -> None:
        """Wait for a random moment, or for a stage that was killed less than others, and kill.

        The last kills of all that are left are kept for the stages that were never killed.
        """
        kept = left <= sum(not self.kills[stage] for stage in STAGES)
        moment = time.monotonic() + self.random.uniform(1.5, 6)
        wanted = self.random.random()
        while snakemake.poll() is None:
            running = self.processes()
            fewest = min(self.kills[stage] for stage in STAGES)
            rare = [
                p for p, what in running.items() if what in STAGES and self.kills[what] == fewest
            ]
            if rare and fewest < 2:
                process = self.random.choice(rare)
                # The shortest stages last about as long.
                time.sleep(self.random.uniform(0, 1.5 / (1 + self.missed[running[process]])))
                if self._kill(process):
                    return
                self.missed[running[process]] += 1
            elif time.monotonic() > moment and not kept:
                if wanted < SHARE[SNAKEMAKE] and self.kills[SNAKEMAKE] < MOST[SNAKEMAKE]:
                    snakemake.send_signal(signal.SIGKILL)
                    self.kills[SNAKEMAKE] += 1
                    return
                spared = {what for what in self.kills if self.kills[what] >= MOST.get(what, 0)}
                workers = [
                    p for p, what in running.items() if what == WORKER and what not in spared
                ]
                stages = [p for p, what in running.items() if what in STAGES and what not in spared]
                chosen = workers if wanted < sum(SHARE.values()) and workers else stages
                if chosen and self._kill(self.random.choice(chosen)):
                    return
            time.sleep(PAUSE)

    def _kill(self, process: psutil.Process) -> bool:
        """Kill a process, if it still runs."""
        what = self.processes().get(process)
        try:
            process.kill()
        except psutil.Error:
            return False
        if what:
            self.kills[what] += 1
        return bool(what)
