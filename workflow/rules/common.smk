# Validated configuration, the table of runs, code fingerprints. No rules.

import json
import re
import sys
from functools import cache
from pathlib import Path

import pandas as pd
import yaml
from snakemake.utils import update_config

from dpam.experiments import checks, places
from dpam.experiments.configuration import validate
from dpam.datasets import is_present, missing_message
from dpam.datasets.state import folder_state
from dpam.errors import DpamError
from dpam.utils.files import write_text
from dpam.utils.reading import read_yaml
from dpam.experiments.settings import JUDGE
from dpam.experiments.variants import config_of, pack_of, packing_options
from dpam.inference.judge import judge_file
from dpam.superpixels.methods import NAMES
from dpam.experiments.fingerprint import code_fingerprint, find_edits, remember
from dpam.experiments.places import facts_of, is_made_here
from dpam.experiments.runs import runs_of
from dpam.evaluation.baselines import BASELINES
from dpam.evaluation.methods import BASE, parts_of
from dpam.evaluation.unions import members_of

# The one file that pip and conda both take their versions from is made into this environment.
ENVIRONMENT = Path(workflow.basedir) / "envs/dpam.yaml"


def stop(message):
    """End with a message for the user, without Snakemake's traceback through this file."""
    sys.exit(f"dpam: {message}")


def is_finished(run):
    """Whether all is there that tables, figures and report read of a run's test."""
    data = Path(config["pathvars"]["results"]) / "data"
    datasets = [*members_of(run.dataset), run.test_dataset]
    files = [
        Path(folder, f"on-{run.test_dataset}{ending}")
        for folder in run.folders(config)
        for ending in (".csv", ".json")
    ]
    files += [data / name / table for name in datasets for table in ("verified.json", "splits.csv")]
    if run.is_network:
        files += [Path(run.folder(config), name) for name in ("model.safetensors", "history.csv")]
        files += [data / name / f"{pack_of(config, run.method)}.h5" for name in datasets]
        files.append(Path(benchmark_of(run)))
    return all(file.exists() for file in files)


def benchmark_of(run):
    """Time and memory of a training run."""
    name = f"{run.dataset}-{run.distortion}-{run.method}-{run.split}-seed{run.seed}"
    return f"{config['pathvars']['benchmarks']}/train/{name}.tsv"


SCHEMA = Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"
try:
    for file in workflow.configfiles if workflow.is_main_process else ():
        read_yaml(file)  # which refuses what Snakemake's reader passes over
    validate(config, SCHEMA)
    # The released code's experiment, to compare with: as `--configfile` overlays it.
    AS_RELEASED = {}
    for file in ("config.yaml", "workflow/presets/as_released.yaml"):
        update_config(AS_RELEASED, read_yaml(Path(workflow.basedir) / file))
    validate(AS_RELEASED, SCHEMA)
    # Jobs need not look again for what is wrong.
    RUNS = runs_of(config, checked=not workflow.is_main_process)
    if workflow.is_main_process:
        checks.refuse_impossible_backbone(config)
except DpamError as error:
    stop(error)
PLANNED = len({(folder, run.test_dataset) for run in RUNS for folder in run.folders(config)})
if config["finished_only"]:
    RUNS = [run for run in RUNS if is_finished(run)]
    if not RUNS:
        stop("finished_only: no test is finished yet")
NETWORKS = [run for run in RUNS if run.is_network]
EXPERIMENTS = list(dict.fromkeys(run.experiment for run in RUNS))
VARIED = list(dict.fromkeys(run.experiment for run in NETWORKS if parts_of(run.method)[1] != BASE))
DATASETS = {
    name: facts_of(config, name)
    for name in dict.fromkeys(
        name for run in RUNS for name in (*members_of(run.dataset), run.test_dataset)
    )
}
UNIONS = list(dict.fromkeys(run.dataset for run in RUNS if run.dataset not in DATASETS))
MADE = [name for name in DATASETS if is_made_here(config, name)]


wildcard_constraints:
    dataset="|".join(map(re.escape, [*UNIONS, *DATASETS])),
    test_dataset="|".join(DATASETS),
    made="|".join(MADE) or "none",
    distortion=r"\w[\w.-]*",
    method=rf"({'|'.join(NAMES)})(\+({'|'.join(config['variants']) or 'none'}))?",
    baseline="|".join(BASELINES),
    split=r"split\d\d|authors|official|whole",
    seed=r"\d+",
    seeds=r"\d+(\+\d+)+",
    shard=r"\d+",
    shards=r"\d+",
    chunk=r"\d+",


@cache
def check_present():
    """Stop if any dataset is missing; says so of all, and where to get them."""
    try:
        missing = [
            missing_message(dataset, root_of(name))
            for name, dataset in DATASETS.items()
            if name not in MADE and not is_present(dataset, root_of(name))
        ]
    except DpamError as error:  # a folder that may not be read
        stop(error)
    if missing:
        stop("\n  - ".join(["datasets are missing:", *missing]))


def dataset_root(wildcards):
    """Folder of a dataset. Its time says nothing: `made` or `state` tells whether it changed."""
    check_present()
    return ancient(root_of(wildcards.dataset))


def made(wildcards):
    """A file that is new when a dataset was made anew here; nothing if it is not made here."""
    benchmarks = config["pathvars"]["benchmarks"]
    known = wildcards.dataset in MADE
    return f"{benchmarks}/make_demo_data/{wildcards.dataset}.tsv" if known else []


@cache
def root_of(name):
    """Where a dataset should lie."""
    return places.root_of(config, name)


def state(wildcards):
    """What a look from outside tells of a dataset's files."""
    if wildcards.dataset in MADE:
        return "made by this workflow"
    data = Path(config["pathvars"]["results"]) / "data" / wildcards.dataset
    return f"files {folder_state(root_of(wildcards.dataset), data / 'inspections.json')}"


def as_json(key):
    """A value of the configuration, as JSON."""
    return json.dumps(config[key])


def as_yaml(settings):
    """A whole configuration as YAML, by name of its keys."""
    return yaml.safe_dump(settings, allow_unicode=True)


def training_settings(wildcards):
    """The settings of a network and its training, as `dpam train --set` reads them."""
    settings = settings_of(wildcards.method)
    return [f"{name}={json.dumps(settings[name])}" for name in ("model", "training")]


def own_dataset(wildcards):
    """Option that describes a dataset of the user's own, as JSON; nothing for known ones."""
    custom = config["custom"].get(wildcards.dataset)
    return ["--custom", json.dumps(custom)] if custom else []


def allowed_findings(wildcards):
    """Option with the findings that the configuration accepts; nothing if there are none."""
    allow = config["allow"].get(wildcards.dataset)
    return ["--allow", *allow] if allow else []


@cache
def settings_of(method):
    """The configuration of the variant that a method's name ends with."""
    return config_of(config, parts_of(method)[1])


def superpixels_of(wildcards):
    """The superpixels of a method."""
    return parts_of(wildcards.method)[0]


def setting(key):
    """A key of the configuration, as the variant of a job has it."""
    return lambda wildcards: settings_of(wildcards.method)[key]


def pack(dataset):
    """The pack of a dataset, `dataset` or `test_dataset`, that a job's network reads; or several."""

    def paths(wildcards):
        return [pack_file(name, wildcards.method) for name in members_of(wildcards[dataset])]

    return paths


def of_each(name):
    """A file of a job's dataset, or of each of several."""
    return lambda wildcards: [
        f"<results>/data/{each}/{name}" for each in members_of(wildcards.dataset)
    ]


def pack_file(dataset, method):
    """The pack of a dataset that the networks of a method read."""
    return f"<results>/data/{dataset}/{pack_of(config, method)}.h5"


def options_of_pack(wildcards):
    """The options that say how the pack of a method is made."""
    return packing_options(config, wildcards.method)


def the_judge():
    """The weights that come with the package.

    From here, where they lie below: to Snakemake, a copied or moved repository has the same file.
    """
    try:
        file, here = judge_file(), Path.cwd()
        return str(file.relative_to(here) if file.is_relative_to(here) else file)
    except DpamError as error:
        stop(error)


def starts(wildcards):
    """The files that a training starts and learns from, beside the data."""
    settings = settings_of(wildcards.method)
    files = settings["model"]["weights"], settings["training"]["teacher"]
    return [file for file in (start_of(settings), *files) if file]


def start_of(settings):
    """The file of the network that a training starts from; None if there is none."""
    start = settings["model"]["start"]
    return the_judge() if start == JUDGE else start


def backbone():
    """What the backbone is before anything is trained here, as `dpam extract-vit --model`."""
    model = {key: config["model"][key] for key in ("backbone", "pretrained", "out_indices")}
    return model | {"weights": start_of(config) or config["model"]["weights"]}


def superpixel_weights(wildcards):
    """The file of weights that the superpixel method needs, if it needs one."""
    if superpixels_of(wildcards) != "ainet":
        return []
    weights = settings_of(wildcards.method)["superpixels"]["ainet"]
    if weights is None:
        stop(
            "superpixel method ainet needs weights: name their file as superpixels.ainet, make one "
            "with `dpam train-ainet IMAGES --output FILE`, or take ainet out of `methods`"
        )
    return weights


def features(dataset, baseline):
    """The features of a dataset's images that a baseline reads."""
    return f"<results>/data/{dataset}/{BASELINES[baseline].features}.npy"


def identity(wildcards):
    """Which run and test dataset the metrics belong to, as JSON."""
    seed = wildcards.seed  # of an ensemble several
    return json.dumps({**wildcards, "seed": int(seed) if seed.isdigit() else seed})


STARTED_WITH = {"the configuration": json.dumps(config, sort_keys=True)}


def fingerprint(stage):
    """Fingerprint of the code that a stage can reach."""
    name = f"dpam.commands.{stage}"
    STARTED_WITH[name] = code_fingerprint(name)
    return STARTED_WITH[name]


def refuse_edited():
    """Stop a job that Snakemake started elsewhere if what it would read is not what it was."""
    files = [Path(workflow.snakefile), *sorted(Path(workflow.basedir, "workflow/rules").glob("*"))]
    STARTED_WITH["the workflow"] = "".join(file.read_text() for file in files)
    if workflow.is_main_process:
        remember(STARTED_WITH)
    elif edited := find_edits(STARTED_WITH):
        names = sorted({"the code" if name.startswith("dpam.") else name for name in edited})
        stop(
            f"{' and '.join(names)} edited since snakemake was started, while this job waited; start "
            "it again, then it runs with the new one all that this concerns"
        )


def runs_table():
    """Which runs belong to which experiment."""
    rows = [
        {**run._asdict(), "run": folder, "pack": pack_of(config, run.method)}
        for run in RUNS
        for folder in run.folders(config)
    ]
    return pd.DataFrame(rows)


def paths_of_tests(ending, experiments=EXPERIMENTS):
    """Files beside each run: predictions (.csv) or numbers (.json) on each test dataset."""
    return list(
        dict.fromkeys(
            f"{folder}/on-{run.test_dataset}{ending}"
            for run in RUNS
            if run.experiment in experiments
            for folder in run.folders(config)
        )
    )


def paths_of_runs(name):
    """A file of each trained network."""
    return list(dict.fromkeys(f"{run.folder(config)}/{name}" for run in NETWORKS))


def packs():
    """A pack of each dataset and superpixel method, for pictures of its images."""
    found = {}
    for run in NETWORKS:
        for name in (*members_of(run.dataset), run.test_dataset):
            found.setdefault((name, parts_of(run.method)[0]), pack_file(name, run.method))
    return list(found.values())


def paths_of_maps():
    """Quality maps of one network on each tested dataset: its own, with its first split, if any."""
    candidates = [run for run in NETWORKS if run.distortion == "all"]
    candidates.sort(key=lambda run: run.dataset != run.test_dataset)
    first = {run.test_dataset: run for run in reversed(candidates)}
    maps = [f"{run.folder(config)}/maps-on-{name}.npz" for name, run in sorted(first.items())]
    return [path for path in maps if Path(path).exists() or not config["finished_only"]]


def benchmarks_of_runs():
    """Time and memory of every training run."""
    return list(dict.fromkeys(map(benchmark_of, NETWORKS)))


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
    """The figures of `dpam plot`, as SVG for the page."""
    captions = (Path(workflow.basedir) / "workflow/report").glob("*.rst")
    names = sorted({path.stem for path in captions} - {"index", "workflow"})
    return [captioned(f"figures/{name}.svg", "Figures") for name in names]
