"""Defect ladders: whether more of a defect always means a lower score.

Free photographs that come with packages, and that no judge was trained on, with each defect in five
levels. The first kinds are those of `dpam.imaging.distortions`, of which a training with
`training.degraded` has seen all strengths up to the highest, on other photographs; no training of
this project has seen the kinds of UNSEEN.
"""

import zlib
from itertools import combinations
from typing import Any

import numpy as np
from PIL import Image

from dpam.demo.distortions import STRENGTHS
from dpam.demo.photographs import PHOTOGRAPHS, Photograph, load
from dpam.imaging.distortions import DEFECTS, LEVELS, degrade, to_bytes

from .judges import Judge, scores

SIDE = 512  # pixels, the longer side: what the strengths are meant for
PART = 0.75  # of either side that a crop has
# Their upper left corner and their size, as parts of width and height.
CROPS = {"whole": (0, 1), "upper left": (0, PART), "lower right": (1 - PART, PART)}
# Names of the demonstration's distortions.
UNSEEN = ("jpeg2000", "impulse_noise", "darken", "pixelate")
STRONG = (3, 4, 5)  # levels that the original is told from


def photograph(which: Photograph, crop: str = "whole") -> np.ndarray:
    """A photograph, or a part of it, at most SIDE pixels wide and high; (H, W, 3) uint8."""
    picture = load(which)
    corner, share = CROPS[crop]
    box = [round(part * side) for part in (corner, corner + share) for side in picture.size]
    part = picture.crop((box[0], box[1], box[2], box[3]))
    part.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(part)


def degraded(rgb: np.ndarray, name: str, kind: str, level: int) -> np.ndarray:
    """A photograph with a level, 0 to 5, of a kind of defect.

    Args:
        rgb: (H, W, 3) uint8.
        name: its own, which decides what chance does to it.
        kind: of DEFECTS or UNSEEN.
        level: 0 is the photograph as it is.

    Returns:
        (H, W, 3) uint8.
    """
    seed = zlib.crc32(f"{name}/{kind}".encode())
    if level == 0 or kind in DEFECTS:
        return degrade(rgb, kind, level, seed)
    make, strengths = STRENGTHS[kind]
    return to_bytes(make(rgb.astype(np.float64), strengths[level - 1], np.random.default_rng(seed)))


def strengths_of(kind: str) -> tuple[float, ...]:
    """Of levels 1 to 5."""
    return DEFECTS[kind].strengths[1:] if kind in DEFECTS else STRENGTHS[kind][1]


def measure(judge: Judge) -> dict[str, Any]:
    """All ladders.

    Returns:
        photographs, (n,) pairs of name and crop, and by kind: strengths, seen, right_order and
        auc, see the functions of these names, and scores, (n, 6) by level.
    """
    shown = [(which, crop) for which in PHOTOGRAPHS for crop in CROPS]
    clean = {f"{which.name}, {crop}": photograph(which, crop) for which, crop in shown}
    originals = scores(judge, list(clean.values()), "originals")
    kinds: dict[str, Any] = {}
    for kind in (*DEFECTS, *UNSEEN):
        copies = [
            degraded(rgb, name, kind, level)
            for name, rgb in clean.items()
            for level in range(1, LEVELS + 1)
        ]
        found = scores(judge, copies, kind).reshape(len(shown), LEVELS)
        table = np.column_stack([originals, found])
        kinds[kind] = {
            "strengths": list(strengths_of(kind)),
            "seen": kind in DEFECTS,
            "right_order": right_order(table),
            "auc": {str(level): auc(table[:, 0], table[:, level]) for level in STRONG},
            "scores": table.round(3).tolist(),
        }
    return {"photographs": [[which.name, crop] for which, crop in shown], "kinds": kinds}


def right_order(table: np.ndarray) -> float:
    """Share of pairs of one photograph's levels, 0 to 5, of which the lower one scores higher.

    Args:
        table: (n, 6) scores by level. Equal scores are not in the right order.
    """
    pairs = list(combinations(range(table.shape[1]), 2))
    return float(np.mean([table[:, less] > table[:, more] for less, more in pairs]))


def auc(originals: np.ndarray, copies: np.ndarray) -> float:
    """Share of pairs of any original, (n,), and any copy, (m,), of which the original scores more.

    Equal scores count half: the area under the ROC curve.
    """
    difference = originals[:, None] - copies[None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
