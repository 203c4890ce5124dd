"""The generated sections of the model card, between their markers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dpam.errors import DpamError
from dpam.utils.files import write_text
from dpam.utils.reading import read_json

from . import examples, figures, tables

MEASURED = ("test", "ladders", "maps", "sizes", "absurd", "speed")


def write(files: Sequence[Path], page: Path, images: Path) -> None:
    """Make figures and thumbnails, and fill the sections of a page.

    Args:
        files: JSONs of judges: first the one that the page is about.
        page: Markdown with the markers of all `sections`; what stands between them is replaced.
        images: folder of figures and thumbnails, beside the page.

    Raises:
        DpamError: a section was not measured, or a marker is missing.
    """
    judges = [read_json(file) for file in files]
    missing = [name for name in MEASURED if name not in judges[0]]
    if missing:
        raise DpamError(
            f"{files[0]}: expected all sections, found none of {', '.join(missing)}; measure them "
            "with --sections"
        )
    text = page.read_text(encoding="utf-8")
    made = sections(judges, images.name)
    filled = replaced(text, made, page)
    figures.ladders([judge for judge in judges if "ladders" in judge], images / figures.LADDERS)
    figures.sizes(judges[0], images / figures.SIZES)
    figures.map_of_example(judges[0], images / figures.MAP)
    examples.write(judges[0], images)
    write_text(page, filled, ours=text.partition("\n")[0].encode())


def sections(judges: Sequence[dict[str, Any]], images: str) -> dict[str, str]:
    """Markdown of each section by name; `images` is the folder as the page names it."""
    ours = judges[0]
    return {
        "card": tables.card(judges),
        "test": tables.test(judges),
        "within": tables.within(judges),
        "ladders": tables.ladders(judges, images),
        "maps": tables.maps(judges, images),
        "sizes": tables.sizes(judges, images),
        "coverage": tables.coverage(judges),
        "absurd": tables.absurd(judges),
        "speed": tables.speed(judges),
        "examples": examples.table(ours, images),
    }


def replaced(text: str, made: Mapping[str, str], page: Path) -> str:
    """The page with new sections.

    Raises:
        DpamError: a section has no place in it, or several.
    """
    for name, body in made.items():
        start, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, _, rest = text.partition(start)
        _, ending, after = rest.partition(end)
        if text.count(start) != 1 or text.count(end) != 1 or not ending:
            raise DpamError(f"{page}: expected '{start}' once, and '{end}' once behind it")
        text = f"{before}{start}\n{body.strip()}\n{end}{after}"
    return text
