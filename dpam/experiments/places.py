"""What a configuration says of datasets: where they lie, what they are, what is tested on them.

`config` is everywhere a configuration as `dpam.experiments.configuration.validate` returns it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dpam.datasets import DATASETS, MADE_HERE, Dataset, default_root, find, missing_files
from dpam.datasets.custom import with_labels
from dpam.evaluation.unions import members_of, union_of


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


def trained_on(block: Mapping[str, Any]) -> list[str]:
    """What an experiment trains networks on: datasets, each by itself, or the union of several."""
    return [union_of(block["train_on"])] if "train_on" in block else block["datasets"]


def datasets_of(block: Mapping[str, Any]) -> list[str]:
    """The datasets that an experiment names."""
    targets = [] if isinstance(block["test_on"], str) else block["test_on"]
    return list(dict.fromkeys([*block.get("train_on", block["datasets"]), *targets]))


def targets_of(block: Mapping[str, Any], dataset: str) -> list[str]:
    """What a network of a dataset, or of a union, is tested on."""
    others = [other for other in trained_on(block) if other != dataset]
    known: dict[str, list[str]] = {"self": members_of(dataset), "others": others}
    return known[block["test_on"]] if isinstance(block["test_on"], str) else block["test_on"]


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
