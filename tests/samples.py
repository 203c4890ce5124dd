"""Small made-up images, labels and networks that several tests use."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from dpam.model import DPAM, create
from dpam.model.checkpoint import save_checkpoint
from dpam.pack.preparation import Preparation, Prepared
from dpam.pack.writing import PackWriter, example_rows, lay_out
from dpam.superpixels.methods import Segmentation
from dpam.utils.files import atomic

# What they say of themselves, besides how photographs are prepared.
ABOUT = {
    "dataset": "tiny",
    "title": "Tiny",
    "label_kind": "MOS",
    "score_range": [1, 5],
    "higher_is_better": True,
    "distortion": "all",
    "split": "split00",
    "selected_by": "validation",
}


def photograph(seed: int, height: int = 80, width: int = 96) -> np.ndarray:
    """A smooth random image, (height, width, 3) uint8."""
    generator = np.random.default_rng(seed)
    coarse = generator.random((5, 6, 3))
    image = np.kron(coarse, np.ones((height // 5, width // 6, 1)))
    image += generator.normal(0, 0.05, image.shape)
    return (image.clip(0, 1) * 255).astype(np.uint8)


def preparation(network_input: str, **more) -> Preparation:
    return Preparation(
        network_input=network_input,
        image_size=64,
        method="slic",
        superpixels=12,
        superpixel_size=None,
        region_size=20,
        compactness=10,
        iterations=3,
        **more,
    )


def in_full(method: str = "none") -> Preparation:
    """Of whole images that are kept in full, up to 72 pixels."""
    return replace(
        preparation("whole"),
        method=method,
        superpixels=0 if method == "none" else 12,
        stored_side=72,
        resize="antialias",
    )


def labels_table(count: int) -> pd.DataFrame:
    label = np.linspace(0.1, 0.9, count)
    return pd.DataFrame(
        {
            "image": [f"images/photo ({i}).png" for i in range(count)],
            "reference": [f"scene{i // 2}" for i in range(count)],
            "distortion": ["blur", "noise"] * (count // 2),
            "level": [str(i % 5 + 1) for i in range(count)],
            "raw_label": 1 + 4 * label,
            "raw_std": np.nan,
            "label": label,
            "label_kind": "MOS",
        }
    )


def save_network(file: Path, network_input: str = "crop", spread: float | None = None) -> Path:
    """Write the weights of a small network, the same each time.

    Args:
        file: to write, `.safetensors`.
        network_input: of the photographs that it is for, see `preparation`.
        spread: standard deviation of all of its weights, instead of those it is made with.
    """
    torch.manual_seed(3)
    net = DPAM("test_vit", image_size=64, embed_dim=16)
    if spread is not None:
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, 0, spread)
    save_checkpoint(file, net, {**ABOUT, "preparation": vars(preparation(network_input))})
    return file


def save_judge(file: Path, backbone: str = "test_vit", image_size: int = 64) -> Path:
    """Write the weights of a small network that reads the image alone, the same each time.

    Args:
        file: to write, `.safetensors`.
        backbone: of timm.
        image_size: that fits it.
    """
    torch.manual_seed(3)
    net = create("pooled", backbone=backbone, image_size=image_size, out_indices=[1, 3])
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    file.parent.mkdir(parents=True, exist_ok=True)
    how = replace(in_full(), image_size=image_size)
    save_checkpoint(file, net, {**ABOUT, "preparation": vars(how)})
    return file


def write_pack(
    path: str | Path,
    labels: pd.DataFrame,
    preparation: Preparation,
    settings: dict[str, Any],
    images: Iterable[tuple[Prepared, Segmentation]],
) -> None:
    """Write a pack of images in the order of `labels`; see `lay_out`."""
    pairs = list(images)
    assert len(pairs) == len(labels), f"{len(pairs)} images for {len(labels)} labels"
    sizes = np.array([image.pixels.shape[:2] for image, _ in pairs])
    examples = {row: pairs[row][1] for row in example_rows(labels)}
    with atomic(path) as temporary:
        lay_out(temporary, labels, preparation, settings, sizes, examples)
        with PackWriter(temporary) as writer:
            for index, (image, _) in enumerate(pairs):
                writer.write(index, image)
