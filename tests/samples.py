"""Small made-up images and labels that several tests use."""

import numpy as np
import pandas as pd

from dpam.preparation import Preparation


def photograph(seed: int, height: int = 80, width: int = 96) -> np.ndarray:
    """A smooth random image, (height, width, 3) uint8."""
    generator = np.random.default_rng(seed)
    coarse = generator.random((5, 6, 3))
    image = np.kron(coarse, np.ones((height // 5, width // 6, 1)))
    image += generator.normal(0, 0.05, image.shape)
    return (image.clip(0, 1) * 255).astype(np.uint8)


def preparation(network_input: str) -> Preparation:
    return Preparation(
        network_input=network_input,
        image_size=64,
        method="slic",
        superpixels=12,
        superpixel_size=None,
        region_size=20,
        ruler=10,
        iterations=3,
    )


def labels_table(count: int) -> pd.DataFrame:
    score = np.linspace(0.1, 0.9, count)
    return pd.DataFrame(
        {
            "image": [f"images/photo ({i}).png" for i in range(count)],
            "reference": [f"scene{i // 2}" for i in range(count)],
            "distortion": ["blur", "noise"] * (count // 2),
            "level": [str(i % 5 + 1) for i in range(count)],
            "raw_score": 1 + 4 * score,
            "raw_std": np.nan,
            "score": score,
            "label_kind": "MOS",
        }
    )
