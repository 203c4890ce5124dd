"""Figures of numbers: training curves, bars, histograms, tables as colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dpam.evaluation.formatting import decimal, interval, method_name
from dpam.evaluation.unions import dataset_name, is_own
from dpam.figures.style import (
    COLOURS,
    DOUBLE,
    LINE,
    SINGLE,
    label_words,
    message,
    say_hidden,
    small_multiples,
    title,
)

CELL = 1.1  # inches, the width of a number with its interval

SUBSETS = {"train": "muted", "validation": "first", "test": "second"}

KEPT: dict[str, Any] = {"color": COLOURS["ink"], "linewidth": 0.7, "linestyle": (0, (2, 2))}


@dataclass(frozen=True)
class Curves:
    """One training run: its title and its history, one row per epoch."""

    title: str
    history: pd.DataFrame


@dataclass(frozen=True)
class Histogram:
    """The labels of one dataset: (n,) labels in 0..1, 1 being the best."""

    title: str
    label_kind: str
    labels: np.ndarray


def training_curves(runs: Sequence[Curves], hidden: int = 0) -> Figure:
    """Loss and SRCC of each run per epoch, on common axes, the kept epoch marked.

    Args:
        runs: what to draw; their histories have the columns that `dpam train` writes.
        hidden: how many further runs are left out.
    """
    if not runs:
        return message("No training run to show.")
    figure, rows, columns = small_multiples(len(runs), height=2.0)
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=[1, 2] * rows)
    losses, lowest = ends_of_losses(runs), lowest_correlation(runs)
    for index, run in enumerate(runs):
        row, column = divmod(index, columns)
        upper = figure.add_subplot(grid[2 * row, column])
        lower = figure.add_subplot(grid[2 * row + 1, column], sharex=upper)
        upper.tick_params(labelbottom=False)
        title(upper, run.title, index, len(runs))
        draw_loss(upper, run.history, losses)
        draw_correlations(lower, run.history, lowest)
        if column == 0:
            upper.set_ylabel("loss")
            lower.set_ylabel("SRCC")
    figure.legend(
        handles=[
            *(Line2D([], [], color=COLOURS[SUBSETS[subset]], label=subset) for subset in SUBSETS),
            Line2D([], [], **KEPT, label="kept epoch"),
        ],
        loc="outside upper left",
        ncols=4,
        frameon=False,
    )
    say_hidden(figure, hidden, "run")
    return figure


def ends_of_losses(runs: Sequence[Curves]) -> tuple[float, float] | None:
    """Round numbers that hold all losses of all runs between them; None if none is positive."""
    loss = np.concatenate([run.history["loss"].to_numpy(dtype=float) for run in runs])
    positive = loss[np.isfinite(loss) & (loss > 0)]
    return round_ends(positive.min(), positive.max()) if len(positive) else None


def lowest_correlation(runs: Sequence[Curves]) -> float:
    """The smallest SRCC of all subsets of all runs, or 0 if none is below."""
    names = [f"{subset}_srcc" for subset in SUBSETS]
    found = np.concatenate([run.history[names].to_numpy(dtype=float).ravel() for run in runs])
    return float(found[np.isfinite(found)].min(initial=0.0))


def draw_loss(axes: Axes, history: pd.DataFrame, ends: tuple[float, float] | None) -> None:
    """Loss on a logarithmic axis that is labelled at its two ends."""
    mark_kept(axes, history)
    draw_line(axes, history["epoch"], history["loss"].to_numpy(dtype=float), "muted")
    axes.grid(visible=False, axis="x")
    if ends is not None:
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


def draw_correlations(axes: Axes, history: pd.DataFrame, lowest: float) -> None:
    """SRCC of each subset that was measured, on an axis from `lowest` to 1."""
    mark_kept(axes, history)
    for subset, colour in SUBSETS.items():
        values = history[f"{subset}_srcc"].to_numpy(dtype=float)
        if np.isfinite(values).any():
            draw_line(axes, history["epoch"], values, colour)
    axes.set_ylim(lowest - 0.02, 1.02)
    axes.set_yticks([0, 0.5, 1])
    axes.grid(visible=False, axis="x")
    kept = history.loc[history["validation_selected"] == 1, "epoch"]
    axes.set_xlabel(f"epoch ({kept.iloc[0]} kept)" if len(kept) else "epoch")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def draw_line(axes: Axes, x: pd.Series, y: np.ndarray, colour: str) -> None:
    """A line; a dot where a line would have one point only."""
    axes.plot(x, y, color=COLOURS[colour], marker="o" if len(x) == 1 else "", ms=3)


def mark_kept(axes: Axes, history: pd.DataFrame) -> None:
    """A thin upright line at the epoch whose weights were kept."""
    for epoch in history.loc[history["validation_selected"] == 1, "epoch"]:
        axes.axvline(epoch, **KEPT)


def distortion_types(table: pd.DataFrame, hidden: int = 0) -> Figure:
    """Bars of the median SRCC of each distortion type, one panel per setting.

    Over them stands the deviation over splits, or of few splits a dot for each.

    Args:
        table: rows of `tables.types_and_levels` by distortion, and `title`, the panel's.
        hidden: how many further panels are left out.
    """
    panels = [rows for _, rows in table.groupby("title", sort=False)]
    if not panels:
        return message("No dataset here tells its distortion types.")
    tallest = max(map(len, panels))
    figure, rows, columns = small_multiples(len(panels), height=0.16 * tallest + 0.8, most=2)
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
            axes.text(1.04, place, decimal(value), va="center")
        axes.set_yticks(places, names)
        axes.set(xlim=(lowest, 1), ylim=(tallest - 0.4, -0.6), xlabel="SRCC")
        axes.set_xticks([tick for tick in (-1, -0.5, 0, 0.5, 1) if tick >= lowest])
        axes.grid(visible=False, axis="y")
        title(axes, panel["title"].iloc[0], index, len(panels))
    say_hidden(figure, hidden, "panel")
    return figure


def histograms(datasets: Sequence[Histogram]) -> Figure:
    """How many images of each dataset have which label, one panel per dataset."""
    if not datasets:
        return message("No dataset to show.")
    figure, rows, columns = small_multiples(len(datasets), height=1.75)
    for index, dataset in enumerate(datasets):
        axes = figure.add_subplot(rows, columns, index + 1)
        title(axes, f"{dataset.title}:\n{len(dataset.labels):,} images", index, len(datasets))
        draw_histogram(axes, dataset)
    return figure


def draw_histogram(axes: Axes, dataset: Histogram) -> None:
    """Twenty bars."""
    axes.hist(dataset.labels, bins=20, range=(0, 1), color=COLOURS["first"], rwidth=0.9)
    axes.set(ylabel="images", xlim=(0, 1))
    axes.set_xlabel(label_words(dataset.label_kind), parse_math=False)
    axes.grid(visible=False, axis="x")


def cross_dataset(metrics: pd.DataFrame) -> Figure:
    """Heat map of the median SRCC, trained on (rows) by tested on (columns), per method.

    Args:
        metrics: rows of `tables.read_metrics`; those of one distortion type and those of a
            dataset's own test set are left out.
    """
    own = list(map(is_own, metrics["dataset"], metrics["test_dataset"]))
    crossed = metrics[~np.array(own, bool) & (metrics["distortion"] == "all")]
    if crossed.empty:
        return message("No network was tested on another dataset than its own.")
    crossed = crossed.drop_duplicates(["run", "test_dataset"])
    names = list(dict.fromkeys([*crossed["dataset"], *crossed["test_dataset"]]))
    methods = list(dict.fromkeys(crossed["method"]))
    trained = [name for name in names if name in set(crossed["dataset"])]
    tested = [name for name in names if name in set(crossed["test_dataset"])]
    labels = [dataset_name(name).replace(" + ", " +\n") for name in trained]
    beside = max(1, min(len(methods), int(DOUBLE / (CELL * (len(tested) + 1)))))  # in a row
    below = -(-len(methods) // beside)
    room = CELL * beside * (len(tested) + 1) <= DOUBLE
    lines = 3 + max(len(label.split("\n")) for label in labels)
    height = below * (LINE * lines * len(trained) * 0.75 + 6 * LINE) + 2 * LINE
    alone = beside == 1 and len(tested) <= 2
    figure = Figure(figsize=(SINGLE if alone else DOUBLE, height), layout="constrained")
    for index, method in enumerate(methods):
        axes = figure.add_subplot(below, beside, index + 1)
        rows = crossed[crossed["method"] == method].groupby(["dataset", "test_dataset"])
        cells = [[said(rows, (one, other), room) for other in tested] for one in trained]
        draw_matrix(axes, cells, labels, tested)
        title(axes, method_name(method) if len(methods) > 1 else "", index, len(methods), pad=6)
    kinds = ", ".join(dict.fromkeys(crossed["label_kind"]))
    below_all = {"x": 0.01, "ha": "left", "fontsize": 8, "color": COLOURS["muted"]}
    figure.supxlabel(f"Labels: {kinds}", **below_all)
    return figure


def said(rows: Any, key: tuple[str, str], room: bool) -> tuple[float, str]:
    """The median SRCC of a cell, and what is written there.

    Of a single run its interval stands there, too, if there is room.
    """
    if key not in rows.groups:
        return float("nan"), ""
    cell = rows.get_group(key)
    median = float(cell["srcc"].median(skipna=False))
    behind = interval(cell.iloc[0], "srcc") if room and len(cell) == 1 else ""
    return median, decimal(median) + behind.replace(" ", "\n", 1)


def draw_matrix(
    axes: Axes, cells: list[list[tuple[float, str]]], rows: list[str], columns: list[str]
) -> None:
    """Cells coloured by SRCC from 0 (and below) to 1, each with its words."""
    values = np.array([[value for value, _ in row] for row in cells])
    axes.pcolormesh(values, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if value > 0.55 else "black"
            place = (column + 0.5, row + 0.5)
            axes.annotate(cells[row][column][1], place, ha="center", va="center", color=colour)
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.set(xlabel="tested on", ylabel="trained on", aspect="auto")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
