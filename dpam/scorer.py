"""A trained network as a judge of photographs.

model = dpam.load("model.safetensors")
model.score("photograph.jpg")                  # a float, on the scale of the training labels
model.score(["one.jpg", "two.png"])            # an array
model.explain("photograph.jpg").lost_map       # where the quality is lost
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dpam.batches import fixed_views
from dpam.errors import DpamError
from dpam.filters import texture
from dpam.images import rgb_of
from dpam.inference import Answer, answers
from dpam.model import DPAM
from dpam.model.checkpoint import load_checkpoint
from dpam.preparation import (
    Preparation,
    Prepared,
    Segmentation,
    large_enough,
    planes,
    prepare,
    read_photograph,
)
from dpam.released import from_release
from dpam.runtime import device as device_of

VIEWS = 5
SHOWN = 1024  # pixels, the longer side of a photograph in an explanation

Photo = str | Path | np.ndarray | Tensor | Image.Image


@dataclass(frozen=True)
class Score:
    """The quality of one photograph.

    Attributes:
        score: on the scale of the labels that the network was trained with.
        score_100: from 0, worst, to 100, best.
        spread_100: standard deviation over the views, in units of `score_100`.
    """

    score: float
    score_100: float
    spread_100: float


@dataclass(frozen=True)
class Picture:
    """What there is to show of a photograph, small; shapes in pixels of `photo`.

    Attributes:
        photo: (h, w, 3) uint8 RGB, the longer side at most SHOWN.
        label_map: (h, w) integers, its superpixels.
        texture: (h, w) float32 in [0, 1], as the network sees it.
        boxes: (V, 4) top, left, bottom, right of each view, in pixels of `photo`.
    """

    photo: np.ndarray
    label_map: np.ndarray
    texture: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class Explanation:
    """Where the score of a photograph comes from; maps are (h, w) float64, as `picture.photo`.

    Where no view of the photograph lies, they are nan.
    """

    score: Score
    answer: Answer
    picture: Picture

    @cached_property
    def score_map(self) -> np.ndarray:
        """The patches' scores; 1 is the best label, 0 the worst."""
        return self.over_photo(self.answer.token_score)

    @cached_property
    def weight_map(self) -> np.ndarray:
        """What the patches count; their mean over a view is 1."""
        return self.over_photo(relative(self.answer.token_weight))

    @cached_property
    def lost_map(self) -> np.ndarray:
        """Weight x (1 - score): the mean over a view is what its quality lacks of 1."""
        return self.over_photo(lost(self.answer))

    def over_photo(self, values: np.ndarray) -> np.ndarray:
        """Patches' values (V, g, g) laid on the photograph, the mean where views overlap."""
        total = np.zeros(self.picture.photo.shape[:2])
        count = np.zeros_like(total)
        for value, (top, left, bottom, right) in zip(values, self.picture.boxes, strict=True):
            box = slice(top, bottom), slice(left, right)
            total[box] += stretched(value, bottom - top, right - left)
            count[box] += 1
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


class Scorer:
    """A network that knows how photographs are prepared for it and what its scores mean.

    Attributes:
        net: the network, on `device`.
        metadata: all that its checkpoint says of it: what it was trained on, how, by what code.
        preparation: how photographs become inputs.
        score_range: (lowest, highest) score of the labels it was trained with.
        higher_is_better: whether a larger score means better quality.
        label_kind: "MOS", "DMOS", ...
        falls: whether the network itself predicts DMOS, 0 being the best.
        device: where it computes.
    """

    def __init__(
        self, net: DPAM, metadata: dict[str, Any], device: torch.device | None = None
    ) -> None:
        if "preparation" not in metadata:
            raise DpamError(
                "the checkpoint does not say what it was trained on; say so with `--dataset`, as "
                "in `dpam import-checkpoint authors.pt model.safetensors --dataset koniq10k`"
            )
        self.device = device or device_of()
        self.net = net.to(self.device).eval()
        self.metadata = metadata
        try:
            self.preparation = Preparation.from_json(metadata["preparation"])
            low, high = map(float, metadata["score_range"])
            self.score_range = low, high
            self.higher_is_better: bool = metadata["higher_is_better"]
            self.label_kind: str = metadata["label_kind"]
            if not (low < high and isinstance(self.higher_is_better, bool)):
                raise ValueError(f"score_range {low:g} to {high:g}, {self.higher_is_better}")
        except (KeyError, TypeError, ValueError) as error:
            raise DpamError(
                f"what it was trained on is not told as it should be: {error}"
            ) from error
        self.falls: bool = metadata.get("predicts_dmos", False)

    @property
    def scale(self) -> str:
        """Its scale in words, as "MOS from 1 to 5, higher is better"."""
        low, high = self.score_range
        better = "higher" if self.higher_is_better else "lower"
        return f"{self.label_kind} from {low:g} to {high:g}, {better} is better"

    def score(self, photos: Photo | Sequence[Photo]) -> float | np.ndarray:
        """Scores on the scale of the labels that the network was trained with.

        Args:
            photos: a file; (H, W, 3) or grey (H, W), uint8 or floats in [0, 1]; a tensor (3, H, W)
                likewise; an image of Pillow; or many: a list of those, (n, H, W, 3), or a tensor
                (n, 3, H, W). RGB, both sides at least 32.

        Returns:
            a number for one, (n,) float64 for many.

        Raises:
            DpamError: a file cannot be decoded, an array has another shape, or one is too small.
        """
        several = isinstance(photos, Sequence) and not isinstance(photos, str)
        if several or (isinstance(photos, np.ndarray | Tensor) and photos.ndim == 4):
            return np.array([rated.score for rated in self.rate(cast(Iterable[Photo], photos))])
        (rated,) = self.rate([cast(Photo, photos)])
        return rated.score

    def rate(self, photos: Iterable[Photo]) -> Iterator[Score]:
        """Scores on both scales, with their spread; of any number of photographs."""
        prepared = (prepare(rgb_array(photo), self.preparation, self.device)[0] for photo in photos)
        return map(self.rated, self.answers(prepared))

    def explain(self, photo: Photo) -> Explanation:
        """Where the score of a photograph comes from; errors as of `score`."""
        rgb = rgb_array(photo)
        return self.explain_prepared(rgb, *prepare(rgb, self.preparation, self.device))

    def explain_prepared(
        self, rgb: np.ndarray, prepared: Prepared, segmentation: Segmentation
    ) -> Explanation:
        """As `explain`, of a photograph (H, W, 3) uint8 that is prepared already."""
        (answer,) = self.answers([prepared])
        shown = picture(rgb, prepared, segmentation, self.preparation.image_size)
        return Explanation(self.rated(answer), answer, shown)

    def answers(self, images: Iterable[Prepared], batch_size: int = 32) -> Iterator[Answer]:
        """The network's answers about prepared images, one by one; 1 is the best quality."""
        size = self.preparation.image_size
        found = answers(self.net, images, size, VIEWS, self.device, batch_size)
        return map(upside_down, found) if self.falls else found

    def rated(self, answer: Answer) -> Score:
        """The score that an answer means: the mean over the views."""
        good = float(answer.quality.mean())
        return Score(self.native(good), 100 * good, 100 * float(answer.quality.std()))

    def native(self, good: float) -> float:
        """A quality in [0, 1], higher better, on the scale of the labels."""
        low, high = self.score_range
        return float(low + (good if self.higher_is_better else 1 - good) * (high - low))

    def quality(self, native: np.ndarray) -> np.ndarray:
        """The inverse of `native`."""
        low, high = self.score_range
        share = (np.asarray(native, dtype=np.float64) - low) / (high - low)
        return share if self.higher_is_better else 1 - share


def load(
    path: str | Path, dataset: str | None = None, device: str | torch.device = "auto"
) -> Scorer:
    """Read a checkpoint: ours (.safetensors), or one in the authors' format (any other ending).

    Args:
        path: of the file.
        dataset: what a network in the authors' format was trained on; ours say it themselves.
        device: where to compute, as of `dpam.runtime.device`.

    Raises:
        DpamError: the file is missing, damaged or of another kind, or it is not known what the
            network was trained on.
    """
    where = device_of(device)
    if Path(path).suffix == ".safetensors":
        net, metadata = load_checkpoint(path)
        if dataset is not None and dataset != metadata.get("dataset"):
            said = metadata.get("dataset") or "nothing; import it again with --dataset"
            raise DpamError(
                f"{path}: expected a network trained on {dataset}; the file says {said}"
            )
    else:
        net, metadata = from_release(path, dataset)
    try:
        return Scorer(net, metadata, where)
    except DpamError as error:
        raise DpamError(f"{path}: {error}") from error


def rgb_array(photo: Photo) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a photograph in one of the forms that `Scorer.score` takes.

    Raises:
        DpamError: it cannot be decoded, has another shape, or is smaller than 32 x 32.
    """
    if isinstance(photo, str | Path):
        return read_photograph(photo)
    if isinstance(photo, Image.Image):
        return large_enough(rgb_of(photo), "the photograph")
    values = photo.detach().cpu().numpy() if isinstance(photo, Tensor) else np.asarray(photo)
    if isinstance(photo, Tensor):
        values = values.transpose(1, 2, 0) if values.ndim == 3 and len(values) == 3 else values
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=-1)
    if values.ndim != 3 or values.shape[2] != 3:
        raise DpamError(
            "expected an array (H, W, 3) or (H, W), or a tensor (3, H, W); found the shape "
            f"{tuple(photo.shape)}"
        )
    if values.dtype != np.uint8:
        if (
            not np.issubdtype(values.dtype, np.floating)
            or not 0 <= values.min() <= values.max() <= 1
        ):
            raise DpamError(f"expected uint8, or floats from 0 to 1; found {values.dtype}")
        values = (values * 255).round().astype(np.uint8)
    return large_enough(np.ascontiguousarray(values), "the photograph")


def picture(rgb: np.ndarray, prepared: Prepared, segmentation: Segmentation, size: int) -> Picture:
    """What there is to show of a photograph, (H, W, 3) uint8, and of its superpixels.

    Args:
        rgb: the photograph.
        prepared: the same, prepared.
        segmentation: its superpixels.
        size: side of the network's input.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, SHOWN / max(height, width))
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    small = Image.fromarray(rgb).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)
    tall, wide = prepared.pixels.shape[:2]
    views = fixed_views(prepared, size, VIEWS)
    boxes = np.array([[v.top, v.left, v.top + size, v.left + size] for v in views], dtype=float)
    boxes *= [height / tall, width / wide, height / tall, width / wide]
    grain = prepared.texture
    if grain is None:
        grain = texture(planes(prepared.pixels)[None])[0].numpy()
    return Picture(
        photo=np.asarray(small),
        label_map=stretched(segmentation.label_map, height, width),
        texture=stretched(grain[0], height, width),
        boxes=boxes.round().astype(int),
    )


def stretched(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """(a, b) values at the nearest of (height, width) places."""
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    return np.asarray(values[rows[:, None], columns])


def upside_down(answer: Answer) -> Answer:
    """The answer of a network that predicts DMOS, as quality."""
    return Answer(1 - answer.quality, 1 - answer.token_score, answer.token_weight)


def relative(weight: np.ndarray) -> np.ndarray:
    """Weights of patches (V, g, g), their mean over each view 1."""
    return np.asarray(weight / weight.mean(axis=(1, 2), keepdims=True))


def lost(answer: Answer) -> np.ndarray:
    """What each patch takes from a quality of 1, (V, g, g); the mean over a view is 1 - quality."""
    return np.asarray(relative(answer.token_weight) * (1 - answer.token_score))
