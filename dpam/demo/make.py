"""Two small datasets made from photographs that installed packages ship, eight of them in colour.

`demo_synthetic` has KADID-10k's layout: each photograph with graded distortions of single types.
`demo_authentic` has KonIQ-10k's layout: crops with random mixtures of camera faults.

Nobody judged these images. Their labels are **pseudo-MOS**: HaarPSI (Reisenhofer et al. 2018), a
full-reference metric, mapped to 1..5 as 1 + 4 HaarPSI. Of MDSI, VSI, HaarPSI and FSIM, piq
reports these rank correlations with human scores (SRCC on TID2013 / KADID-10k / PIPAL):
MDSI 0.89 / 0.89 / 0.59, VSI 0.90 / 0.88 / 0.54, HaarPSI 0.87 / 0.89 / 0.59, FSIMc 0.85 / 0.85 /
0.59. MDSI and HaarPSI agree best; HaarPSI runs from 0 to 1 and uses that range, while MDSI counts
deviation from 0 upwards without a fixed end, so that HaarPSI maps to a scale of opinions as it is.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import piq
import torch
from PIL import Image

from dpam.datasets.demo import DISTORTIONS, LABEL_KIND, PHOTOGRAPHS_FILE
from dpam.datasets.kadid10k import DISTORTIONS as KADID_TYPES
from dpam.demo.distortions import STRENGTHS, camera_faults
from dpam.demo.photographs import NAMES, PHOTOGRAPHS, Photograph, load
from dpam.errors import DpamError
from dpam.imaging.distortions import (
    LEVELS,
    to_pillow,
)
from dpam.utils.files import new_folder
from dpam.utils.progress import track

REFERENCE_SIZE = (256, 192)  # width, height of the synthetic dataset's images
CROP_SIZE = (192, 144)  # of the authentic-like dataset's images
SETTINGS_FILE = "settings.json"


def pseudo_mos(reference: np.ndarray, distorted: np.ndarray) -> np.ndarray:
    """1 + 4 HaarPSI of images against their references, rounded to 4 decimals.

    Args:
        reference: (N, H, W, 3) uint8.
        distorted: (N, H, W, 3) uint8.

    Returns:
        (N,) in 1..5; 5 where the two are equal.
    """
    values = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # images are small: more threads mostly wait for each other
    try:
        for start in range(0, len(reference), 16):
            pair = [
                torch.tensor(images[start : start + 16], dtype=torch.float32) / 255
                for images in (distorted, reference)
            ]
            pair = [images.permute(0, 3, 1, 2) for images in pair]
            values.append(piq.haarpsi(*pair, reduction="none", data_range=1.0))
    finally:
        torch.set_num_threads(threads)
    return np.asarray(np.round(1 + 4 * torch.cat(values).clamp(0, 1).double().numpy(), 4))


def make_demo(
    folder: str | Path,
    dataset: str,
    *,
    photographs: Sequence[str] = NAMES,
    crops: int = 40,
    levels: int = LEVELS,
    seed: int = 20,
) -> None:
    """Make one demonstration dataset; the same settings give the same bytes.

    The folder is written under a temporary name and then renamed.

    Args:
        folder: where to put it; it must be new or empty.
        dataset: "demo_synthetic" or "demo_authentic".
        photographs: names of the photographs to use, of `NAMES`.
        crops: images per photograph of the authentic-like dataset.
        levels: 1..5 strengths per type of the synthetic dataset, spread evenly over all five.
        seed: of all that is drawn.

    Raises:
        DpamError: a setting is out of range, or `folder` is there and not empty.
    """
    chosen = [photograph for photograph in PHOTOGRAPHS if photograph.name in photographs]
    unknown = sorted(set(photographs) - set(NAMES))
    if unknown or not chosen:
        raise DpamError(f"photographs: unknown {unknown}; known are {', '.join(NAMES)}")
    if not (1 <= levels <= LEVELS and crops >= 1 and seed >= 0):
        raise DpamError(
            f"demonstration data: expected levels 1..{LEVELS}, crops >= 1, seed >= 0; "
            f"found levels {levels}, crops {crops}, seed {seed}"
        )
    names = [photograph.name for photograph in chosen]
    settings: dict[str, object] = {"dataset": dataset, "photographs": names, "seed": seed}
    with new_folder(folder) as temporary:
        if dataset == "demo_synthetic":
            settings["levels"] = levels
            _make_synthetic(temporary, chosen, levels, seed)
        elif dataset == "demo_authentic":
            settings["crops"] = crops
            _make_authentic(temporary, chosen, crops, seed)
        else:
            raise DpamError(f"{dataset}: expected demo_synthetic or demo_authentic")
        _describe(temporary, chosen, settings)


def _make_synthetic(folder: Path, chosen: list[Photograph], levels: int, seed: int) -> None:
    (folder / "images").mkdir(parents=True)
    steps = np.linspace(0, LEVELS - 1, levels).round().astype(int)
    rows = []
    references = {photograph: _crop(load(photograph), REFERENCE_SIZE) for photograph in chosen}
    for photograph, reference in references.items():
        reference.save(folder / "images" / f"{reference_name(photograph)}.png")
    jobs = [(photograph, kind) for photograph in chosen for kind in DISTORTIONS]
    for photograph, kind in track(jobs, "demo_synthetic", unit="type"):
        clean = np.asarray(references[photograph])
        name, number = reference_name(photograph), KADID_TYPES.index(kind) + 1
        distort, strengths = STRENGTHS[kind]
        made = []
        for level, step in enumerate(steps, 1):
            rng = _generator(seed, photograph, kind, int(step))
            image = to_pillow(distort(clean.astype(np.float64), strengths[step], rng))
            image.save(folder / "images" / f"{name}_{number:02d}_{level:02d}.png")
            made.append(np.asarray(image))
        scores = pseudo_mos(np.stack([clean] * levels), np.stack(made))
        rows += [
            (f"{name}_{number:02d}_{level:02d}.png", f"{name}.png", f"{score:.4f}", "")
            for level, score in enumerate(scores, 1)
        ]
    table = pd.DataFrame(rows, columns=["dist_img", "ref_img", "dmos", "var"])
    table.to_csv(folder / "dmos.csv", index=False, lineterminator="\n")


def _make_authentic(folder: Path, chosen: list[Photograph], crops: int, seed: int) -> None:
    (folder / "1024x768").mkdir(parents=True)
    names: list[str] = []
    scores: list[str] = []
    for photograph in track(chosen, "demo_authentic", unit="photograph"):
        source = load(photograph)
        clean, saved = [], []
        for number in range(1, crops + 1):
            rng = _generator(seed, photograph, "crop", number)
            clean.append(np.asarray(_random_crop(source, CROP_SIZE, rng)))
            image, quality = camera_faults(clean[-1].astype(np.float64), rng)
            path = folder / "1024x768" / f"{photograph.name}_{number:03d}.jpg"
            to_pillow(image).save(path, quality=quality)
            saved.append(np.asarray(Image.open(path)))
            names.append(path.name)
        scores += [f"{score:.4f}" for score in pseudo_mos(np.stack(clean), np.stack(saved))]
    table = pd.DataFrame({"image_name": names, "MOS": scores})
    votes = ["image_name", "c1", "c2", "c3", "c4", "c5", "c_total", "MOS", "SD", "MOS_zscore"]
    table.reindex(columns=votes).to_csv(
        folder / "koniq10k_scores_and_distributions.csv", index=False, lineterminator="\n"
    )


def reference_name(photograph: Photograph) -> str:
    """The photograph's name in KADID-10k's layout: I01, I02, ..."""
    return f"I{PHOTOGRAPHS.index(photograph) + 1:02d}"


def _describe(folder: Path, chosen: list[Photograph], settings: dict[str, object]) -> None:
    table = pd.DataFrame([asdict(photograph) for photograph in chosen])
    table.insert(0, "reference", [reference_name(photograph) for photograph in chosen])
    table.to_csv(folder / PHOTOGRAPHS_FILE, index=False, lineterminator="\n")
    text = json.dumps(settings, indent=2) + "\n"
    (folder / SETTINGS_FILE).write_text(text, encoding="utf-8")
    lines = [
        f"# {settings['dataset']}",
        "",
        "Made by `dpam make-demo-data`, to show and to test the pipeline. Nobody judged these",
        f"images: the labels are {LABEL_KIND}, 1 + 4 HaarPSI against the clean photograph.",
        "Columns that would hold votes of people are empty. The names of files and folders are",
        "those of KADID-10k's or KonIQ-10k's layout; sizes in them are not those of the images.",
        "",
        "The photographs were cropped, made smaller, and then distorted:",
        "",
        *(
            f"- {photograph.name}: {photograph.shows}. {photograph.author}; "
            f"{photograph.licence}. {photograph.source}"
            for photograph in chosen
        ),
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _crop(photograph: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The largest part in the middle with the shape of `size`, made that size."""
    scale = min(photograph.width / size[0], photograph.height / size[1])
    width, height = scale * size[0], scale * size[1]
    left, top = (photograph.width - width) / 2, (photograph.height - height) / 2
    box = (left, top, left + width, top + height)
    return photograph.resize(size, Image.Resampling.LANCZOS, box)


def _random_crop(
    photograph: Image.Image, size: tuple[int, int], rng: np.random.Generator
) -> Image.Image:
    """A part somewhere, up to 1.25 times as large as `size`, made that size."""
    scale = rng.uniform(1.0, 1.25)
    width, height = scale * size[0], scale * size[1]
    left = rng.uniform(0, photograph.width - width)
    top = rng.uniform(0, photograph.height - height)
    box = (left, top, left + width, top + height)
    return photograph.resize(size, Image.Resampling.LANCZOS, box)


def _generator(seed: int, photograph: Photograph, what: str, number: int) -> np.random.Generator:
    """Random numbers of one image, the same whichever other images are made."""
    return np.random.default_rng([seed, zlib.crc32(f"{photograph.name}/{what}".encode()), number])
