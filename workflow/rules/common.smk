# Validated configuration, the table of runs, code fingerprints. No rules.

import json
import sys
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml

from dpam.configuration import validated
from dpam.datasets import default_root, find, is_present, missing_message
from dpam.datasets.state import folder_state
from dpam.errors import DpamError
from dpam.files import write_text
from dpam.fingerprint import code_fingerprint
from dpam.tables import BASELINES

# The one file that pip and conda both take their versions from is made into this environment.
ENVIRONMENT = Path(workflow.basedir) / "envs/dpam.yaml"


def stop(message):
    """End with a message for the user, without Snakemake's traceback through this file."""
    sys.exit(f"dpam: {message}")


SCHEMA = Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"
try:
    validated(config, SCHEMA)
    PAPER = validated(yaml.safe_load((Path(workflow.basedir) / "config.yaml").read_text()), SCHEMA)
except DpamError as error:
    stop(error)


class Score(NamedTuple):
    """One trained network on one dataset: a row of scores.csv."""

    experiment: str
    dataset: str
    part: str
    method: str
    split: str
    seed: int
    test_dataset: str

    @property
    def run(self):
        return (
            f"{config['pathvars']['results']}/runs/"
            f"{self.dataset}/{self.part}/{self.method}/{self.split}/seed{self.seed}"
        )

    @property
    def folders(self):
        """Where its predictions lie: held out and, of a network with a test part, as released.

        Without a test part that training sees both are the last epoch: it is tested once.
        """
        once = self.split == "whole" or not config["training"]["watch_test"]
        if once or self.method in BASELINES:
            return [self.run]
        return [self.run, f"{self.run}/released"]


def dataset_facts(name):
    """The dataset's facts, from the package or, for one of the user's own, the configuration."""
    try:
        return find(name, config["plain"].get(name))
    except DpamError as error:
        stop(error)


def check_parts(dataset, parts):
    """Stop if a part is no distortion type of the dataset; says which there are."""
    unknown = [part for part in parts if part not in ("all", *dataset.distortions)]
    if unknown:
        known = ", ".join(("all", *dataset.distortions))
        stop(f"{dataset.name} has no distortion type {', '.join(unknown)}; known are {known}")


def check_official(names):
    """Stop if a known dataset has no official split; one of the user's own may have one."""
    lacking = [name for name in names if name not in config["plain"]]
    lacking = [name for name in lacking if not dataset_facts(name).official]
    if lacking:
        stop(f"{', '.join(lacking)}: no official split; take split00 to split09 or authors")


def scores_of(block):
    """All rows that an experiment's block stands for."""
    for dataset, method, split, seed in product(
        block["datasets"],
        block["methods"] + block["baselines"],
        block["splits"],
        block["seeds"],
    ):
        every = block["parts"] == "every"
        targets = {
            "self": [dataset],
            "others": [other for other in block["datasets"] if other != dataset],
        }.get(str(block["test_on"]), block["test_on"])
        parts = block["parts"]
        if every:
            parts = dataset_facts(dataset).distortions
        elif dataset not in config["plain"]:
            check_parts(dataset_facts(dataset), parts)
        if split == "official":
            check_official([dataset, *targets])
        for part in parts:
            for target in targets:
                yield Score(block["name"], dataset, part, method, split, seed, target)


SCORES = list(dict.fromkeys(score for block in config["experiments"] for score in scores_of(block)))
PLANNED = len({(run, score.test_dataset) for score in SCORES for run in score.folders})
if config["finished_only"]:
    SCORES = [
        score
        for score in SCORES
        if all(Path(f"{run}/on-{score.test_dataset}.json").exists() for run in score.folders)
    ]
    if not SCORES:
        stop("finished_only: no test is finished yet")
NETWORKS = [score for score in SCORES if score.method not in BASELINES]
if unfit := {
    s.method for s in NETWORKS if (s.method == "none") != (config["model"]["network"] == "pooled")
}:
    stop(
        f"model.network {config['model']['network']}: it does not read packs of the method "
        f"{', '.join(sorted(unfit))}; pooled needs `methods: [none]`, and dpam needs superpixels"
    )
EXPERIMENTS = list(dict.fromkeys(score.experiment for score in SCORES))
DATASETS = {
    name: dataset_facts(name)
    for name in dict.fromkeys(
        name for score in SCORES for name in (score.dataset, score.test_dataset)
    )
}
MADE_HERE = [name for name in DATASETS if name.startswith("demo_")]


wildcard_constraints:
    dataset="|".join(DATASETS),
    test_dataset="|".join(DATASETS),
    made="|".join(MADE_HERE) or "none",
    part="[a-z0-9_]+",
    method="slic|rim|ainet|none",
    baseline="|".join(BASELINES),
    split=r"split\d\d|authors|official|whole",
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",
    chunk=r"\d+",


@cache
def check_present():
    """Stop if any dataset is missing; says so of all, and where to get them."""
    missing = [
        missing_message(dataset, root_of(name))
        for name, dataset in DATASETS.items()
        if name not in MADE_HERE and not is_present(dataset, root_of(name))
    ]
    if missing:
        stop("\n  - ".join(["datasets are missing:", *missing]))


def dataset_root(wildcards):
    """Folder of a dataset. Its time says nothing: `made` or `state` tells whether it changed."""
    check_present()
    return ancient(root_of(wildcards.dataset))


def made(wildcards):
    """A file that is new when a dataset was made anew here; nothing if it is not made here."""
    benchmarks = config["pathvars"]["benchmarks"]
    known = wildcards.dataset in MADE_HERE
    return f"{benchmarks}/make_demo_data/{wildcards.dataset}.tsv" if known else []


@cache
def root_of(name):
    """Where a dataset should lie."""
    homes = dataset_facts(name).homes
    return config["roots"].get(name) or default_root(config["data_root"], name, homes)


def state(wildcards):
    """What a look from outside tells of a dataset's files."""
    if wildcards.dataset in MADE_HERE:
        return "made by this workflow"
    data = Path(config["pathvars"]["results"]) / "data" / wildcards.dataset
    return f"files {folder_state(root_of(wildcards.dataset), data / 'inspections.json')}"


def as_json(*keys):
    """Values of the configuration as JSON: a single one bare, several as an object."""
    return json.dumps(config[keys[0]] if len(keys) == 1 else {key: config[key] for key in keys})


def own_dataset(wildcards):
    """Option that describes a dataset of the user's own, as JSON; nothing for known ones."""
    plain = config["plain"].get(wildcards.dataset)
    return ["--plain", json.dumps(plain)] if plain else []


def allowed_findings(wildcards):
    """Option with the findings that the configuration accepts; nothing if there are none."""
    allow = config["allow"].get(wildcards.dataset)
    return ["--allow", *allow] if allow else []


def superpixel_options(wildcards):
    """The options that packing with the superpixel method reads, and no other."""
    if wildcards.method == "none":
        return storage_options()
    own = "backend" if wildcards.method == "slic" else wildcards.method
    names = own, "statistics", "colour_profiles", "texture"
    values = {name.replace("_", "-"): config["superpixels"].get(name) for name in names}
    words = [word for name, value in values.items() if value for word in (f"--{name}", value)]
    if wildcards.method == "ainet" and config["superpixels"]["released_padding"]:
        words.append("--released-padding")
    return words + storage_options()


def storage_options():
    """The options that say how pixels are kept."""
    side = config["stored_side"]
    return ["--resize", config["resize"], *([] if side is None else ["--stored-side", side])]


def starts(wildcards):
    """The files that a training starts and learns from, beside the data."""
    files = config["model"]["start"], config["model"]["weights"], config["training"]["teacher"]
    return [file for file in files if file]


def superpixel_weights(wildcards):
    """The file of weights that the superpixel method needs, if it needs one."""
    if wildcards.method != "ainet":
        return []
    if config["superpixels"]["ainet"] is None:
        stop(
            "superpixel method ainet needs weights: name their file as superpixels.ainet, make one "
            "with `dpam train-ainet IMAGES --output FILE`, or take ainet out of `methods`"
        )
    return config["superpixels"]["ainet"]


def identity(wildcards):
    """What a score is the score of, as JSON."""
    return json.dumps({**wildcards, "seed": int(wildcards.seed)})


def fingerprint(stage):
    """Fingerprint of the code that a stage can reach."""
    return code_fingerprint(f"dpam.stages.{stage}")


def scores_table():
    """Which runs belong to which experiment, as CSV."""
    rows = [{**score._asdict(), "run": folder} for score in SCORES for folder in score.folders]
    return pd.DataFrame(rows).to_csv(index=False)


def paths_of_scores(ending):
    """Files beside each run: predictions (.csv) or numbers (.json) on each test dataset."""
    return list(
        dict.fromkeys(
            f"{folder}/on-{score.test_dataset}{ending}"
            for score in SCORES
            for folder in score.folders
        )
    )


def paths_of_runs(name):
    """A file of each trained network."""
    return list(dict.fromkeys(f"{score.run}/{name}" for score in NETWORKS))


def packs():
    """The packs of each dataset that networks are trained or tested on, for pictures of its images."""
    return list(
        dict.fromkeys(
            f"<results>/data/{name}/{score.method}.h5"
            for score in NETWORKS
            for name in (score.dataset, score.test_dataset)
        )
    )


def paths_of_maps():
    """Quality maps of one network on each tested dataset: its own, with its first split, if any.

    The network pooled has none.
    """
    if config["model"]["network"] == "pooled":
        return []
    candidates = [score for score in NETWORKS if score.part == "all"]
    candidates.sort(key=lambda score: score.dataset != score.test_dataset)
    first = {score.test_dataset: score for score in reversed(candidates)}
    return [f"{score.run}/maps-on-{name}.npz" for name, score in sorted(first.items())]


def benchmarks_of_runs():
    """Time and memory of every training run."""
    return list(
        dict.fromkeys(
            f"<benchmarks>/train/{score.dataset}-{score.part}-{score.method}-{score.split}"
            f"-seed{score.seed}.tsv"
            for score in NETWORKS
        )
    )


def paths(output):
    """Another rule's outputs as mere paths.

    Beside thousands of inputs, Snakemake takes quadratic time for the outputs themselves.
    """
    return [str(path) for path in output]


def captioned(path, category):
    """An output that `snakemake --report` shows, with the caption of its name."""
    path = Path(path)
    return report(
        f"<results>/{path}",
        caption=Path(workflow.basedir) / f"workflow/report/{path.stem}.rst",
        category=category,
        labels={"name": path.stem.replace("_", " "), "file": path.suffix[1:].upper()},
    )


def figures():
    """The figures of `dpam plot`, as SVG for the page and as PDF for papers."""
    captions = (Path(workflow.basedir) / "workflow/report").glob("*.rst")
    names = sorted({path.stem for path in captions} - {"index", "workflow"})
    return [
        captioned(f"figures/{name}.{ending}", "Figures")
        for name in names
        for ending in ("svg", "pdf")
    ]
