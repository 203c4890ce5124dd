"""Fixtures that several tests share."""

import numpy as np
import pandas as pd
import pytest

from dpam.preparation import Preparation, prepare
from dpam.store import write_pack


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


@pytest.fixture(params=["whole", "crop"])
def pack_file(request, tmp_path):
    """A pack of twelve small images, made with `whole` and with `crop` inputs."""
    how = preparation(request.param)
    labels = labels_table(12)
    settings = {
        "dataset": "tiny",
        "title": "Tiny",
        "label_kind": "MOS",
        "score_range": [1, 5],
        "higher_is_better": True,
        "preparation": vars(how),
    }
    images = (prepare(photograph(i), how) for i in range(len(labels)))
    write_pack(tmp_path / "tiny.h5", labels, how, settings, images)
    return tmp_path / "tiny.h5"
