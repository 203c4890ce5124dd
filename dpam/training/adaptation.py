"""What a judge's last layer learns from few labelled photographs, in closed form.

The last layer is linear in features of a photograph, so how it should change is a ridge regression:
of what the labels say beyond the judge, on features of equal spread. How strongly the change is
held back is found by leaving out each scene once, which needs no second fit: of fits that are as
good as the best within half a standard error, the one that changes least. Labels that say nothing
new hold it back for good: then only the middle of the scale moves.

Source: leave-one-out errors of ridge regression, Golub, Heath and Wahba, Technometrics 21 (1979);
here with a constant that is not held back, and with groups in the place of single photographs. The
rule, with a whole standard error: Breiman et al., Classification and Regression Trees (1984),
section 3.4.3.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit, logit

from dpam.errors import DpamError
from dpam.inference.predict import BATCH, beside_each_other, chunks, network_inputs, numbered_views
from dpam.model.pooled import PooledViT
from dpam.pack.batches import View, collate
from dpam.pack.preparation import Prepared
from dpam.utils.progress import track
from dpam.utils.runtime import whole_float32

LEAST = 10, 5  # photographs, scenes; with fewer, leaving one out says little
PENALTIES = tuple(10.0 ** (half / 2) for half in range(-5, 7))  # against the noise of a label
EDGE = 0.02  # labels are kept so far from 0 and 1, where no logit is finite
# Features that hardly differ between the photographs count as if they differed by so much of what
# the middle one does.
SMALLEST_SPREAD = 0.1
# Standard errors. With 25 photographs a whole one often learns nothing of a task that is far from
# the judge's (SRCC 0.40 for 0.50 with a half), and none spoils more of one that is near.
CAUTION = 0.5


@dataclass(frozen=True)
class Change:
    """What is added to the last layer.

    Attributes:
        weight: (F,) to its weights.
        bias: to its bias.
        penalty: of `PENALTIES`: large, where the labels say little that the judge did not know.
        left_out: (n,) in (0, 1), of each photograph the score by a fit without its scene.
    """

    weight: np.ndarray
    bias: float
    penalty: float
    left_out: np.ndarray


def last_features(
    net: PooledViT, images: Iterable[Prepared], size: int, device: torch.device
) -> np.ndarray:
    """What the last layer reads of images that are seen whole, (n, F) float64.

    Args:
        net: on `device`; it is left in evaluation mode.
        images: read one by one.
        size: side of the network's input.
        device: where the network lies.
    """
    net.eval()

    def compute(chunk: list[tuple[int, View]]) -> np.ndarray:
        with torch.inference_mode(), whole_float32(device):
            batch = collate([view for _, view in chunk], size).to(device)
            (image,) = network_inputs(net, batch)
            features: np.ndarray = net.norm(net.pool(image)).double().cpu().numpy()
        return features

    views = chunks(numbered_views(images, size, "whole"), BATCH[device.type != "cpu"])
    spread = beside_each_other if device.type == "cpu" else map
    return np.concatenate([np.empty((0, net.out.in_features)), *spread(compute, views)])


def adapt(
    features: np.ndarray, weight: np.ndarray, bias: float, label: np.ndarray, scene: np.ndarray
) -> Change:
    """How the last layer has to change.

    Args:
        features: (n, F), see `last_features`.
        weight: (F,) of the last layer.
        bias: of it; the judge says expit(features @ weight + bias).
        label: (n,) from 0, worst, to 1, best.
        scene: (n,) the name of what a photograph shows; those of one scene are left out together.

    Raises:
        DpamError: fewer than ten photographs, or than five scenes.
    """
    groups = [np.flatnonzero(scene == name) for name in np.unique(scene)]
    if len(label) < LEAST[0] or len(groups) < LEAST[1]:
        raise DpamError(
            f"expected at least {LEAST[0]} photographs of {LEAST[1]} scenes, found {len(label)} of "
            f"{len(groups)}: each scene is left out once, to see what the others teach; label more"
        )
    verdict = features @ weight + bias
    held = np.clip(label, EDGE, 1 - EDGE)
    wanted = logit(held) - verdict
    # An error of a label is one of its logit, divided by the slope of expit there.
    noise = 1 / (4 * held * (1 - held)) ** 2
    middle, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.maximum(spread, SMALLEST_SPREAD * np.median(spread)) + 1e-12
    spread *= np.sqrt(len(middle))
    told, deviation = verdict.mean(), verdict.std() + 1e-12
    # The judge's own verdict weighs as much as all features together, so that its scale can change.
    regressors = np.column_stack([(features - middle) / spread, (verdict - told) / deviation])
    kernel = regressors @ regressors.T
    penalties = track(PENALTIES, "fitting", unit="fit")
    fits = [fit(kernel, penalty * noise, wanted, groups) for penalty in penalties]
    left_out = [expit(verdict + wanted - error) for _, _, error in fits]
    cost = np.array([[np.square(one - label)[rows].sum() for rows in groups] for one in left_out])
    chosen = most_cautious(cost)
    dual, constant, _ = fits[chosen]
    slopes = regressors.T @ dual
    own = slopes[-1] / deviation  # of the verdict, itself linear in the features
    steps = slopes[:-1] / spread
    return Change(
        weight=steps + own * weight,
        bias=float(constant - steps @ middle + own * (bias - told)),
        penalty=PENALTIES[chosen],
        left_out=left_out[chosen],
    )


def most_cautious(cost: np.ndarray) -> int:
    """The last fit that is no worse than the best by more than `CAUTION` standard errors.

    Args:
        cost: (fits, groups), squared errors, from the least to the most cautious fit.
    """
    more = cost - cost[cost.sum(axis=1).argmin()]
    error = more.std(axis=1) * np.sqrt(cost.shape[1])
    return int(np.flatnonzero(more.sum(axis=1) <= CAUTION * error)[-1])


def fit(
    kernel: np.ndarray, noise: np.ndarray, wanted: np.ndarray, groups: list[np.ndarray]
) -> tuple[np.ndarray, float, np.ndarray]:
    """Ridge regression with a constant, by the kernel of its regressors.

    Args:
        kernel: (n, n), regressors times regressors.
        noise: (n,) variances, the penalty times that of each wanted value.
        wanted: (n,).
        groups: rows that are left out together.

    Returns:
        (n,) the weight of each row's regressors, the constant, and (n,) the error of each row by a
        fit without its group.
    """
    inverse = np.linalg.inv(kernel + np.diag(noise))
    total = inverse.sum(axis=1)
    projection = inverse - np.outer(total, total) / total.sum()
    dual = projection @ wanted
    error = np.empty(len(wanted))
    for rows in groups:
        error[rows] = np.linalg.solve(projection[np.ix_(rows, rows)], dual[rows])
    return dual, float(total @ wanted / total.sum()), error
