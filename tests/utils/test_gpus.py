"""Each job has a GPU of its own; the GPUs are pretended."""

import ast
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpam.cli import build_parser, main
from dpam.experiments.fingerprint import STARTED
from dpam.utils import gpus
from dpam.utils.gpus import VISIBLE, own_card, take_card

TAKE = """
import sys
from pathlib import Path
from dpam.utils.gpus import take_card
print(take_card(["0", "GPU-1/2"], Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def job(folder):
    """A process that takes a card of two and keeps it until it is killed; the card."""
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, process.stdout.readline().strip()


def test_jobs_beside_each_other_have_cards_of_their_own_and_killed_ones_give_them_back(tmp_path):
    first, one = job(tmp_path)
    second, other = job(tmp_path)
    third, shared = job(tmp_path)
    try:
        assert (one, other) == ("0", "GPU-1/2")
        assert shared in ("0", "GPU-1/2")
        first.kill()
        first.wait()
        deadline = time.monotonic() + 10
        while (taken := take_card(["0", "GPU-1/2"], tmp_path)) != "0":
            assert time.monotonic() < deadline, taken
    finally:
        for process in (first, second, third):
            process.kill()
            process.communicate()


@pytest.fixture
def pretended(monkeypatch, tmp_path):
    """Three GPUs, none in use."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.setenv(VISIBLE, "")


@pytest.mark.parametrize(("named", "left"), [("", "0"), ("5, 7,6", "5"), ("2,1,0,9", "2")])
def test_one_of_the_visible_cards_is_left(pretended, monkeypatch, named, left):
    monkeypatch.setenv(VISIBLE, named)
    own_card()
    assert os.environ[VISIBLE] == left


def test_the_next_one_if_that_is_taken(pretended, monkeypatch, tmp_path):
    monkeypatch.setattr(gpus, "take_lock", taken_but({"7"}))
    monkeypatch.setenv(VISIBLE, "5,7,6")
    own_card()
    assert os.environ[VISIBLE] == "7"


def taken_but(free):
    def take(lock):
        if lock.name not in free:
            raise BlockingIOError

    return take


@pytest.mark.parametrize(("count", "used"), [(1, False), (0, False), (3, True)])
def test_a_single_card_or_one_in_use_is_left_as_it_is(pretended, monkeypatch, count, used):
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: used)
    monkeypatch.setenv(VISIBLE, "5,7,6")
    own_card()
    assert os.environ[VISIBLE] == "5,7,6"


def test_only_jobs_of_the_workflow_take_one(pretended, monkeypatch, tmp_path):
    asked = ["train", __file__, "--splits", __file__, "--output", f"{tmp_path}/a.safetensors"]
    asked += ["--test-selected", f"{tmp_path}/b.safetensors", "--history", f"{tmp_path}/c.csv"]
    monkeypatch.setattr("dpam.commands.train.run", lambda args: 0)
    for environment, options, expected in (
        ({}, [], ""),
        ({STARTED: "{}"}, ["--device", "cpu"], ""),
        ({STARTED: "{}"}, [], "0"),
    ):
        monkeypatch.delenv(STARTED, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert main([*asked, *options]) == 0
        assert os.environ[VISIBLE] == expected


def test_each_job_that_counts_as_one_with_a_card_takes_one():
    """`dpam.cli` lets the commands take one that may be told the device."""
    file = Path(__file__).parents[2] / "workflow/rules/resources.smk"
    rules = ast.literal_eval(re.search(r"^ON_GPU = (.*)$", file.read_text(), re.MULTILINE)[1])
    commands = [name.replace("_", "-") for name in rules if name != "test_test_selected"]
    assert {"train", "test", "map-quality", "extract-vit", "predict"} <= set(commands)
    for command in commands:
        (subparsers,) = build_parser(command)._subparsers._group_actions
        assert "device" in {action.dest for action in subparsers.choices[command]._actions}, command
