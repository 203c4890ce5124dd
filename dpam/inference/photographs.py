"""The forms in which a photograph may be given to `dpam.load` and `dpam.create_metric`."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dpam.errors import DpamError
from dpam.imaging.filters import planes
from dpam.imaging.images import rgb_of
from dpam.pack.preparation import Preparation, accept, read_photograph

Photo = str | Path | bytes | BinaryIO | Image.Image | np.ndarray | Tensor
FORMS = (
    "the name of a file, bytes or an open file of an image, an image of Pillow, or an array or "
    "tensor (H, W, 3), (3, H, W) or (H, W)"
)
NAMELESS = "the photograph"
KINDS = ("uint8", "float16", "bfloat16", "float32", "float64")
EXCESS = 1 / 510  # of floats over 0 to 1: what rounding to 8 bits removes


def is_one(photos: object) -> bool:
    """Whether this is one photograph rather than many.

    Raises:
        DpamError: it is neither.
    """
    if isinstance(photos, np.ndarray | Tensor):
        return photos.ndim != 4
    if isinstance(photos, str | Path | bytes | Image.Image) or hasattr(photos, "read"):
        return True
    if isinstance(photos, Iterable) and not isinstance(photos, Mapping | bytearray | memoryview):
        return False
    raise DpamError(f"expected {FORMS}, or several of them; found {type(photos).__name__}")


def rgb_array(photo: Photo, preparation: Preparation | None = None) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a photograph in one of FORMS, as `read_photograph` prepares it.

    Raises:
        DpamError: it is something else, cannot be decoded, or does not fit (`accept`).
    """
    if isinstance(photo, str | Path):
        return read_photograph(photo, preparation)
    if isinstance(photo, bytes):
        return read_photograph(NAMELESS, preparation, io.BytesIO(photo))
    if isinstance(photo, Image.Image):
        return accept(rgb_of(photo), NAMELESS, preparation)
    if isinstance(photo, np.ndarray | Tensor):
        values = channels_first(photo).detach().cpu()
        if values.dtype != torch.uint8:
            values = (values.double() * 255).round().clamp(0, 255).to(torch.uint8)
        rgb = np.ascontiguousarray(values.numpy().transpose(1, 2, 0))
        return accept(rgb, NAMELESS, preparation)
    if hasattr(photo, "read"):
        return read_photograph(getattr(photo, "name", NAMELESS), preparation, photo)
    raise DpamError(f"expected {FORMS}; found {type(photo).__name__}")


def unit_tensor(photo: Photo, preparation: Preparation) -> Tensor:
    """(3, H, W) floats in [0, 1] of a photograph in one of FORMS; a tensor keeps its gradient.

    Raises:
        DpamError: as in `rgb_array`.
    """
    if isinstance(photo, np.ndarray | Tensor):
        values = channels_first(photo)
    else:
        values = planes(rgb_array(photo, preparation))
    return values.float() / 255 if values.dtype == torch.uint8 else values


def channels_first(photo: np.ndarray | Tensor) -> Tensor:
    """(3, H, W) of an array or tensor, (H, W, 3), (3, H, W), or grey without or with an axis of 1.

    Which is which is always clear, as no side of a photograph is that short.

    Raises:
        DpamError: it has another shape, or is neither uint8 nor floats in [0, 1].
    """
    shape = tuple(photo.shape)
    if len(shape) == 2:
        photo = photo[None]
    elif len(shape) == 3 and shape[0] not in (1, 3) and shape[2] in (1, 3):
        photo = photo.permute(2, 0, 1) if isinstance(photo, Tensor) else photo.transpose(2, 0, 1)
    elif len(shape) != 3 or shape[0] not in (1, 3):
        raise DpamError(
            f"expected (H, W, 3), (3, H, W) or (H, W), or several with another axis first; found "
            f"the shape {shape}"
        )
    kind = str(photo.dtype).removeprefix("torch.")
    if kind not in KINDS:
        raise DpamError(f"expected uint8, or floats from 0 to 1; found {kind}")
    values = photo if isinstance(photo, Tensor) else torch.from_numpy(np.array(photo))
    if kind != "uint8" and values.numel():
        low, high = values.detach().aminmax()
        if not (low >= -EXCESS and high <= 1 + EXCESS):  # nor nan
            raise DpamError(
                f"expected uint8, or floats from 0 to 1; found {kind} from {float(low):.4g} to "
                f"{float(high):.4g}"
            )
    return values.expand(3, -1, -1)
