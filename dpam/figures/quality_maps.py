"""Pictures of where the quality of a photograph is lost, as `dpam predict --maps` draws them.

The report's maps of a dataset's images are in `dpam.figures.photographs`.
"""

import hashlib
import re
from pathlib import Path, PurePath

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dpam.figures.photographs import draw_borders
from dpam.figures.style import style
from dpam.inference.explanations import FLAT, Explanation
from dpam.utils.files import atomic

WIDTH = 12.0  # inches
DOTS = 120  # per inch
FAINT = 0.35  # of the photograph under a map
PANELS = ("photograph", "where quality is lost", "score of each patch")
MORE = ("superpixels", "texture", "weight of each patch")


def file_name(image: str) -> str:
    """A name for the picture of an image: readable, and another for each image."""
    words = re.sub(r"[^\w.-]+", "_", PurePath(image).stem)
    words = words.encode()[:80].decode(errors="ignore")  # folders count bytes
    return f"{words}-{hashlib.sha256(image.encode()).hexdigest()[:8]}.png"


def draw(explanation: Explanation, title: str, scale: object) -> Figure:
    """Photograph and lost quality; of DPAM also scores, superpixels, texture and weights.

    Args:
        explanation: what to draw.
        title: the name of the photograph.
        scale: of its score, in words.
    """
    shown, score = explanation.picture, explanation.score
    height, width = shown.photo.shape[:2]
    rows, columns = (1, 2) if shown.texture is None else (2, 3)
    tall = min(max(height / width, 0.3), 1.5) * WIDTH / columns
    figure = Figure(figsize=(WIDTH, 0.875 * rows * tall + 1.2), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, heading in zip(grid.flat, PANELS + MORE, strict=False):
        axes.set_title(heading)
        axes.set_axis_off()
    grid[0, 0].imshow(shown.photo)

    lost = explanation.lost_map
    least, most = float(np.nanmin(lost)), float(np.nanmax(lost))
    if shown.texture is None:  # patches differ little, as each has seen all of the photograph
        limits = least, max(most, least + FLAT)
    else:
        limits = min(0.0, least), max(most, 1e-6)
    overlay(figure, grid[0, 1], shown.photo, lost, "inferno", limits)
    if shown.texture is not None:
        draw_more(figure, grid, explanation)
    figure.suptitle(
        f"{title}\n{score.score:.3f} ({scale}); {score.score_100:.1f} of 100",
        fontsize=10,
        parse_math=False,  # a $ in a file's name is no formula
    )
    return figure


def draw_more(figure: Figure, grid: np.ndarray, explanation: Explanation) -> None:
    """What only DPAM knows of a photograph, in axes (2, 3) of a figure."""
    shown, weight = explanation.picture, explanation.weight_map
    grid[1, 0].imshow(draw_borders(shown.photo, shown.label_map))
    darkest = -1 if shown.signed else 0
    grid[1, 1].imshow(shown.texture, cmap="gray", vmin=darkest, vmax=1, interpolation="none")
    overlay(figure, grid[0, 2], shown.photo, explanation.score_map, "viridis", (0, 1))
    overlay(figure, grid[1, 2], shown.photo, weight, "cividis", (0, float(np.nanmax(weight))))


def overlay(
    figure: Figure,
    axes: Axes,
    photo: np.ndarray,
    values: np.ndarray,
    colours: str,
    limits: tuple[float, float],
) -> None:
    """A map over the photograph in grey, which shows alone where no view lies."""
    axes.imshow(photo.mean(axis=2), cmap="gray", vmin=0, vmax=255)
    seen = np.where(np.isnan(values), 0.0, 1 - FAINT)
    drawn = axes.imshow(
        np.nan_to_num(values), cmap=colours, vmin=limits[0], vmax=limits[1], alpha=seen
    )
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8, pad=0.02)
    bar.outline.set_visible(False)


def write(folder: Path, image: str, explanation: Explanation, scale: object) -> Path:
    """Draw the picture of an image into a folder, unless it is there; returns its file.

    Raises:
        DpamError: it cannot be written.
    """
    path = folder / file_name(image)
    if path.exists():
        return path
    with style(), atomic(path) as temporary:
        draw(explanation, PurePath(image).name, scale).savefig(temporary, dpi=DOTS)
    return path
