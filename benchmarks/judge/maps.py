"""Whether a map of where quality is lost tells which half of a photograph has a defect."""

from itertools import product
from typing import Any

import numpy as np

from dpam.demo.photographs import PHOTOGRAPHS
from dpam.imaging.distortions import DEFECTS
from dpam.inference.explanations import lost as lost_quality
from dpam.utils.progress import track

from .judges import Network
from .ladders import UNSEEN, degraded, photograph

LEVEL = 3
HALVES = ("left", "right")
EXAMPLE = ("chelsea", "blur", "left")


def half_degraded(rgb: np.ndarray, name: str, kind: str, half: str) -> np.ndarray:
    """A photograph, (H, W, 3) uint8, of which one half has a defect of the middle level."""
    changed, middle = rgb.copy(), rgb.shape[1] // 2
    where = slice(None, middle) if half == "left" else slice(middle, None)
    changed[:, where] = degraded(rgb, name, kind, LEVEL)[:, where]
    return changed


def measure(judge: Network) -> dict[str, Any]:
    """Maps of photographs with a defect in one half.

    Returns:
        grey, the range of the map of a plain grey field; kinds, by kind the (n, 2) differences of
        `between_halves`, of the photograph as it is and with the defect; and example: the
        photograph, the kind and the half that are shown, the score, and what is lost, (g, g).
    """
    shown = {which.name: photograph(which) for which in PHOTOGRAPHS}
    plain = {name: lost_of(judge, rgb)[1] for name, rgb in shown.items()}
    kinds: dict[str, Any] = {}
    for kind in (*DEFECTS, *UNSEEN):
        asked = list(product(shown, HALVES))
        found = []
        for name, half in track(asked, f"{judge.title}: maps, {kind}"):
            lost = lost_of(judge, half_degraded(shown[name], name, kind, half))[1]
            found.append([between_halves(plain[name], half), between_halves(lost, half)])
        kinds[kind] = np.round(found, 5).tolist()
    name, kind, half = EXAMPLE
    score, lost = lost_of(judge, half_degraded(shown[name], name, kind, half))
    grey = lost_of(judge, np.full((512, 512, 3), 128, np.uint8))[1]
    return {
        "photographs": len(shown),
        "grey": float(np.ptp(grey)),
        "kinds": kinds,
        "example": {"score": score, "lost": lost.round(4).tolist()},
    }


def lost_of(judge: Network, rgb: np.ndarray) -> tuple[float, np.ndarray]:
    """Score, 0 to 100, and what each patch takes from a quality of 1, (g, g)."""
    explained = judge.scorer.explain(rgb)
    return explained.score.score_100, lost_quality(explained.prediction).mean(axis=0)


def between_halves(values: np.ndarray, half: str) -> float:
    """Mean of a map, (g, g), over a half, less that over the other; a middle column is in none."""
    width = values.shape[1] // 2
    left, right = values[:, :width].mean(), values[:, -width:].mean()
    return float(left - right if half == "left" else right - left)
