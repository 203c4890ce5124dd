"""A trained network as a judge of photographs.

model = dpam.load("model.safetensors")
model.score("photograph.jpg")                  # a float, on the scale of the training labels
model.score(["one.jpg", "two.png"])            # an array
model.explain("photograph.jpg").lost_map       # where the quality is lost
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dpam.batches import fixed_views
from dpam.errors import DpamError
from dpam.filters import texture
from dpam.inference import Answer, answers
from dpam.model import Network
from dpam.model.checkpoint import load_checkpoint
from dpam.photographs import Photo, is_one, rgb_array
from dpam.preparation import (
    Preparation,
    Prepared,
    Segmentation,
    planes,
    prepare,
)
from dpam.released import from_release
from dpam.runtime import device as device_of
from dpam.views import USUAL, VIEWS, Views

SHOWN = 1024  # pixels, the longer side of a photograph in an explanation

Numbers = TypeVar("Numbers", float, np.ndarray, Tensor)


@dataclass(frozen=True)
class Scale:
    """What numbers of quality mean: their kind, as "MOS", and range, and which of its ends is best.

    Raises:
        ValueError: the range is none.
    """

    kind: str
    low: float
    high: float
    higher_is_better: bool

    def __post_init__(self) -> None:
        if not (self.low < self.high and isinstance(self.higher_is_better, bool)):
            raise ValueError(f"{self.low:g} to {self.high:g}, {self.higher_is_better}")

    def __str__(self) -> str:
        better = "higher" if self.higher_is_better else "lower"
        return f"{self.kind} from {self.low:g} to {self.high:g}, {better} is better"

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest number."""
        return self.low, self.high

    def native(self, quality: Numbers) -> Numbers:
        """Qualities, 0 worst and 1 best, on this scale."""
        share = quality if self.higher_is_better else 1 - quality
        return self.low + share * (self.high - self.low)

    def quality(self, native: Numbers) -> Numbers:
        """The inverse of `native`."""
        share = (native - self.low) / (self.high - self.low)
        return share if self.higher_is_better else 1 - share


@dataclass(frozen=True)
class Score:
    """The quality of one photograph.

    A network may say a little more than the best of all labels, or less than the worst; its score
    then is the end of the range.

    Attributes:
        score: on `Scorer.scale`, that of the labels that the network was trained with; within
            their range.
        score_100: from 0, worst, to 100, best; the same place in the range.
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
        texture: (h, w) float32, as the network sees it: in [0, 1], or [-1, 1] if signed.
        signed: whether it is.
        boxes: (V, 4) top, left, bottom, right of each view, in pixels of `photo`.
    """

    photo: np.ndarray
    label_map: np.ndarray
    texture: np.ndarray
    signed: bool
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
        preparation: how photographs become inputs. Embedded colour profiles are converted, even
            where the training ignored them: so people see the photographs.
        labels: the scale that its dataset declares.
        learned_range: (lowest, highest) label that its 0 and 1 mean, of 0, worst, to 1, best;
            None where that is not known: the authors' networks learned labels stretched by their
            smallest and largest one, which the files do not tell.
        scale: of its scores, `labels`, or 0 to 100 where the range is not known.
        falls: whether the network itself predicts DMOS, 0 being the best.
        views: of each photograph, see `dpam.batches.fixed_views`.
        device: where it computes.
    """

    def __init__(
        self,
        net: Network,
        metadata: dict[str, Any],
        device: torch.device | None = None,
        views: Views | None = None,
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
            how = Preparation.from_json(metadata["preparation"])
            self.preparation = replace(how, colour_profiles="converted")
            low, high = map(float, metadata["score_range"])
            rises = metadata["higher_is_better"]
            self.labels = Scale(metadata["label_kind"], low, high, rises)
            self.learned_range = learned_range(metadata)
            self.views = views or metadata.get("views", USUAL)
            if self.views not in VIEWS:
                raise ValueError(f"views {self.views}")
        except (KeyError, TypeError, ValueError) as error:
            raise DpamError(
                f"what it was trained on is not told as it should be: {error}"
            ) from error
        self.scale = self.labels
        if self.learned_range is None:
            self.scale = Scale("quality", 0.0, 100.0, True)
        self.falls: bool = metadata.get("predicts_dmos", False)

    def __repr__(self) -> str:
        size, trained = self.preparation.image_size, self.metadata
        name = self.net.settings.get("network", "DPAM")
        dataset = trained.get("title", trained.get("dataset", "a dataset that is not said"))
        return (
            f"Scorer({name} with {self.net.settings['backbone']} at {size}x{size}, trained on "
            f"{dataset}; {self.scale}; views: {self.views}; on {self.device})"
        )

    def score(self, photos: Photo | Iterable[Photo]) -> float | np.ndarray:
        """Scores on the scale of the labels that the network was trained with.

        Args:
            photos: the name of a file; bytes or an open file of an image; an image of Pillow; an
                array or tensor (H, W, 3), (3, H, W) or, grey, (H, W), of uint8 or floats in [0, 1];
                or many: any iterable of those, or an array or tensor with another axis first. RGB,
                both sides at least 32.

        Returns:
            a number for one, (n,) float64 for many.

        Raises:
            DpamError: it is something else, a file cannot be decoded, or one is too small.
        """
        if is_one(photos):
            (rated,) = self.rate([cast(Photo, photos)])
            return rated.score
        return np.array([rated.score for rated in self.rate(cast(Iterable[Photo], photos))])

    def rate(self, photos: Iterable[Photo]) -> Iterator[Score]:
        """Scores on both scales, with their spread; of any number of photographs."""
        how = self.preparation
        prepared = (prepare(rgb_array(photo, how), how, self.device)[0] for photo in photos)
        return map(self.rated, self.answers(prepared))

    def explain(self, photo: Photo) -> Explanation:
        """Where the score of a photograph comes from; errors as of `score`.

        Raises:
            DpamError: the network does not know.
        """
        self.refuse_without_maps()
        rgb = rgb_array(photo, self.preparation)
        return self.explain_prepared(rgb, *prepare(rgb, self.preparation, self.device))

    def explain_prepared(
        self, rgb: np.ndarray, prepared: Prepared, segmentation: Segmentation
    ) -> Explanation:
        """As `explain`, of a photograph (H, W, 3) uint8 that is prepared already."""
        self.refuse_without_maps()
        (answer,) = self.answers([prepared])
        size = self.preparation.image_size
        shown = picture(rgb, prepared, segmentation, size, self.views)
        return Explanation(self.rated(answer), answer, shown)

    def refuse_without_maps(self) -> None:
        """Raise a DpamError if the network does not know where quality is lost."""
        if not self.net.has_maps:
            raise DpamError(
                "this network scores a photograph as a whole: it has no maps of where quality is "
                "lost; take a checkpoint of the network dpam for them"
            )

    def answers(self, images: Iterable[Prepared], batch_size: int = 32) -> Iterator[Answer]:
        """The network's answers about prepared images, one by one, as qualities; see `meaning`.

        They do not depend on an autocast that is on around the call.
        """
        size = self.preparation.image_size
        found = answers(self.net, images, size, self.views, self.device, batch_size)
        while True:
            with torch.autocast(self.device.type, enabled=False):
                said = next(found, None)
            if said is None:
                return
            yield Answer(
                self.meaning(said.quality), self.meaning(said.token_score), said.token_weight
            )

    def meaning(self, predicted: Numbers) -> Numbers:
        """What the network predicts as quality: 0 is the worst label of `scale`, 1 the best.

        It is not bounded: a network may say a little more than 1, or less than 0.
        """
        quality = 1 - predicted if self.falls else predicted
        low, high = self.learned_range or (0.0, 1.0)
        return low + quality * (high - low)

    def rated(self, answer: Answer) -> Score:
        """The score that an answer means: the mean over the views."""
        quality = float(answer.quality.mean().clip(0, 1))
        return Score(
            score=self.scale.native(quality),
            score_100=100 * quality,
            spread_100=100 * float(answer.quality.std()),
        )


def learned_range(metadata: dict[str, Any]) -> tuple[float, float] | None:
    """See `Scorer`; of a checkpoint's metadata, old ones too.

    Raises:
        KeyError, TypeError, ValueError: something else stands there.
    """
    if "learned_range" not in metadata:  # as before it was written
        stretched = metadata.get("scaling") == "faithful" or "imported_from" in metadata
        return None if stretched else (0.0, 1.0)
    if metadata["learned_range"] is None:
        return None
    low, high = map(float, metadata["learned_range"])
    if not 0 <= low <= high <= 1:
        raise ValueError(f"learned_range {low:g} to {high:g}")
    return low, high


def load(
    path: str | Path,
    dataset: str | None = None,
    device: str | torch.device = "auto",
    views: Views | None = None,
) -> Scorer:
    """Read a checkpoint: ours (.safetensors), or one in the authors' format (any other ending).

    Args:
        path: of the file.
        dataset: what a network in the authors' format was trained on; ours say it themselves.
        device: where to compute, as of `dpam.runtime.device`.
        views: squares of each photograph that are scored, see `dpam.batches.fixed_views`; None: as
            the checkpoint says.

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
        return Scorer(net, metadata, where, views)
    except DpamError as error:
        raise DpamError(f"{path}: {error}") from error


def picture(
    rgb: np.ndarray, prepared: Prepared, segmentation: Segmentation, size: int, views: Views
) -> Picture:
    """What there is to show of a photograph, (H, W, 3) uint8, and of its superpixels.

    Args:
        rgb: the photograph.
        prepared: the same, prepared.
        segmentation: its superpixels.
        size: side of the network's input.
        views: see `dpam.batches.fixed_views`.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, SHOWN / max(height, width))
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
    if grain is None:
        grain = texture(planes(cut.pixels)[None], cut.kind)[0].numpy()
    return Picture(
        photo=np.asarray(small),
        label_map=stretched(segmentation.label_map, height, width),
        texture=stretched(grain[0], height, width),
        signed=cut.kind == "signed",
        boxes=boxes.round().astype(int),
    )


def stretched(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """(a, b) values at the nearest of (height, width) places."""
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    return np.asarray(values[rows[:, None], columns])


def relative(weight: np.ndarray) -> np.ndarray:
    """Weights of patches (V, g, g), their mean over each view 1."""
    return np.asarray(weight / weight.mean(axis=(1, 2), keepdims=True))


def lost(answer: Answer) -> np.ndarray:
    """What each patch takes from a quality of 1, (V, g, g); the mean over a view is 1 - quality."""
    return np.asarray(relative(answer.token_weight) * (1 - answer.token_score))
