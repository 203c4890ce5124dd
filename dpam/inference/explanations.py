"""Where the score of a photograph comes from: its quality map, laid over the photograph."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from dpam.imaging.filters import planes, texture
from dpam.inference.predict import Prediction
from dpam.inference.scores import Score
from dpam.pack.batches import fixed_views
from dpam.pack.preparation import Prepared
from dpam.pack.views import Views
from dpam.superpixels.methods import Segmentation

SHOWN = 1024  # pixels, the longer side of a photograph in an explanation
FLAT = 0.1  # of quality: maps that differ by less are shown as pale as they are


@dataclass(frozen=True)
class Picture:
    """What there is to show of a photograph, small; shapes in pixels of `photo`.

    Attributes:
        photo: (h, w, 3) uint8 RGB, the longer side at most SHOWN.
        label_map: (h, w) integers, its superpixels.
        texture: (h, w) float32, as the network sees it: in [0, 1], or [-1, 1] if signed; None of a
            network that reads the image alone: there are no superpixels either.
        signed: whether it is.
        boxes: (V, 4) top, left, bottom, right of each view, in pixels of `photo`.
    """

    photo: np.ndarray
    label_map: np.ndarray
    texture: np.ndarray | None
    signed: bool
    boxes: np.ndarray


@dataclass(frozen=True)
class Explanation:
    """Where the score of a photograph comes from; maps are (h, w) float64, as `picture.photo`.

    Where no view of the photograph lies, they are nan.
    """

    score: Score
    prediction: Prediction
    picture: Picture

    @cached_property
    def score_map(self) -> np.ndarray:
        """The patches' scores; 1 is the best label, 0 the worst. They may pass both."""
        return self.over_photo(self.prediction.token_score)

    @cached_property
    def weight_map(self) -> np.ndarray:
        """What the patches count; their mean over a view is 1."""
        return self.over_photo(relative(self.prediction.token_weight))

    @cached_property
    def lost_map(self) -> np.ndarray:
        """Weight x (1 - score): the mean over a view is what its quality lacks of 1."""
        return self.over_photo(lost(self.prediction))

    def over_photo(self, values: np.ndarray) -> np.ndarray:
        """Patches' values (V, g, g) laid on the photograph, the mean where views overlap."""
        total = np.zeros(self.picture.photo.shape[:2])
        count = np.zeros_like(total)
        for value, (top, left, bottom, right) in zip(values, self.picture.boxes, strict=True):
            box = slice(top, bottom), slice(left, right)
            total[box] += stretch(value, bottom - top, right - left)
            count[box] += 1
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def picture(
    rgb: np.ndarray,
    prepared: Prepared,
    segmentation: Segmentation,
    size: int,
    views: Views,
    shown: int = SHOWN,
) -> Picture:
    """What there is to show of a photograph, (H, W, 3) uint8, and of its superpixels.

    Args:
        rgb: the photograph.
        prepared: the same, prepared.
        segmentation: its superpixels.
        size: side of the network's input.
        views: see `dpam.pack.batches.fixed_views`.
        shown: pixels of its longer side, at most.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, shown / max(height, width))
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    small = Image.fromarray(rgb).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)
    squares = fixed_views(prepared, size, views)
    cut = squares[0].image  # what all of them are cut from
    tall, wide = cut.pixels.shape[:2]
    ends = [view.extent(size) for view in squares]
    boxes = np.array(
        [[v.top, v.left, v.top + h, v.left + w] for v, (h, w) in zip(squares, ends, strict=True)],
        dtype=float,
    )
    boxes *= [height / tall, width / wide, height / tall, width / wide]
    grain = cut.texture
    if grain is None and cut.kind != "none":
        grain = texture(planes(cut.pixels)[None], cut.kind)[0].numpy()
    return Picture(
        photo=np.asarray(small),
        label_map=stretch(segmentation.label_map, height, width),
        texture=None if grain is None else stretch(grain[0], height, width),
        signed=cut.kind == "signed",
        boxes=boxes.round().astype(int),
    )


def stretch(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """(a, b) values at the nearest of (height, width) places."""
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    return np.asarray(values[rows[:, None], columns])


def relative(weight: np.ndarray) -> np.ndarray:
    """Weights of patches (V, g, g), their mean over each view 1."""
    return np.asarray(weight / weight.mean(axis=(1, 2), keepdims=True))


def lost(prediction: Prediction) -> np.ndarray:
    """What each patch takes from a quality of 1, (V, g, g); the mean over a view is 1 - quality."""
    return np.asarray(relative(prediction.token_weight) * (1 - prediction.token_score))
