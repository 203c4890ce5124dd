"""What training minimises, from a batch's predictions and labels.

Each function takes prediction (B,) and label (B,) on the same scale, 0 to 1, and returns a scalar.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def mean_squared_error(prediction: Tensor, label: Tensor) -> Tensor:
    """Mean of (s - y)², as released."""
    return F.mse_loss(prediction, label)


def smooth_l1(prediction: Tensor, label: Tensor) -> Tensor:
    """Absolute error, rounded off below a tenth of the scale (Girshick 2015, with β = 0.1)."""
    return F.smooth_l1_loss(prediction, label, beta=0.1)


def linearity(prediction: Tensor, label: Tensor) -> Tensor:
    """(1 - PLCC) / 2 over the batch: 0 on a rising line, 1 on a falling one.

    It knows nothing of the scale: predictions agree with labels in their order and spacing only.
    Where one side is constant PLCC is taken as 0.
    """
    x, y = prediction - prediction.mean(), label - label.mean()
    norms = (x.square().sum() * y.square().sum()).clamp(min=1e-12).sqrt()
    return (1 - (x * y).sum() / norms) / 2


def ranking(prediction: Tensor, label: Tensor) -> Tensor:
    """Mean over pairs of max(0, |y_i - y_j| - sign(y_i - y_j)(s_i - s_j)).

    A hinge on every pair whose margin is the distance of the labels, so that a pair costs nothing
    once it is at least as far apart as its labels are, in their order.
    """
    wanted = label[:, None] - label[None, :]
    found = prediction[:, None] - prediction[None, :]
    cost = (wanted.abs() - wanted.sign() * found).relu()
    pairs = max(1, len(label) * (len(label) - 1))
    return cost.masked_fill(wanted == 0, 0).sum() / pairs


MARGIN = 0.02  # of the scale, for each level of a defect


def ordering(better: Tensor, worse: Tensor, levels: Tensor) -> Tensor:
    """Mean of max(0, 0.02 (l_worse - l_better) - (s_better - s_worse)) over pairs of copies.

    Args:
        better: (P,) predictions of copies with less of a defect.
        worse: (P,) of copies of the same images with more of it.
        levels: (P, 2) of the defect, 0 to 5, in better and worse.
    """
    wanted = MARGIN * (levels[:, 1] - levels[:, 0])
    return (wanted - (better - worse)).relu().mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": mean_squared_error,
    "smooth_l1": smooth_l1,
    "plcc": linearity,
    "rank": ranking,
}


def loss_of(name: str, prediction: Tensor, label: Tensor) -> Tensor:
    """The loss called `name`, in float32 or better."""
    wide = torch.promote_types(prediction.dtype, torch.float32)
    return LOSSES[name](prediction.to(wide), label.to(wide))
