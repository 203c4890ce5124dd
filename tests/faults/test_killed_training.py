"""A training that is killed again and again ends as the one that was left alone."""

import json
import os
import random
import signal
import subprocess
import sys
import threading

import pandas as pd
import pytest
from safetensors.torch import load_file
from samples import labels_table, photograph, preparation, write_pack

from dpam.pack.preparing import prepare

pytestmark = pytest.mark.faults

MODEL = {"backbone": "test_vit", "embed_dim": 16}
TRAINING = {"epochs": 40, "batch_size": 3, "learning_rate": 1e-3, "ema": 0.9}
KILLS = 10


@pytest.fixture
def data(tmp_path):
    how = preparation("crop")
    labels = labels_table(24)
    settings = {"dataset": "tiny", "title": "Tiny", "preparation": vars(how)}
    images = (prepare(photograph(i), how) for i in range(len(labels)))
    write_pack(tmp_path / "tiny.h5", labels, how, settings, images)
    subsets = ["train"] * 18 + ["validation"] * 3 + ["test"] * 3
    splits = pd.DataFrame({"image": labels["image"], "split00": subsets})
    splits.to_csv(tmp_path / "splits.csv", index=False)
    return tmp_path


def start(data, run):
    folder = data / run
    arguments = [
        *("train", data / "tiny.h5", "--splits", data / "splits.csv", "--threads", 1),
        *("--set", f"model={json.dumps(MODEL)}", f"training={json.dumps(TRAINING)}"),
        *("--output", folder / "model.safetensors", "--history", folder / "history.csv"),
        *("--test-selected", folder / "test_selected.safetensors"),
    ]
    command = [sys.executable, "-m", "dpam.cli", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(process, words):
    """Read its messages up to the one with `words`; go on reading beside."""
    for line in process.stderr:
        if words in line:
            break
    threading.Thread(target=process.stderr.read, daemon=True).start()


def test_ten_kills_change_nothing(data, note):
    alone = start(data, "alone")
    assert "epoch 40/40" in alone.communicate()[1]
    assert alone.returncode == 0

    moments = random.Random(20)
    model = data / "killed/model.safetensors"
    stopped = 0
    for kill in range(KILLS):
        process = start(data, "killed")
        wait_for(process, "/40: loss")  # its own first epoch, or those before, said again
        try:
            process.wait(moments.uniform(0, 1.2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM if kill % 3 == 2 else signal.SIGKILL)
            stopped += 1
            process.wait()
        if model.exists():  # it was over: it ended by itself, or was killed on its way out
            assert process.returncode in (0, -signal.SIGKILL, -signal.SIGTERM)
            break
        assert process.returncode in (-signal.SIGKILL, os.EX_TEMPFAIL)
    assert stopped >= KILLS // 2
    if process.returncode:
        last = start(data, "killed")
        last.communicate()
        assert last.returncode == 0

    for file in ("model.safetensors", "test_selected.safetensors"):
        first, second = (load_file(data / run / file) for run in ("alone", "killed"))
        assert all(first[name].equal(second[name]) for name in first)
    first, second = (pd.read_csv(data / run / "history.csv") for run in ("alone", "killed"))
    numbers = [name for name in first if "second" not in name and name != "memory_gb"]
    pd.testing.assert_frame_equal(first[numbers], second[numbers])
    assert not list((data / "killed").glob("*progress*"))
    note("SIGKILL", f"{stopped} x a training at work, SIGTERM among them", "bitwise as undisturbed")
