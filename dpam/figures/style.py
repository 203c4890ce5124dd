"""The look of all figures, as SVG and PDF: text stays text, equal numbers give equal bytes.

They are as wide as one or two columns of a journal, and all their text has 8 points there.
"""

import base64
import io
import logging
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.typing import RcKeyType
from PIL import Image

from dpam.evaluation.formatting import method_name
from dpam.evaluation.unions import dataset_name
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

PANELS = 24  # more cannot be read

COLUMNS = 3

SINGLE, DOUBLE = 3.5, 7.16  # inches, the widths of one and of two columns of a journal
LINE = 0.14  # inches, the height of a line of text

NOTHING = "nothing-to-show"  # name of the text in a figure that has nothing else

STYLE: dict[RcKeyType, Any] = {
    # Measured with the first, which comes with matplotlib; the others are not wider.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial", "sans-serif"],
    "font.size": 8.0,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # text that can be searched and edited
    "text.parse_math": False,
    "text.color": COLOURS["ink"],
    "axes.titlesize": 8.0,
    "axes.titlelocation": "left",
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
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.2,
    "lines.solid_capstyle": "round",
}


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


def message(text: str) -> Figure:
    """A figure that says in words why there is nothing to show."""
    figure = Figure(figsize=(DOUBLE, 0.4))
    figure.text(0.02, 0.5, text, va="center", color=COLOURS["muted"], gid=NOTHING)
    return figure


def shows_nothing(figure: Figure) -> bool:
    """Whether a figure is a `message`."""
    return any(text.get_gid() == NOTHING for text in figure.texts)


def width_of(panels: int) -> float:
    """Inches: one column of a journal for a single panel, two for several."""
    return SINGLE if panels == 1 else DOUBLE


def title(axes: Axes, text: str, index: int, count: int, **how: Any) -> None:
    """The title of a panel; if there are several, with its letter to the left of it.

    Args:
        axes: the panel.
        text: its title.
        index: which panel it is, from 0.
        count: how many there are.
        how: further arguments of `Axes.set_title`.
    """
    # A $ in a name is no formula. Of an empty title the place is still needed.
    drawn = axes.set_title(text or " ", parse_math=False, **how)
    if count > 1:
        place: dict[str, Any] = {"xy": (0, 1), "xycoords": drawn, "textcoords": "offset points"}
        axes.annotate(letter(index), xytext=(-6, 0), **place, ha="right", va="top", weight="bold")


def letter(index: int) -> str:
    """a, b, c, ... for the panels 0, 1, 2, ... of a figure."""
    return chr(ord("a") + index)


def heading(figure: Figure, top: float, text: str, index: int, count: int) -> None:
    """The heading of a part of a figure, `top` inches from below; of several, with its letter."""
    y = top / figure.get_figheight()
    indent = 0.15 if count > 1 else 0.0  # inches
    figure.text(indent / figure.get_figwidth(), y, text, va="top", parse_math=False)
    if count > 1:
        figure.text(0, y, letter(index), va="top", weight="bold")


def small_multiples(count: int, height: float, most: int = COLUMNS) -> tuple[Figure, int, int]:
    """An empty figure for `count` panels `height` inches high, `most` in a row; rows, columns."""
    columns = min(count, most)
    rows = -(-count // columns)
    apart = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.04, hspace=0.03, wspace=0.02)
    return Figure(figsize=(width_of(count), rows * height + 0.3), layout=apart), rows, columns


def label_words(kind: str) -> str:
    """What stands at an axis of labels of a kind, in lines that fit a panel."""
    return f"label, 0 to 1:\n{textwrap.fill(kind, 24, break_on_hyphens=False)}"


def say_hidden(figure: Figure, hidden: int, noun: str) -> None:
    """Say below the panels how many are not shown, if any."""
    if hidden:
        text = f"{hidden} more {noun}{'s' * (hidden > 1)} not shown; all numbers are in the tables"
        figure.supxlabel(text, fontsize=8, x=0.01, ha="left", color=COLOURS["muted"])


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
        rows: with the columns dataset, test_dataset, distortion, method, split, seed.
    """
    several = {name: len(set(rows[name])) > 1 for name in ("method", "split", "seed")}
    texts = []
    for row in rows.to_dict("records"):
        trained = dataset_name(row["dataset"])
        words = [trained]
        if row["test_dataset"] != row["dataset"]:
            words = [f"{trained} \N{RIGHTWARDS ARROW} {row['test_dataset']}"]
        words += [row["distortion"]] * (row["distortion"] != "all")
        words += [method_name(row["method"])] * several["method"] + [row["split"]] * several[
            "split"
        ]
        words += [f"seed {row['seed']}"] * several["seed"]
        texts.append(textwrap.fill(", ".join(words), 28, break_long_words=False))
    return texts
