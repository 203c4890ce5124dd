"""A copy of the repository in which the workflow can run, and be edited."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

TOP = Path(__file__).resolve().parent.parent.parent
PROGRAMS = Path(sys.executable).parent
CONFIGURATION = ["workflow/presets/demo.yaml", "tiny.yaml"]
PARTS = ["Snakefile", "config.yaml", "workflow", "profiles", "envs", "dpam"]


class Job(NamedTuple):
    """A job that Snakemake would run: its rule, the files that it reads and those that it makes."""

    rule: str
    inputs: frozenset[str]
    outputs: frozenset[str]


class Checkout:
    """A copy of what the workflow consists of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in PARTS:
            source, target = TOP / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)

    def run(
        self, program: str, *arguments: str, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment with this copy of the package before any other.

        In `folder`, or here.
        """
        return self._answer([str(PROGRAMS / program), *arguments], folder or self.folder)

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line of a shell here, as `run` does."""
        return self._answer(["bash", "-c", command], self.folder)

    def _answer(self, words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": sys.prefix,  # for make
            "HF_HUB_OFFLINE": "1",
        }
        return subprocess.run(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake here."""
        return self.run("snakemake", *arguments)

    @contextmanager
    def tiny_with(self, old: str, new: str) -> Iterator[None]:
        """For a while, tiny.yaml says one thing instead of another."""
        file = self.folder / "tiny.yaml"
        before = file.read_text()
        assert old in before
        file.write_text(before.replace(old, new))
        try:
            yield
        finally:
            file.write_text(before)

    def take_photographs(self) -> None:
        """The dataset `mine` of tiny.yaml: 15 smooth pictures and their scores."""
        folder = self.folder / "photographs"
        folder.mkdir()
        rows = ["image,label"]
        for number in range(15):
            coarse = np.random.default_rng(number).integers(0, 256, (8, 12, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((96, 64), Image.Resampling.BICUBIC)
            picture.save(folder / f"{number}.bmp")  # all of one size in bytes
            rows.append(f"{number}.bmp,{number}")
        (folder / "scores.csv").write_text("\n".join(rows) + "\n")

    def planned(self, *options: str) -> list[Job]:
        """The jobs that would run, less `all`, which only gathers targets."""
        answer = self.snakemake("-n", *options, "--configfile", *CONFIGURATION)
        assert answer.returncode == 0, answer.stderr
        jobs = []
        for text in re.split(r"^(?:local)?rule ", answer.stdout, flags=re.MULTILINE)[1:]:
            files = {
                name: frozenset(found[1].split(", "))
                if (found := re.search(rf"^    {name}: (.*)$", text, re.MULTILINE))
                else frozenset()
                for name in ("input", "output", "benchmark")
            }
            rule = text.partition(":")[0]
            if rule != "all":
                jobs.append(Job(rule, files["input"], files["output"] | files["benchmark"]))
        return jobs
