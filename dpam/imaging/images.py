"""Image files, and their pixels as RGB.

Importing this changes nothing in Pillow. At the first file, plugins that are installed are
registered with it. While a file is open, Pillow's limit on pixels is LARGEST, if it was lower.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from dpam.errors import DpamError
from dpam.imaging.colours import from_lab, to_srgb
from dpam.utils.files import cannot_be_read, refuse_special

LARGEST = 200_000_000  # pixels of an image; Pillow's own limit is below the largest cameras
SMALLEST = 32  # pixels, the shorter side of a photograph
RARE = 0.01  # share of a photograph's pixels that may be cut

HEIF = find_spec("pillow_heif") is not None
JXL = find_spec("pillow_jxl") is not None

# Endings of cameras' raw files. Many are TIFF files whose first image is a small preview.
RAW = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff"),
    *(".iiq", ".k25", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf"),
    *(".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
)
# Tags of TIFF; bit 0 of the first means a smaller copy of another image.
SUBFILE, DNG_VERSION = 254, 50706
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, PLANAR = 256, 257, 258, 259, 262, 284
# What brings an image upright, by its EXIF orientation.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Of the formats that Pillow opens: programs (Ghostscript would run PostScript), films, tables of
# numbers, what only Windows can draw, and what can only be written.
NO_PHOTOGRAPHS = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "PALM", "PDF", "WMF")


class HigherLimit:
    """Within this, in any number of threads, Pillow opens images of up to LARGEST pixels.

    Above its limit Pillow warns, above twice of it it refuses; most formats are checked when they
    are opened, some when they are read. The limit is a global of Pillow: the first to enter raises
    it, the last to leave puts it back, unless someone else has set it in between.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.before: int | None = None
        self.raised: int | None = None

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.before = self.raised = Image.MAX_IMAGE_PIXELS
                if self.before is not None and self.before < LARGEST:
                    Image.MAX_IMAGE_PIXELS = self.raised = LARGEST

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0 and self.raised == Image.MAX_IMAGE_PIXELS:
                Image.MAX_IMAGE_PIXELS = self.before


higher_limit = HigherLimit()


@cache
def register_plugins() -> None:
    """Let Pillow read HEIC and JPEG XL, where their plugins are installed."""
    if HEIF:
        from pillow_heif import register_heif_opener

        register_heif_opener()
    if JXL:
        import_module("pillow_jxl")  # registers itself


@cache
def readable() -> list[str]:
    """The formats of photographs, in the order in which Pillow tries them."""
    register_plugins()
    Image.init()
    return [name for name in Image.ID if name not in NO_PHOTOGRAPHS]


@contextmanager
def open_image(path: str | Path, file: BinaryIO | None = None) -> Iterator[Image.Image]:
    """An image file whose pixels are not read yet; `file` as for `decode`.

    Raises:
        DpamError: the file is missing, is no image or has more than LARGEST pixels, or its pixels
            cannot be read in the block.
    """
    try:
        if file is None:
            refuse_special(path)
        source = path if file is None else file
        with higher_limit, Image.open(source, formats=readable()) as image:
            refuse_huge(image)
            refuse_preview(image, path)
            refuse_planes(image, path)
            yield image
    except DpamError:
        raise
    except (FileNotFoundError, PermissionError) as error:
        raise cannot_be_read(path, error) from error
    except IsADirectoryError as error:
        raise DpamError(f"{path}: expected an image, found a folder") from error
    except UnidentifiedImageError as error:
        reader = reader_of(Path(path).suffix.lower())
        raise DpamError(
            f"{path}: expected an image, found something else{f'; {reader}' if reader else ''}"
        ) from error
    except Image.DecompressionBombError as error:
        raise DpamError(f"{path}: the image has more than {LARGEST:,} pixels") from error
    except Exception as error:  # of a damaged file, Pillow's readers raise anything
        raise DpamError(f"{path}: the image cannot be decoded: {error}") from error


def decode(path: str | Path, file: BinaryIO | None = None, convert: bool = True) -> np.ndarray:
    """Read an image file completely, upright as its EXIF orientation says.

    Args:
        path: of the file; with `file`, only what errors call it.
        file: the open file, or bytes from elsewhere.
        convert: see `rgb_of`.

    Returns:
        (H, W, 3) uint8 RGB; transparency is laid on white, 16 bits become 8.

    Raises:
        DpamError: the file is missing, is no image, is truncated, or has more than LARGEST pixels.
    """
    with open_image(path, file) as image:
        return rgb_of(image, path, convert)


def upright_size(path: str | Path) -> tuple[int, int]:
    """Height and width of what `decode` will return, from the file's header.

    Raises:
        DpamError: the file is missing, is no image, or has more than LARGEST pixels.
    """
    with open_image(path) as image:
        lying = image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
        tags = tags_of(image)  # where Pillow may have turned the size
        width, height = tags.get(WIDTH, image.width), tags.get(HEIGHT, image.height)
        return (width, height) if lying else (height, width)


def tags_of(image: Image.Image) -> Mapping[int, Any]:
    """The tags of a TIFF; of other files none."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    return tags


def refuse_huge(image: Image.Image) -> None:
    """Pillow itself only warns of an image of up to twice its limit.

    Raises:
        Image.DecompressionBombError: it has more than LARGEST pixels.
    """
    if image.width * image.height > LARGEST:
        raise Image.DecompressionBombError


def refuse_preview(image: Image.Image, path: str | Path) -> None:
    """Raise a DpamError if what Pillow opened is not the photograph but a small copy of it."""
    tags = tags_of(image)
    raw = Path(path).suffix.lower() in RAW or DNG_VERSION in tags
    if raw or tags.get(SUBFILE, 0) & 1:
        kind = "a raw file" if raw else "a file"
        raise DpamError(
            f"{path}: {kind} of which only a preview of {image.width}x{image.height} can be read; "
            "convert it to TIFF or JPEG first"
        )


def refuse_planes(image: Image.Image, path: str | Path) -> None:
    """Raise a DpamError if Pillow would read the file wrongly, and say nothing.

    It takes uncompressed planes of 16 bits for planes of 8.
    """
    tags = tags_of(image)
    wide = max(tags.get(BITS, (8,))) > 8
    if wide and (tags.get(PLANAR), tags.get(COMPRESSION, 1)) == (2, 1):
        raise DpamError(
            f"{path}: a TIFF of 16 bits whose colours lie in planes of their own cannot be read; "
            "save it with interleaved colours, or with 8 bits"
        )


def rgb_of(image: Image.Image, name: object = "the photograph", convert: bool = True) -> np.ndarray:
    """An open image of any mode of Pillow as `decode` returns it.

    Args:
        image: what to read.
        name: what the log calls it.
        convert: its colours to sRGB, if a colour profile is embedded; else that is ignored.

    Raises:
        Image.DecompressionBombError: it has more than LARGEST pixels.
        ValueError: Pillow has no way from its mode to RGB, or it is not known what its numbers
            count to.
    """
    refuse_huge(image)
    image.load()  # of TIFF, Pillow turns some while it reads them, and forgets their orientation
    turn = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    upright = image if turn is None else image.transpose(turn)
    if upright.mode == "La":  # Pillow knows only the way back to LA
        upright = upright.convert("LA")
    if upright.mode.startswith(("I", "F")):
        grey = eight_bits(np.asarray(upright))
        # Where 0 means white: Pillow turns that only where it has 8 bits.
        negative = image.mode.startswith("I;16") and tags_of(image).get(PHOTOMETRIC) == 0
        upright = Image.fromarray(255 - grey if negative else grey)
        upright.info = image.info
    if upright.mode == "LAB":
        upright = from_lab(upright)
    elif convert:
        upright = to_srgb(upright, name)
    if upright.has_transparency_data:
        upright = Image.alpha_composite(
            Image.new("RGBA", upright.size, "white"), upright.convert("RGBA")
        )
    return np.asarray(upright.convert("RGB"))


def eight_bits(grey: np.ndarray) -> np.ndarray:
    """Grey of more than 8 bits as uint8, which Pillow would clip instead of scaling.

    Integers of 16 bits count to 65535. Of others no file says what they count to: it is the least
    of 1 (not for integers), 255 and 65535 that 99 of 100 do not exceed; the rest is cut. So are
    numbers below 0 and those that are none, up to one in 100.

    Raises:
        ValueError: more than that exceed 65535, or are below 0 or no number; or so few use the
            range that they may count to the one below, such as a little over 1.
    """
    finite = np.nan_to_num(grey, posinf=0, neginf=0)
    if ((finite != grey) | (grey < 0)).mean() > RARE:
        raise ValueError("more than one in 100 is below 0 or no number")
    tops = {"u": [65535], "i": [255, 65535]}.get(grey.dtype.kind, [1, 255, 65535])
    index = next((i for i, top in enumerate(tops) if (finite > top).mean() <= RARE), None)
    if index is None:
        raise ValueError(f"numbers up to {finite.max():g}, expected up to 65535")
    top = tops[index]
    if index and (finite > top / 15).mean() <= RARE:
        raise ValueError(
            f"numbers up to {finite.max():g}, which may count to {tops[index - 1]} or {top}; save "
            "it with 8 or 16 bits"
        )
    return np.asarray((finite * (255 / top)).round().clip(0, 255).astype(np.uint8))


def reader_of(ending: str) -> str:
    """What would help to read files with an ending, in lower case; empty if nothing is known."""
    if ending in (".heic", ".heif", ".hif") and not HEIF:
        return "HEIC needs a plugin: `pip install pillow-heif`"
    if ending == ".jxl" and not JXL:
        return "JPEG XL needs a plugin: `pip install pillow-jxl-plugin`"
    if ending in RAW:
        return "convert raw files to TIFF or JPEG first"
    return ""


def is_image_name(name: str | Path) -> bool:
    """Whether a file's name ends as those of images that can be decoded here; no hidden files."""
    register_plugins()
    path = Path(name)
    kind = Image.registered_extensions().get(path.suffix.lower())
    return kind is not None and kind not in NO_PHOTOGRAPHS and not path.name.startswith(".")
