"""Figures of photographs: examples, superpixels, quality maps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from dpam.figures.gallery import Gallery
from dpam.figures.style import COLOURS, WIDTH, message, say_hidden

OUTLINE = (255, 221, 51)  # yellow, rare in photographs

PHOTOGRAPH = 320  # pixels, the longer side

FAINT = 0.35  # of the photograph under a map


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
    cell = WIDTH / columns  # inches, as all lengths here
    title, notes, foot = 0.75, 0.75, 0.3 if hidden else 0.0
    heights = [cell * tallest(e.photo for e in gallery.examples) for gallery in galleries]
    height = sum(3 * row + title + notes for row in heights) + foot
    figure = Figure(figsize=(WIDTH, height))
    top = height
    for gallery, row in zip(galleries, heights, strict=True):
        figure.text(0, (top - 0.25) / height, gallery.title, fontsize=10, weight="bold")
        most = max(float(np.nanmax(example.lost)) for example in gallery.examples)
        scales = [
            (f"0 to {most:.2g}: quality lost, weight x (1 - score)", "inferno"),
            ("0 to 1: score of each patch", "viridis"),
        ]
        for place, (text, colours) in zip((0.0, 0.5), scales, strict=True):
            draw_scale(figure, (place, (top - 0.55) / height), text, colours)
        for index, example in enumerate(gallery.examples):
            pictures = [
                example.photo,
                overlay(example.photo, example.lost / most, "inferno"),
                overlay(example.photo, example.score, "viridis"),
            ]
            note = f"{example.kind}\nlabel {example.label:.2f}\npredicted {example.prediction:.2f}"
            draw_column(figure, (index * cell, top - title), (cell, row), pictures, note)
        top -= 3 * row + title + notes
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
        figure: as wide as the page.
        corner: where its left and upper end is, from the left and from below, in inches.
        cell: width and height of each picture with the margin beside and below it, in inches.
        pictures: (h, w, 3) uint8.
        note: one line or several.
    """
    (left, top), (width, height) = corner, cell
    tall = figure.get_figheight()
    for turn, picture in enumerate(pictures, start=1):
        bottom = (top - turn * height) / tall
        size = (width - 0.06) / WIDTH, (height - 0.06) / tall
        draw_picture(figure, (left / WIDTH, bottom, *size), picture)
    figure.text(left / WIDTH, bottom - 0.04 / tall, note, va="top", fontsize=8)


def draw_picture(
    figure: Figure, box: tuple[float, float, float, float], picture: np.ndarray
) -> None:
    """A picture in the upper left of a box (left, bottom, width, height; shares of the figure)."""
    axes = figure.add_axes(box, anchor="NW")
    axes.axis("off")
    axes.imshow(picture, interpolation="none")


def draw_scale(figure: Figure, place: tuple[float, float], text: str, colours: str) -> None:
    """What the colours of a map mean: a bar, and words behind it."""
    left, bottom = place
    axes = figure.add_axes((left, bottom, 0.1, 0.12 / figure.get_figheight()))
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=colours, aspect="auto")
    axes.axis("off")
    figure.text(left + 0.11, bottom, text, fontsize=8, color=COLOURS["muted"])


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
    cell = WIDTH / columns  # inches, as all lengths here
    title, notes, foot = 0.4, 0.6, 0.3 if hidden else 0.0
    rows = [cell * tallest(example.image for example in album.examples) for album in albums]
    height = sum(2 * row + title + notes for row in rows) + foot
    figure = Figure(figsize=(WIDTH, height))
    top = height
    for album, row in zip(albums, rows, strict=True):
        figure.text(0, (top - 0.25) / height, album.title, fontsize=10, weight="bold")
        for index, example in enumerate(album.examples):
            pictures = outline(example.image, example.label_map)
            draw_column(figure, (index * cell, top - title), (cell, row), pictures, example.note)
        top -= 2 * row + title + notes
    say_hidden(figure, hidden, "dataset")
    return figure


def superpixels(comparisons: Sequence[Comparison], hidden: int = 0) -> Figure:
    """Photographs, each beside its superpixels by several methods.

    Args:
        comparisons: one per dataset, all drawn below each other.
        hidden: how many further datasets are left out.
    """
    if not comparisons:
        return message("No dataset was packed with several superpixel methods.")
    columns = 1 + max(len(row.label_maps) for part in comparisons for row in part.rows)
    cell, title, foot = WIDTH / columns, 0.55, 0.3 if hidden else 0.0  # inches
    heights = [[cell * tallest([row.image]) for row in part.rows] for part in comparisons]
    height = sum(map(sum, heights)) + title * len(comparisons) + foot
    figure = Figure(figsize=(WIDTH, height))
    top = height
    for part, rows in zip(comparisons, heights, strict=True):
        figure.text(0, (top - 0.22) / height, part.title, fontsize=10, weight="bold")
        headings = ["photograph", *part.rows[0].label_maps]
        for column, heading in enumerate(headings):
            place = column / columns, (top - title + 0.08) / height
            figure.text(*place, heading, fontsize=8, color=COLOURS["muted"])
        top -= title
        for row, tall in zip(part.rows, rows, strict=True):
            top -= tall
            pictures = [outline(row.image, label_map)[1] for label_map in row.label_maps.values()]
            pictures.insert(0, outline(row.image, next(iter(row.label_maps.values())))[0])
            for column, picture in enumerate(pictures):
                size = (cell - 0.06) / WIDTH, (tall - 0.06) / height
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
