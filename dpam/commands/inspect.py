"""What is inside a pack: counts, sizes, settings, versions, and a look at its images.

    dpam inspect results/data/koniq10k/slic.h5
    dpam inspect results/data/koniq10k/slic.h5 --contact-sheet koniq10k.png

The contact sheet shows images evenly spaced from the best to the worst label, each with its label;
and under them those whose label maps are kept, with the borders of their superpixels.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from dpam.commands.arguments import add_input, add_output
from dpam.utils.files import atomic

if TYPE_CHECKING:
    from dpam.pack.store import Pack

COLUMNS, ROWS = 6, 4  # of the contact sheet, pictures
SIDE, MARGIN = 240, 24  # pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_input(parser, "pack", metavar="PACK", type=Path, help="the pack of pack-superpixels (.h5)")
    add_output(parser, "--contact-sheet", metavar="FILE", help="picture to write (.png)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from dpam.pack.store import Pack

    with Pack(args.pack) as pack:
        width = max(len(name) for name, _ in facts(pack))
        for name, value in facts(pack):
            print(f"{name:{width}}  {value}")
        if args.contact_sheet:
            with atomic(args.contact_sheet) as temporary:
                contact_sheet(pack).save(temporary, format="PNG")


def facts(pack: Pack) -> Iterator[tuple[str, Any]]:
    """Names and values, in the order of interest."""
    count, settings = len(pack), pack.settings
    labels = pack.labels["label"]
    yield "file", f"{pack.path}, {readable(pack.path.stat().st_size)}"
    for key in ("dataset", "title"):
        yield key, settings.get(key, "")
    yield "images", count
    heights, widths = pack.height, pack.width
    yield "height", spread(heights)
    yield "width", spread(widths)
    yield "label", f"{labels.min():.3f} to {labels.max():.3f}, {settings.get('label_kind', '')}"
    for name, place in pack.places.items():
        if name != "packed":
            size = int(np.prod(place.shape)) * place.dtype.itemsize
            text = f"{readable(size)}, {readable(size / count)} per image, {place.dtype}"
            yield name, text
    superpixels = sum(pack.rows[name][0].nbytes for name in ("mean", "covariance"))
    yield "superpixels", f"{superpixels} bytes per image: mean and covariance of each"
    yield "examples", ", ".join(pack.labels["image"].iloc[pack.examples])
    for name, value in vars(pack.preparation).items():
        yield f"preparation: {name}", value
    yield "dataset fingerprint", settings.get("dataset_fingerprint", "")
    for name, value in settings.get("made_by", {}).items():
        if isinstance(value, dict):
            value = ", ".join(f"{package} {version}" for package, version in value.items())
        yield f"made by: {name}", value


def spread(values: np.ndarray) -> str:
    """Smallest and largest of whole numbers, or the one that all are."""
    low, high = int(values.min()), int(values.max())
    return f"{low} pixels" if low == high else f"{low} to {high} pixels"


def readable(size: float) -> str:
    """A number of bytes."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.3g} {units[0]}"


def contact_sheet(pack: Pack) -> Image.Image:
    """A picture of images from the best to the worst, and of the examples' superpixels."""
    from dpam.figures.photographs import draw_borders

    labels = pack.labels["label"].to_numpy()
    order = np.argsort(-labels, kind="stable")
    places = np.linspace(0, len(order) - 1, min(COLUMNS * ROWS, len(order)))
    chosen = order[places.astype(int)].tolist()
    pictures = [(pack.image(row), row) for row in chosen]
    for row in pack.examples:
        example = pack.example(row)
        pictures.append((draw_borders(example.image, example.label_map), row))
    cell = SIDE + MARGIN
    height = -(-len(chosen) // COLUMNS) + -(-len(pack.examples) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * cell, height * cell), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (picture, row) in enumerate(pictures):
        if number >= len(chosen):  # examples begin a row of their own
            number += -len(chosen) % COLUMNS
        down, across = divmod(number, COLUMNS)
        small = ImageOps.contain(Image.fromarray(picture), (SIDE, SIDE))
        left, top = across * cell + MARGIN // 2, down * cell
        sheet.paste(small, (left, top + MARGIN))
        name = Path(pack.labels["image"].iloc[row]).name
        draw.text((left, top + MARGIN // 2), f"{labels[row]:.3f}  {name}"[:38], fill="black")
    return sheet
