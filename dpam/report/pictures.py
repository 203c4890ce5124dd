"""Figures inside the page, and thumbnails that they link to."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from dpam.evaluation.captions import ABOUT_FEW_REFERENCES
from dpam.figures.style import COLOURS, NOTHING
from dpam.report.table import link
from dpam.utils.files import UNREADABLE, cannot_be_read

# Title and caption of each, and the tables that its numbers stand in.
FIGURES = {
    "training_curves": (
        "Training curves",
        "Loss and rank correlation of each training run per epoch, all runs on one scale. The "
        "weights of the kept epoch are those that were tested: the best on validation images, or "
        "the last epoch where a split has none or the settings say so. Numbers: history, in the "
        "table of runs.",
        [],
    ),
    "scatter": (
        "Predictions against labels",
        "Each dot is a tested image: its prediction to the right, its label upwards, all panels on "
        "one scale. On the dashed line the two are equal. The curve is the fitted logistic; it is "
        "left out where it is hardly more than a step. Brackets hold 95 % intervals. "
        f"{ABOUT_FEW_REFERENCES} Numbered images are the most wrong; a click on a number shows "
        "them. All values: predictions, in the table of runs.",
        [],
    ),
    "quality_maps": (
        "Quality maps",
        "The best and the worst images by their label, and those whose prediction is most wrong, "
        "as the network reads them. Quality lost: of each patch, its weight x (1 - its score); the "
        "mean of such a map is 1 - the predicted quality. Score: of each patch, from 0 to 1. All "
        "maps have one scale. A frame along the border comes from the network rather "
        "than from the photograph: plain grey images have such maps, too.",
        [],
    ),
    "distortion_types": (
        "Correlation by distortion type",
        "SRCC within the images of each distortion type: median over splits, lines ± one standard "
        "deviation, or a dot for each of two or three splits. Few images, narrow ranges of "
        "quality: correlations are lower than over all.",
        ["types_and_levels.csv"],
    ),
    "examples": (
        "Photographs and their superpixels",
        "Photographs of each dataset from high to low quality; below each, its superpixels "
        "outlined. A prediction stands where the image was in a test set.",
        [],
    ),
    "labels": ("Labels of each dataset", "How many images have which label.", []),
    "superpixels": (
        "Superpixels of each method",
        "The same photographs with the superpixels of each method outlined: the best, a "
        "middling and the worst of each dataset.",
        [],
    ),
    "cross_dataset": (
        "Heat map of SRCC across datasets",
        "Median SRCC of networks trained on one dataset and tested on another; of a single run "
        f"with its 95 % interval in brackets. {ABOUT_FEW_REFERENCES}",
        ["metrics.csv"],
    ),
}


@dataclass(frozen=True)
class Picture:
    """A figure of the page: its title, its lines, its caption, and files with links."""

    title: str
    svg: Markup
    caption: str
    files: list[tuple[str, str]]


def picture(
    name: str, figures: Path, tables: Path, wrong: list[dict[str, Any]], output: Path
) -> Picture | None:
    """A figure that `dpam plot` drew; None if it has nothing to show.

    Raises:
        DpamError: it is missing.
    """
    path = figures / f"{name}.svg"
    try:
        text = path.read_text(encoding="utf-8")
    except UNREADABLE as error:
        raise cannot_be_read(path, error, "`dpam plot` makes it") from error
    if f'id="{NOTHING}"' in text:
        return None
    title, caption, numbers = FIGURES[name]
    files = [path, figures / "pdf" / f"{name}.pdf", *(tables / number for number in numbers)]
    links = [(file.name, link(file, output)) for file in files if file.exists()]
    return Picture(title, inline_svg(text, name, wrong), caption, links)


def inline_svg(text: str, name: str, wrong: list[dict[str, Any]]) -> Markup:
    """A figure for use inside the page: its own names, the page's colours, no prolog.

    Args:
        text: the SVG file.
        name: goes before the names inside it.
        wrong: the images that numbers in it lead to.
    """
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)(?!wrong-)', rf"\g<1>{name}-", text)
    for one in wrong:
        label = escape(f"{one['number']}: {one['image']}, label {one['label']:.2f}, "
                       f"predicted {one['prediction']:z.2f}")  # fmt: skip
        text = text.replace(
            f'<a xlink:href="#{one["name"]}" target="_blank">',
            f'<a href="#{one["name"]}" id="at-{one["name"]}" aria-label="{label}">',
        )
    text = re.sub(r' width="([\d.]+)pt" height="[\d.]+pt"', r' style="--points: \1"', text, count=1)
    for role, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{role})")
    return Markup(text)  # noqa: S704 - written by dpam.figures.style, which escapes its text
