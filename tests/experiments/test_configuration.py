"""A wrong configuration is refused in words that say where, what and what else."""

import argparse
import importlib
import re
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from dpam.errors import DpamError
from dpam.experiments.configuration import read_schema, settings_of_run, validate
from dpam.experiments.resources import IMAGES_PER_JOB
from dpam.experiments.settings import ModelSettings, TrainingSettings, schema_of
from dpam.model.networks import NETWORKS
from dpam.pack.preparation import PROFILES, RESIZES, TEXTURES
from dpam.pack.views import USUAL, VIEWS
from dpam.superpixels.methods import RIM
from dpam.superpixels.rim import PRESETS
from dpam.superpixels.slico import BACKENDS
from dpam.training.losses import LOSSES
from dpam.training.optim import OPTIMISERS
from dpam.utils.reading import read_yaml

TOP = Path(__file__).resolve().parents[2]
SCHEMA = TOP / "workflow/schemas/config.schema.yaml"


def configuration():
    return yaml.safe_load((TOP / "config.yaml").read_text())


def test_the_paper_s_experiment_says_what_the_defaults_say():
    given = configuration()
    bare = {"pathvars": given["pathvars"], "experiments": given["experiments"]}
    keys = (
        "splits image_size stored_side resize views model superpixels training custom roots allow "
        "labels"
    )
    for key in keys.split():
        assert validate(bare, SCHEMA)[key] == given[key]


def test_the_preset_as_released_is_what_the_release_does():
    given = configuration()
    update_config(given, yaml.safe_load((TOP / "workflow/presets/as_released.yaml").read_text()))
    found = validate(given, SCHEMA)
    release = {
        "training": {
            "optimiser": "adam",
            "learning_rate": 1e-5,
            "weight_decay": 1e-5,
            "layer_decay": 1,
            "schedule": "batch_cosine",
            "loss": "mse",
            "epochs": 200,
            "batch_size": 12,
            "hflip": 0.7,
            "ema": 0,
            "warmup": 0,
            "grad_accumulation": 1,
            "freeze_blocks": 0,
            "selection": "last",
            "patience": 0,
            "precision": "float32",
        },
        "superpixels": {
            "backend": "opencv",
            "statistics": "sampled",
            "texture": "wrapped",
            "colour_profiles": "ignored",
        },
        "model": {
            "backbone": "vit_base_patch8_224",
            "pretrained": True,
            "weights": None,
            "out_indices": None,
            "embed_dim": 768,
            "dropout": 0.1,
            "score_bias": None,
        },
        "labels": {"scaling": "faithful"},
        "splits": {"validation": False},
    }
    for part, expected in release.items():
        assert {key: found[part][key] for key in expected} == expected
    assert (found["image_size"], found["views"]) == (224, 1)
    for block in found["experiments"]:
        assert set(block["splits"]) <= {"authors", "whole"}
        assert (block["seeds"], block["methods"], block["baselines"]) == ([20], ["slic"], [])


@pytest.mark.parametrize(
    "training",
    [{"patience": 3}, {"selection": "last"}, {"teacher": "a.csv", "teacher_weight": 0.5}],
)
def test_keys_that_fit_together(training):
    validate({**configuration(), "training": training}, SCHEMA)


@pytest.mark.parametrize("preset", sorted((TOP / "workflow/presets").glob("*.yaml")))
def test_presets_are_valid(preset):
    validate({**configuration(), **yaml.safe_load(preset.read_text())}, SCHEMA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainin": {}}, "unknown key trainin; known: .*training"),
        ({"training": {"flip": 0.5}}, "training: flip is now called hflip"),
        (
            {"training": {"freeze_backbone": True}},
            "freeze_backbone is now called freeze_blocks: all",
        ),
        ({"training": {"freeze_blocks": "some"}}, "training.freeze_blocks: 'some' does not match"),
        ({"training": {"crop": 1.5}}, "training.crop: 1.5 is greater than the maximum of 1"),
        ({"training": {"lr": 1}}, "training: unknown key lr; known: .*learning_rate"),
        ({"training": {"epochs": "many"}}, "training.epochs: 'many' is not of type 'integer'"),
        ({"training": {"learning_rate": 0}}, "training.learning_rate: 0 is less than or equal"),
        ({"training": {"schedule": "x"}}, "training.schedule: 'x' is not one of"),
        ({"training": {"patience": 3, "selection": "last"}}, "patience: 0 was expected"),
        ({"training": {"teacher": "a.csv"}}, "training.teacher_weight: 0.0 is .*who is named"),
        ({"training": {"teacher_weight": 0.5}}, "training.teacher_weight: 0 was .*none is named"),
        ({"image_size": 8}, "image_size: 8 is less than the minimum of 32"),
        ({"experiments": []}, "experiments"),
        (
            {"experiments": [{"name": "a", "datasets": ["x"], "seeds": [2, 2], "test_on": "self"}]},
            "experiments.0.seeds: .2, 2. has non-unique",
        ),
        (
            {"experiments": [{"name": "a", "datasets": ["../x"], "test_on": "self"}]},
            "experiments.0.datasets.0",
        ),
        ({"custom": {"mine": {"labels": "a.csv"}}}, "custom.mine: 'score_range' is a required"),
    ],
)
def test_faults_are_explained(change, message):
    with pytest.raises(DpamError, match=message):
        validate({**configuration(), **change}, SCHEMA)


def test_a_key_that_stands_twice_is_refused(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("variants:\n  a: {views: 1}\n  b: {views: 1}\nviews: 5\n")
    assert read_yaml(file)["views"] == 5
    file.write_text("variants:\n  a: {views: 1}\n  a: {views: 4}\nallow:\n- {x: 1, x: 2}\n")
    with pytest.raises(DpamError, match=r"mine.yaml: .* again a \(line 3\), x \(line 5"):
        read_yaml(file)


def test_a_number_that_yaml_reads_as_text_is_one():
    """PyYAML wants a point and a sign: of 1e-4, 1E5, 1.0e5 it makes text."""
    written = "{learning_rate: 1e-4, weight_decay: 5E-2, ema: 0.998, loss: mse}"
    given = {**configuration(), "training": yaml.safe_load(written)}
    found = validate(given, SCHEMA)["training"]
    assert (found["learning_rate"], found["weight_decay"], found["ema"]) == (1e-4, 0.05, 0.998)
    assert found["loss"] == "mse"
    with pytest.raises(DpamError, match=r"training.learning_rate: '1e-4x' is not of type 'number'"):
        validate({**configuration(), "training": {"learning_rate": "1e-4x"}}, SCHEMA)
    with pytest.raises(DpamError, match="learning_rate"):
        validate({**configuration(), "training": {"learning_rate": "nan"}}, SCHEMA)


def test_every_key_of_the_schema_has_a_description():
    def undescribed(schema, where):
        for key, part in schema.get("properties", {}).items():
            if "description" not in part:
                yield f"{where}.{key}"
            yield from undescribed(part, f"{where}.{key}")
            yield from undescribed(part.get("items", {}), f"{where}.{key}")

    assert list(undescribed(read_schema(SCHEMA), "")) == []


def test_config_yaml_has_every_setting_with_its_default():
    given = configuration()
    for name, kind in (("model", ModelSettings), ("training", TrainingSettings)):
        assert given[name] == asdict(kind())


@pytest.mark.parametrize("section", ["model", "training", "superpixels"])
def test_config_yaml_says_every_choice(section):
    """In the line of a key or in the comment above it."""
    text = (TOP / "config.yaml").read_text()
    (block,) = re.findall(rf"(?ms)^{section}:\n(.*?)(?=^\S|\Z)", text)
    lines = re.findall(r"(?m)((?:^  #.*\n)*^  (\w+):.*)", block)
    said = {key: set(re.findall(r"[\w-]+", comment)) for comment, key in lines}
    keys = read_schema(SCHEMA)["properties"][section]["properties"]
    assert said.keys() == keys.keys()
    for key, part in keys.items():
        assert said[key] >= set(part.get("enum", ())), key


def default(command, key):
    """What a command takes where an option is not given."""
    parser = argparse.ArgumentParser()
    importlib.import_module(f"dpam.commands.{command}").add_arguments(parser)
    assert any(action.dest == key for action in parser._actions)
    return parser.get_default(key)


def test_a_default_that_stands_twice_is_the_same():
    given = configuration()
    superpixels = given["superpixels"]
    for key in ("image_size", "stored_side", "resize"):
        assert default("pack_superpixels", key) == given[key]
    for key in ("backend", "rim", "ainet", "statistics", "texture", "colour_profiles"):
        assert default("pack_superpixels", key) == superpixels[key]
    assert default("estimate", "images_per_job") == IMAGES_PER_JOB == superpixels["images_per_job"]
    assert default("estimate", "image_size") == given["image_size"]
    assert default("extract_vit", "image_size") == given["image_size"]
    assert default("train", "views") == default("estimate", "views") == USUAL == given["views"]
    assert default("test", "views") is None  # as the checkpoint says


def test_choices_of_preparation_are_what_there_is():
    keys = read_schema(SCHEMA)["properties"]
    superpixels = keys["superpixels"]["properties"]
    assert set(superpixels["backend"]["enum"]) == set(BACKENDS)
    assert set(superpixels["rim"]["enum"]) == set(RIM) == set(PRESETS)
    assert tuple(superpixels["texture"]["enum"]) == TEXTURES
    assert tuple(superpixels["colour_profiles"]["enum"]) == PROFILES
    assert tuple(keys["resize"]["enum"]) == RESIZES
    assert tuple(keys["views"]["enum"]) == VIEWS


def test_choices_of_training_are_what_there_is():
    choices = schema_of(TrainingSettings)["properties"]
    assert choices["loss"]["enum"] == list(LOSSES)
    assert choices["optimiser"]["enum"] == list(OPTIMISERS)
    assert schema_of(ModelSettings)["properties"]["network"]["enum"] == list(NETWORKS)


def test_settings_of_one_training_come_from_a_file_and_from_words(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("{model: {embed_dim: 16}, training: {epochs: 3, ema: 0.9}, image_size: 224}")
    model, training = settings_of_run(file, ["training.learning_rate=1e-4", "training.ema=0"])
    assert model == {"embed_dim": 16}
    assert training == TrainingSettings(epochs=3, learning_rate=1e-4, ema=0.0)
    file.write_text("{model: , training: }")  # sections without anything
    model, training = settings_of_run(file, ["model.embed_dim=16", "training.epochs=3"])
    assert (model, training) == ({"embed_dim": 16}, TrainingSettings(epochs=3))
    model, training = settings_of_run(None, ["model={start: judge}", "training.teacher=null"])
    assert (model, training) == ({"start": "judge"}, TrainingSettings())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epochs", r"--set training.epochs: expected .*NAME=VALUE"),
        ("splits.seed=3", r"--set splits.seed=3: expected model.NAME=VALUE"),
        ("training.a.b=3", r"--set training.a.b=3: expected"),
        ("training.epochs={", r"--set training.epochs=\{: "),
        ("training.epochs=0.5", r"training.epochs: 0.5 is not of type 'integer'"),
        ("training=7", r"training: 7 is not of type 'object'"),
        ("model.=7", r"--set model.=7: expected"),
        ("training.lr=1", r"training: unknown key lr; known: epochs"),
        ("training.teacher_weight=0.5", r"share of a teacher, but none is named"),
    ],
)
def test_words_that_are_no_settings_are_refused(change, message):
    with pytest.raises(DpamError, match=message):
        settings_of_run(None, [change])


def test_a_section_that_is_none_is_refused_whatever_is_set_in_it():
    with pytest.raises(DpamError, match="training: 7 is not of type 'object'"):
        settings_of_run(None, ["training=7", "training.epochs=3"])
