"""Photographs a second, from file to score."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from dpam.baselines.brisque import brisque_features
from dpam.demo.photographs import PHOTOGRAPHS, load
from dpam.imaging.images import decode

from .judges import Judge, Network

SIZE = (1024, 768)
COUNT = 24
ROUNDS = 3
START = "import sys, dpam; dpam.load(sys.argv[1]).score(sys.argv[2])"


def measure(judge: Judge, checkpoint: Path | None = None) -> dict[str, Any]:
    """Photographs of 1024x768 a second, as JPEG, of the fastest of three rounds that take turns.

    Args:
        judge: who scores.
        checkpoint: its file, if it is a network.

    Returns:
        together: all given at once; alone: one call each; brisque: only BRISQUE's features of each,
        by one thread; processor, threads, load before; start: seconds of a new process until its
        first score.
    """
    with tempfile.TemporaryDirectory() as name:
        paths = written(Path(name))
        forms: dict[str, Callable[[], object]] = {
            "together": lambda: list(judge.rate(paths)),
            "alone": lambda: [list(judge.rate([path])) for path in paths],
            "brisque": lambda: [brisque_features(decode(path)) for path in paths],
        }
        load_before = os.getloadavg()[0]
        seconds = {form: [timed(forms[form])] for form in forms}
        for _ in range(ROUNDS - 1):
            for form in forms:
                seconds[form].append(timed(forms[form]))
        result: dict[str, Any] = {
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "load_before": load_before,
            "photographs": len(paths),
            **{form: len(paths) / min(times) for form, times in seconds.items()},
        }
        if isinstance(judge, Network) and checkpoint is not None:
            command = [sys.executable, "-c", START, str(checkpoint), str(paths[0])]
            result["start"] = min(
                timed(lambda: subprocess.run(command, check=True)) for _ in range(ROUNDS)
            )
    return result


def written(folder: Path) -> list[Path]:
    """COUNT photographs as JPEG files."""
    paths = []
    for number in range(COUNT):
        picture = load(PHOTOGRAPHS[number % len(PHOTOGRAPHS)])
        path = folder / f"{number}.jpg"
        picture.resize(SIZE, Image.Resampling.LANCZOS).save(path, quality=90)
        paths.append(path)
    return paths


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def processor() -> str:
    """The processor's name, as far as the system tells it, and whether it has AVX2 and AVX-512."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    facts = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
    widest = {"avx2": "AVX2", "avx512f": "AVX-512"}
    able = [name for flag, name in widest.items() if flag in facts.get("flags", "").split()]
    return ", ".join([facts.get("model name", "unknown"), *able])
