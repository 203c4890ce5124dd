"""What the size of a photograph, its file and its company do to its score."""

import io
from typing import Any

import numpy as np
from PIL import Image

from dpam.demo.photographs import PHOTOGRAPHS, load
from dpam.imaging.distortions import gaussian_blur, to_bytes, white_noise

from .judges import Judge, scores
from .ladders import photograph

NAMES = ("astronaut", "coffee", "china", "flower")
SIDES = (256, 512, 1024, 2048, 4096)  # pixels, the longer side
QUALITY = 90  # of JPEG
NOISE, BLUR = 25.0, 2.0  # grey levels, pixels: at every size the same
SEED = 20


def forms(picture: Image.Image) -> dict[str, bytes | np.ndarray]:
    """The forms in which a picture is scored."""
    rgb = np.asarray(picture)
    noise, blur = (
        to_bytes(make(rgb.astype(np.float32), strength, np.random.default_rng(SEED)))
        for make, strength in ((white_noise, NOISE), (gaussian_blur, BLUR))
    )
    return {
        "PNG": encoded(picture, "PNG", compress_level=1),
        "JPEG": encoded(picture, "JPEG", quality=QUALITY),
        "grey": encoded(picture.convert("L"), "PNG", compress_level=1),
        "noise": noise,
        "blur": blur,
    }


def encoded(picture: Image.Image, file_format: str, **options: object) -> bytes:
    """A file of a picture."""
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def measure(judge: Judge) -> dict[str, Any]:
    """Scores by size and form, and of photographs in a batch beside the same alone.

    Returns:
        sides; photographs, by name and form the scores by side; and in_a_batch: how many
        photographs, and the largest difference of a score alone and among the others.
    """
    found: dict[str, dict[str, list[float]]] = {}
    chosen = [which for which in PHOTOGRAPHS if which.name in NAMES]
    for which in chosen:
        picture, by_form = load(which), found.setdefault(which.name, {})
        for side in SIDES:
            scale = side / max(picture.size)
            size = round(picture.width * scale), round(picture.height * scale)
            shown = forms(picture.resize(size, Image.Resampling.LANCZOS))
            found_here = scores(judge, list(shown.values()), f"{which.name}, {side} pixels")
            for form, score in zip(shown, found_here.tolist(), strict=True):
                by_form.setdefault(form, []).append(score)
    many = [photograph(which) for which in PHOTOGRAPHS]
    together = scores(judge, many, "in a batch")
    alone = np.concatenate([scores(judge, [one], "alone") for one in many])
    difference = float(np.abs(together - alone).max())
    return {
        "sides": list(SIDES),
        "photographs": found,
        "in_a_batch": {"photographs": len(many), "largest_difference": difference},
    }
