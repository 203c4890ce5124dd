"""What each figure shows of the results: which runs, images and maps."""

import base64
import io
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from dpam.evaluation.tables import (
    LOGISTIC,
    history_file,
    not_selected_on_test,
    of_networks,
    read_metrics,
    read_results,
    types_and_levels,
)
from dpam.figures import curves, photographs, style
from dpam.figures.gallery import most_wrong, read_gallery
from dpam.figures.scatter import Scatter, agreement
from dpam.figures.scatter import scatter as draw_scatter
from dpam.pack.store import Pack
from dpam.utils.files import refuse_existing, write_json
from dpam.utils.reading import read_csv

HISTORY = ["epoch", "loss", "train_srcc", "validation_srcc", "test_srcc", "validation_selected"]
COMPARED = 4  # datasets whose superpixel methods are shown side by side
MAPPED = 8  # datasets whose quality maps are shown
PREDICTIONS = ["image", "subset", "label", "prediction"]
WRONG = 3  # images that a scatter plot numbers
THUMBNAIL = 192  # pixels, the longer side


def write_figures(runs: str, files: Sequence[str], maps: Sequence[str], output: Path) -> None:
    """Write all figures as SVG and, those that show something, as PDF; and most_wrong.json.

    Args:
        runs: the list of all runs.
        files: packs to take images from.
        maps: galleries of `dpam map-quality`.
        output: folder to write to.

    Raises:
        DpamError: a file cannot be read or written, or one to write is there already.
    """
    metrics = not_selected_on_test(read_metrics(runs).drop_duplicates(["run", "test_dataset"]))
    with style.style(), ExitStack() as stack:
        packs = {
            name: [stack.enter_context(Pack(path)) for path in paths]
            for name, paths in by_dataset(files).items()
        }
        predicted, wrong = scatter(metrics, packs)
        drawn = {
            "training_curves": training_curves(metrics),
            "scatter": predicted,
            "distortion_types": distortion_types(runs),
            "examples": examples(metrics, packs),
            "labels": labels(packs),
            "quality_maps": quality_maps(maps),
            "superpixels": superpixels(packs),
            "cross_dataset": curves.cross_dataset(metrics),
        }
        papers = [name for name, figure in drawn.items() if not style.shows_nothing(figure)]
        outputs = [*(f"{name}.svg" for name in drawn), *(f"pdf/{name}.pdf" for name in papers)]
        refuse_existing(output / file for file in ["most_wrong.json", *outputs])
        write_json(output / "most_wrong.json", wrong)
        for name, figure in drawn.items():
            style.save(figure, output / f"{name}.svg")
        (output / "pdf").mkdir(exist_ok=True)
        for name in papers:
            style.save_pdf(drawn[name], output / "pdf" / f"{name}.pdf")


def pick(rows: pd.DataFrame, by: list[str]) -> tuple[pd.DataFrame, int]:
    """At most PANELS rows, the first of each kind of run before the second; how many are left."""
    turn = rows.groupby(by, sort=False).cumcount()
    chosen = turn.sort_values(kind="stable").index[: style.PANELS]
    return rows.loc[sorted(chosen)], len(rows) - len(chosen)


def training_curves(metrics: pd.DataFrame) -> Figure:
    """The histories of the networks; baselines and ensembles have none."""
    networks = metrics[of_networks(metrics)]
    runs = networks.drop_duplicates("run").assign(test_dataset=lambda rows: rows["dataset"])
    shown, hidden = pick(runs, ["dataset", "distortion", "method"])
    histories = [
        read_csv(history_file(run), HISTORY).apply(pd.to_numeric, errors="coerce")
        for run in shown["run"]
    ]
    titles = style.titles(shown)
    drawn = [curves.Curves(*pair) for pair in zip(titles, histories, strict=True)]
    return curves.training_curves(drawn, hidden)


def scatter(
    metrics: pd.DataFrame, packs: dict[str, list[Pack]]
) -> tuple[Figure, list[dict[str, Any]]]:
    """The predictions of the runs, and of each image numbered there a thumbnail and its numbers."""
    shown, hidden = pick(metrics, ["dataset", "distortion", "method", "test_dataset"])
    clouds, wrong = [], []
    titles = style.titles(shown)
    for panel, (title, row) in enumerate(zip(titles, shown.to_dict("records"), strict=True)):
        table = predictions(row["run"], row["test_dataset"])
        label, prediction = table["label"].to_numpy(), table["prediction"].to_numpy()
        links = {}
        if row["test_dataset"] in packs:
            pack = packs[row["test_dataset"]][0]
            for number, index in enumerate(most_wrong(label, prediction, WRONG), start=1):
                name = f"wrong-{panel + 1}-{number}"
                image = str(table["image"].iloc[index])
                links[index] = f"#{name}"
                wrong.append(
                    {
                        "name": name,
                        "panel": title.replace("\n", " "),
                        "number": number,
                        "file": f"{row['run']}/on-{row['test_dataset']}.csv",
                        "image": image,
                        "label": float(label[index]),
                        "prediction": float(prediction[index]),
                        "jpeg": thumbnail(pack, image),
                    }
                )
        converged = row["logistic_status"] == "converged"
        logistic = tuple(row[name] for name in LOGISTIC) if converged else None
        numbers = label, prediction, agreement(row), logistic, links
        clouds.append(Scatter(title, row["label_kind"], *numbers))
    return draw_scatter(clouds, hidden), wrong


def thumbnail(pack: Pack, image: str) -> str:
    """A small JPEG of an image in a pack, in base64."""
    row = int(np.flatnonzero(pack.labels["image"] == image)[0])
    small = ImageOps.contain(Image.fromarray(pack.image(row)), (THUMBNAIL, THUMBNAIL))
    jpeg = io.BytesIO()
    small.save(jpeg, "JPEG", quality=80, optimize=True)
    return base64.b64encode(jpeg.getvalue()).decode()


def distortion_types(listed: str) -> Figure:
    """Correlations by distortion type within tests of all types.

    A run that several experiments share counts once.
    """
    runs = {
        (result["run"], result["test_dataset"]): result | {"experiment": ""}
        for result in read_results(listed)
    }
    table = not_selected_on_test(types_and_levels(list(runs.values())))
    table = table[(table["by"] == "distortion") & (table["distortion"] == "all")]
    settings = ["dataset", "test_dataset", "distortion", "method"]
    panels = table.drop_duplicates(settings)
    titles = style.titles(panels.assign(split="", seed=0))
    shown = panels[settings].assign(title=titles)[: style.PANELS]
    return curves.distortion_types(table.merge(shown, on=settings), len(panels) - len(shown))


def predictions(run: str, test_dataset: str) -> pd.DataFrame:
    """The predictions of one run on the test set of one dataset."""
    table = read_csv(Path(run) / f"on-{test_dataset}.csv", PREDICTIONS)
    return table[table["subset"] == "test"]


def labels(packs: dict[str, list[Pack]]) -> Figure:
    """The labels of each dataset."""
    shown = [several[0] for several in packs.values()]
    return curves.histograms(
        [
            curves.Histogram(
                pack.settings["title"], pack.settings["label_kind"], pack.labels["label"].to_numpy()
            )
            for pack in shown[: style.PANELS]
        ]
    )


def quality_maps(files: Sequence[str]) -> Figure:
    """The quality maps of the first networks."""
    galleries = [read_gallery(file) for file in files[:MAPPED]]
    return photographs.quality_maps(galleries, len(files) - len(galleries))


def examples(metrics: pd.DataFrame, packs: dict[str, list[Pack]]) -> Figure:
    """Images of each pack, with their label and, where there is one, a prediction."""
    albums = []
    first = [several[0] for several in packs.values()]
    for pack in first[: style.PANELS // 3]:
        dataset, kind = pack.settings["dataset"], pack.settings["label_kind"]
        predicted = predictions_of(metrics, dataset)
        images, label = pack.labels["image"].tolist(), pack.labels["label"].tolist()
        pictures = []
        for index in pack.examples:
            shown = pack.example(index)
            note = f"label {label[index]:.2f}\n{predicted.get(images[index], '')}"
            pictures.append(photographs.Example(shown.image, shown.label_map, note.rstrip()))
        title = f"{pack.settings['title']}, {pack.preparation.method}, label: {kind}"
        albums.append(photographs.ExampleSet(title, pictures))
    return photographs.examples(albums, len(first) - len(albums))


def by_dataset(packs: Sequence[str]) -> dict[str, list[str]]:
    """The packs of each dataset, in the order given."""
    groups: dict[str, list[str]] = {}
    for path in packs:
        with Pack(path) as pack:
            groups.setdefault(pack.settings["dataset"], []).append(path)
    return groups


def superpixels(packs: dict[str, list[Pack]]) -> Figure:
    """The best, a middling and the worst image of each dataset that several methods packed."""
    several = [alike for alike in packs.values() if len(alike) > 1]
    comparisons = []
    for alike in several[:COMPARED]:
        images: dict[int, np.ndarray] = {}
        label_maps: dict[int, dict[str, np.ndarray]] = {}
        for pack in alike:
            middle = len(pack.examples) // 2
            for index in dict.fromkeys(pack.examples[i] for i in (0, middle, -1)):
                shown = pack.example(index)
                images.setdefault(index, shown.image)
                maps = label_maps.setdefault(index, {})
                maps[pack.preparation.method] = shown.label_map
        rows = [
            photographs.SegmentedPhotograph(images[index], label_maps[index]) for index in images
        ]
        comparisons.append(photographs.Comparison(alike[0].settings["title"], rows))
    return photographs.superpixels(comparisons, len(several) - len(comparisons))


def predictions_of(metrics: pd.DataFrame, dataset: str) -> dict[str, str]:
    """Image -> prediction in words, of a network of the dataset itself if possible."""
    networks = (metrics["distortion"] == "all") & of_networks(metrics)
    rows = metrics[(metrics["test_dataset"] == dataset) & networks]
    own = rows["dataset"] == dataset
    words: dict[str, str] = {}
    for row in pd.concat([rows[own], rows[~own]]).to_dict("records"):
        origin = "" if row["dataset"] == dataset else f"\n(trained on {row['dataset']})"
        table = predictions(row["run"], dataset)
        for image, prediction in zip(table["image"], table["prediction"], strict=True):
            words.setdefault(image, f"predicted {prediction:z.2f}{origin}")
    return words
