"""Regression: every token has a score and a weight; their weighted mean is the quality."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WeightedRegression(nn.Module):
    """Weighted mean of the tokens' scores.

    Args:
        width: of a token.
        dropout: in both heads.
        bias: what the scores start around. A score is cut at 0; begun at the middle of the labels'
            range, an untrained network has a gradient. None: PyTorch's own start, as released,
            which can leave a score at 0 for every image, for ever.
    """

    def __init__(self, width: int, dropout: float, bias: float | None = 0.5) -> None:
        super().__init__()
        self.score = head(width, dropout)
        self.weight = head(width, dropout)
        if bias is not None:
            self.score[-1].get_parameter("bias").data.fill_(bias)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shortcut: the whole batch at once, each image's mean over its own tokens.

        With weights w = sigmoid(z), Σ s w / Σ w = Σ s · softmax(log w): the right side is defined
        even where every sigmoid underflows.

        Args:
            tokens: (B, T, w).

        Returns:
            quality (B,), token scores (B, T), at least 0, and token weights (B, T), in (0, 1).
        """
        score = at_least_float32(self.score(tokens).squeeze(2)).relu()  # (B, T)
        weight_logit = at_least_float32(self.weight(tokens).squeeze(2))  # (B, T)
        share = F.logsigmoid(weight_logit).softmax(dim=1)  # (B, T)
        return (score * share).sum(dim=1), score, weight_logit.sigmoid()


def head(width: int, dropout: float) -> nn.Sequential:
    """One number for each token."""
    return nn.Sequential(
        nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 1)
    )


def at_least_float32(x: Tensor) -> Tensor:
    """The same numbers in float32, or in float64 if they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
