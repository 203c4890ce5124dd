"""Print the card of a checkpoint: what network it is, trained on what, how, and by what code.

dpam info                      # of the judge that comes with the package
dpam info --judge fine         # of the slower and better one
dpam info model.safetensors
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from math import prod
from typing import Any

from dpam.commands.arguments import add_checkpoint, checkpoint_of
from dpam.errors import DpamError
from dpam.evaluation.conformal import width_of
from dpam.inference.scores import Scale, learned_range
from dpam.model.header import metadata_of, open_checkpoint, read_header, read_settings
from dpam.model.shapes import SHAPES

# Ends of the names of tensors that are no parameters: what batch norms count.
COUNTED = ("running_mean", "running_var", "num_batches_tracked")
# Line of the card, and the entry of the metadata that it shows.
TRAINING = {
    "dataset": "title",
    "distortion": "distortion",
    "split": "split",
    "scaling": "scaling",
    "seed": "seed",
    "views": "views",
    "epoch": "selected_epoch",
    "selected on": "selected_by",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_checkpoint(parser, "checkpoint", nargs="?")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    checkpoint = checkpoint_of(args)
    with open_checkpoint(checkpoint, "np") as file:
        header = read_header(checkpoint, file)
        stored = file.keys()
        names = [name for name in stored if not name.endswith(COUNTED)]
        count = sum(prod(file.get_slice(name).get_shape()) for name in names)
    settings = read_settings(header)
    if not isinstance(settings, dict) or not {"backbone", "image_size"} <= settings.keys():
        raise DpamError(f"{checkpoint}: expected the settings of a network, found {settings!r:.80}")
    found = card(settings, count, metadata_of(header))
    lines = [("checkpoint", str(checkpoint)), *found]
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        print(f"{name:<{width}}  {text}")


def card(
    settings: dict[str, Any], count: int, metadata: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """The lines of the card, as far as settings, metadata and the count of parameters tell."""
    shown = {key: value for key, value in settings.items() if key not in ("network", "image_size")}
    size = settings["image_size"]
    name = settings.get("network", "DPAM")
    yield "network", f"{name}, {pairs({**shown, 'input': f'{size}x{size}'})}"
    yield "parameters", f"{count:,}"
    if settings["backbone"] in SHAPES:
        mean, std = map(join_numbers, SHAPES[settings["backbone"]].colours)
        yield "normalisation", f"mean {mean}; std {std} (RGB, of 1)"
    if "preparation" in metadata:
        yield "preparation", pairs(metadata["preparation"])
    if "score_range" in metadata:
        low, high = metadata["score_range"]
        scale = Scale(metadata["label_kind"], low, high, metadata["higher_is_better"])
        yield "score range", str(scale)
        learned = learned_range(metadata)
        if learned is None:
            yield "learned labels", "stretched by extremes that are not known: scores 0 to 100 only"
        elif learned != (0, 1):
            worst, best = map(scale.native, learned)
            yield "learned labels", f"stretched from {worst:g} (worst) to {best:g} (best)"
    whole = metadata.get("preparation", {}).get("network_input") == "whole"
    for line, key in TRAINING.items():
        if key in metadata:
            yield line, "whole" if key == "views" and whole else str(metadata[key])
    if "validation" in metadata:
        found = metadata["validation"]
        yield "validation", "{images} images, SRCC {srcc:.3f}, PLCC {plcc:.3f}".format(**found)
    if (width := width_of(metadata)) is not None:
        images = metadata["interval"]["images"]
        yield (
            "interval",
            f"the labels of nine in ten photographs like the {images} of the validation set lie "
            f"no farther from the score than {width}",
        )
    if "training" in metadata:
        yield "training", pairs(metadata["training"])
    if "start" in metadata:
        yield "started from", pairs({key: metadata["start"][key] for key in ("file", "sha256")})
    if "exported_from" in metadata:
        yield "float16 copy of", pairs(metadata["exported_from"])
    if "imported_from" in metadata:
        yield "imported from", pairs(metadata["imported_from"])
    made_by = metadata.get("made_by", {})
    for line, key in (("commit", "commit"), ("machine", "device"), ("platform", "platform")):
        if made_by.get(key):
            yield line, str(made_by[key])
    if made_by:
        versions = {"dpam": made_by["dpam"], "Python": made_by["python"], **made_by["versions"]}
        yield "versions", pairs(versions)


def join_numbers(values: tuple[float, ...]) -> str:
    """Numbers with a blank between."""
    return " ".join(f"{value:g}" for value in values)


def pairs(values: dict[str, Any]) -> str:
    """A mapping as "name value, name value", without what is None."""
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
