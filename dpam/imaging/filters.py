"""The filters of the released preprocessing.

Cubic resizing is OpenCV's (a = -0.75, no antialiasing), grey is BT.601's, the blur Gaussian with
sigma 2, and the texture wraps modulo 256. Grey and blur are OpenCV's to the bit: it computes them
in integers, and so do we, in floats that hold these exactly.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

GREY = (9798, 19235, 3735)  # shares of red, green, blue in 32768ths
BLUR = (1, 2, 7, 16, 31, 45, 52, 45, 31, 16, 7, 2, 1)  # Gaussian of sigma 2, in 256ths
RADIUS = len(BLUR) // 2


def resize_cubic(image: Tensor, height: int, width: int) -> Tensor:
    """Resize (..., H, W) to (..., height, width) with OpenCV's cubic kernel.

    uint8 comes back as uint8, rounded and clipped; floats come back as floats, and may leave
    the range of the input by the kernel's overshoot.
    """
    planes = image.reshape(1, -1, *image.shape[-2:])
    planes = planes.to(torch.promote_types(image.dtype, torch.float32))
    planes = F.interpolate(planes, (height, width), mode="bicubic", align_corners=False)
    resized = planes.reshape(*image.shape[:-2], height, width)
    if image.dtype == torch.uint8:
        return resized.round_().clamp_(0, 255).to(torch.uint8)  # in place: it may be large
    return resized.to(image.dtype)


def planes(image: np.ndarray) -> Tensor:
    """(H, W, 3) array as (3, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def resize(image: np.ndarray, width: int, height: int, how: str = "cubic") -> np.ndarray:
    """Resize (H, W, 3) uint8.

    Args:
        image: to resize.
        width, height: of the result.
        how: "cubic", with OpenCV's cubic kernel, which passes over pixels of an image that is made
            much smaller; or "antialias", with Pillow's, which takes the mean of them.
    """
    if image.shape[:2] == (height, width):
        return image
    if how == "antialias":
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
    return resize_cubic(planes(image), height, width).numpy().transpose(1, 2, 0)


def grey(rgb: Tensor) -> Tensor:
    """BT.601 luma of (..., 3, H, W) uint8 as (..., 1, H, W) uint8."""
    red, green, blue = rgb.float().unbind(-3)
    luma = red * GREY[0] + green * GREY[1] + blue * GREY[2]
    return ((luma + 2**14) / 2**15).floor().to(torch.uint8)[..., None, :, :]


def blur(image: Tensor) -> Tensor:
    """Gaussian blur of (B, 1, H, W) uint8, mirrored at the border without repeating the edge."""
    blurred = F.pad(image.float(), [RADIUS] * 4, mode="reflect")
    for axis in (-1, -2):
        # Thirteen shifted sums; for one channel several times faster than a convolution.
        size = image.shape[axis]
        padded, blurred = blurred, torch.zeros_like(blurred.narrow(axis, 0, size))
        for start, weight in enumerate(BLUR):
            blurred.add_(padded.narrow(axis, start, size), alpha=weight)
    return ((blurred + 2**15) / 2**16).floor().to(torch.uint8)


def texture(rgb: Tensor, kind: str = "wrapped") -> Tensor:
    """Grey minus its blur.

    Args:
        rgb: (B, 3, H, W) uint8, height and width at least 7.
        kind: "wrapped", as released: the difference is taken in uint8 and wraps modulo 256, so that
            -1 is 255; or "signed".

    Returns:
        (B, 1, H, W) float32, in [0, 1] if wrapped, in [-1, 1] if signed.
    """
    luma = grey(rgb)
    smooth = blur(luma)
    difference = luma.short() - smooth.short() if kind == "signed" else luma - smooth
    # By a tensor: by a number, a GPU multiplies with the rounded 1/255, which is not the same.
    return difference.float() / torch.full((), 255.0, device=rgb.device)
