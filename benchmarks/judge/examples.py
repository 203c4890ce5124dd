"""Photographs that a judge scores near 20, 40, 60 and 80."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from dpam.demo.photographs import PHOTOGRAPHS, Photograph
from dpam.utils.files import atomic

from .ladders import degraded, photograph

TARGETS = (80, 60, 40, 20)
SIDE = 320  # pixels of a thumbnail
LARGEST = 60_000  # bytes of a thumbnail
JPEG = b"\xff\xd8"


class Example(NamedTuple):
    """A photograph, perhaps with a defect (level 1 to 5), and its score."""

    which: Photograph
    kind: str
    level: int
    score: float


def chosen(judge: Mapping[str, Any]) -> dict[int, Example]:
    """By target the nearest photograph of a free licence, each photograph once; of the ladders."""
    found = judge["ladders"]
    free = {one.name: one for one in PHOTOGRAPHS if not one.licence.startswith("none")}
    candidates = [
        Example(free[name], kind, level, score)
        for kind, ladder in found["kinds"].items()
        for (name, crop), row in zip(found["photographs"], ladder["scores"], strict=True)
        for level, score in enumerate(row)
        if crop == "whole" and name in free
    ]
    examples: dict[int, Example] = {}
    for target in TARGETS:
        taken = {example.which.name for example in examples.values()}
        left = [one for one in candidates if one.which.name not in taken]
        if left:
            examples[target] = min(left, key=lambda one: abs(one.score - target))
    return examples


def name_of(target: int) -> str:
    """The thumbnail's file."""
    return f"judge_{target}.jpg"


def write(judge: Mapping[str, Any], images: Path) -> None:
    """The thumbnails; earlier ones are replaced."""
    for target, one in chosen(judge).items():
        rgb = photograph(one.which)
        picture = Image.fromarray(degraded(rgb, f"{one.which.name}, whole", one.kind, one.level))
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        for quality in (90, 80, 70, 60):
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=quality, optimize=True)
            if file.tell() < LARGEST:
                break
        with atomic(images / name_of(target), ours=JPEG) as temporary:
            temporary.write_bytes(file.getvalue())


def table(judge: Mapping[str, Any], images: str) -> str:
    """The thumbnails side by side, with scores, defects and authors."""
    examples = chosen(judge)
    head = [f"{one.score:.0f}" for one in examples.values()]
    pictures = [
        f"![{one.which.shows}]({images}/{name_of(target)})" for target, one in examples.items()
    ]
    defects = [
        f"{one.kind.replace('_', ' ')}, level {one.level}" if one.level else "as it is"
        for one in examples.values()
    ]
    authors = [f"{one.which.author}, {one.which.licence}" for one in examples.values()]
    lines = [head, ["---"] * len(head), pictures, defects, authors]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
