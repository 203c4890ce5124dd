"""Configurations and settings of wrong types: a line that says where, and what was expected."""

import copy
import json
import subprocess
from pathlib import Path

import pytest
import yaml
from checkout import TOP, Checkout
from running import call
from test_broken_checkpoints import pack

from dpam.errors import DpamError
from dpam.experiments.configuration import validate

KIND = "configuration with wrong types"
SCHEMA = TOP / "workflow/schemas/config.schema.yaml"
STRANGE = ("text", -1, 1.5, True, None, [], {}, ["text"], {"a": 1}, float("nan"), 10**30)


def defaults() -> dict:
    return yaml.safe_load((TOP / "config.yaml").read_text())


def places(value, path=()):
    """The path of every value of a configuration."""
    yield path
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, part in value.items() if isinstance(value, dict) else ():
        yield from places(part, (*path, key))


def replaced(config, path, value):
    config = copy.deepcopy(config)
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return config


@pytest.mark.parametrize("strange", STRANGE, ids=repr)
def test_every_value_of_the_configuration_replaced(strange, note):
    """No exception but the one for users; what passes is of the kind that the schema asks for."""
    config = defaults()
    paths = [path for path in places(config) if path]
    refused = 0
    for path in paths:
        try:
            validate(replaced(config, path, strange), SCHEMA)
        except DpamError as error:
            refused += 1
            lines = str(error).splitlines()
            assert lines[0] == "the configuration is not valid:"
            assert any(str(path[0]) in line for line in lines[1:])
    assert refused >= len(paths) // 4
    note(KIND, f"{strange!r} in each of {len(paths)} places", f"refused in {refused}, else valid")


TRAINING = [
    {"epochs": "many"}, {"epochs": 0}, {"epochs": -3}, {"epochs": None}, {"epochs": 1.5},
    {"batch_size": 0}, {"batch_size": "12"}, {"batch_size": 10**9}, {"learning_rate": "fast"},
    {"learning_rate": -1}, {"learning_rate": None}, {"grad_accumulation": 0}, {"warmup": "slow"},
    {"hflip": "often"}, {"ema": "x"}, {"patience": "soon"}, {"loss": 7}, {"loss": []},
    {"optimiser": {}}, {"schedule": None}, {"precision": 16}, {"freeze_blocks": "no"},
    {"unknown": 1}, {"weight_decay": []},
]  # fmt: skip
MODEL = [
    {"embed_dim": "16"}, {"embed_dim": 0}, {"embed_dim": None}, {"embed_dim": 16.0},
    {"backbone": 7}, {"backbone": "nothing"}, {"backbone": None}, {"out_indices": "all"},
    {"out_indices": 5}, {"out_indices": [99]}, {"out_indices": ["a"]}, {"dropout": "some"},
    {"dropout": 2}, {"unknown": 1},
    {"weights": 7}, {"weights": "/nowhere"},
]  # fmt: skip


@pytest.mark.parametrize(("option", "settings"), [("training", TRAINING), ("model", MODEL)])
def test_settings_of_training(option, settings, tmp_path, note):
    pack(tmp_path)
    problems = []
    for setting in settings:
        whole = {
            "training": {"epochs": 1, "batch_size": 4},
            "model": {"backbone": "test_vit", "embed_dim": 16},
        }
        whole[option] |= setting
        answer = call(
            *("train", "tiny.h5", "--splits", "splits.csv", "--output", "m.safetensors"),
            *("--test-selected", "r.safetensors", "--history", "h.csv"),
            *("--threads", 1, "--set"),
            *(f"{name}={json.dumps(value)}" for name, value in whole.items()),
        )
        if answer.is_clear() and answer.status == 1:
            note(KIND, f"train {option} {setting}", f"refused: {answer.err.splitlines()[-1][:160]}")
        else:
            problems.append((setting, answer))
    assert not problems, "\n".join(map(str, problems))


CUSTOM = [
    [], "text", 7, None, {}, {"labels": 7}, {"labels": None}, {"labels": "/etc/passwd"},
    {"labels": "../x.csv"}, {"score_range": "0-5"}, {"score_range": [5, 0]}, {"score_range": [0]},
    {"score_range": [0, None]}, {"score_range": ["a", "b"]}, {"score_range": [0, 1e400]},
    {"higher_is_better": "yes"}, {"higher_is_better": 1}, {"images": ".."}, {"images": "/"},
    {"images": 7}, {"title": []}, {"network_input": "all"}, {"recipe": 7}, {"recipe": {"x": 1}},
    {"recipe": {"size": "big"}}, {"recipe": {"count": "x"}}, {"label_kind": {}},
]  # fmt: skip


def test_settings_of_a_dataset_of_ones_own(tmp_path, note):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/scores.csv").write_text("image,label\n")
    good = {"labels": "scores.csv", "score_range": [0, 5], "higher_is_better": True}
    problems = []
    for setting in CUSTOM:
        custom = good | setting if isinstance(setting, dict) and setting else setting
        answer = call(
            *("verify-download", "mine", "--root", "data", "--custom", json.dumps(custom)),
            *("--threads", 1, "--output", "verified.json"),
        )
        if answer.is_clear() and answer.status in (1, 2):
            note(KIND, f"custom: {setting}", f"refused: {answer.err.splitlines()[-1][:160]}")
        else:
            problems.append((setting, answer))
    assert not problems, "\n".join(map(str, problems))


FILES = {
    "experiments that are text": "experiments: everything\n",
    "a list": "- a\n- b\n",
    "text": "hello\n",
    "nothing": "",
    "broken YAML": "experiments: [\n",
    "a tab": "experiments:\n\t- a\n",
    "an unknown key": "learning_rate: 1\n",
    "code": "demo: !!python/object/apply:os.system ['touch canary']\n",
    "epochs in words": "training: {epochs: many}\n",
    "roots as a list": "roots: [a, b]\n",
    "a number as results": "pathvars: {results: 7, logs: l, benchmarks: b}\n",
}


@pytest.mark.faults
@pytest.mark.parametrize("what", FILES)
def test_snakemake_with_a_broken_configuration(what, tmp_path, note):
    checkout = Checkout(tmp_path)
    (tmp_path / "mine.yaml").write_text(FILES[what])
    try:
        answer = checkout.snakemake("-n", "--configfile", "workflow/presets/demo.yaml", "mine.yaml")
    except subprocess.TimeoutExpired:
        pytest.fail("it hangs")
    assert not Path(tmp_path / "canary").exists()
    assert "Traceback" not in answer.stderr
    assert answer.returncode != 0
    note(KIND, f"Snakemake: {what}", f"refused: {answer.stderr.strip().splitlines()[-1][:160]}")
