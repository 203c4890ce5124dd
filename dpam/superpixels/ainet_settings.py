"""How AINet is trained; apart, so that the command line knows it without PyTorch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AINetSettings:
    """How to train.

    Attributes:
        steps: of Adam.
        batch_size: squares per step.
        learning_rate: of Adam.
        weight_decay: of Adam.
        position: weight of the position term against that of the labels, m.
        seed: of initial weights, squares, flips and shuffles.
    """

    steps: int = 4000
    batch_size: int = 8
    learning_rate: float = 8e-5
    weight_decay: float = 4e-4
    position: float = 0.003
    seed: int = 20
