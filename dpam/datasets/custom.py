"""A user's own dataset: a CSV or `<image> <label>` lines, and what the configuration says of it."""

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from dpam.datasets.dataset import Dataset, Recipe
from dpam.datasets.layout import Files
from dpam.datasets.livec import LIVEC
from dpam.datasets.native import native_table, official_subsets, read_labels
from dpam.errors import error_of_many

REQUIRED = ("labels", "score_range", "higher_is_better")
COLUMNS = ("image", "label", "reference", "distortion", "level", "split")
OPTIONAL = ("images", "title", "label_kind", "network_input", "recipe")


def read(files: Files) -> pd.DataFrame:
    """A CSV (image, label; reference, distortion, level, group, split if there are), or text."""
    path = files.labels[0]
    table = read_labels(path)
    labels = table.reindex(columns=COLUMNS, fill_value="")
    level, distortion = labels["level"], labels["distortion"]
    wrong = labels[
        ~level.str.fullmatch(r"\d*")
        | ~distortion.str.fullmatch(r"(\w[\w.-]*)?")
        | distortion.isin(["all", "every"])
    ]
    if len(wrong):
        raise error_of_many(
            f"{path}: levels must be whole numbers, distortions one word, not `all` or `every`",
            [
                f"{row.image}: distortion `{row.distortion}`, level `{row.level}`"
                for row in wrong.itertuples()
            ],
        )
    return native_table(
        [files.image(name) for name in labels["image"]],
        labels["label"],
        reference=labels["reference"],
        distortion=labels["distortion"],
        level=labels["level"],
        group=table.get("group"),
        official=official_subsets(path, labels["split"]),
    )


def with_labels(dataset: Dataset, root: str | Path) -> Dataset:
    """The user's own dataset with what its labels tell: its kind, its distortion types, sorted.

    It is synthetic where a distortion type or a reference is named.

    Raises:
        DpamError: its files are missing, or its labels broken.
    """
    labels = dataset.read_labels(root)
    types = set(labels["distortion"]) - {""}
    made = bool(types or set(labels["reference"]) - {""})
    kind = "synthetic" if made else "authentic"
    return replace(dataset, kind=kind, distortions=tuple(sorted(types)))


def custom_dataset(name: str, settings: Mapping[str, Any]) -> Dataset:
    """The user's own dataset called `name`.

    Args:
        name: its key in the configuration.
        settings: `labels` (file, relative to the dataset's root), `score_range` [low, high] and
            `higher_is_better`; optional `images` (folder under the root; the root itself if not
            given), `title`, `label_kind` ("MOS"), `network_input` ("whole" or "crop") and
            `recipe` (the fields of `Recipe`; those not given are LIVE Challenge's).

    Raises:
        DpamError: a setting is missing, unknown or has an impossible value.
    """
    problems = [f"{key}: missing" for key in REQUIRED if key not in settings]
    problems += [f"{key}: unknown" for key in settings if key not in REQUIRED + OPTIONAL]
    score_range = settings.get("score_range", (0, 1))
    if not _is_range(score_range):
        problems.append(f"score_range: expected [low, high] with low < high, found {score_range}")
    if not isinstance(settings.get("higher_is_better", True), bool):
        problems.append("higher_is_better: expected true or false")
    network_input = settings.get("network_input", "whole")
    if network_input not in ("whole", "crop"):
        problems.append(f"network_input: expected whole or crop, found {network_input}")
    for key in ("labels", "images", "title", "label_kind"):
        if not isinstance(settings.get(key, ""), str):
            problems.append(f"{key}: expected text, found {settings[key]!r}")
    images = Path(str(settings.get("images", ".")))
    if images.is_absolute() or ".." in images.parts:
        problems.append(f"images: expected a folder under the dataset's root, found {images}")
    recipe = settings.get("recipe", {})
    if not isinstance(recipe, Mapping):
        problems.append(f"recipe: expected names and values, found {recipe!r}")
        recipe = {}
    recipe = dict(recipe)
    known = {field.name for field in fields(Recipe)}
    problems += [f"recipe.{key}: unknown" for key in recipe if key not in known]
    if problems:
        raise error_of_many(
            f"{name}: settings of your own dataset",
            problems,
            f"Needed are {', '.join(REQUIRED)}; there may be {', '.join(OPTIONAL)}.",
        )
    if recipe.get("size") is not None:
        recipe["size"] = tuple(recipe["size"])
    return Dataset(
        name=name,
        title=settings.get("title", name),
        kind="",
        images=None,
        references=None,
        label_kind=settings.get("label_kind", "MOS"),
        score_range=(float(score_range[0]), float(score_range[1])),
        higher_is_better=settings["higher_is_better"],
        network_input=network_input,
        recipe=Recipe(**{**_as_mapping(LIVEC.recipe), **recipe}),
        distortions=(),
        page="",
        terms="",
        licence="",
        label_files=((str(settings["labels"]),),),
        image_folders=((str(images),),),
        reader=read,
    )


def _as_mapping(recipe: Recipe) -> dict[str, Any]:
    return {field.name: getattr(recipe, field.name) for field in fields(recipe)}


def _is_range(value: Any) -> bool:
    try:
        low, high = (float(end) for end in value)
    except (TypeError, ValueError):
        return False
    return math.isfinite(low) and math.isfinite(high) and low < high
