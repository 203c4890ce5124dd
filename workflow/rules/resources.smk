# What jobs ask of a cluster by the dataset's size and the attempt, and into how many they are cut. No rules.

from collections import defaultdict
from functools import cache

from dpam.datasets.demo import DISTORTIONS
from dpam.experiments.resources import ASSUMED_TFLOPS, PUBLISHED_GFLOP, Network, Plan, size_of

# Megabytes of a job, of each of its processes, and of each image of the dataset.
MEMORY = defaultdict(
    lambda: (2000, 0, 0.01),
    {
        "verify_download": (1000, 600, 0.01),
        "pack_superpixels": (1000, 1500, 0.01),
        "pack_shard": (1000, 1500, 0.01),
        "train": (14_000, 0, 0.6),  # the pack stays in the page cache if it can
        "test": (8000, 0, 0.1),
        "map_quality": (8000, 0, 0.0),
        "extract_brisque": (1000, 800, 0.01),
        "extract_vit": (8000, 0, 0.01),
        "train_baseline": (2000, 0, 0.5),
        "predict": (6000, 800, 0.0),
        "tabulate": (2000, 0, 0.05),
        "plot": (3000, 0, 0.05),
        "report": (3000, 0, 0.05),
    },
)
# Rules whose jobs ask for a GPU; test_test_selected asks for what test does.
ON_GPU = ["train", "test", "test_test_selected", "map_quality", "extract_vit", "predict"]
SHORTEST = 20  # minutes
UNKNOWN = 10_000  # images of a dataset that is not unpacked yet


@cache
def images_of(name):
    """Images of a dataset: as published, of the demonstration, or as they lie there; 0: unknown."""
    if name in MADE:
        demo = config["demo"]
        each = demo["crops"] if name == "demo_authentic" else len(DISTORTIONS) * demo["levels"]
        return len(demo["photographs"]) * each
    if DATASETS[name].images:
        return DATASETS[name].images
    try:
        return len(DATASETS[name].files(root_of(name)).images)
    except DpamError:
        return 0


def shards(wildcards):
    """The shards of a dataset's pack, if it is large enough to be packed by several jobs."""
    most = settings_of(wildcards.method)["superpixels"]["images_per_job"]
    count = -(-images_of(wildcards.dataset) // most)
    path = f"<results>/data/{wildcards.dataset}/{wildcards.method}"
    return [f"{path}-{number}of{count}.h5" for number in range(1, count + 1)] if count > 1 else []


@cache
def plan(variant=BASE):
    """What jobs of a variant cost."""
    settings = config_of(config, variant)
    views = settings["views"] if settings["views"] != "whole" else 1
    size = settings["image_size"]
    sizes = {
        name: size_of(dataset, images_of(name) or UNKNOWN, size, views)
        for name, dataset in DATASETS.items()
    }
    gflop = PUBLISHED_GFLOP * (size / 224) ** 2
    network = Network(gflop, 0, settings["training"]["epochs"])
    return Plan(sizes, network, len(RUNS), settings["superpixels"]["images_per_job"])


def asked(rule):
    """Memory, minutes and, of some, the GPU that a rule's jobs ask for.

    Twice the time that is estimated, and as much again, of both, in each further attempt. A
    profile may set its own, and cap them (profiles/slurm).
    """

    def names(wildcards):
        known = ("dataset", "distortion", "method", "split", "test_dataset")
        return {key: value for key, value in wildcards.items() if key in known}

    def mem_mb(wildcards, threads, attempt):
        base, process, image = MEMORY[rule]
        tested = wildcards.get("test_dataset", wildcards.get("dataset"))
        images = sum(plan().size(name).images for name in ([tested] if tested else DATASETS))
        return int(base + process * threads + image * images) * attempt

    def runtime(wildcards, threads, attempt):
        _, variant = parts_of(wildcards.get("method", ""))
        cost = plan(variant).cost(rule, **names(wildcards))
        seconds = cost.core_seconds / threads + cost.gflop / (ASSUMED_TFLOPS * 1000)
        return max(SHORTEST, int(2 * seconds / 60)) * attempt

    return {"mem_mb": mem_mb, "runtime": runtime} | ({"gpu": 1} if rule in ON_GPU else {})


def scoring(key, kind):
    """A setting without which nothing can be scored."""
    if not config["scoring"][key]:
        stop(f"scoring.{key}: name {kind} there, in a file like workflow/presets/score.yaml")
    return config["scoring"][key]


def scored_chunks(wildcards):
    """Scores of all chunks, which are known once the photographs are listed."""
    lists = checkpoints.list_photographs.get().output[0]
    return expand(
        "<results>/photographs/scores/{chunk}.csv",
        chunk=sorted(path.stem for path in Path(lists).glob("*.txt")),
    )
