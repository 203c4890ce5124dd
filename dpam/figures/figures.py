"""Figures as SVG and PDF: text stays text, and the same numbers give the same bytes."""

import base64
import io
import logging
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType
from PIL import Image

from dpam.evaluation.formatting import decimal, method_name
from dpam.evaluation.metrics import logistic4
from dpam.figures.gallery import Gallery
from dpam.utils.files import atomic, write_text

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it reports each glyph of a PDF

# The only colours of lines and text, by role; blue and orange are Okabe and Ito's, whom
# colour-blind people can tell apart. A page may replace them to suit a dark background.
COLOURS = {
    "ink": "#22272e",
    "muted": "#6b7480",
    "grid": "#dde1e6",
    "first": "#0072b2",
    "second": "#d55e00",
}
OUTLINE = (255, 221, 51)  # yellow, rare in photographs
PANELS = 24  # more cannot be read
COLUMNS = 4
WIDTH = 11.0  # inches
PHOTOGRAPH = 320  # pixels, the longer side
DENSE = 500  # points; more are drawn as one picture
FAINT = 0.35  # of the photograph under a map

NOTHING = "nothing-to-show"  # name of the text in a figure that has nothing else

STYLE: dict[RcKeyType, Any] = {
    # Measured with the first, which comes with matplotlib; the others are not wider.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial", "sans-serif"],
    "font.size": 9.0,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # text that can be searched and edited
    "text.parse_math": False,
    "text.color": COLOURS["ink"],
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlecolor": COLOURS["ink"],
    "axes.labelsize": 8.0,
    "axes.labelcolor": COLOURS["muted"],
    "axes.edgecolor": COLOURS["muted"],
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.6,
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
}

PARTS = {"train": "muted", "validation": "first", "test": "second"}
KEPT: dict[str, Any] = {"color": COLOURS["ink"], "linewidth": 0.7, "linestyle": (0, (2, 2))}


@dataclass(frozen=True)
class Curves:
    """One training run: its title and its history, one row per epoch."""

    title: str
    history: pd.DataFrame


@dataclass(frozen=True)
class Cloud:
    """Predictions of one run on one dataset: (n,) labels and (n,) predictions, both in 0..1.

    `logistic` holds the parameters of `metrics.logistic4` from prediction to label, if it was
    fitted; `wrong` the rows to number in the plot, and where a click on each number leads.
    """

    title: str
    label_kind: str
    label: np.ndarray
    prediction: np.ndarray
    srcc: float
    logistic: tuple[float, float, float, float] | None = None
    wrong: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """One photograph, (h, w, 3) uint8, and its superpixels, (h, w) integers; what stands below."""

    image: np.ndarray
    label_map: np.ndarray
    note: str


@dataclass(frozen=True)
class Album:
    """Examples of one dataset."""

    title: str
    examples: list[Example]


@dataclass(frozen=True)
class Compared:
    """One photograph, (h, w, 3) uint8, and its label maps by method, of any size."""

    image: np.ndarray
    label_maps: dict[str, np.ndarray]


@dataclass(frozen=True)
class Comparison:
    """Photographs of one dataset by the same methods."""

    title: str
    rows: list[Compared]


@dataclass(frozen=True)
class Histogram:
    """The labels of one dataset: (n,) scores in 0..1, 1 being the best."""

    title: str
    label_kind: str
    scores: np.ndarray


@contextmanager
def style() -> Iterator[None]:
    """The look of all figures; they are built and saved inside."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as SVG with a transparent background; equal figures give equal bytes.

    Raises:
        DpamError: the file cannot be written.
    """
    path = Path(path)
    text = io.StringIO()
    # The salt keeps the names inside several figures on one page apart.
    with mpl.rc_context({"svg.hashsalt": path.stem}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    svg = text.getvalue().replace("image-rendering:crisp-edges;image-rendering:pixelated", "")
    svg = re.sub(r' id="image\w+"', "", svg)  # equal pictures would share it; nothing needs it
    write_text(path, photographs_as_jpeg(svg))


def save_pdf(figure: Figure, path: str | Path) -> None:
    """Write a figure as PDF for papers, without its links; equal figures give equal bytes.

    Raises:
        DpamError: the file cannot be written.
    """
    for artist in figure.findobj():
        artist.set_url(None)
    nothing = dict.fromkeys(("Creator", "Producer", "CreationDate"))
    with atomic(path) as temporary:
        figure.savefig(temporary, transparent=True, metadata=nothing, dpi=200)


def said(text: str) -> Figure:
    """A figure that says in words why there is nothing to show."""
    figure = Figure(figsize=(WIDTH / 2, 0.6))
    figure.text(0.02, 0.5, text, va="center", color=COLOURS["muted"], gid=NOTHING)
    return figure


def small_multiples(count: int, height: float, most: int = COLUMNS) -> tuple[Figure, int, int]:
    """An empty figure for `count` cells `height` inches high, `most` in a row; rows, columns."""
    columns = min(count, most)
    rows = -(-count // columns)
    width = WIDTH * max(columns, 2) / most
    apart = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.08, hspace=0.06, wspace=0.02)
    return Figure(figsize=(width, rows * height + 0.6), layout=apart), rows, columns


def say_hidden(figure: Figure, hidden: int, noun: str) -> None:
    """Say below the panels how many are not shown, if any."""
    if hidden:
        text = f"{hidden} more {noun}{'s' * (hidden > 1)} not shown; all numbers are in the tables"
        figure.supxlabel(text, x=0.01, ha="left", fontsize=9, color=COLOURS["muted"])


def training_curves(runs: Sequence[Curves], hidden: int = 0) -> Figure:
    """Loss and SRCC of each run per epoch, the kept epoch marked.

    Args:
        runs: what to draw; their histories have the columns that `dpam train` writes.
        hidden: how many further runs are left out.
    """
    if not runs:
        return said("No training run to show.")
    figure, rows, columns = small_multiples(len(runs), height=2.6)
    grid = figure.add_gridspec(rows, columns)
    for index, run in enumerate(runs):
        cell = grid[divmod(index, columns)].subgridspec(2, 1, height_ratios=(1, 2))
        upper = figure.add_subplot(cell[0])
        lower = figure.add_subplot(cell[1], sharex=upper)
        upper.tick_params(labelbottom=False)
        upper.set_title(run.title)
        draw_loss(upper, run.history)
        draw_correlations(lower, run.history)
    figure.legend(
        handles=[
            *(Line2D([], [], color=COLOURS[PARTS[part]], label=part) for part in PARTS),
            Line2D([], [], **KEPT, label="kept epoch"),
        ],
        loc="outside upper left",
        ncols=4,
        frameon=False,
        fontsize=9,
    )
    say_hidden(figure, hidden, "run")
    return figure


def draw_loss(axes: Axes, history: pd.DataFrame) -> None:
    """Loss on a logarithmic axis that is labelled at its two ends."""
    loss = history["loss"].to_numpy(dtype=float)
    positive = loss[np.isfinite(loss) & (loss > 0)]
    mark_kept(axes, history)
    draw_line(axes, history["epoch"], loss, "muted")
    axes.set_ylabel("loss")
    axes.grid(visible=False, axis="x")
    if len(positive):
        ends = round_ends(positive.min(), positive.max())
        axes.set_yscale("log")
        axes.set_ylim(ends)
        axes.set_yticks(ends, [f"{end:g}" for end in ends])
        axes.set_yticks([], minor=True)


def round_ends(low: float, high: float) -> tuple[float, float]:
    """The closest numbers 1, 2 or 5 times a power of ten that hold [low, high] between them."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 2)
    steps = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    below = [step for step in steps if step <= low]
    return below[-1], next(step for step in steps if step >= high and step > below[-1])


def draw_correlations(axes: Axes, history: pd.DataFrame) -> None:
    """SRCC of each part that was measured."""
    mark_kept(axes, history)
    lowest = 0.0
    for part, colour in PARTS.items():
        values = history[f"{part}_srcc"].to_numpy(dtype=float)
        if np.isfinite(values).any():
            draw_line(axes, history["epoch"], values, colour)
            lowest = min(lowest, float(np.nanmin(values)))
    axes.set_ylim(lowest - 0.02, 1.02)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("SRCC")
    axes.grid(visible=False, axis="x")
    kept = history.loc[history["held_out"] == 1, "epoch"]
    axes.set_xlabel(f"epoch ({kept.iloc[0]} kept)" if len(kept) else "epoch")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def draw_line(axes: Axes, x: pd.Series, y: np.ndarray, colour: str) -> None:
    """A line; a dot where a line would have one point only."""
    axes.plot(x, y, color=COLOURS[colour], marker="o" if len(x) == 1 else "", ms=3)


def mark_kept(axes: Axes, history: pd.DataFrame) -> None:
    """A thin upright line at the epoch whose weights were kept."""
    for epoch in history.loc[history["held_out"] == 1, "epoch"]:
        axes.axvline(epoch, **KEPT)


def scatter(clouds: Sequence[Cloud], hidden: int = 0) -> Figure:
    """Prediction against label, one panel per run and test dataset, on common axes.

    Args:
        clouds: what to draw.
        hidden: how many further panels are left out.
    """
    if not clouds:
        return said("No prediction to show.")
    figure, rows, columns = small_multiples(len(clouds), height=3.0)
    values = np.concatenate([cloud.prediction for cloud in clouds])
    low, high = min(0.0, values.min()) - 0.03, max(1.0, values.max()) + 0.03
    grid = figure.add_gridspec(rows, columns)
    for index, cloud in enumerate(clouds):
        axes = figure.add_subplot(grid[divmod(index, columns)])
        n = len(cloud.label)
        axes.plot([0, 1], [0, 1], color=COLOURS["muted"], lw=0.8, ls=(0, (4, 3)))
        axes.plot(
            cloud.label,
            cloud.prediction,
            ls="",
            marker="o",
            ms=4 if n <= DENSE else 2,
            mew=0,
            color=COLOURS["first"],
            alpha=0.6 if n <= DENSE else 0.25,
            rasterized=n > DENSE,
        )
        draw_fit(axes, cloud)
        number_wrong(axes, cloud)
        axes.set_title(cloud.title, pad=17, parse_math=False)  # a $ in a name is no formula
        below = f"SRCC {decimal(cloud.srcc)}, {n} images"
        axes.text(0, 1.03, below, transform=axes.transAxes, fontsize=8, color=COLOURS["muted"])
        axes.set(xlim=(-0.03, 1.03), ylim=(low, high), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        axes.set_xlabel(f"label: {cloud.label_kind}, 0 to 1", parse_math=False)
        axes.set_ylabel("prediction")
    say_hidden(figure, hidden, "panel")
    return figure


def draw_fit(axes: Axes, cloud: Cloud) -> None:
    """The logistic that was fitted from prediction to label, over the range of predictions."""
    if cloud.logistic is not None:
        prediction = np.linspace(cloud.prediction.min(), cloud.prediction.max(), 100)
        label = logistic4(prediction, *cloud.logistic)
        axes.plot(label, prediction, color=COLOURS["second"], lw=1.2)


def number_wrong(axes: Axes, cloud: Cloud) -> None:
    """Rings and numbers at the most wrong images; the numbers are links."""
    for number, (row, address) in enumerate(cloud.wrong.items(), start=1):
        place = cloud.label[row], cloud.prediction[row]
        axes.plot(*place, marker="o", ms=7, mfc="none", mec=COLOURS["ink"], mew=0.8)
        left = place[0] > 0.5
        axes.annotate(
            str(number),
            place,
            xytext=(-6 if left else 6, 9 * (2 - number)),  # apart, where the images are close
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=10,
            weight="bold",
            url=address,
        )


def distortion_types(table: pd.DataFrame, hidden: int = 0) -> Figure:
    """Bars of the median SRCC of each distortion type, one panel per setting.

    Over them stands the deviation over splits, or of few splits a dot for each.

    Args:
        table: rows of `tables.types_and_levels` by distortion, and `title`, the panel's.
        hidden: how many further panels are left out.
    """
    panels = [rows for _, rows in table.groupby("title", sort=False)]
    if not panels:
        return said("No dataset here tells its distortion types.")
    tallest = max(map(len, panels))
    figure, rows, columns = small_multiples(len(panels), height=0.19 * tallest + 0.9, most=3)
    lowest = float(min(0.0, table["srcc_median"].min()))
    grid = figure.add_gridspec(rows, columns)
    for index, panel in enumerate(panels):
        axes = figure.add_subplot(grid[divmod(index, columns)])
        names = panel["name"].astype(str).str.replace("_", " ")
        values = panel["srcc_median"].to_numpy(dtype=float)
        places = np.arange(len(panel))
        axes.barh(places, values, height=0.7, color=COLOURS["first"])
        each = [list(map(float, str(text).split())) for text in panel["srcc_each"]]
        wide = np.where([bool(several) for several in each], np.nan, panel["srcc_std"])
        axes.errorbar(values, places, xerr=wide, fmt="none", ecolor=COLOURS["ink"], lw=0.8)
        for row, several in enumerate(each):
            if len(several) > 1:
                axes.plot(several, [row] * len(several), ls="", marker=".", color=COLOURS["ink"])
        for place, value in enumerate(values):
            axes.text(1.04, place, decimal(value), va="center", fontsize=8)
        axes.set_yticks(places, names)
        axes.set(xlim=(lowest, 1), ylim=(tallest - 0.4, -0.6), xlabel="SRCC")
        axes.set_xticks([tick for tick in (-1, -0.5, 0, 0.5, 1) if tick >= lowest])
        axes.grid(visible=False, axis="y")
        axes.set_title(panel["title"].iloc[0])
    say_hidden(figure, hidden, "panel")
    return figure


def histograms(datasets: Sequence[Histogram]) -> Figure:
    """How many images of each dataset have which score, one panel per dataset."""
    if not datasets:
        return said("No dataset to show.")
    figure, rows, columns = small_multiples(len(datasets), height=1.9)
    for index, dataset in enumerate(datasets):
        draw_histogram(figure.add_subplot(rows, columns, index + 1), dataset)
    return figure


def draw_histogram(axes: Axes, dataset: Histogram) -> None:
    """Twenty bars."""
    axes.hist(dataset.scores, bins=20, range=(0, 1), color=COLOURS["first"], rwidth=0.9)
    axes.set_title(f"{dataset.title}:\n{len(dataset.scores):,} images")
    axes.set(xlabel=f"label: {dataset.label_kind}, 0 to 1", ylabel="images", xlim=(0, 1))
    axes.grid(visible=False, axis="x")


def quality_maps(galleries: Sequence[Gallery], hidden: int = 0) -> Figure:
    """Photographs, and below each where its quality is lost and the scores of its patches.

    Args:
        galleries: one per dataset.
        hidden: how many further datasets are left out.
    """
    if not galleries:
        return said("No network that has quality maps was tested on all of a dataset.")
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
                overlaid(example.photo, example.lost / most, "inferno"),
                overlaid(example.photo, example.score, "viridis"),
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


def overlaid(photo: np.ndarray, values: np.ndarray, colours: str) -> np.ndarray:
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


def examples(albums: Sequence[Album], hidden: int = 0) -> Figure:
    """Photographs of each dataset, and below each the same with its superpixels outlined.

    Args:
        albums: examples by dataset.
        hidden: how many further datasets are left out.
    """
    if not albums:
        return said("No example image to show.")
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
        return said("No dataset was packed with several superpixel methods.")
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
    return small, outlined(small, regions)


def outlined(image: np.ndarray, label_map: np.ndarray) -> np.ndarray:
    """A photograph, (h, w, 3) uint8, with the borders of its superpixels drawn."""
    border = np.zeros(label_map.shape, dtype=bool)
    border[:, 1:] |= label_map[:, 1:] != label_map[:, :-1]
    border[1:] |= label_map[1:] != label_map[:-1]
    drawn = image.copy()
    drawn[border] = OUTLINE
    return drawn


def cross_dataset(scores: pd.DataFrame) -> Figure:
    """Heat map of the median SRCC, trained on (rows) by tested on (columns), per method.

    Args:
        scores: rows of `tables.read_scores`; those of one distortion type and those of a
            dataset's own test part are left out.
    """
    crossed = scores[(scores["dataset"] != scores["test_dataset"]) & (scores["part"] == "all")]
    if crossed.empty:
        return said("No network was tested on another dataset than its own.")
    crossed = crossed.drop_duplicates(["run", "test_dataset"])
    names = list(dict.fromkeys([*crossed["dataset"], *crossed["test_dataset"]]))
    methods = list(dict.fromkeys(crossed["method"]))
    trained = [name for name in names if name in set(crossed["dataset"])]
    tested = [name for name in names if name in set(crossed["test_dataset"])]
    cell = max(0.7, 0.08 * max(map(len, names)))
    size = (cell * (len(tested) + 1) + 0.5) * len(methods), 0.45 * len(trained) + 1.1
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(methods), squeeze=False)[0]
    for axes, method in zip(panels, methods, strict=True):
        table = crossed[crossed["method"] == method].pivot_table(
            index="dataset", columns="test_dataset", values="srcc", aggfunc="median", dropna=False
        )
        values = table.reindex(index=trained, columns=tested).to_numpy(dtype=float)
        draw_matrix(axes, values, trained, tested)
        axes.set_title(method_name(method) if len(methods) > 1 else "", pad=30)
    kinds = ", ".join(dict.fromkeys(crossed["label_kind"]))
    figure.supxlabel(f"Labels: {kinds}", x=0.01, ha="left", fontsize=8, color=COLOURS["muted"])
    return figure


def draw_matrix(axes: Axes, values: np.ndarray, rows: list[str], columns: list[str]) -> None:
    """Cells coloured by SRCC from 0 (and below) to 1, each with its number."""
    axes.pcolormesh(values, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if value > 0.55 else "black"
            place = (column + 0.5, row + 0.5)
            axes.annotate(decimal(value), place, ha="center", va="center", color=colour)
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.set(xlabel="tested on", ylabel="trained on", aspect="auto")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def photographs_as_jpeg(svg: str) -> str:
    """An SVG whose opaque embedded pictures have become JPEG, a tenth of their size as PNG."""

    def replace(match: re.Match[str]) -> str:
        picture = Image.open(io.BytesIO(base64.b64decode(match[1])))
        if np.asarray(picture.convert("RGBA"))[..., 3].min() < 255:
            return match[0]
        jpeg = io.BytesIO()
        picture.convert("RGB").save(jpeg, "JPEG", quality=90, optimize=True)
        return f"data:image/jpeg;base64,{base64.b64encode(jpeg.getvalue()).decode()}"

    return re.sub(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", replace, svg)


def titles(rows: pd.DataFrame) -> list[str]:
    """A title for each row of the list of scores, of what tells the rows apart.

    Args:
        rows: with the columns dataset, test_dataset, part, method, split, seed.
    """
    several = {name: len(set(rows[name])) > 1 for name in ("method", "split", "seed")}
    texts = []
    for row in rows.to_dict("records"):
        words = [row["dataset"]]
        if row["test_dataset"] != row["dataset"]:
            words = [f"{row['dataset']} \N{RIGHTWARDS ARROW} {row['test_dataset']}"]
        words += [row["part"]] * (row["part"] != "all")
        words += [method_name(row["method"])] * several["method"] + [row["split"]] * several[
            "split"
        ]
        words += [f"seed {row['seed']}"] * several["seed"]
        texts.append(textwrap.fill(", ".join(words), 28, break_long_words=False))
    return texts


def score_histogram(scores: pd.Series, title: str, label_kind: str) -> Figure:
    """How many images of a dataset have which score; (n,) scores in 0..1, 1 being the best."""
    figure = Figure(figsize=(WIDTH / 2, 2.6), layout="constrained")
    draw_histogram(figure.add_subplot(), Histogram(title, label_kind, scores.to_numpy()))
    return figure
