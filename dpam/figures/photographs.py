"""Figures of photographs: examples, superpixels, quality maps."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from dpam.figures.gallery import Gallery
from dpam.figures.style import COLOURS, DOUBLE, LINE, SINGLE, heading, message, say_hidden

OUTLINE = (255, 221, 51)  # yellow, rare in photographs

PHOTOGRAPH = 320  # pixels, the longer side

FAINT = 0.35  # of the photograph under a map

GAP = 0.04  # inches between pictures
LEFT = 0.16  # inches, the names of rows


@dataclass(frozen=True)
class Example:
    """One photograph, (h, w, 3) uint8, and its superpixels, (h, w) integers; what stands below."""

    image: np.ndarray
    label_map: np.ndarray
    note: str


@dataclass(frozen=True)
class ExampleSet:
    """Examples of one dataset."""

    title: str
    examples: list[Example]


@dataclass(frozen=True)
class SegmentedPhotograph:
    """One photograph, (h, w, 3) uint8, and its label maps by method, of any size."""

    image: np.ndarray
    label_maps: dict[str, np.ndarray]


@dataclass(frozen=True)
class Comparison:
    """Photographs of one dataset by the same methods."""

    title: str
    rows: list[SegmentedPhotograph]


def quality_maps(galleries: Sequence[Gallery], hidden: int = 0) -> Figure:
    """Photographs, and below each where its quality is lost and the scores of its patches.

    Args:
        galleries: one per dataset.
        hidden: how many further datasets are left out.
    """
    if not galleries:
        return message("No network that has quality maps was tested on all of a dataset.")
    columns = max(len(gallery.examples) for gallery in galleries)
    cell = (DOUBLE - LEFT) / columns  # inches, as all lengths here
    heights = [cell * tallest(e.photo for e in gallery.examples) for gallery in galleries]
    title, notes, foot = 1.3 * LINE, 4 * LINE, 2 * LINE if hidden else 0.0
    height = sum(3 * row + title + notes for row in heights) + 2 * LINE + foot + GAP
    figure = Figure(figsize=(DOUBLE, height))
    shown = [example for gallery in galleries for example in gallery.examples]
    most = max(float(np.nanmax(example.lost)) for example in shown)
    top = height - 2 * LINE
    for place, text, colours in (
        (0.0, f"quality lost, 0 to {most:.2g}", "inferno"),
        (DOUBLE / 2, "score of a patch, 0 to 1", "viridis"),
    ):
        draw_scale(figure, (place, top + 0.7 * LINE), text, colours)
    for number, (gallery, row) in enumerate(zip(galleries, heights, strict=True)):
        heading(figure, top, gallery.title, number, len(galleries))
        top -= title
        for turn, name in enumerate(("photograph", "quality lost", "score")):
            middle = (top - (turn + 0.5) * row) / height
            figure.text(0, middle, name, rotation=90, va="center", color=COLOURS["muted"])
        for index, example in enumerate(gallery.examples):
            pictures = [
                example.photo,
                overlay(example.photo, example.lost / most, "inferno"),
                overlay(example.photo, example.score, "viridis"),
            ]
            note = f"{example.kind}\nlabel {example.label:.2f}\npredicted {example.prediction:z.2f}"
            draw_column(figure, (LEFT + index * cell, top), (cell, row), pictures, note)
        top -= 3 * row + notes
    say_hidden(figure, hidden, "dataset")
    return figure


def draw_column(
    figure: Figure,
    corner: tuple[float, float],
    cell: tuple[float, float],
    pictures: Sequence[np.ndarray],
    note: str,
) -> None:
    """Pictures below each other, and a note under them.

    Args:
        figure: any.
        corner: where its left and upper end is, from the left and from below, in inches.
        cell: width and height of each picture with the margin beside and below it, in inches.
        pictures: (h, w, 3) uint8.
        note: one line or several.
    """
    (left, top), (width, height) = corner, cell
    wide, tall = figure.get_size_inches()
    for turn, picture in enumerate(pictures, start=1):
        bottom = (top - turn * height) / tall
        size = (width - GAP) / wide, (height - GAP) / tall
        draw_picture(figure, (left / wide, bottom, *size), picture)
    figure.text(left / wide, bottom - 0.04 / tall, note, va="top", parse_math=False)


def draw_picture(
    figure: Figure, box: tuple[float, float, float, float], picture: np.ndarray
) -> None:
    """A picture in the upper left of a box (left, bottom, width, height; shares of the figure)."""
    axes = figure.add_axes(box, anchor="NW")
    axes.axis("off")
    axes.imshow(picture, interpolation="none")


def draw_scale(figure: Figure, place: tuple[float, float], text: str, colours: str) -> None:
    """What the colours of a map mean, as they are over a middle grey: a bar, and words behind it.

    Args:
        figure: any.
        place: left and lower end, in inches.
        text: the words.
        colours: name of a colour map.
    """
    left, bottom = place
    wide, tall = figure.get_size_inches()
    axes = figure.add_axes((left / wide, bottom / tall, 0.8 / wide, 0.8 * LINE / tall))
    grey = np.full((1, 256, 3), 128, np.uint8)
    axes.imshow(overlay(grey, np.linspace(0, 1, 256)[None], colours), aspect="auto")
    axes.axis("off")
    figure.text((left + 0.87) / wide, bottom / tall, text, color=COLOURS["muted"])


def overlay(photo: np.ndarray, values: np.ndarray, colours: str) -> np.ndarray:
    """A map over a photograph in grey, which shows alone where the map is nan.

    Args:
        photo: (h, w, 3) uint8.
        values: (h, w) in 0..1.
        colours: name of a colour map.

    Returns:
        (h, w, 3) uint8.
    """
    grey = photo.mean(axis=2, keepdims=True).repeat(3, axis=2)
    coloured = 255 * mpl.colormaps[colours](np.nan_to_num(values))[..., :3]
    mixed = np.where(np.isnan(values)[..., None], grey, FAINT * grey + (1 - FAINT) * coloured)
    return np.asarray(mixed.round().astype(np.uint8))


def examples(albums: Sequence[ExampleSet], hidden: int = 0) -> Figure:
    """Photographs of each dataset, and below each the same with its superpixels outlined.

    Args:
        albums: examples by dataset.
        hidden: how many further datasets are left out.
    """
    if not albums:
        return message("No example image to show.")
    columns = max(len(album.examples) for album in albums)
    width = SINGLE if columns <= 2 else DOUBLE
    cell = width / columns  # inches, as all lengths here
    title, foot = 1.3 * LINE, 2 * LINE if hidden else 0.0
    notes = [[wrap(one.note, cell) for one in album.examples] for album in albums]
    below = [LINE * (1.5 + max(note.count("\n") + 1 for note in row)) for row in notes]
    rows = [cell * tallest(example.image for example in album.examples) for album in albums]
    height = (
        sum(2 * row + title + under for row, under in zip(rows, below, strict=True)) + foot + GAP
    )
    figure = Figure(figsize=(width, height))
    top = height - GAP
    for number, album in enumerate(albums):
        heading(figure, top, album.title, number, len(albums))
        top -= title
        for index, example in enumerate(album.examples):
            pictures, note = outline(example.image, example.label_map), notes[number][index]
            draw_column(figure, (index * cell, top), (cell, rows[number]), pictures, note)
        top -= 2 * rows[number] + below[number]
    say_hidden(figure, hidden, "dataset")
    return figure


def wrap(note: str, width: float) -> str:
    """A note in lines that fit a width in inches."""
    letters = max(8, int(width / 0.07))
    return "\n".join(textwrap.fill(line, letters) for line in note.split("\n"))


def superpixels(comparisons: Sequence[Comparison], hidden: int = 0) -> Figure:
    """Photographs, each beside its superpixels by several methods.

    Args:
        comparisons: one per dataset, all drawn below each other.
        hidden: how many further datasets are left out.
    """
    if not comparisons:
        return message("No dataset was packed with several superpixel methods.")
    columns = 1 + max(len(row.label_maps) for part in comparisons for row in part.rows)
    width = SINGLE if columns <= 2 else DOUBLE
    cell, title, foot = width / columns, 2.6 * LINE, 2 * LINE if hidden else 0.0  # inches
    heights = [[cell * tallest([row.image]) for row in part.rows] for part in comparisons]
    height = sum(map(sum, heights)) + title * len(comparisons) + foot + GAP
    figure = Figure(figsize=(width, height))
    top = height - GAP
    for number, (part, rows) in enumerate(zip(comparisons, heights, strict=True)):
        heading(figure, top, part.title, number, len(comparisons))
        top -= title
        for column, name in enumerate(["photograph", *part.rows[0].label_maps]):
            place = column / columns, (top + 0.3 * LINE) / height
            figure.text(*place, name, color=COLOURS["muted"])
        for row, tall in zip(part.rows, rows, strict=True):
            top -= tall
            pictures = [outline(row.image, label_map)[1] for label_map in row.label_maps.values()]
            pictures.insert(0, outline(row.image, next(iter(row.label_maps.values())))[0])
            for column, picture in enumerate(pictures):
                size = (cell - GAP) / width, (tall - GAP) / height
                draw_picture(figure, (column / columns, top / height, *size), picture)
    say_hidden(figure, hidden, "dataset")
    return figure


def tallest(images: Iterable[np.ndarray]) -> float:
    """Height by width of the tallest image; of very tall ones less, they are drawn narrower."""
    return float(min(1.3, max(image.shape[0] / image.shape[1] for image in images)))


def outline(image: np.ndarray, label_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A photograph made small for a figure, and the same with the superpixels' borders drawn.

    Args:
        image: (h, w, 3) uint8.
        label_map: integers, one per superpixel, of any size; it is stretched over the image.

    Returns:
        Two (h', w', 3) uint8 arrays, the longer side at most PHOTOGRAPH pixels.
    """
    height, width = image.shape[:2]
    scale = min(1.0, PHOTOGRAPH / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    labels = Image.fromarray(label_map.astype(np.int32)).resize(size, Image.Resampling.NEAREST)
    regions = np.asarray(labels)
    return small, draw_borders(small, regions)


def draw_borders(image: np.ndarray, label_map: np.ndarray) -> np.ndarray:
    """A photograph, (h, w, 3) uint8, with the borders of its superpixels drawn."""
    border = np.zeros(label_map.shape, dtype=bool)
    border[:, 1:] |= label_map[:, 1:] != label_map[:, :-1]
    border[1:] |= label_map[1:] != label_map[:-1]
    drawn = image.copy()
    drawn[border] = OUTLINE
    return drawn
