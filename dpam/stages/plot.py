"""Figures as SVG: training curves, predictions, example images, superpixel methods, cross-dataset.

Of many runs the first split of each is shown before the second of any, at most 24 panels; a
figure says how many it leaves out, and in words when it has nothing to show.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dpam import figures
from dpam.files import read_csv
from dpam.store import Pack
from dpam.tables import BASELINES, read_scores

HISTORY = ["epoch", "loss", "train_srcc", "validation_srcc", "test_srcc", "held_out"]
COMPARED = 4  # datasets whose superpixel methods are shown side by side
PREDICTIONS = ["image", "part", "score", "prediction"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `dpam plot`."""
    parser.add_argument("scores", metavar="CSV", help="the list of all scores")
    parser.add_argument(
        "--packs", metavar="H5", nargs="+", required=True, help="packs to take examples from"
    )
    parser.add_argument("--output-dir", metavar="DIR", required=True, help="folder for the figures")


def run(args: argparse.Namespace) -> None:
    """Read scores, histories, predictions and packs; write the figures."""
    scores = read_scores(args.scores).drop_duplicates(["run", "test_dataset"])
    output = Path(args.output_dir)
    with figures.style():
        figures.save(training_curves(scores), output / "training_curves.svg")
        figures.save(scatter(scores), output / "scatter.svg")
        figures.save(examples(scores, args.packs), output / "examples.svg")
        figures.save(superpixels(args.packs), output / "superpixels.svg")
        figures.save(figures.cross_dataset(scores), output / "cross_dataset.svg")


def pick(rows: pd.DataFrame, by: list[str]) -> tuple[pd.DataFrame, int]:
    """At most PANELS rows, the first of each kind of run before the second; how many are left."""
    turn = rows.groupby(by, sort=False).cumcount()
    chosen = turn.sort_values(kind="stable").index[: figures.PANELS]
    return rows.loc[sorted(chosen)], len(rows) - len(chosen)


def training_curves(scores: pd.DataFrame) -> Figure:
    """The histories of the networks; baselines have none."""
    networks = scores[~scores["method"].isin(BASELINES)]
    runs = networks.drop_duplicates("run").assign(test_dataset=lambda rows: rows["dataset"])
    shown, hidden = pick(runs, ["dataset", "part", "method"])
    histories = [
        read_csv(Path(run) / "history.csv", HISTORY).apply(pd.to_numeric, errors="coerce")
        for run in shown["run"]
    ]
    titles = figures.titles(shown)
    curves = [figures.Curves(*pair) for pair in zip(titles, histories, strict=True)]
    return figures.training_curves(curves, hidden)


def scatter(scores: pd.DataFrame) -> Figure:
    """The predictions of the runs."""
    shown, hidden = pick(scores, ["dataset", "part", "method", "test_dataset"])
    clouds = []
    for title, row in zip(figures.titles(shown), shown.to_dict("records"), strict=True):
        table = predictions(row["run"], row["test_dataset"])
        label, prediction = table["score"].to_numpy(), table["prediction"].to_numpy()
        clouds.append(figures.Cloud(title, row["label_kind"], label, prediction, row["srcc"]))
    return figures.scatter(clouds, hidden)


def predictions(run: str, test_dataset: str) -> pd.DataFrame:
    """The predictions of one run on the test part of one dataset."""
    table = read_csv(Path(run) / f"on-{test_dataset}.csv", PREDICTIONS)
    return table[table["part"] == "test"]


def examples(scores: pd.DataFrame, packs: list[str]) -> Figure:
    """Images of each pack, with their label and, where there is one, a prediction."""
    albums = []
    first = [paths[0] for paths in by_dataset(packs).values()]
    for path in first[: figures.PANELS // 3]:
        with Pack(path) as pack:
            dataset, kind = pack.settings["dataset"], pack.settings["label_kind"]
            predicted = predictions_of(scores, dataset)
            images, labels = pack.labels["image"].tolist(), pack.labels["score"].tolist()
            pictures = []
            for index in pack.examples:
                shown = pack.example(index)
                note = f"label {labels[index]:.2f}\n{predicted.get(images[index], '')}"
                pictures.append(figures.Example(shown.image, shown.label_map, note.rstrip()))
            title = f"{pack.settings['title']}, {pack.preparation.method}, label: {kind}"
            albums.append(figures.Album(title, pictures))
    return figures.examples(albums, len(first) - len(albums))


def by_dataset(packs: list[str]) -> dict[str, list[str]]:
    """The packs of each dataset, in the order given."""
    groups: dict[str, list[str]] = {}
    for path in packs:
        with Pack(path) as pack:
            groups.setdefault(pack.settings["dataset"], []).append(path)
    return groups


def superpixels(packs: list[str]) -> Figure:
    """The best, a middling and the worst image of each dataset that several methods packed."""
    several = [paths for paths in by_dataset(packs).values() if len(paths) > 1]
    comparisons = []
    for paths in several[:COMPARED]:
        images: dict[int, np.ndarray] = {}
        label_maps: dict[int, dict[str, np.ndarray]] = {}
        for path in paths:
            with Pack(path) as pack:
                middle = len(pack.examples) // 2
                title = pack.settings["title"]
                for index in dict.fromkeys(pack.examples[i] for i in (0, middle, -1)):
                    shown = pack.example(index)
                    images.setdefault(index, shown.image)
                    maps = label_maps.setdefault(index, {})
                    maps[pack.preparation.method] = shown.label_map
        rows = [figures.Compared(images[index], label_maps[index]) for index in images]
        comparisons.append(figures.Comparison(title, rows))
    return figures.superpixels(comparisons, len(several) - len(comparisons))


def predictions_of(scores: pd.DataFrame, dataset: str) -> dict[str, str]:
    """Image -> prediction in words, of a network of the dataset itself if possible."""
    networks = (scores["part"] == "all") & ~scores["method"].isin(BASELINES)
    rows = scores[(scores["test_dataset"] == dataset) & networks]
    own = rows["dataset"] == dataset
    words: dict[str, str] = {}
    for row in pd.concat([rows[own], rows[~own]]).to_dict("records"):
        origin = "" if row["dataset"] == dataset else f"\n(trained on {row['dataset']})"
        table = predictions(row["run"], dataset)
        for image, prediction in zip(table["image"], table["prediction"], strict=True):
            words.setdefault(image, f"predicted {prediction:.2f}{origin}")
    return words
