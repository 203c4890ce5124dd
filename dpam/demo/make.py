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

import io
import json
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import piq
import torch
from PIL import Image

from dpam.datasets.demo import DISTORTIONS, LABEL_KIND, PHOTOGRAPHS_FILE
from dpam.datasets.kadid10k import DISTORTIONS as KADID_TYPES
from dpam.errors import DpamError
from dpam.imaging.distortions import (
    LEVELS,
    convolve,
    gaussian_blur,
    jpeg,
    lower_contrast,
    motion_blur,
    through,
    to_pillow,
    white_noise,
)
from dpam.utils.files import new_folder
from dpam.utils.progress import track

REFERENCE_SIZE = (256, 192)  # width, height of the synthetic dataset's images
CROP_SIZE = (192, 144)  # of the authentic-like dataset's images
SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class Photograph:
    """A photograph and where it comes from; the licence as its package or source states it."""

    name: str
    shows: str
    package: str
    file: str
    author: str
    licence: str
    source: str


# The position in this table is the number of the reference, whichever photographs are chosen.
PHOTOGRAPHS = (
    Photograph(
        "astronaut",
        "Eileen Collins, astronaut",
        "skimage",
        "data/astronaut.png",
        "NASA",
        "public domain",
        "NASA Great Images database",
    ),
    Photograph(
        "coffee",
        "a cup of coffee on a wooden table",
        "skimage",
        "data/coffee.png",
        "Rachel Michetti, courtesy of Pikolo Espresso Bar",
        "CC0",
        "scikit-image, skimage.data.coffee",
    ),
    Photograph(
        "chelsea",
        "Chelsea the cat",
        "skimage",
        "data/chelsea.png",
        "Stefan van der Walt",
        "CC0",
        "scikit-image, skimage.data.chelsea",
    ),
    Photograph(
        "rocket",
        "launch of a Falcon 9",
        "skimage",
        "data/rocket.jpg",
        "SpaceX",
        "public domain",
        "https://www.flickr.com/photos/spacexphotos/16511594820/",
    ),
    Photograph(
        "motorcycle",
        "a motorcycle in a workshop",
        "skimage",
        "data/motorcycle_left.png",
        "D. Scharstein et al., Middlebury Stereo 2014",
        "none stated; published for research, to be cited (GCPR 2014)",
        "https://vision.middlebury.edu/stereo/data/scenes2014/",
    ),
    Photograph(
        "china",
        "a temple in China",
        "sklearn",
        "datasets/images/china.jpg",
        "danielbuechele (flickr)",
        "CC BY 2.0",
        "https://www.flickr.com/photos/danielbuechele/6061409035/",
    ),
    Photograph(
        "flower",
        "a dahlia",
        "sklearn",
        "datasets/images/flower.jpg",
        "vultilion (flickr)",
        "CC BY 2.0",
        "https://www.flickr.com/photos/vultilion/6056698931/",
    ),
    Photograph(
        "hopper",
        "Grace Hopper, computer scientist",
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "United States Navy",
        "public domain",
        "https://commons.wikimedia.org/wiki/File:Grace_Hopper.jpg",
    ),
    Photograph(
        "camera",
        "a photographer with a camera on a tripod, in grey",
        "skimage",
        "data/camera.png",
        "Lav Varshney",
        "CC0",
        "scikit-image, skimage.data.camera",
    ),
    Photograph(
        "brick",
        "a brick wall, in grey",
        "skimage",
        "data/brick.png",
        "CC0Textures",
        "CC0",
        "scikit-image, skimage.data.brick",
    ),
    Photograph(
        "grass",
        "grass, in grey",
        "skimage",
        "data/grass.png",
        "linolafett (DeviantArt)",
        "CC0",
        "scikit-image, skimage.data.grass",
    ),
    Photograph(
        "gravel",
        "gravel, in grey",
        "skimage",
        "data/gravel.png",
        "CC0Textures",
        "CC0",
        "scikit-image, skimage.data.gravel",
    ),
)
NAMES = tuple(photograph.name for photograph in PHOTOGRAPHS)


def load(photograph: Photograph) -> Image.Image:
    """The photograph as RGB, from the installed package.

    Raises:
        DpamError: the package does not hold it.
    """
    path = resources.files(photograph.package) / photograph.file
    try:
        return Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
    except OSError as error:
        raise DpamError(
            f"{path}: photograph not found; reinstall {photograph.package} ({error})"
        ) from error


# More single distortions, as those of `dpam.imaging.distortions`.


def defocus(image: np.ndarray, radius: float, _: np.random.Generator) -> np.ndarray:
    """Blur by a disc of `radius` pixels."""
    half = math.ceil(radius)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    return convolve(image, np.clip(radius + 0.5 - np.hypot(x, y), 0, 1))


def desaturate(image: np.ndarray, kept: float, _: np.random.Generator) -> np.ndarray:
    """Keep a part of the colourfulness; 0 is grey."""
    grey = (image @ [0.299, 0.587, 0.114])[..., None]
    return np.asarray(grey + kept * (image - grey))


def jpeg2000(image: np.ndarray, ratio: float, _: np.random.Generator) -> np.ndarray:
    """Compress as JPEG 2000 to 1/`ratio` of the size."""
    return through(
        image, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True
    )


def impulse_noise(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Set a `share` of all values to 0 or 255."""
    hit = rng.random(image.shape) < share
    return np.where(hit, 255.0 * rng.integers(0, 2, image.shape), image)


def darken(image: np.ndarray, gamma: float, _: np.random.Generator) -> np.ndarray:
    """Bend the tones down by an exponent; black and white stay."""
    return 255 * (image / 255) ** gamma


def pixelate(image: np.ndarray, side: float, _: np.random.Generator) -> np.ndarray:
    """Average over squares of `side` pixels and enlarge these without smoothing."""
    small = to_pillow(image)
    width, height = small.size
    small = small.resize((round(width / side), round(height / side)), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST), np.float64)


Distortion = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

# KADID-10k's type -> how it is made, and its strength at levels 1 (weak) to 5 (strong).
STRENGTHS: dict[str, tuple[Distortion, tuple[float, float, float, float, float]]] = {
    "gaussian_blur": (gaussian_blur, (0.7, 1.2, 2.0, 3.2, 5.0)),
    "motion_blur": (motion_blur, (3, 6, 10, 16, 26)),
    "color_saturation_1": (desaturate, (0.7, 0.5, 0.3, 0.15, 0.0)),
    "jpeg2000": (jpeg2000, (24, 48, 90, 150, 260)),
    "jpeg": (jpeg, (40, 22, 12, 7, 3)),
    "white_noise": (white_noise, (7, 12, 20, 32, 50)),
    "impulse_noise": (impulse_noise, (0.006, 0.015, 0.04, 0.09, 0.18)),
    "darken": (darken, (1.3, 1.7, 2.2, 3.0, 4.0)),
    # Not 2: HaarPSI first averages over squares of 2 pixels and would see no difference.
    "pixelate": (pixelate, (2.5, 3.5, 4.5, 6, 9)),
    "contrast_change": (lower_contrast, (0.8, 0.62, 0.45, 0.3, 0.18)),
}


def camera_faults(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A random mixture of faults in the order in which a camera makes them.

    Exposure and white balance, defocus, shake, sensor noise, then the quality at which the camera
    saves its JPEG. One severity for the image scales all; each fault is present with
    probability 0.6.

    Args:
        image: (H, W, 3) float64 in 0..255.
        rng: where the mixture is drawn from.

    Returns:
        The image (H, W, 3) before it is saved, and the JPEG quality 5..95 to save it with.
    """
    severity = rng.uniform(0, 1)
    present = rng.random(6) < 0.6
    amount = severity * rng.uniform(0.5, 1.0, 6)
    if present[0]:
        image = image * 2.0 ** (rng.choice([-1.0, 1.0]) * 1.8 * amount[0])
    if present[1]:
        warmth = rng.choice([-1.0, 1.0]) * 0.5 * amount[1]
        image = image * [2.0**warmth, 1.0, 2.0**-warmth]
    image = np.clip(image, 0, 255)
    if present[2]:
        image = defocus(image, 0.5 + 4.5 * amount[2], rng)
    if present[3]:
        image = motion_blur(image, 1.5 + 16 * amount[3], rng)
    if present[4]:
        grain = np.sqrt((40 * amount[4]) ** 2 * (0.3 + 0.7 * image / 255))
        image = image + grain * rng.normal(0, 1, image.shape)
    quality = 95 * (5 / 95) ** amount[5] if present[5] else 95
    return image, round(quality)


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
