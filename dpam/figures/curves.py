"""Figures of numbers: training curves, scatter plots, histograms, tables as colours."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dpam.evaluation.correlation import plcc
from dpam.evaluation.formatting import decimal, method_name
from dpam.evaluation.metrics import logistic4
from dpam.evaluation.unions import dataset_name, is_own
from dpam.figures.style import COLOURS, WIDTH, message, say_hidden, small_multiples

DENSE = 500  # points; more are drawn as one picture
STEP = 0.05  # deviations of the predictions; a narrower logistic is practically a step

SUBSETS = {"train": "muted", "validation": "first", "test": "second"}

KEPT: dict[str, Any] = {"color": COLOURS["ink"], "linewidth": 0.7, "linestyle": (0, (2, 2))}


@dataclass(frozen=True)
class Curves:
    """One training run: its title and its history, one row per epoch."""

    title: str
    history: pd.DataFrame


@dataclass(frozen=True)
class Scatter:
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
class Histogram:
    """The labels of one dataset: (n,) labels in 0..1, 1 being the best."""

    title: str
    label_kind: str
    labels: np.ndarray


def training_curves(runs: Sequence[Curves], hidden: int = 0) -> Figure:
    """Loss and SRCC of each run per epoch, the kept epoch marked.

    Args:
        runs: what to draw; their histories have the columns that `dpam train` writes.
        hidden: how many further runs are left out.
    """
    if not runs:
        return message("No training run to show.")
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
            *(Line2D([], [], color=COLOURS[SUBSETS[subset]], label=subset) for subset in SUBSETS),
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
    """SRCC of each subset that was measured."""
    mark_kept(axes, history)
    lowest = 0.0
    for subset, colour in SUBSETS.items():
        values = history[f"{subset}_srcc"].to_numpy(dtype=float)
        if np.isfinite(values).any():
            draw_line(axes, history["epoch"], values, colour)
            lowest = min(lowest, float(np.nanmin(values)))
    axes.set_ylim(lowest - 0.02, 1.02)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("SRCC")
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


def scatter(clouds: Sequence[Scatter], hidden: int = 0) -> Figure:
    """Label over prediction, one panel per run and test dataset, on common axes.

    Args:
        clouds: what to draw.
        hidden: how many further panels are left out.
    """
    if not clouds:
        return message("No prediction to show.")
    figure, rows, columns = small_multiples(len(clouds), height=3.0)
    values = np.concatenate([cloud.prediction for cloud in clouds])
    low, high = min(0.0, values.min()) - 0.03, max(1.0, values.max()) + 0.03
    grid = figure.add_gridspec(rows, columns)
    for index, cloud in enumerate(clouds):
        axes = figure.add_subplot(grid[divmod(index, columns)])
        n = len(cloud.label)
        axes.plot([0, 1], [0, 1], color=COLOURS["muted"], lw=0.8, ls=(0, (4, 3)))
        axes.plot(
            cloud.prediction,
            cloud.label,
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
        linear = plcc(cloud.prediction, cloud.label)
        below = f"SRCC {decimal(cloud.srcc)}, PLCC {decimal(linear)}, {n} images"
        axes.text(0, 1.03, below, transform=axes.transAxes, fontsize=8, color=COLOURS["muted"])
        axes.set(xlim=(low, high), ylim=(-0.03, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        axes.set_xlabel("prediction")
        axes.set_ylabel(f"label: {cloud.label_kind}, 0 to 1", parse_math=False)
    say_hidden(figure, hidden, "panel")
    return figure


def draw_fit(axes: Axes, cloud: Scatter) -> None:
    """The logistic that was fitted from prediction to label, over the range of predictions.

    One that is a step says nothing of how the two go together, and is left out.
    """
    if cloud.logistic is not None and abs(cloud.logistic[-1]) > STEP * cloud.prediction.std():
        prediction = np.linspace(cloud.prediction.min(), cloud.prediction.max(), 100)
        label = logistic4(prediction, *cloud.logistic)
        axes.plot(prediction, label, color=COLOURS["second"], lw=1.2)


def number_wrong(axes: Axes, cloud: Scatter) -> None:
    """Rings and numbers at the most wrong images; the numbers are links."""
    numbers = {row: number for number, row in enumerate(cloud.wrong, start=1)}
    # From below, so that numbers stay apart where the images are close.
    for rank, row in enumerate(sorted(cloud.wrong, key=lambda row: cloud.label[row])):
        address, place = cloud.wrong[row], (cloud.prediction[row], cloud.label[row])
        axes.plot(*place, marker="o", ms=7, mfc="none", mec=COLOURS["ink"], mew=0.8)
        left = place[0] > 0.5
        axes.annotate(
            str(numbers[row]),
            place,
            xytext=(-6 if left else 6, 12 * (rank - (len(numbers) - 1) / 2)),
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
        return message("No dataset here tells its distortion types.")
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
    """How many images of each dataset have which label, one panel per dataset."""
    if not datasets:
        return message("No dataset to show.")
    figure, rows, columns = small_multiples(len(datasets), height=1.9)
    for index, dataset in enumerate(datasets):
        draw_histogram(figure.add_subplot(rows, columns, index + 1), dataset)
    return figure


def draw_histogram(axes: Axes, dataset: Histogram) -> None:
    """Twenty bars."""
    axes.hist(dataset.labels, bins=20, range=(0, 1), color=COLOURS["first"], rwidth=0.9)
    axes.set_title(f"{dataset.title}:\n{len(dataset.labels):,} images")
    axes.set(xlabel=f"label: {dataset.label_kind}, 0 to 1", ylabel="images", xlim=(0, 1))
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
    words = [line for label in [*labels, *tested] for line in label.split("\n")]
    cell = max(0.7, 0.08 * max(map(len, words)))
    row = max(0.45, 0.2 * max(len(label.split("\n")) for label in labels))
    size = (cell * (len(tested) + 1) + 0.5) * len(methods), row * len(trained) + 1.1
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(methods), squeeze=False)[0]
    for axes, method in zip(panels, methods, strict=True):
        table = crossed[crossed["method"] == method].pivot_table(
            index="dataset", columns="test_dataset", values="srcc", aggfunc="median", dropna=False
        )
        values = table.reindex(index=trained, columns=tested).to_numpy(dtype=float)
        draw_matrix(axes, values, labels, tested)
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


def label_histogram(labels: pd.Series, title: str, label_kind: str) -> Figure:
    """How many images of a dataset have which label; (n,) labels in 0..1, 1 being the best."""
    figure = Figure(figsize=(WIDTH / 2, 2.6), layout="constrained")
    draw_histogram(figure.add_subplot(), Histogram(title, label_kind, labels.to_numpy()))
    return figure
