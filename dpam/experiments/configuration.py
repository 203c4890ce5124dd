"""Checking a configuration against its schema, with messages that a person can act on."""

from collections.abc import Sequence
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from dpam.errors import DpamError, listed
from dpam.superpixels.methods import NAMES

# Keys of older configurations -> what they are called now.
RENAMED = {
    "parts": "distortions",
    "plain": "custom",
    "accumulation": "grad_accumulation",
    "recompute": "grad_checkpointing",
    "taps": "out_indices",
    "early_stop": "patience",
    "flip": "hflip",
}
REPOSITORY = Path(__file__).resolve().parents[2]


def read_over(files: Sequence[str | Path]) -> dict[str, Any]:
    """The repository's config.yaml and files laid over it, as Snakemake does it: key by key.

    Raises:
        DpamError: a file is missing or is no YAML with keys, or the whole is not valid.
    """
    from snakemake.utils import update_config  # takes a while

    config: dict[str, Any] = {}
    for file in [REPOSITORY / "config.yaml", *files]:
        try:
            content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            raise DpamError(f"{file}: {error.strerror or error}") from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise DpamError(f"{file}: expected YAML: {' '.join(str(error).split())}") from error
        if not isinstance(content, dict):
            raise DpamError(f"{file}: expected keys and values, found something else")
        update_config(config, content)
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
        parts = schema.get("properties", {})
        return {key: read_numbers(item, parts.get(key, {})) for key, item in value.items()}
    if isinstance(value, list):
        return [read_numbers(item, schema.get("items", {})) for item in value]
    if isinstance(value, str) and schema.get("type") == "number":
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
        schema_file: JSON schema, written in YAML.

    Raises:
        DpamError: unknown keys, wrong types, values out of range; all of them are listed.
    """
    schema = yaml.safe_load(Path(schema_file).read_text(encoding="utf-8"))
    blocks = schema["properties"].get("experiments", {}).get("items", {}).get("properties", {})
    if "methods" in blocks:
        blocks["methods"]["items"]["enum"] = list(NAMES)
    config.update(read_numbers(config, schema))
    fill_defaults(config, schema)
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda e: list(e.path))
    if errors:
        raise listed("the configuration is not valid", [explain(error) for error in errors])
    return config
