"""Checking a configuration against its schema, with messages that a person can act on."""

from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from math import isfinite
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from dpam.errors import DpamError, error_of_many
from dpam.evaluation.baselines import BASELINES
from dpam.experiments.settings import SECTIONS, TrainingSettings, schema_of
from dpam.experiments.variants import VARIED, config_of
from dpam.superpixels.methods import NAMES
from dpam.utils.reading import read_yaml

# Keys of older configurations -> what they are called now.
RENAMED = {
    "parts": "distortions",
    "plain": "custom",
    "accumulation": "grad_accumulation",
    "recompute": "grad_checkpointing",
    "taps": "out_indices",
    "early_stop": "patience",
    "flip": "hflip",
    "freeze_backbone": "freeze_blocks: all",
}
TITLE = "the configuration is not valid"
REPOSITORY = Path(__file__).resolve().parents[2]


def read_over(files: Sequence[str | Path]) -> dict[str, Any]:
    """The repository's config.yaml and files laid over it, as Snakemake does it: key by key.

    Raises:
        DpamError: a file is missing or is no YAML with keys, or the whole is not valid.
    """
    from snakemake.utils import update_config  # takes a while

    config: dict[str, Any] = {}
    for file in [REPOSITORY / "config.yaml", *files]:
        update_config(config, read_yaml(file))
    return validate(config, REPOSITORY / "workflow/schemas/config.schema.yaml")


def fill_defaults(value: Any, schema: dict[str, Any]) -> None:
    """Put the schema's defaults where `value` has nothing, in place."""
    if isinstance(value, dict):
        for key, part in schema.get("properties", {}).items():
            if key not in value and "default" in part:
                default = part["default"]
                value[key] = default.copy() if isinstance(default, dict | list) else default
            if key in value:
                fill_defaults(value[key], part)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            fill_defaults(item, schema["items"])


def read_numbers(value: Any, schema: dict[str, Any]) -> Any:
    """The value, with text that is a number as one where the schema wants a number.

    PyYAML reads 1e-4, which lacks a point, as text.
    """
    if isinstance(value, dict):
        parts, rest = schema.get("properties", {}), schema.get("additionalProperties")
        other = rest if isinstance(rest, dict) else {}
        return {key: read_numbers(item, parts.get(key, other)) for key, item in value.items()}
    if isinstance(value, list):
        return [read_numbers(item, schema.get("items", {})) for item in value]
    if isinstance(value, str) and "number" in schema.get("type", ""):
        with suppress(ValueError):
            return number if isfinite(number := float(value)) else value
    return value


def explain(error: ValidationError) -> str:
    """One line: where, what was expected, what was found."""
    where = ".".join(str(step) for step in error.absolute_path) or "configuration"
    schema = error.schema
    instance: Any = error.instance
    if error.validator == "additionalProperties" and isinstance(schema, dict):
        known = schema.get("properties", {})
        unknown = [str(key) for key in instance if key not in known]
        new = [f"{key} is now called {RENAMED[key]}" for key in unknown if key in RENAMED]
        if len(new) == len(unknown):
            return f"{where}: {', '.join(new)}"
        return f"{where}: unknown key {', '.join(unknown)}; known: {', '.join(known)}"
    meaning = schema.get("description") if isinstance(schema, dict) else None
    return f"{where}: {error.message}" + (f" ({meaning})" if meaning else "")


def validate(config: dict[str, Any], schema_file: str | Path) -> dict[str, Any]:
    """The configuration with the schema's defaults filled in.

    Args:
        config: as read from YAML; it is changed in place.
        schema_file: JSON schema, written in YAML, less what `read_schema` adds to it.

    Raises:
        DpamError: unknown keys, wrong types, values out of range; all of them are listed.
    """
    schema = read_schema(schema_file)
    conform(config, schema, TITLE)
    problems = [
        f"variants.{name}: {line}"
        for name in config["variants"]
        for line in faults(config_of(config, name), schema)
    ]
    if problems:
        raise error_of_many(TITLE, problems)
    return config


def read_schema(file: str | Path) -> dict[str, Any]:
    """The schema in a file, with what the code says of methods, baselines and settings."""
    schema: dict[str, Any] = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    parts = schema["properties"]
    lists = parts["experiments"]["items"]["properties"]
    lists["methods"]["items"]["enum"] = list(NAMES)
    lists["baselines"]["items"]["enum"] = list(BASELINES)
    for name, kind in SECTIONS.items():
        parts[name] |= schema_of(kind)
    # What is refused together is looked for in a variant's whole configuration.
    alone = {key: {k: v for k, v in parts[key].items() if k != "allOf"} for key in VARIED}
    parts["variants"]["additionalProperties"]["properties"] = alone
    return schema


def conform(given: dict[str, Any], schema: dict[str, Any], title: str) -> dict[str, Any]:
    """What conforms to a schema, changed in place: its defaults filled in, its numbers read.

    Raises:
        DpamError: under the title, all that does not.
    """
    given.update(read_numbers(given, schema))
    fill_defaults(given, schema)
    if problems := faults(given, schema):
        raise error_of_many(title, problems)
    return given


def faults(given: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """What does not conform to a schema, a line each."""
    errors = Draft202012Validator(schema).iter_errors(given)
    return [explain(error) for error in sorted(errors, key=lambda error: list(error.path))]


def settings_of_run(
    file: str | Path | None, changes: Sequence[str]
) -> tuple[dict[str, Any], TrainingSettings]:
    """Settings of one training: of the network, those that are given; and of training.

    Args:
        file: YAML with `model` and `training`, as in config.yaml; other keys are another's.
        changes: "KEY=VALUE", over the file, such as training.learning_rate=1e-4; or of a whole,
            training={epochs: 2}.

    Raises:
        DpamError: the file cannot be read, or settings are unknown, of the wrong type or range.
    """
    given = {} if file is None else read_yaml(file)
    # An empty section of YAML is None.
    told = {name: {} if given.get(name) is None else given[name] for name in SECTIONS}
    for change in changes:
        key, equals, text = change.partition("=")
        section, dot, name = key.partition(".")
        if not equals or section not in SECTIONS or "." in name or bool(dot) != bool(name):
            raise DpamError(
                f"--set {change}: expected model.NAME=VALUE or training.NAME=VALUE, such as "
                "training.learning_rate=1e-4"
            )
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise DpamError(f"--set {change}: {' '.join(str(error).split())}") from error
        if not name:
            told[section] = {} if value is None else value
        elif isinstance(told[section], dict):  # what is none is refused below
            told[section][name] = value
    schema = {"properties": {name: schema_of(kind) for name, kind in SECTIONS.items()}}
    whole = conform(deepcopy(told), schema, "the settings are not valid")
    model = {key: whole["model"][key] for key in told["model"]}
    return model, TrainingSettings(**whole["training"])
