"""From which block of the judge's ViT the demonstration starts, chosen without a test set.

For each random split and dataset, training photographs alone speak: features of each block (mean
and deviation over its patches), a ridge regression, each photograph predicted by what was fitted
to the others. Photographs of the validation and test sets are not read for it.

    python benchmarks/demo_start.py --output-dir results/demo_start

Prints the SRCC of each block, and for each split the block that is best on average over both
datasets, as all networks of the demonstration start from the same one.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dpam.baselines.vit_features import squares, vit_features
from dpam.datasets.demo import DEMO_AUTHENTIC, DEMO_SYNTHETIC
from dpam.datasets.splits import draw
from dpam.demo.make import make_demo
from dpam.evaluation.correlation import srcc
from dpam.experiments.configuration import REPOSITORY
from dpam.imaging.images import decode
from dpam.inference.judge import judge_file
from dpam.model import create
from dpam.model.start import start_from
from dpam.utils.progress import track

PRESET = REPOSITORY / "workflow/presets/demo.yaml"
BLOCKS = 12  # of the ViT
NOTHING = pd.DataFrame({"image": [], "other": []}, dtype=str)


def features(folder: Path, labels: pd.DataFrame, network_input: str, size: int) -> np.ndarray:
    """(images, blocks, 2 C): mean and deviation over the patches, of each block of the judge."""
    model = yaml.safe_load(PRESET.read_text(encoding="utf-8"))["model"]
    every = {"backbone": model["backbone"], "pretrained": False, "out_indices": list(range(BLOCKS))}
    net = create(image_size=size, **every)
    start_from(net, judge_file(), None)
    images = (
        squares(decode(folder / image), network_input, size)
        for image in track(list(labels["image"]), "features", unit="image")
    )
    found = vit_features(net.backbone, images, torch.device("cpu"))
    mean_and_deviation = found.reshape(len(labels), 2, BLOCKS, -1)
    return mean_and_deviation.transpose(0, 2, 1, 3).reshape(len(labels), BLOCKS, -1)


def held_out(features: np.ndarray, labels: pd.DataFrame) -> float:
    """SRCC over all images, each predicted by a regression that never saw its photograph."""
    regression = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 6)))
    predicted = cross_val_predict(
        *(regression, features, labels["raw_label"]),
        groups=labels["reference"],
        cv=LeaveOneGroupOut(),
    )
    return srcc(predicted, labels["raw_label"].to_numpy())


def main() -> None:
    """Print which block each split's training photographs choose."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output-dir", type=Path, required=True, help="the data are made there")
    args = parser.parse_args()
    preset = yaml.safe_load(PRESET.read_text(encoding="utf-8"))
    tables = []
    for dataset in (DEMO_SYNTHETIC, DEMO_AUTHENTIC):
        folder = args.output_dir / dataset.name
        if not folder.is_dir():
            make_demo(folder, dataset.name, **preset["demo"])
        labels = dataset.read_labels(folder)
        kept = args.output_dir / f"{dataset.name}.npy"
        if not kept.is_file():
            np.save(kept, features(folder, labels, dataset.network_input, preset["image_size"]))
        found = np.load(kept)
        splits = draw(labels, NOTHING, preset["splits"]["seed"])
        value = {}
        for split in [name for name in splits if name.startswith("split")]:
            train = (splits[split] == "train").to_numpy()
            value[split] = [held_out(found[train, block], labels[train]) for block in range(BLOCKS)]
        tables.append(pd.DataFrame(value).rename_axis("block"))
        print(f"{dataset.name}: SRCC, mean over splits", tables[-1].mean(axis=1).round(3), sep="\n")
    both = sum(tables) / len(tables)
    print("mean of both datasets", both.round(3).to_string(), sep="\n")
    print("chosen", both.idxmax().to_string(), sep="\n")


if __name__ == "__main__":
    main()
