"""Scored photographs as one page of thumbnails that needs nothing else: no request, no other file.

They are shown best first; on the page they can be ordered otherwise and kept to a range of scores.
A click enlarges one and shows where its quality is lost. Without its script the page lacks only
these.
"""

import base64
import hashlib
import html
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from dpam.inference.explanations import FLAT, Explanation
from dpam.inference.score_table import Row
from dpam.inference.scores import in_words

FOLDER = Path(__file__).parent
SIDE = 288  # pixels of a thumbnail's longer side; some 12 kB each
QUALITY = 78  # of its JPEG
MAP_SIDE = 72  # pixels of a map's longer side; some 1 kB each
RED = (215, 25, 28)
OPAQUE = 170  # of 255, where most is lost


@dataclass(frozen=True)
class Shown:
    """What the page shows of a photograph: score, `thumbnail`, map of `lost_quality`."""

    row: Row
    thumbnail: bytes
    lost: bytes


def thumbnail(rgb: np.ndarray) -> bytes:
    """A small JPEG of a photograph, (H, W, 3) uint8."""
    image = Image.fromarray(rgb)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def lost_quality(explanation: Explanation) -> bytes:
    """A small PNG to lie over a photograph, the redder the more quality is lost there."""
    lost = explanation.lost_map
    least, most = float(np.nanmin(lost)), float(np.nanmax(lost))
    share = np.nan_to_num((lost - least) / max(most - least, FLAT))
    alpha = Image.fromarray((OPAQUE * share).round().astype(np.uint8))
    scale = min(1.0, MAP_SIDE / max(alpha.size))
    width, height = (max(1, round(side * scale)) for side in alpha.size)
    alpha = alpha.resize((width, height), Image.Resampling.BOX)
    image = Image.new("RGBA", alpha.size, RED)
    image.putalpha(alpha)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def gallery(photographs: Iterable[Shown], made_with: str) -> str:
    """The page as HTML.

    Args:
        photographs: what it shows.
        made_with: by what they were scored, and on what scale; stands on top.
    """
    best_first = sorted(photographs, key=lambda one: -one.row.score_100)
    script = (FOLDER / "gallery.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = Template((FOLDER / "gallery.html").read_text(encoding="utf-8"))
    return page.substitute(
        count=f"{len(best_first):,} photograph{'s' if len(best_first) != 1 else ''}",
        made_with=html.escape(made_with),
        figures="\n".join(map(figure, best_first)),
        script=script,
        digest=digest,
    )


def figure(shown: Shown) -> str:
    """One photograph with its score, its interval and its name."""
    row = shown.row
    name = html.escape(row.image.encode("utf-8", "backslashreplace").decode())
    score, _, likely = in_words(row.score_100, row.low, row.high).partition(", ")
    small = f'<span class="likely">{likely}</span>' if likely else ""
    return (
        f'<figure data-score="{row.score_100:.4f}" data-name="{name}" '
        f'data-lost="data:image/png;base64,{base64.b64encode(shown.lost).decode()}">'
        f'<button type="button" aria-label="enlarge {name}"><img alt="" decoding="async" '
        f'src="data:image/jpeg;base64,{base64.b64encode(shown.thumbnail).decode()}"></button>'
        f"<figcaption><strong>{score}</strong> {small}<br>{name}</figcaption></figure>"
    )
