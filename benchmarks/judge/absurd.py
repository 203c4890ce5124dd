"""What a judge says of images that are no photographs, and of one that is made to please it."""

from collections.abc import Callable
from importlib import resources
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dpam.demo.photographs import PHOTOGRAPHS
from dpam.imaging.distortions import to_bytes
from dpam.imaging.filters import planes
from dpam.inference.metric import IqaMetric

from .judges import Judge, Network, scores
from .ladders import photograph

SIDE = 512
SEED = 20
WORDS = "The quick brown fox jumps over the lazy dog while five wizards watch from the hill. "
# Of scikit-image: what it shows, and its file.
SHIPPED = {
    "a scanned page": "page.png",
    "stained tissue under a microscope": "ihc.png",
    "a retina": "retina.jpg",
    "galaxies, by a telescope": "hubble_deep_field.jpg",
}
STEPS, RATE = 30, 0.5 / 255  # of gradient ascent by Adam
STARTS = ("coffee", "astronaut", "noise")


def flat(value: int) -> np.ndarray:
    """One grey everywhere."""
    return np.full((SIDE, SIDE, 3), value, np.uint8)


def noise() -> np.ndarray:
    """Independent uniform values."""
    return np.random.default_rng(SEED).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def gradient() -> np.ndarray:
    """Black on the left to white on the right."""
    row = to_bytes(np.linspace(0, 255, SIDE))
    return np.broadcast_to(row[None, :, None], (SIDE, SIDE, 3)).copy()


def checkerboard(side: int) -> np.ndarray:
    """Black and white squares of `side` pixels."""
    place = np.arange(SIDE) // side
    grey = 255 * ((place[:, None] + place[None, :]) % 2).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def text() -> np.ndarray:
    """A page of black text on white."""
    page = Image.new("RGB", (SIDE, SIDE), "white")
    lines = [WORDS[start:] + WORDS[:start] for start in range(0, 3 * 24, 3)]
    font = ImageFont.load_default(14)
    ImageDraw.Draw(page).multiline_text((24, 24), "\n".join(lines), "black", font, spacing=6)
    return np.asarray(page)


def screenshot() -> np.ndarray:
    """A window with a title, a list on the left, a table and a button."""
    page = Image.new("RGB", (SIDE, SIDE), "#f3f4f6")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    draw.rectangle((0, 0, SIDE, 32), "#1f4e79")
    draw.text((12, 8), "Orders - Overview", "white", font)
    draw.rectangle((0, 32, 130, SIDE), "#e1e5ea")
    for row, name in enumerate(("Overview", "Orders", "Customers", "Invoices", "Settings")):
        draw.text((14, 48 + 28 * row), name, "#222222", font)
    for row in range(14):
        top = 52 + 28 * row
        draw.rectangle(
            (146, top, SIDE - 16, top + 27), "white" if row % 2 else "#f8fafc", "#d5dae0"
        )
        draw.text((154, top + 6), f"{1040 + row}   customer {row + 1:02d}   paid", "#333333", font)
    draw.rounded_rectangle((400, 462, 496, 494), 6, "#2e7d32")
    draw.text((428, 470), "New", "white", font)
    return np.asarray(page)


def cartoon() -> np.ndarray:
    """A house, a tree and a sun in flat colours."""
    page = Image.new("RGB", (SIDE, SIDE), "#8fd3ff")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 360, SIDE, SIDE), "#7bc96f")
    draw.ellipse((390, 40, 470, 120), "#ffd84d")
    draw.rectangle((90, 230, 270, 400), "#f4e1c1", "black", 4)
    draw.polygon([(70, 230), (290, 230), (180, 130)], "#c0392b", "black")
    draw.rectangle((155, 310, 205, 400), "#7a4a21", "black", 3)
    draw.rectangle((380, 280, 410, 400), "#7a4a21", "black", 3)
    draw.ellipse((330, 170, 460, 300), "#3f9b45", "black", 4)
    return np.asarray(page)


DRAWN: dict[str, Callable[[], np.ndarray]] = {
    "black": lambda: flat(0),
    "middle grey": lambda: flat(128),
    "white": lambda: flat(255),
    "noise in every pixel": noise,
    "a gradient from black to white": gradient,
    "a checkerboard of single pixels": lambda: checkerboard(1),
    "a checkerboard of 32 pixels": lambda: checkerboard(32),
    "a page of text": text,
    "a window on a screen": screenshot,
    "a flat drawing": cartoon,
}


def shipped(file: str) -> np.ndarray:
    """An image of scikit-image, made as large as the others at most."""
    with resources.files("skimage").joinpath("data", file).open("rb") as opened:
        picture = Image.open(opened).convert("RGB")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def measure(judge: Judge) -> dict[str, Any]:
    """Scores of images that are none of a camera; of a network, also of optimised ones.

    Returns:
        images: scores by what they show; optimised, by start: see `optimised`.
    """
    pictures = {name: draw() for name, draw in DRAWN.items()}
    pictures |= {name: shipped(file) for name, file in SHIPPED.items()}
    found = scores(judge, list(pictures.values()), "absurd images")
    result: dict[str, Any] = {"images": dict(zip(pictures, found.tolist(), strict=True))}
    if isinstance(judge, Network):
        metric = IqaMetric(judge.scorer, as_loss=True)
        result["optimised"] = {name: optimised(judge, metric, begin(name)) for name in STARTS}
    return result


def begin(name: str) -> np.ndarray:
    """Where an optimisation starts: noise, or a photograph."""
    if name == "noise":
        return noise()
    return photograph(next(which for which in PHOTOGRAPHS if which.name == name))


def optimised(judge: Judge, metric: IqaMetric, rgb: np.ndarray) -> dict[str, float]:
    """Scores before and after STEPS of gradient ascent and of descent on the pixels.

    Returns:
        start, raised, lowered; and raised_change, lowered_change: mean change of a value, in grey
        levels of 255.
    """
    (start,) = scores(judge, [rgb], "start")
    result = {"start": float(start)}
    for name, sign in (("raised", 1.0), ("lowered", -1.0)):
        changed = climb(metric, rgb, sign)
        (score,) = scores(judge, [changed], name)
        result[name] = float(score)
        result[f"{name}_change"] = float(np.abs(changed.astype(float) - rgb).mean())
    return result


def climb(metric: IqaMetric, rgb: np.ndarray, sign: float) -> np.ndarray:
    """An image, (H, W, 3) uint8, after STEPS up (sign 1) or down (-1) the score."""
    sign *= -1.0 if metric.lower_better else 1.0
    pixels: Tensor = (planes(rgb).float() / 255).requires_grad_()
    optimiser = torch.optim.Adam([pixels], RATE)
    for _ in range(STEPS):
        optimiser.zero_grad()
        (-sign * metric(pixels)).sum().backward()
        optimiser.step()
        with torch.no_grad():
            pixels.clamp_(0, 1)
    return to_bytes(255 * pixels.detach().permute(1, 2, 0).numpy())
