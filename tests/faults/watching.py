"""Looks on while the workflow runs: no half file may stand under a final name."""

import hashlib
import json
import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
from safetensors import safe_open

PAUSE = 0.02  # seconds between two looks
PASSED_OVER = ("logs", "benchmarks", "model.tensorboard")  # text that grows; Snakemake's own
ENDS = {".svg": b"</svg>", ".html": b"</html>", ".json": b"}", ".md": b"\n", ".tex": b"\n"}


class State(NamedTuple):
    """What tells whether a file was written again in place: a rename gives another inode."""

    inode: int
    size: int
    modified: int


def final_files(results: Path) -> dict[Path, State]:
    """The files under final names: hidden names are for files that are being written."""
    found = {}
    for folder, folders, names in os.walk(results):
        folders[:] = [name for name in folders if name[0] != "." and name not in PASSED_OVER]
        for name in names:
            if name[0] == "." or name.endswith(".progress.pt"):
                continue
            path = Path(folder, name)
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            found[path] = State(status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def problem(path: Path) -> str:
    """Why a file is not a whole one; empty if it is."""
    try:
        content = path.read_bytes()
        if path.suffix == ".h5":
            with h5py.File(path, "r", locking=False) as file:
                if "packed" in file and not file["packed"][:].all():
                    return "images are missing"
        elif path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                file.metadata()
        elif path.suffix == ".npy":
            np.load(path, allow_pickle=False)
        elif path.suffix == ".csv":
            pd.read_csv(path)
            if not content.endswith(b"\n"):
                return "the last line is cut off"
        elif path.suffix in ENDS:
            if not content.endswith(b"\n") and not content.rstrip().endswith(ENDS[path.suffix]):
                return "the end lacks"
            if path.suffix == ".json":
                json.loads(content)
    except FileNotFoundError:
        return ""  # removed again, whole
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


class Watcher:
    """Looks at a folder of results, again and again, from a thread.

    Attributes:
        problems: what stood half written, or was written in place, under a final name.
        appearances: how many files have appeared under final names, every time that one did.
        looks: how many times it looked.
    """

    def __init__(self, results: Path) -> None:
        self.results = results
        self.problems: list[str] = []
        self.appearances = self.looks = 0
        self.known: dict[Path, State] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()
        self.look()

    def _watch(self) -> None:
        while not self._over.is_set():
            self.look()
            time.sleep(PAUSE)

    def look(self) -> None:
        """Every file that is new must be whole; every other must be as it was."""
        files = final_files(self.results)
        self.looks += 1
        for path, state in files.items():
            before = self.known.get(path)
            if before == state:
                continue
            if before is not None and before.inode == state.inode and before.size != state.size:
                self.problems.append(f"{path}: written in place")
            self.appearances += 1
            if said := problem(path):
                self.problems.append(f"{path}: {said}")
        self.known = files


def digests(results: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """SHA-256 of the files that match, by their path in the folder."""
    paths = {path for pattern in patterns for path in results.glob(pattern)}
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if path.is_file()
    }
