"""The figures of the model card, in the style of all figures."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dpam.figures.style import COLOURS, small_multiples, style
from dpam.utils.files import atomic

LADDERS, SIZES = "judge_ladders.png", "judge_sizes.png"  # files
PNG = b"\x89PNG"
LINES = ("first", "second", "ink", "muted")  # colours of up to four judges, by their order
FORMS: dict[str, dict[str, Any]] = {
    "PNG": {"color": COLOURS["ink"]},
    "JPEG": {"color": COLOURS["muted"], "linestyle": (0, (4, 3))},
    "grey": {"color": COLOURS["muted"], "linestyle": (0, (1, 2))},
    "noise": {"color": COLOURS["second"]},
    "blur": {"color": COLOURS["first"]},
}


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG on white; an earlier one is replaced."""
    with atomic(path, ours=PNG) as temporary:
        figure.savefig(temporary, dpi=100, facecolor="white", metadata={"Software": None})


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


def finish(axes: Axes, index: int, columns: int, below: str) -> None:
    """The same axis of scores everywhere, named on the left."""
    axes.set(ylim=(-3, 103), yticks=[0, 50, 100], xlabel=below)
    axes.set_ylabel("score" if index % columns == 0 else "")
