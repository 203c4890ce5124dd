"""Scatter plots: labels over predictions, with the fitted logistic and the most wrong images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from dpam.evaluation.formatting import decimal, interval
from dpam.evaluation.metrics import logistic4
from dpam.figures.style import COLOURS, label_words, message, say_hidden, small_multiples, title

DENSE = 500  # points; more are drawn as one picture
STEP = 0.05  # deviations of the predictions; a narrower logistic is practically a step
RING = 3.5  # points, the radius of the ring around a numbered image
BOX = 6.0, 8.0  # points, width and height that a number takes
RINGED: dict[str, Any] = {"marker": "o", "ms": 2 * RING, "mfc": "none", "mew": 0.8}
RINGED |= {"mec": COLOURS["ink"], "clip_on": False}
NEAR = 11.0  # points; a number further from its image has a line to it
DIRECTIONS = 16  # around an image, in which its number may stand


@dataclass(frozen=True)
class Scatter:
    """Predictions of one run on one dataset: (n,) labels and (n,) predictions, both in 0..1.

    `numbers` says how well they agree, as `agreement` does. `logistic` holds the parameters of
    `metrics.logistic4` from prediction to label, if it was fitted; `wrong` the rows to number in
    the plot, and where a click on each number leads.
    """

    title: str
    label_kind: str
    label: np.ndarray
    prediction: np.ndarray
    numbers: str
    logistic: tuple[float, float, float, float] | None = None
    wrong: dict[int, str] = field(default_factory=dict)


def agreement(row: Mapping[Any, Any]) -> str:
    """SRCC and PLCC of a row of `tables.read_metrics`, each with its interval, in two lines."""
    return "\n".join(
        f"{name.upper()} {decimal(row[name])}{interval(row, name)}" for name in ("srcc", "plcc")
    )


def scatter(clouds: Sequence[Scatter], hidden: int = 0) -> Figure:
    """Label over prediction, one panel per run and test dataset, on common axes.

    Args:
        clouds: what to draw.
        hidden: how many further panels are left out.
    """
    if not clouds:
        return message("No prediction to show.")
    figure, rows, columns = small_multiples(len(clouds), height=2.2)
    values = np.concatenate([cloud.prediction for cloud in clouds])
    low, high = min(0.0, values.min()) - 0.03, max(1.0, values.max()) + 0.03
    alike = len({cloud.label_kind for cloud in clouds}) == 1
    grid = figure.add_gridspec(rows, columns)
    panels = []
    for index, cloud in enumerate(clouds):
        axes = figure.add_subplot(grid[divmod(index, columns)])
        panels.append(axes)
        title(axes, cloud.title, index, len(clouds), pad=26)
        above: dict[str, Any] = {"xytext": (0, 4), "textcoords": "offset points", "va": "bottom"}
        muted = COLOURS["muted"]
        axes.annotate(cloud.numbers, (0, 1), xycoords="axes fraction", color=muted, **above)
        axes.set(xlim=(low, high), ylim=(-0.03, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        axes.set_xlabel(f"prediction of {len(cloud.label):,} images")
        if index % columns == 0 or not alike:
            axes.set_ylabel(label_words(cloud.label_kind), parse_math=False)
        draw_points(axes, cloud)
        draw_fit(axes, cloud)
    say_hidden(figure, hidden, "panel")
    if any(cloud.wrong for cloud in clouds):
        figure.draw_without_rendering()  # now each panel has its size
        for axes, cloud in zip(panels, clouds, strict=True):
            number_wrong(axes, cloud, 72 / figure.dpi)
    return figure


def draw_points(axes: Axes, cloud: Scatter) -> None:
    """One dot for each image, and the line on which prediction and label are equal."""
    few = len(cloud.label) <= DENSE
    axes.plot([0, 1], [0, 1], color=COLOURS["muted"], lw=0.8, ls=(0, (4, 3)))
    axes.plot(
        cloud.prediction,
        cloud.label,
        ls="",
        marker="o",
        ms=3 if few else 1.5,
        mew=0,
        color=COLOURS["first"],
        alpha=0.6 if few else 0.25,
        rasterized=not few,
    )


def draw_fit(axes: Axes, cloud: Scatter) -> None:
    """The logistic that was fitted from prediction to label, over the range of predictions.

    One that is a step says nothing of how the two go together; it is left out, and that is said.
    """
    if cloud.logistic is None:
        return
    if abs(cloud.logistic[-1]) <= STEP * cloud.prediction.std():
        place: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "va": "bottom"}
        axes.text(0.98, 0.03, "logistic: a step,\nnot drawn", **place, color=COLOURS["second"])
        return
    prediction = np.linspace(cloud.prediction.min(), cloud.prediction.max(), 100)
    axes.plot(prediction, logistic4(prediction, *cloud.logistic), color=COLOURS["second"], lw=1.2)


def number_wrong(axes: Axes, cloud: Scatter, points: float) -> None:
    """Rings and numbers at the most wrong images; the numbers are links.

    No number lies on another one or on the ring of another image; each stands where it covers few
    images. The layout of the figure must be done.

    Args:
        axes: the panel.
        cloud: its images.
        points: per pixel of the figure.
    """
    images = np.column_stack([cloud.prediction, cloud.label])
    dots = axes.transData.transform(images) * points
    inside = Bbox(axes.bbox.get_points() * points)
    rows = list(cloud.wrong)
    line = {"arrowstyle": "-", "lw": 0.6, "shrinkA": 3, "shrinkB": RING}
    taken: list[Bbox] = []
    for number, row in enumerate(rows, start=1):
        others = dots[[other for other in rows if other != row]]
        offset = best_offset(dots[row], dots, others, taken, inside)
        taken.append(box_around(dots[row] + offset, BOX))
        axes.plot(*images[row], **RINGED)
        axes.annotate(
            str(number),
            images[row],
            xytext=offset,
            textcoords="offset points",
            ha="center",
            va="center_baseline",
            weight="bold",
            url=cloud.wrong[row],
            arrowprops=line if np.hypot(*offset) > NEAR else None,
        ).set_in_layout(False)


def best_offset(
    dot: np.ndarray, dots: np.ndarray, others: np.ndarray, taken: Sequence[Bbox], inside: Bbox
) -> tuple[float, float]:
    """Where a number stands from its image, in points.

    It lies on no other number and on no ring of another image. Of such places it is near, on few
    images, nearer to its own image than to another one with a number, and no line crosses a number.

    Args:
        dot: (2,) place of the image, in points.
        dots: (n, 2) places of all images.
        others: (m, 2) places of the other images that get a number.
        taken: where numbers lie already.
        inside: where it must lie.
    """
    rings = [box_around(other, (2 * RING, 2 * RING)) for other in others]
    free = []
    for order, offset in enumerate(offsets()):
        box = box_around(dot + offset, BOX)
        within = all(inside.contains(*corner) for corner in box.get_points())
        if not within or box.count_overlaps([*taken, *rings]):
            continue
        distance = np.hypot(*offset)
        covered = (np.abs(dots - dot - offset) < np.array(BOX) / 2 + 1).all(axis=1).sum()
        cost = int(covered) + order // DIRECTIONS
        cost += 4 * bool((np.hypot(*(others - dot - offset).T) < distance).any())
        line = dot + np.linspace(0, 1, 20)[:, None] * np.array(offset)
        cost += 8 * any(old.contains(*place) for old in taken for place in line)
        free.append((cost, order, offset))
    return min(free)[2] if free else (0.0, NEAR)


def offsets() -> Iterator[tuple[float, float]]:
    """Places around an image, in points, near ones first."""
    for distance in range(int(NEAR) - 1, 60, 4):
        for angle in np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS:
            yield float(distance * np.cos(angle)), float(distance * np.sin(angle))


def box_around(place: np.ndarray, size: tuple[float, float]) -> Bbox:
    """A box of a width and a height, around its centre (2,)."""
    width, height = size
    return Bbox.from_bounds(place[0] - width / 2, place[1] - height / 2, width, height)
