"""What is wrong with a configuration, or would fail hours later: found before the first job.

`config` is everywhere a configuration as `dpam.experiments.configuration.validate` returns it.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from dpam.datasets import DATASETS, Dataset, missing_files
from dpam.datasets.splits import FEWEST_TO_DRAW, draw, scenes
from dpam.errors import DpamError
from dpam.evaluation.methods import BASE
from dpam.evaluation.unions import dataset_name, is_own, members_of, union_of
from dpam.experiments.places import (
    datasets_of,
    distortions_of,
    facts_of,
    is_made_here,
    root_of,
    targets_of,
    trained_on,
    with_distortions,
)
from dpam.experiments.settings import JUDGE
from dpam.experiments.variants import config_of
from dpam.model.shapes import SHAPES
from dpam.utils.files import lies_in

# Folders below the results that the workflow writes; nothing of the user's may lie there.
WRITTEN = ("data", "runs", "tables", "figures", "report", "photographs", "datasets")
# Tables that the workflow writes beside those of experiments, and what ends further ones of these.
TABLES = ("metrics", "types_and_levels", "significance", "planned", "estimate")
LAYOUTS = ("_paper", "_variants")
LEAST_GRID = 4  # patches along a side of the network's input


def wrong_in_block(
    config: Mapping[str, Any], block: Mapping[str, Any], datasets: Mapping[str, Dataset]
) -> Iterator[str]:
    """What is wrong with an experiment, a line each."""
    unknown = [name for name in block["variants"] if name not in (BASE, *config["variants"])]
    if unknown:
        known = ", ".join([BASE, *config["variants"]])
        yield f"variants: there is no {', '.join(unknown)}; known are {known}"
    for variant in block["variants"]:
        if variant not in unknown:
            where = "" if variant == BASE else f"variant {variant}: "
            for line in unfit(config_of(config, variant), block, datasets):
                yield f"{where}{line}"
    if "train_on" in block:
        yield from wrong_union(config, block)
    elif block["baselines"] and config["labels"]["scaling"] == "faithful":
        yield (
            "baselines: labels.scaling: faithful stretches labels of networks alone, so RMSE would "
            "not compare; take declared, or leave `baselines` out"
        )
    for name in trained_on(block):
        targets = targets_of(block, name)
        if not targets:
            yield f"test_on: others, but {name} is its only dataset; name what to test on"
        if "whole" in block["splits"] and (own := [t for t in targets if is_own(name, t)]):
            yield (
                f"splits: whole, tested on {own[0]} itself: it has no test set, all images train; "
                "take split00, or test on others"
            )
        if "train_on" not in block and block["distortions"] != ["all"]:
            yield from wrong_distortions(config, block["distortions"], datasets[name])
        if "official" in block["splits"]:
            for target in dict.fromkeys([*members_of(name), *targets]):
                yield from wrong_official(config, facts_of(config, target))


def wrong_union(config: Mapping[str, Any], block: Mapping[str, Any]) -> Iterator[str]:
    """What an experiment asks for that is not to be had of one network of several datasets."""
    if block["distortions"] != ["all"]:
        yield "distortions: with train_on, networks learn all images; leave `distortions` out"
    if block["baselines"]:
        yield "baselines: they learn one dataset; name them in a block with `datasets`"
    if config["labels"]["scaling"] == "faithful":
        yield "labels.scaling: faithful, as released, is of one dataset; train_on needs declared"


def unfit(
    config: Mapping[str, Any], block: Mapping[str, Any], datasets: Mapping[str, Dataset]
) -> Iterator[str]:
    """Settings, of a variant, that do not fit an experiment's methods and datasets, a line each."""
    network = config["model"]["network"]
    methods = [name for name in block["methods"] if (name == "none") != (network == "pooled")]
    if methods:
        yield (
            f"model.network {network}: it does not read packs of the method {', '.join(methods)}; "
            "pooled needs `methods: [none]`, and dpam needs superpixels"
        )
    if "train_on" in block and config["training"]["teacher"]:
        yield "training.teacher: it knows one scale of labels, train_on has one of each dataset"
    for name in block.get("train_on", block["datasets"]):
        if reads_in_full(config) and datasets[name].network_input == "crop":
            yield (
                f"training.crop, training.degraded: expected whole images, of {name} the network "
                "reads crops; set both to 0"
            )
    for name in trained_on(block):
        yield from wrong_batch(config, block, [datasets[each] for each in members_of(name)])


def wrong_batch(
    config: Mapping[str, Any], block: Mapping[str, Any], datasets: Sequence[Dataset]
) -> Iterator[str]:
    """Drawn splits of the user's own datasets that leave one network too few images for a batch.

    Near-duplicates, which may move an image to another subset, are not known yet; they may send
    all that is drawn for the validation set of `authors` back to training.
    """
    tables = []
    for dataset in datasets:
        root = Path(root_of(config, dataset.name))
        if dataset.name not in config["custom"] or missing_files(dataset, root):
            return
        labels = dataset.read_labels(root).assign(official="")
        if scenes(labels).nunique() < FEWEST_TO_DRAW:
            return  # which drawing says
        none = pd.DataFrame(columns=["image", "other"], dtype=str)
        settings = config["splits"]
        splits = draw(labels, none, settings["seed"], validation=settings["validation"])
        tables.append(splits.assign(distortion=labels["distortion"]))
    images = pd.concat(tables)
    size = config["training"]["batch_size"]
    name = dataset_name(union_of(dataset.name for dataset in datasets))
    drawn = [split for split in block["splits"] if split in images]
    for split, distortion in product(drawn, distortions_of(config, block, datasets[0])):
        chosen = (images["distortion"] == distortion) | (distortion == "all")
        learning = ["train", "validation"] if split == "authors" else ["train"]
        left = int((chosen & images[split].isin(learning)).sum())
        if chosen.any() and left < size:
            of_type = "" if distortion == "all" else f" of type {distortion}"
            yield (
                f"training.batch_size: {size}, but {split} of {name} leaves {left} "
                f"image{'s' * (left != 1)}{of_type} to learn from; "
                f"{'lower it' if left else 'take other splits'}"
            )


def wrong_distortions(
    config: Mapping[str, Any], distortions: str | Sequence[str], dataset: Dataset
) -> Iterator[str]:
    """What is wrong with the distortion types that are to be trained on."""
    own = dataset.name in config["custom"]
    if own and missing_files(dataset, Path(root_of(config, dataset.name))):
        if distortions == "every":
            yield (
                f"distortions: every, but the labels of {dataset.name} are not here to say which "
                f"types there are; unpack it in {root_of(config, dataset.name)}, or name the types"
            )
        return
    known = with_distortions(config, dataset).distortions
    source = "its labels name" if own else "it has"
    if distortions == "every":
        if not known:
            yield f"distortions: every, but {dataset.name} has none; leave `distortions` out"
        lower = [name.lower() for name in known]
        alike = [name for name in known if lower.count(name.lower()) > 1]
        if alike:
            yield f"{dataset.name}: distortion types that differ only by case: {', '.join(alike)}"
    else:
        unknown = [name for name in distortions if name not in ("all", *known)]
        if unknown:
            yield (
                f"{dataset.name} has no distortion type {', '.join(unknown)}; {source} "
                f"{', '.join(known) or 'none'}"
            )


def wrong_official(config: Mapping[str, Any], dataset: Dataset) -> Iterator[str]:
    """What is wrong with the split that a dataset is to have of its own."""
    advice = "take split00 to split09 or authors"
    root = Path(root_of(config, dataset.name))
    if not dataset.official and dataset.name not in config["custom"]:
        yield f"{dataset.name}: no official split; {advice}"
    elif not missing_files(dataset, root):
        subsets = dataset.read_labels(root)["official"]
        lack = [name for name in ("train", "test") if name not in set(subsets)]
        if (subsets == "").all():
            yield f"{dataset.name}: its labels ({root}) have no official split; {advice}"
        elif lack:
            yield f"{dataset.name}: its official split has no {' and '.join(lack)} set; {advice}"


def wrong_settings(config: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the configuration beside the experiments, a line each."""
    for key in ("roots", "allow"):
        for name in config[key]:
            if name not in DATASETS and name not in config["custom"]:
                known = ", ".join([*DATASETS, *config["custom"]])
                yield f"{key}.{name}: no such dataset; known are {known}"
    size, patch = config["image_size"], patch_of(config["model"]["backbone"])
    if patch and (size % patch or size // patch < LEAST_GRID):
        low = size - size % patch
        near = [side for side in (low, low + patch) if side >= LEAST_GRID * patch]
        yield (
            f"image_size: expected a multiple of {patch}, the patches of "
            f"{config['model']['backbone']}, at least {LEAST_GRID * patch}; found {size}; take "
            f"{' or '.join(map(str, near or [LEAST_GRID * patch]))}"
        )
    if reads_in_full(config) and config["stored_side"] is None:
        yield (
            "training.crop, training.degraded: expected packs that keep images larger than what "
            "the network reads; set stored_side, or both to 0"
        )
    slic = any("slic" in block["methods"] for block in config["experiments"])
    if slic and config["superpixels"]["backend"] == "opencv" and not find_spec("cv2"):
        yield (
            "superpixels.backend: opencv is not installed; pip install '.[opencv]', or take "
            "numba or scikit-image"
        )
    yield from wrong_files(config)
    names = list(dict.fromkeys(block["name"] for block in config["experiments"]))
    taken = {*TABLES, *(f"{name}{layout}" for name in names for layout in LAYOUTS)}
    for name in names:
        if name in taken:
            yield f"experiments: {name}: another table has that name; take another for yours"
    results = Path(config["pathvars"]["results"])
    for key, place in config["pathvars"].items():
        if lies_in(".", place):
            yield f"pathvars.{key}: {place}: name a folder of its own"
    for place in config["scoring"]["photographs"]:
        if lies_in(place, results / "photographs"):
            yield (
                f"scoring.photographs: {place} lies where the workflow writes, its files would be "
                "replaced; move it, and name the place"
            )
    for name in dict.fromkeys(
        name for block in config["experiments"] for name in datasets_of(block)
    ):
        inside = any(lies_in(root_of(config, name), results / folder) for folder in WRITTEN)
        if inside and not is_made_here(config, name):
            yield (
                f"{name}: {root_of(config, name)} lies where the workflow writes, its files would "
                "be replaced; move it, and name the place as data_root or under roots"
            )


def wrong_files(config: Mapping[str, Any]) -> Iterator[str]:
    """Files and folders that are not there or that Snakemake cannot take, a line each."""
    roots = {f"roots.{name}": [place] for name, place in config["roots"].items()}
    for key, places in ({"data_root": [config["data_root"]]} | roots | read_files(config)).items():
        if odd := [place for place in places if place and {"{", "}"} & set(place)]:
            yield f"{key}: {odd[0]}: Snakemake takes braces for wildcards; rename it, or link to it"
    for key, files in read_files(config).items():
        for file in files:
            if file and (key, file) != ("model.start", JUDGE) and not os.path.exists(file):
                yield f"{key}: {file}: no such file"


def read_files(config: Mapping[str, Any]) -> dict[str, list[str | None]]:
    """The files that the configuration names, beside the datasets, by the key that names them.

    Where what is made of one is there, Snakemake does not miss it: nothing would be done, or said.
    """
    return {
        **{f"model.{key}": [config["model"][key]] for key in ("weights", "start")},
        "training.teacher": [config["training"]["teacher"]],
        "superpixels.ainet": [config["superpixels"]["ainet"]],
        "scoring.checkpoint": [config["scoring"]["checkpoint"]],
        "scoring.photographs": config["scoring"]["photographs"],
    }


def refuse_impossible_backbone(config: Mapping[str, Any]) -> None:
    """Raise a DpamError if a backbone is not there, or has not the blocks to be read.

    A training would say so, after the packing. Backbones are built, without weights, but for those
    of SHAPES whose blocks are there: timm and PyTorch take six seconds to import.
    """
    for variant in (BASE, *config["variants"]):
        changed = config_of(config, variant)
        name, blocks = changed["model"]["backbone"], changed["model"]["out_indices"]
        there = range(SHAPES[name].depth if name in SHAPES else 0)
        if there and (blocks is None or blocks == sorted(set(blocks) & set(there))):
            continue
        import torch

        from dpam.model.backbone import Backbone

        try:
            with torch.device("meta"):
                Backbone(name, False, changed["image_size"], blocks, None)
        except DpamError as error:
            where = "model" if variant == BASE else f"variants.{variant}: model"
            raise DpamError(f"{where}: {error}") from error


def reads_in_full(config: Mapping[str, Any]) -> bool:
    """Whether training reads whole images in the size in which packs keep them."""
    return bool(config["training"]["crop"] or config["training"]["degraded"])


def patch_of(backbone: str) -> int | None:
    """Side of a Vision Transformer's patches in pixels, by its name; None: the name tells not."""
    found = re.search(r"_patch(\d+)", backbone)
    if found:
        return int(found[1])
    return 16 if backbone.startswith("test_vit") else None
