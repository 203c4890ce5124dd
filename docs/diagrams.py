"""Draw the network and the pipeline from the code: `python docs/diagrams.py`.

The pipeline's rules and arrows are those of `snakemake --rulegraph`. The network's modules, the
shapes of what they give and the numbers of their weights are those of `dpam.model.DPAM`, which
computes once, on noise; only their places here, and the arrows between them, are drawn by hand.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor, nn

from dpam.figures.style import COLOURS, style
from dpam.model import DPAM

HERE = Path(__file__).resolve().parent
IMAGES = HERE / "images"
Place = tuple[float, float]
# Inputs: name, place, and shape behind the batch.
INPUTS: dict[str, tuple[Place, str]] = {
    "texture": ((0, 0), "1 x 224 x 224"),
    "image": ((1.35, 0), "3 x 224 x 224"),
    "superpixels": ((2.7, 0), "means, covariances"),
}
# Modules of DPAM: place, what it is, and where its inputs come from.
MODULES: dict[str, tuple[Place, str, tuple[str, ...]]] = {
    "backbone": ((1.35, 1), "Vision Transformer", ("image",)),
    "distortion": ((0, 1), "texture's patterns", ("texture",)),
    "semantic_query": ((2.7, 1), "similar superpixels", ("superpixels",)),
    "distortion_query": ((0, 2), "1x1 convolution", ("distortion",)),
    "distortion_attention": ((0.65, 3), "cross-attention", ("backbone", "distortion_query")),
    "semantic_attention": ((2.05, 3), "cross-attention", ("backbone", "semantic_query")),
    "fusion": ((1.35, 4), "one of both", ("distortion_attention", "semantic_attention")),
    "unit1": ((1.35, 5), "transformer, dynamic kernels", ("fusion",)),
    "attention": ((1.35, 6), "self-attention of channels", ("unit1",)),
    "halve": ((1.35, 7), "1x1 convolution", ("attention",)),
    "unit2": ((1.35, 8), "as unit1", ("halve",)),
    "regression": ((1.35, 9), "weighted mean of patches", ("unit2",)),
}
STAGES = {"perception": (0.55, 4.45), "enhancement": (4.55, 8.45), "regression": (8.55, 9.45)}
WIDTH, HEIGHT = 1.2, 0.62  # of a box


def main() -> None:
    """Draw both."""
    with style():
        network().savefig(IMAGES / "network.png", dpi=110, facecolor="white")
        pipeline(rulegraph()).savefig(IMAGES / "pipeline.png", dpi=110, facecolor="white")


def box(axes: Axes, place: Place, title: str, below: str = "", colour: str = "first") -> None:
    """A box with a title, and a line in small print."""
    x, y = place
    axes.annotate(
        title,
        (x, y - (0.1 if below else 0)),
        ha="center",
        va="center",
        fontweight="bold",
        fontsize=8,
    )
    if below:
        axes.annotate(below, (x, y + 0.13), ha="center", va="center", fontsize=6.5, linespacing=1.3)
    left, top = x - WIDTH / 2, y - HEIGHT / 2
    axes.add_patch(
        rounded(left, top, WIDTH, HEIGHT, facecolor="white", edgecolor=COLOURS[colour], zorder=-1)
    )


def rounded(left: float, top: float, width: float, height: float, **how: Any) -> FancyBboxPatch:
    """A rectangle with round corners."""
    shape = "round,pad=0,rounding_size=0.08"
    return FancyBboxPatch((left, top), width, height, boxstyle=shape, **how)


def arrow(axes: Axes, start: Place, end: Place) -> None:
    """From the lower edge of a box to the upper edge of another; bent past boxes between."""
    bend = 0.45 if end[1] - start[1] > 1 and end[0] == start[0] else 0
    axes.annotate(
        "",
        (end[0], end[1] - HEIGHT / 2),
        (start[0], start[1] + HEIGHT / 2),
        arrowprops={
            "arrowstyle": "-|>",
            "color": COLOURS["muted"],
            "shrinkA": 0,
            "shrinkB": 0,
            "connectionstyle": f"arc3,rad={bend}",
        },
        zorder=-2,
    )


def network() -> Figure:
    """The modules of the network of the published size."""
    shapes, net = shapes_of_modules()
    figure = Figure(figsize=(6.4, 9.4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.75, 3.7), ylim=(9.6, -0.5))
    axes.set_axis_off()
    for name, (top, bottom) in STAGES.items():
        axes.add_patch(
            rounded(-0.7, top, 4.1, bottom - top, facecolor="#f1f4f7", edgecolor="none", zorder=-3)
        )
        axes.annotate(name, (3.48, (top + bottom) / 2), va="center", rotation=270, fontsize=9)
    for name, (place, shape) in INPUTS.items():
        box(axes, place, name, shape, "muted")
    places = {name: place for name, (place, _) in INPUTS.items()}
    places |= {name: place for name, (place, _, _) in MODULES.items()}
    for name, (place, what, sources) in MODULES.items():
        count = sum(weight.numel() for weight in getattr(net, name).parameters())
        box(axes, place, name, f"{what}\n{shapes[name]}; {count / 1e6:.1f} M")
        for source in sources:
            arrow(axes, places[source], place)
    return figure


def shapes_of_modules() -> tuple[dict[str, str], DPAM]:
    """What each module gives, behind the batch; and the network."""
    found: dict[str, str] = {}

    def keep(name: str) -> None:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            last = output[-1] if isinstance(output, tuple) else output
            if name == "regression" and isinstance(output, tuple):
                found[name] = "quality"
            elif isinstance(last, Tensor):
                found[name] = " x ".join(map(str, last.shape[1:]))

        getattr(net, name).register_forward_hook(hook)

    net = DPAM().eval()
    for name in MODULES:
        keep(name)
    size = net.image_size
    with torch.inference_mode():
        net(
            torch.rand(1, 3, size, size),
            torch.rand(1, 1, size, size),
            torch.rand(1, 150, 3),
            torch.rand(1, 150, 6),
        )
    assert found.keys() == MODULES.keys()
    return found, net


def rulegraph() -> dict[str, set[str]]:
    """Each rule of the demonstration, and those whose files it reads; without `all`."""
    words = ["snakemake", "--configfile", "workflow/presets/demo.yaml", "--rulegraph"]
    answer = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=True, cwd=HERE.parent
    )
    names = dict(re.findall(r'(\d+)\[label = "(\w+)"', answer.stdout))
    graph: dict[str, set[str]] = {name: set() for name in names.values() if name != "all"}
    for source, target in re.findall(r"(\d+) -> (\d+)", answer.stdout):
        if names[target] != "all":
            graph[names[target]].add(names[source])
    return reduced(graph)


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The graph without arrows that others lead round."""

    def before(names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for name in names:
            found |= graph[name] | before(graph[name])
        return found

    return {name: sources - before(sources) for name, sources in graph.items()}


def pipeline(graph: dict[str, set[str]]) -> Figure:
    """The rules, each below those whose files it reads."""
    depth: dict[str, int] = {}
    while len(depth) < len(graph):
        for name, sources in graph.items():
            if name not in depth and sources <= depth.keys():
                depth[name] = max((depth[source] + 1 for source in sources), default=0)
    for name, sources in graph.items():  # what reads nothing stands above its first reader
        readers = [depth[other] for other in graph if name in graph[other]]
        if not sources and readers:
            depth[name] = min(readers) - 1
    rows = [
        [name for name in graph if depth[name] == row] for row in range(max(depth.values()) + 1)
    ]
    middle: dict[str, float] = {}
    for row in rows:  # below the mean of what a rule reads
        row.sort(key=lambda name: mean(middle[source] for source in graph[name]))
        middle |= {name: index - (len(row) - 1) / 2 for index, name in enumerate(row)}
    places = {name: (1.45 * middle[name], depth[name] * 1.0) for name in graph}
    wide = max(len(row) for row in rows)
    figure = Figure(figsize=(1.9 * wide, 0.95 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.75 * wide, 0.75 * wide), ylim=(len(rows) - 0.5, -0.5))
    axes.set_axis_off()
    for name, place in places.items():
        box(axes, place, name.replace("_", " "))
        for source in graph[name]:
            arrow(axes, places[source], place)
    return figure


def mean(values: Iterable[float]) -> float:
    """Of numbers; 0 of none."""
    found = list(values)
    return sum(found) / len(found) if found else 0.0


if __name__ == "__main__":
    main()
