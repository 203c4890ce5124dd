"""The runs that a configuration asks for; workflow/rules/common.smk writes their table, runs.csv.

A run trains one network or baseline and tests it on one dataset. `config` is everywhere a
configuration as `dpam.experiments.configuration.validate` returns it.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from dpam.datasets import Dataset
from dpam.errors import DpamError, error_of_many
from dpam.evaluation.methods import ENSEMBLE, is_network, method_of, parts_of
from dpam.experiments.checks import wrong_in_block, wrong_settings
from dpam.experiments.places import (
    datasets_of,
    distortions_of,
    facts_of,
    targets_of,
    trained_on,
)
from dpam.experiments.variants import config_of, wrong_variants


class Run(NamedTuple):
    """One trained network, baseline or ensemble on one dataset: a row of runs.csv.

    An ensemble's seed is that of all of its networks, as 20+21+22; a union's dataset that of all of
    its datasets, as koniq10k+spaq.
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


def runs_of(config: Mapping[str, Any], checked: bool = False) -> list[Run]:
    """All runs, in the order of the experiments.

    Args:
        config: the configuration.
        checked: whether what is wrong with it was looked for before, as by the process that starts
            the jobs of a workflow: to look takes seconds where one's own datasets are large.

    Raises:
        DpamError: something in the configuration asks for what there is not, or would end in an
            error hours later; all of it is listed.
    """
    runs: dict[Run, None] = {}
    problems: dict[str, None] = {}
    if not checked:
        problems |= dict.fromkeys([*wrong_settings(config), *wrong_variants(config)])
        for name in config["variants"]:
            new = [line for line in wrong_settings(config_of(config, name)) if line not in problems]
            problems |= dict.fromkeys(f"variants.{name}: {line}" for line in new)
    for block in config["experiments"]:
        where = f"experiment {block['name']}"
        try:
            datasets = {name: facts_of(config, name) for name in datasets_of(block)}
            lines = [] if checked else list(wrong_in_block(config, block, datasets))
        except DpamError as error:
            lines = [str(error)]
        problems |= dict.fromkeys(f"{where}: {line}" for line in lines)
        if not lines:
            runs |= dict.fromkeys(runs_of_block(config, block, datasets))
    if problems:
        raise error_of_many("the configuration asks for what cannot be", list(problems))
    return list(runs)


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
    for dataset, (method, several), split in product(trained_on(block), known, block["splits"]):
        union = "train_on" in block
        distortions = ["all"] if union else distortions_of(config, block, datasets[dataset])
        targets = targets_of(block, dataset)
        for seed, distortion, target in product(several, distortions, targets):
            yield Run(block["name"], dataset, distortion, method, split, seed, target)
