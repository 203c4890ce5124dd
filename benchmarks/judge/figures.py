"""The figures of the model card, in the style of all figures."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dpam.demo.photographs import PHOTOGRAPHS
from dpam.figures.quality_maps import overlay
from dpam.figures.style import COLOURS, small_multiples, style
from dpam.inference.explanations import stretch
from dpam.utils.files import atomic

from .ladders import photograph
from .maps import EXAMPLE, half_degraded

LADDERS, SIZES, MAP = "judge_ladders.png", "judge_sizes.png", "judge_map.jpg"  # files
STARTS = {".png": b"\x89PNG", ".jpg": b"\xff\xd8"}
LINES = ("first", "second", "ink", "muted")  # colours of up to four judges, by their order
FORMS: dict[str, dict[str, Any]] = {
    "PNG": {"color": COLOURS["ink"]},
    "JPEG": {"color": COLOURS["muted"], "linestyle": (0, (4, 3))},
    "grey": {"color": COLOURS["muted"], "linestyle": (0, (1, 2))},
    "noise": {"color": COLOURS["second"]},
    "blur": {"color": COLOURS["first"]},
}


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or JPEG on white; an earlier one is replaced."""
    with atomic(path, ours=STARTS[path.suffix]) as temporary:
        metadata = {"Software": None} if path.suffix == ".png" else None
        figure.savefig(temporary, dpi=160, facecolor="white", metadata=metadata)


def ladders(judges: list[dict[str, Any]], path: Path) -> None:
    """Mean score by level of each defect, a line for each judge; a star: never trained on.

    Args:
        judges: JSONs of judges, those without ladders left out.
        path: of the figure to write.
    """
    kinds = list(judges[0]["ladders"]["kinds"])
    with style():
        figure, rows, columns = small_multiples(len(kinds), height=1.6, most=5)
        grid = figure.add_gridspec(rows, columns)
        for index, kind in enumerate(kinds):
            axes = figure.add_subplot(grid[divmod(index, columns)])
            for judge, colour in zip(judges, LINES, strict=False):
                mean = np.mean(judge["ladders"]["kinds"][kind]["scores"], axis=0)
                axes.plot(mean, color=COLOURS[colour], marker="o", ms=3, label=judge["title"])
            seen = judges[0]["ladders"]["kinds"][kind]["seen"]
            axes.set_title(kind.replace("_", " ") + ("" if seen else "*"))
            finish(axes, index, columns, "level")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False)
        save(figure, path)


def sizes(judge: dict[str, Any], path: Path) -> None:
    """Score by the longer side, a panel for each photograph."""
    found = judge["sizes"]
    with style():
        figure, rows, columns = small_multiples(len(found["photographs"]), height=2.2)
        grid = figure.add_gridspec(rows, columns)
        for index, (name, by_form) in enumerate(found["photographs"].items()):
            axes = figure.add_subplot(grid[divmod(index, columns)])
            for form, values in by_form.items():
                axes.plot(found["sides"], values, marker="o", ms=3, label=form, **FORMS[form])
            axes.set_xscale("log", base=2)
            axes.set_xticks(found["sides"], [str(side) for side in found["sides"]])
            axes.set_xticks([], minor=True)
            axes.set_title(name)
            finish(axes, index, columns, "longer side, pixels")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=5, frameon=False)
        save(figure, path)


def map_of_example(judge: dict[str, Any], path: Path) -> None:
    """A photograph with a defect in one half, and where the judge sees quality lost."""
    name, kind, half = EXAMPLE
    (which,) = (one for one in PHOTOGRAPHS if one.name == name)
    rgb = half_degraded(photograph(which), name, kind, half)
    lost = np.array(judge["maps"]["example"]["lost"])
    with style():
        figure = Figure(figsize=(8.0, 2.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes, title in (
            (left, f"{judge['maps']['example']['score']:.0f} of 100"),
            (right, "where quality is lost"),
        ):
            axes.set_title(title)
            axes.set_axis_off()
        left.imshow(rgb)
        limits = float(lost.min()), float(lost.max())
        overlay(figure, right, rgb, stretch(lost, *rgb.shape[:2]), "inferno", limits)
        save(figure, path)


def finish(axes: Axes, index: int, columns: int, below: str) -> None:
    """The same axis of scores everywhere, named on the left."""
    axes.set(ylim=(-3, 103), yticks=[0, 50, 100], xlabel=below)
    axes.set_ylabel("score" if index % columns == 0 else "")
