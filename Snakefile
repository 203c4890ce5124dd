# DPAM: blind image quality assessment, from photographs and opinion scores to a report.
#
#   snakemake -n                                       what would run
#   snakemake                                          the paper's whole experiment (config.yaml)
#   snakemake --configfile workflow/presets/demo.yaml  the demonstration
#   snakemake estimate                                 how long that will take
#   snakemake --config finished_only=True              the report of what is finished, and nothing else
#
# Path grammar:
#   <results>/datasets/{made}/                         a demonstration dataset, made here
#   <results>/data/{dataset}/verified.json             the dataset is complete and readable
#   <results>/data/{dataset}/labels.csv                one row per image, label in [0, 1]
#   <results>/data/{dataset}/splits.csv                train, validation, test per image and split
#   <results>/data/{dataset}/near_duplicates.csv       images alike on different sides of a split
#     of {dataset}+{dataset}, on which one network is trained, these two tables of all their images
#   <results>/data/{dataset}/{method}.h5               pixels, texture, superpixel statistics; of a
#     variant only if it packs otherwise than those before it
#   <results>/data/{dataset}/{method}-{shard}of{shards}.h5   for a while, a shard of a large one
#   <results>/data/{dataset}/{features}.npy            of a baseline (brisque, vit), one row per image
#   <results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/
#       model.safetensors, history.csv                 one training run
#       test_selected.safetensors                      its weights of the epoch best on the test set
#       on-{test_dataset}.csv                          its predictions, one row per image
#       on-{test_dataset}.json                         SRCC, PLCC, KRCC, RMSE
#       test_selected/on-{test_dataset}.csv, .json     the same of the epoch best on the test set
#       maps-on-{test_dataset}.npz                     quality maps of a few images, of some runs
#     {method}+ensemble/{split}/seed{seed}+{seed}+.../ has on-{test_dataset}.csv and .json of several seeds' mean
#     of a network of several datasets, {dataset} is their names: koniq10k+spaq
#     baselines have on-{test_dataset}.csv and .json, under their name as method
#   <results>/runs.csv                                 which runs belong to which experiment
#   <results>/photographs/lists/{chunk}.txt            your own photographs, in chunks
#   <results>/photographs/scores/{chunk}.csv           their scores, and together scores.parquet
#   <results>/tables/, figures/, report/index.html     numbers and pictures over all runs
#   <results>/report/configuration.yaml                what they were made with, all defaults filled in
# with distortion: all or one type of it; method: slic, rim, ainet, none, and of a variant slic+no_texture, ...;
# baseline: brisque_svr, vit_ridge;
# split: split00 ... split09, authors, official or whole.

import os

from snakemake.logging import logger
from snakemake.utils import min_version

from dpam.experiments.terminal import end_when_unread, say_lines
from dpam.utils.progress import SHARED_TERMINAL

min_version("9.15")


configfile: f"{workflow.basedir}/config.yaml"


report: "workflow/report/workflow.rst"


# Used with --sdm apptainer; the Dockerfile says how to make it.
container: "dpam.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/report.smk"


# Without them nothing can begin beside a report of what is finished, though settings may have changed.
if not config["finished_only"]:

    include: "workflow/rules/data.smk"
    include: "workflow/rules/training.smk"
    include: "workflow/rules/evaluation.smk"
    include: "workflow/rules/scoring.smk"


refuse_edited()


# On the terminal a line for each job that is done; `snakemake --verbose` shows Snakemake's own.
if workflow.is_main_process:
    end_when_unread(logger)
    if not workflow.output_settings.verbose:
        say_lines(logger, lambda: workflow.dryrun)


onstart:
    if workflow.local_exec:
        os.environ[SHARED_TERMINAL] = "1"


rule all:
    default_target: True
    input:
        "<results>/report/index.html",
