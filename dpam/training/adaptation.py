"""What a judge's last layer learns from few labelled photographs, in closed form.

The last layer is linear in features of a photograph, so how it should change is a ridge regression:
of what the labels say beyond the judge, on features of equal spread. The middle and the width of
the judge's scale are free to change, the width above 0, so that the order stays. How far the
features may go is found by leaving out each scene once, which needs no second fit: of fits that
are as good as the best within half a standard error, the most cautious one. Where labels say
nothing new, that is the one that moves no feature, and photographs stay in the judge's order.

Source: leave-one-out errors of ridge regression, Golub, Heath and Wahba, Technometrics 21 (1979);
here with two regressors that are not held back, and with groups in the place of single photographs.
The rule, with a whole standard error: Breiman et al., Classification and Regression Trees (1984),
section 3.4.3.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit, logit

from dpam.errors import DpamError
from dpam.inference.predict import in_batches, network_inputs
from dpam.model.pooled import PooledViT
from dpam.pack.batches import View, collate
from dpam.pack.preparation import Prepared
from dpam.utils.progress import track
from dpam.utils.runtime import whole_float32

LEAST = 10, 5  # photographs, scenes; with fewer, leaving one out says little
# Of features against the noise of a label, and, last, none at all.
STRENGTHS = (*(float(f"{10 ** (half / 2):.3g}") for half in range(5, -5, -1)), 0.0)
EDGE = 0.02  # labels are kept so far from 0 and 1, where no logit is finite
# Features that hardly differ between the photographs count as if they differed by so much of what
# the middle one does.
SMALLEST_SPREAD = 0.1
# Standard errors. With 25 photographs a whole one often learned nothing of photographs with camera
# faults (docs/own_dataset.md); with none, more was lost on BIQ2021's validation photographs.
CAUTION = 0.5


@dataclass(frozen=True)
class Change:
    """What is added to the last layer.

    Attributes:
        weight: (F,) to its weights.
        bias: to its bias.
        strength: of `STRENGTHS`; 0: photographs stay in the judge's order.
        left_out: (n,) in (0, 1), of each photograph the score by a fit without its scene.
    """

    weight: np.ndarray
    bias: float
    strength: float
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

    found = in_batches(compute, images, size, "whole", device)
    return np.concatenate([np.empty((0, net.out.in_features)), *found])


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
        DpamError: fewer than ten photographs or than five scenes, or labels that are all the same.
    """
    groups = [np.flatnonzero(scene == name) for name in np.unique(scene)]
    if len(label) < LEAST[0] or len(groups) < LEAST[1]:
        raise DpamError(
            f"expected at least {LEAST[0]} photographs of {LEAST[1]} scenes, found {len(label)} of "
            f"{len(groups)} (near-duplicates are one): each scene is left out once, to see what "
            "the others teach; label more"
        )
    if np.ptp(label) == 0:
        raise DpamError("expected labels that differ, found one and the same for all photographs")
    verdict = features @ weight + bias
    held = np.clip(label, EDGE, 1 - EDGE)
    wanted = logit(held) - verdict
    # An error of a label is one of its logit, divided by the slope of expit there.
    noise = 1 / (4 * held * (1 - held)) ** 2
    middle, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.maximum(spread, SMALLEST_SPREAD * np.median(spread)) + 1e-12
    spread *= np.sqrt(len(middle))
    even = (features - middle) / spread
    middle_alone = np.ones((len(label), 1))
    free = np.column_stack([middle_alone, verdict])
    kernel, fits = even @ even.T, []
    for strength in track(STRENGTHS, "fitting", unit="fit"):
        found = fit(strength * kernel, free, noise, wanted, groups)
        if found[1][1] <= -1:  # a width below 0 would turn the judge's order round
            found = fit(strength * kernel, middle_alone, noise, wanted, groups)
        fits.append(found)
    left_out = [expit(verdict + wanted - error) for _, _, error in fits]
    cost = np.array([[np.square(one - label)[rows].sum() for rows in groups] for one in left_out])
    chosen = most_cautious(cost)
    dual, shares, _ = fits[chosen]
    steps = STRENGTHS[chosen] * (even.T @ dual) / spread
    own = float(shares[1]) if len(shares) > 1 else 0.0
    return Change(
        weight=steps + own * weight,
        bias=float(shares[0] - steps @ middle + own * bias),
        strength=STRENGTHS[chosen],
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
    kernel: np.ndarray,
    free: np.ndarray,
    noise: np.ndarray,
    wanted: np.ndarray,
    groups: list[np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ridge regression by the kernel of its regressors, with some that are not held back.

    Args:
        kernel: (n, n), regressors times regressors.
        free: (n, k), the regressors that are not held back.
        noise: (n,) variances of the wanted values.
        wanted: (n,).
        groups: rows that are left out together.

    Returns:
        (n,) the weight of each row's regressors, (k,) those of the free ones, and (n,) the error of
        each row by a fit without its group.
    """
    inverse = np.linalg.inv(kernel + np.diag(noise))
    seen = free.T @ inverse
    shares = np.linalg.lstsq(seen @ free, seen)[0]
    projection = inverse - seen.T @ shares
    dual = projection @ wanted
    error = np.empty(len(wanted))
    for rows in groups:
        error[rows] = np.linalg.lstsq(projection[np.ix_(rows, rows)], dual[rows])[0]
    return dual, shares @ wanted, error
