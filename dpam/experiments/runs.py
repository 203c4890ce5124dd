"""The runs that a configuration asks for, and what is wrong with it, found before the first job.

A run trains one network or baseline and tests it on one dataset. `config` is everywhere a
configuration as `dpam.experiments.configuration.validate` returns it.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from dpam.datasets import DATASETS, MADE_HERE, Dataset, default_root, find, missing_files
from dpam.datasets.custom import with_labels
from dpam.errors import DpamError, listed
from dpam.evaluation.methods import BASE, ENSEMBLE, is_network, method_of, parts_of
from dpam.experiments.settings import JUDGE
from dpam.experiments.variants import config_of, wrong_variants

# Folders below the results that the workflow writes; nothing of the user's may lie there.
WRITTEN = ("data", "runs", "tables", "figures", "report", "photographs", "datasets")
LEAST_GRID = 4  # patches along a side of the network's input
# Blocks of the backbones that are used most.
DEPTHS = {"vit_base_patch8_224": 12, "vit_small_patch14_dinov2": 12, "test_vit": 6}


class Run(NamedTuple):
    """One trained network, baseline or ensemble on one dataset: a row of runs.csv.

    An ensemble's seed is that of all of its networks, as 20+21+22.
    """

    experiment: str
    dataset: str
    distortion: str
    method: str
    split: str
    seed: int | str
    test_dataset: str

    @property
    def is_network(self) -> bool:
        """Whether a network is trained for it; baselines and ensembles have none of their own."""
        return is_network(self.method)

    def folder(self, config: Mapping[str, Any]) -> str:
        """Where what was trained lies."""
        results = config["pathvars"]["results"]
        where = f"{self.dataset}/{self.distortion}/{self.method}/{self.split}/seed{self.seed}"
        return f"{results}/runs/{where}"

    def folders(self, config: Mapping[str, Any]) -> list[str]:
        """Where predictions lie: of the epoch selected on validation, of that selected on test.

        Without a test set that training sees both are the last epoch: it is tested once.
        """
        folder = self.folder(config)
        training = config_of(config, parts_of(self.method)[1])["training"]
        once = self.split == "whole" or not training["watch_test"]
        if once or not self.is_network:
            return [folder]
        return [folder, f"{folder}/test_selected"]


def root_of(config: Mapping[str, Any], name: str) -> str:
    """Where a dataset should lie; the demonstration's are made below the results."""
    if name in config["roots"]:
        return str(config["roots"][name])
    if name in MADE_HERE:
        return f"{config['pathvars']['results']}/datasets/{name}"
    homes = DATASETS[name].homes if name in DATASETS else ()
    return default_root(config["data_root"], name, homes)


def is_made_here(config: Mapping[str, Any], name: str) -> bool:
    """Whether the workflow makes a dataset itself."""
    return name in MADE_HERE and name not in config["roots"]


def facts_of(config: Mapping[str, Any], name: str) -> Dataset:
    """A dataset's facts, from the package or, for one of the user's own, the configuration.

    Raises:
        DpamError: no dataset has that name, or its settings are wrong.
    """
    return find(name, config["custom"].get(name))


def runs_of(config: Mapping[str, Any]) -> list[Run]:
    """All runs, in the order of the experiments.

    Raises:
        DpamError: something in the configuration asks for what there is not, or would end in an
            error hours later; all of it is listed.
    """
    runs: dict[Run, None] = {}
    problems = dict.fromkeys([*wrong_settings(config), *wrong_variants(config)])
    for name in config["variants"]:
        new = [line for line in wrong_settings(config_of(config, name)) if line not in problems]
        problems |= dict.fromkeys(f"variants.{name}: {line}" for line in new)
    for block in config["experiments"]:
        where = f"experiment {block['name']}"
        try:
            datasets = {name: facts_of(config, name) for name in datasets_of(block)}
            lines = list(wrong_in_block(config, block, datasets))
        except DpamError as error:
            lines = [str(error)]
        problems |= dict.fromkeys(f"{where}: {line}" for line in lines)
        if not lines:
            runs |= dict.fromkeys(runs_of_block(config, block, datasets))
    if problems:
        raise listed("the configuration asks for what cannot be", list(problems))
    return list(runs)


def datasets_of(block: Mapping[str, Any]) -> list[str]:
    """The datasets that an experiment names."""
    targets = [] if isinstance(block["test_on"], str) else block["test_on"]
    return list(dict.fromkeys([*block["datasets"], *targets]))


def targets_of(block: Mapping[str, Any], dataset: str) -> list[str]:
    """What a network of a dataset is tested on."""
    others = [other for other in block["datasets"] if other != dataset]
    known: dict[str, list[str]] = {"self": [dataset], "others": others}
    return known[block["test_on"]] if isinstance(block["test_on"], str) else block["test_on"]


def runs_of_block(
    config: Mapping[str, Any], block: Mapping[str, Any], datasets: Mapping[str, Dataset]
) -> Iterator[Run]:
    """The runs that an experiment stands for."""
    methods = [
        method_of(name, variant) for name, variant in product(block["methods"], block["variants"])
    ]
    seeds = block["seeds"]
    known: list[tuple[str, list[Any]]] = []
    for method in methods:
        known.append((method, seeds))
        if len(seeds) > 1:
            known.append((f"{method}{ENSEMBLE}", ["+".join(map(str, seeds))]))
    known += [(name, seeds) for name in block["baselines"]]
    for dataset, (method, several), split in product(block["datasets"], known, block["splits"]):
        distortions = distortions_of(config, block, datasets[dataset])
        targets = targets_of(block, dataset)
        for seed, distortion, target in product(several, distortions, targets):
            yield Run(block["name"], dataset, distortion, method, split, seed, target)


def distortions_of(
    config: Mapping[str, Any], block: Mapping[str, Any], dataset: Dataset
) -> Sequence[str]:
    """The distortion types, or `all`, that an experiment trains on one by one."""
    if block["distortions"] != "every":
        return list(block["distortions"])
    return with_distortions(config, dataset).distortions


def with_distortions(config: Mapping[str, Any], dataset: Dataset) -> Dataset:
    """The dataset; one of the user's own with what its labels say, if they are here."""
    root = Path(root_of(config, dataset.name))
    if dataset.name not in config["custom"] or missing_files(dataset, root):
        return dataset
    return with_labels(dataset, root)


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
    for name in block["datasets"]:
        targets = targets_of(block, name)
        if not targets:
            yield f"test_on: others, but {name} is its only dataset; name what to test on"
        if "whole" in block["splits"] and name in targets:
            yield (
                f"splits: whole, tested on {name} itself: it has no test set, all images train; "
                "take split00, or test on others"
            )
        if block["distortions"] != ["all"]:
            yield from wrong_distortions(config, block["distortions"], datasets[name])
        if "official" in block["splits"]:
            for target in dict.fromkeys([name, *targets]):
                yield from wrong_official(config, facts_of(config, target))


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
    for name in block["datasets"]:
        if reads_in_full(config) and datasets[name].network_input == "crop":
            yield (
                f"training.crop, training.degraded: expected whole images, of {name} the network "
                "reads crops; set both to 0"
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
            "superpixels.backend: opencv is not installed; pip install 'dpam-iqa[opencv]', or take "
            "numba or scikit-image"
        )
    for key in ("weights", "start"):
        file = config["model"][key]
        if file and (key, file) != ("start", JUDGE) and not Path(file).is_file():
            yield f"model.{key}: {file}: no such file"
    results = Path(os.path.abspath(config["pathvars"]["results"]))
    if Path.cwd().is_relative_to(results):
        yield f"pathvars.results: {config['pathvars']['results']}: name a folder of its own"
    for place in config["scoring"]["photographs"]:
        if Path(os.path.abspath(place)).is_relative_to(results / "photographs"):
            yield (
                f"scoring.photographs: {place} lies where the workflow writes, its files would be "
                "replaced; move it, and name the place"
            )
    for name in dict.fromkeys(
        name for block in config["experiments"] for name in datasets_of(block)
    ):
        root = Path(os.path.abspath(root_of(config, name)))
        inside = any(root.is_relative_to(results / folder) for folder in WRITTEN)
        if inside and not is_made_here(config, name):
            yield (
                f"{name}: {root_of(config, name)} lies where the workflow writes, its files would "
                "be replaced; move it, and name the place as data_root or under roots"
            )


def refuse_impossible_backbone(config: Mapping[str, Any]) -> None:
    """Raise a DpamError if a backbone is not there, or has not the blocks to be read.

    A training would say so, after the packing. Backbones are built, without weights, but for those
    of DEPTHS whose blocks are there: timm and PyTorch take six seconds to import.
    """
    for variant in (BASE, *config["variants"]):
        changed = config_of(config, variant)
        name, blocks = changed["model"]["backbone"], changed["model"]["out_indices"]
        there = range(DEPTHS.get(name, 0))
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
