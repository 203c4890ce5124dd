"""A trained network as a judge of photographs.

model = dpam.load()                            # the judge of the package, or a checkpoint's name
model = dpam.load(judge="fine")                # the package's judge that ranks better and is slower
model.score("photograph.jpg")                  # a float, on the scale of the training labels
model.score(["one.jpg", "two.png"])            # an array
model.explain("photograph.jpg").lost_map       # where the quality is lost
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from dpam.errors import DpamError
from dpam.evaluation.conformal import width_of
from dpam.inference.explanations import Explanation, picture
from dpam.inference.judge import judge_file
from dpam.inference.photographs import Photo, is_one, rgb_array
from dpam.inference.predict import Prediction, predict_views
from dpam.inference.scores import Numbers, Scale, Score, learned_range
from dpam.model import Network
from dpam.model.checkpoint import load_checkpoint
from dpam.pack.preparation import Preparation, Prepared
from dpam.pack.preparing import prepare
from dpam.pack.views import USUAL, VIEWS, Views
from dpam.superpixels.methods import Segmentation
from dpam.utils.runtime import device as device_of


class Scorer:
    """A network that knows how photographs are prepared for it and what its scores mean.

    Attributes:
        net: the network, on `device`, made ready for inference alone.
        metadata: all that its checkpoint says of it: what it was trained on, how, by what code.
        preparation: how photographs become inputs. Embedded colour profiles are converted, even
            where the training ignored them: so people see the photographs.
        labels: the scale that its dataset declares.
        learned_range: (lowest, highest) label that its 0 and 1 mean, of 0, worst, to 1, best;
            None where that is not known: the authors' networks learned labels stretched by their
            smallest and largest one, which the files do not tell.
        scale: of its scores, `labels`, or 0 to 100 where the range is not known.
        width: how far the interval of a score reaches to either side; None where the checkpoint
            does not tell.
        falls: whether the network itself predicts DMOS, 0 being the best.
        views: of each photograph, see `dpam.pack.batches.fixed_views`.
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
        self.net = net.to(self.device).fuse()
        self.metadata = metadata
        try:
            how = Preparation.from_json(metadata["preparation"])
            self.preparation = replace(how, colour_profiles="converted")
            low, high = map(float, metadata["score_range"])
            rises = metadata["higher_is_better"]
            self.labels = Scale(metadata["label_kind"], low, high, rises)
            self.learned_range = learned_range(metadata)
            self.width = width_of(metadata)
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
        views = "whole" if self.preparation.network_input == "whole" else self.views
        return (
            f"Scorer({name} with {self.net.settings['backbone']} at {size}x{size}, trained on "
            f"{dataset}; {self.scale}; views: {views}; on {self.device})"
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
        found = [rated.score for rated in self.rate(photos)]
        return found[0] if is_one(photos) else np.array(found)

    def rate(self, photos: Photo | Iterable[Photo]) -> Iterator[Score]:
        """Scores on both scales, with their spread, one by one; arguments and errors as in `score`.

        Any number of photographs is taken, and read as it is asked for.
        """
        how = self.preparation
        many = cast(Iterable[Photo], [photos] if is_one(photos) else photos)
        prepared = (prepare(rgb_array(photo, how), how, self.device)[0] for photo in many)
        return map(self.score_of, self.predict_views(prepared))

    def explain(self, photo: Photo) -> Explanation:
        """Where the score of a photograph comes from; errors as in `score`."""
        rgb = rgb_array(photo, self.preparation)
        return self.explain_prepared(rgb, *prepare(rgb, self.preparation, self.device))

    def explain_prepared(
        self, rgb: np.ndarray, prepared: Prepared, segmentation: Segmentation
    ) -> Explanation:
        """As `explain`, of a photograph (H, W, 3) uint8 that is prepared already."""
        (prediction,) = self.predict_views([prepared], maps=True)
        size = self.preparation.image_size
        shown = picture(rgb, prepared, segmentation, size, self.views)
        return Explanation(self.score_of(prediction), prediction, shown)

    def predict_views(
        self, images: Iterable[Prepared], batch_size: int | None = None, maps: bool = False
    ) -> Iterator[Prediction]:
        """The network's answers about prepared images, one by one, as qualities; see `meaning`.

        They do not depend on an autocast that is on around the call. Arguments are as of
        `dpam.inference.predict.predict_views`.
        """
        size = self.preparation.image_size
        found = predict_views(self.net, images, size, self.views, self.device, batch_size, maps)
        while True:
            with torch.autocast(self.device.type, enabled=False):
                said = next(found, None)
            if said is None:
                return
            yield Prediction(
                self.meaning(said.quality), self.meaning(said.token_score), said.token_weight
            )

    def meaning(self, predicted: Numbers) -> Numbers:
        """What the network predicts as quality: 0 is the worst label of `scale`, 1 the best.

        It is not bounded: a network may say a little more than 1, or less than 0.
        """
        quality = 1 - predicted if self.falls else predicted
        low, high = self.learned_range or (0.0, 1.0)
        return low + quality * (high - low)

    def score_of(self, prediction: Prediction) -> Score:
        """The score that a prediction means: the mean over the views."""
        quality = float(prediction.quality.mean().clip(0, 1))
        reach = None if self.width is None else self.width.at(quality)
        return Score(
            score=self.scale.native(quality),
            score_100=100 * quality,
            spread_100=100 * float(prediction.quality.std()),
            low=None if reach is None else 100 * max(0.0, quality - reach),
            high=None if reach is None else 100 * min(1.0, quality + reach),
        )


def load(
    path: str | Path | None = None,
    dataset: str | None = None,
    device: str | torch.device = "auto",
    views: Views | None = None,
    judge: str | None = None,
) -> Scorer:
    """Read a checkpoint: ours (.safetensors), or one in the authors' format (any other ending).

    Args:
        path: of the file; None: a judge that comes with the package.
        dataset: what a network in the authors' format was trained on; ours say it themselves.
        device: where to compute, see `dpam.utils.runtime.device`.
        views: squares of each photograph that are scored, see `dpam.pack.batches.fixed_views`;
            None: as the checkpoint says.
        judge: which judge of the package, in place of `path`; None: the fast one.

    Raises:
        DpamError: the file is missing, damaged or of another kind, it is not known what the
            network was trained on, or there is no such device or number of views, or squares are
            asked of a network that reads photographs whole.
    """
    where = device_of(device)
    if views is not None and views not in VIEWS:
        raise DpamError(f"views: expected {', '.join(map(str, VIEWS))}; found {views}")
    if not isinstance(path, str | Path | None):
        raise DpamError(f"expected the name of a checkpoint; found {type(path).__name__}")
    if path is not None and judge is not None:
        raise DpamError(f"expected a checkpoint or a judge, found both: {path} and {judge}")
    path = judge_file(judge) if path is None else path
    if Path(path).suffix == ".safetensors":
        net, metadata = load_checkpoint(path)
        if dataset is not None and dataset != metadata.get("dataset"):
            said = metadata.get("dataset") or "nothing; import it again with --dataset"
            raise DpamError(
                f"{path}: expected a network trained on {dataset}; the file says {said}"
            )
    else:
        from dpam.inference.authors_checkpoint import (
            from_release,  # which needs all datasets' facts
        )

        net, metadata = from_release(path, dataset)
    try:
        scorer = Scorer(net, metadata, where, views)
    except DpamError as error:
        raise DpamError(f"{path}: {error}") from error
    if views not in (None, "whole") and scorer.preparation.network_input == "whole":
        raise DpamError(f"views: {views}, but this network reads photographs whole; leave it out")
    return scorer
