"""`make bench-gpu`, in small and without a GPU."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "benchmarks.gpu", "--output"]


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.gpu import __main__

    return __main__


def test_what_is_missing_is_named(gpu, monkeypatch, tmp_path):
    monkeypatch.setitem(gpu.NEEDED, "no_such_module", "its-package")
    monkeypatch.setattr(sys, "argv", ["gpu", "--small", "--output", str(tmp_path / "new")])
    with pytest.raises(SystemExit, match=r"^missing: its-package; "):
        gpu.main()
    assert not (tmp_path / "new").exists()


def test_a_section_that_fails_or_takes_too_long_says_so(gpu, tmp_path):
    found = gpu.measured("no-such-section", tmp_path, 60, small=True)
    assert found["stopped"].startswith("(2) ")
    assert gpu.measured("network", tmp_path, 0.1, small=True)["stopped"] == "out of time"
    made_by = {"device": "a card", "commit": "0123", "python": "3", "versions": {"torch": "2"}}
    sections = {"tests": found, "predict": {"rows": [{"a": 1.23456, "b": "x|y"}], "seconds": 2}}
    page = gpu.markdown({"record": made_by, "small": False, "sections": sections})
    assert "Not all: (2) " in page
    assert "| a | b |\n| --- | --- |\n| 1.23 | x\\|y |" in page


@pytest.mark.tutorial
def test_the_page_has_every_section(gpu, tmp_path):
    command = [*COMMAND, str(tmp_path / "new"), "--small", "--seconds", "1500"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "bench-gpu.md").read_text() == done.stdout.removesuffix("\n")
    assert done.stdout.count("\n## ") == len(gpu.SECTIONS)
    assert "Not all" not in done.stdout
    assert done.stdout.count("| --- |") >= len(gpu.SECTIONS) - torch.cuda.is_available()
    assert "numbers say nothing" in done.stdout
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "is there already" in again.stderr
