"""How photographs become what the network reads, and which photographs can.

What computes it is in `dpam.pack.preparing`, so that who reads packs needs no PyTorch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from dpam.errors import DpamError
from dpam.imaging.images import LARGEST, SMALLEST, decode
from dpam.superpixels.methods import METHODS, NAMES, NONE, RIM
from dpam.superpixels.slico import BACKENDS

PROFILES = ("converted", "ignored")
RESIZES = ("cubic", "antialias")
TEXTURES = ("wrapped", "signed")


@dataclass(frozen=True)
class Preparation:
    """How photographs become inputs. Travels with every pack and every checkpoint.

    Attributes:
        network_input: "whole", the photograph resized to image_size x image_size (released for
            authentic datasets), or "crop", squares cut from it as stored (synthetic datasets).
        image_size: side of the network's square input, pixels.
        method: superpixel method; "none" for networks that read the image alone: neither
            superpixels nor texture are made.
        superpixels: how many superpixels the network sees, N.
        superpixel_size: (width, height) to resize to before segmenting; None: as stored.
        region_size: side of SLIC's initial cells, pixels.
        compactness: of SLIC.
        iterations: SLIC's rounds.
        backend: what computes SLIC; the default is what packs without this entry were made with.
        rim: RIM's settings, "dpam" or "paper".
        ainet: file with AINet's weights.
        texture: "wrapped" modulo 256, as released, or "signed".
        sample: pixels drawn from each superpixel for its mean and covariance, as released; 0: all.
        colour_profiles: those embedded in image files: "converted" to sRGB, or "ignored", as
            released and as in packs without this entry.
        stored_side: None: whole images are kept in the network's size. A number: they are made
            smaller only where their shorter side has more pixels than that, and to the network's
            size when they are read; texture then is that of what the network reads.
        resize: how pixels are resized: "cubic", as released, without antialiasing, or "antialias",
            for which large photographs need no blur before; see `resize`.
    """

    network_input: str
    image_size: int
    method: str
    superpixels: int
    superpixel_size: tuple[int, int] | None
    region_size: int
    compactness: float
    iterations: int
    backend: str = "scikit-image"
    rim: str = "dpam"
    ainet: str | None = None
    texture: str = "wrapped"
    sample: int = 0
    colour_profiles: str = "ignored"
    stored_side: int | None = None
    resize: str = "cubic"

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> Self:
        """Preparation from what `vars` of one became in JSON, where tuples are lists."""
        size = settings["superpixel_size"]
        return cls(**{**settings, "superpixel_size": tuple(size) if size else None})

    def __post_init__(self) -> None:
        for name, value, known in (
            ("superpixel method", self.method, NAMES),
            ("superpixel backend", self.backend, BACKENDS),
            ("settings of RIM", self.rim, RIM),
            ("texture", self.texture, TEXTURES),
            ("way with colour profiles", self.colour_profiles, PROFILES),
            ("way to resize", self.resize, RESIZES),
        ):
            if value not in known:
                raise DpamError(
                    f"{name} '{value}' is not available; choose from: {', '.join(known)}"
                )
        if self.network_input not in ("whole", "crop"):
            raise DpamError(f"network_input: expected whole or crop, found {self.network_input!r}")
        if self.stored_side is not None and self.stored_side < SMALLEST:
            raise DpamError(
                f"stored_side: expected at least {SMALLEST} pixels, found {self.stored_side}"
            )

    @property
    def in_full(self) -> bool:
        """Whether images are kept with more pixels than the network reads, and read whole."""
        return self.network_input == "whole" and self.stored_side is not None

    @property
    def uses_gpu(self) -> bool:
        """Whether a GPU, where there is one, makes the superpixels."""
        return self.method != NONE and METHODS[self.method].uses_gpu(self)

    @property
    def keeps_texture(self) -> bool:
        """Whether the texture of an image is kept beside its pixels."""
        return self.network_input == "whole" and not self.in_full and self.method != NONE


@dataclass(frozen=True)
class Prepared:
    """One photograph, ready for the network.

    Attributes:
        pixels: (H, W, 3) uint8 RGB; image_size x image_size for whole images, else as stored.
        texture: (1, image_size, image_size) float32 for whole images; None where it depends on the
            crop, or is that of what the network reads.
        mean: (N, 3) float32 mean colours of the superpixels, BGR in [0, 1].
        covariance: (N, 6) float32, upper triangle row by row.
        kind: of texture, that of crops too: "wrapped" or "signed"; "none": it has none.
        whole: whether the network reads all of it, resized if need be.
        resize: how, see `resize`.
    """

    pixels: np.ndarray
    texture: np.ndarray | None
    mean: np.ndarray
    covariance: np.ndarray
    kind: str = "wrapped"
    whole: bool = False
    resize: str = "cubic"


def select(count: int, wanted: int) -> np.ndarray:
    """Evenly spaced picks among `count` superpixels, as released; with repeats if too few."""
    return np.linspace(0, count - 1, wanted).astype(np.int64)


def read_photograph(
    path: str | Path, preparation: Preparation | None = None, file: BinaryIO | None = None
) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an image file.

    Args:
        path: of the file; with `file`, only what errors call it.
        preparation: that it is for; None: none, colour profiles are converted.
        file: the open file, or bytes from elsewhere.

    Raises:
        DpamError: the file cannot be decoded, or as in `accept`.
    """
    convert = preparation is None or preparation.colour_profiles == "converted"
    return accept(decode(path, file, convert), path, preparation)


def accept(rgb: np.ndarray, name: str | Path, preparation: Preparation | None = None) -> np.ndarray:
    """The photograph itself, (H, W, 3).

    Raises:
        DpamError: it is smaller than 32 x 32, or, enlarged as `preparation` wants it, larger than
            what can be held.
    """
    height, width = rgb.shape[:2]
    refuse_unfit(height, width, name, preparation)
    return rgb


def refuse_unfit(
    height: int, width: int, name: str | Path, preparation: Preparation | None
) -> None:
    """Raise the errors of `accept` for a photograph of a size in pixels."""
    if min(height, width) < SMALLEST:
        raise DpamError(
            f"{name}: the image is {width}x{height}; at least {SMALLEST}x{SMALLEST} is needed"
        )
    if preparation is not None:
        tall, wide = stored_size(height, width, preparation)
        if tall * wide > LARGEST:
            raise DpamError(
                f"{name}: the image is {width}x{height}; enlarged until squares of "
                f"{preparation.image_size} fit in, it would have more than {LARGEST:,} pixels"
            )


def stored_size(height: int, width: int, preparation: Preparation) -> tuple[int, int]:
    """Height and width of a photograph's pixels as they are packed.

    Whole images have the network's size, unless they are kept in full; what crops are cut from is
    enlarged if it is too small.
    """
    size, short = preparation.image_size, min(height, width)
    if preparation.in_full:
        assert preparation.stored_side is not None
        scale = min(1.0, preparation.stored_side / short)
        return round(height * scale), round(width * scale)
    if preparation.network_input == "whole":
        return size, size
    if short >= size:
        return height, width
    return round(height * size / short), round(width * size / short)


def reading(preparation: Preparation) -> dict[str, Any]:
    """What images that are prepared so know of how they are read: kind, whole, resize."""
    return {
        "kind": "none" if preparation.method == NONE else preparation.texture,
        "whole": preparation.network_input == "whole",
        "resize": preparation.resize,
    }
