"""What experiments will cost: jobs, hours of processors and GPUs, disk.

Costs are counts of images times what one image costs. The latter was measured (see
docs/performance.md and docs/superpixels.md) but for the rate of a GPU, which is assumed. Answers
are right to a factor of two at best: enough to tell an evening from a month.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from dpam.datasets import MADE_HERE, Dataset
from dpam.errors import error_of_many
from dpam.evaluation.baselines import BASELINES
from dpam.evaluation.methods import is_ensemble, parts_of
from dpam.evaluation.tables import RUN
from dpam.evaluation.unions import is_own, members_of
from dpam.superpixels.methods import METHODS, NONE

# Core-seconds per megapixel.
DECODE = 0.035  # with texture or hashes
BRISQUE = 0.32
START = 20.0  # core-seconds per job, most of them for imports
COMPARE = 1.9e-9  # core-seconds per pair of images of which a near-duplicate is looked for
REGRESSION = 6e-6  # core-seconds per squared number of images: a grid of support vector machines
JOINED = 0.3e9  # bytes of packs joined per second; 0.71 GB took 2.6 s (docs/cluster.md)
IMAGES_PER_JOB = 100_000
SUMMARY = 60.0  # core-seconds of a table, figures or a page, and
PER_TEST = 0.05  # per test in them

# GFLOP of one inference of the published network at 224 pixels; a training step is three.
PUBLISHED_GFLOP = 274.0
STEP = 3
# What is assumed of a GPU: a sixth of an A100's nominal rate in bfloat16. On an H100, whose nominal
# rate is three times that, `dpam train` reached 145 (docs/performance.md).
ASSUMED_TFLOPS = 50.0
# Measured on two cores of a server's processor in bfloat16, per core.
CORE_TFLOPS = 0.14

TRAINED, VALIDATED, TESTED = 0.7, 0.1, 0.2  # of a split, as they are drawn
LABEL_BYTES = 500.0  # of an image in tables, all together
EVENTS_BYTES = 5e6  # of a run: history, TensorBoard, predictions


class Size(NamedTuple):
    """What the cost of a dataset depends on.

    Attributes:
        images: how many.
        megapixels: of an image as stored.
        segmented: megapixels that its superpixels are computed on.
        packed: bytes of an image in a pack.
        types: distortion types.
        views: of each tested image.
    """

    images: int = 0
    megapixels: float = 0
    segmented: float = 0
    packed: float = 0
    types: int = 0
    views: int = 1


def size_of(dataset: Dataset, images: int, image_size: int, views: int) -> Size:
    """The size of a dataset.

    Args:
        dataset: which.
        images: how many it has.
        image_size: side of the network's input, pixels.
        views: of each tested image, where the network reads crops.
    """
    stored, recipe = dataset.megapixels, dataset.recipe
    segmented = recipe.size[0] * recipe.size[1] / 1e6 if recipe.size else stored
    whole = dataset.network_input == "whole"
    packed = (image_size**2 * 5 if whole else stored * 3e6) + recipe.count * 36
    types = len(dataset.distortions)
    return Size(images, stored, segmented, packed, types, 1 if whole else views)


class Network(NamedTuple):
    """What the cost of training and testing depends on.

    Attributes:
        gflop: of one inference.
        parameters: how many it has.
        epochs: of training.
    """

    gflop: float
    parameters: int
    epochs: int


class Cost(NamedTuple):
    """What one job costs: work of processors, work of a GPU, bytes that it leaves."""

    core_seconds: float = START
    gflop: float = 0.0
    size: float = 0.0


@dataclass(frozen=True)
class Plan:
    """Costs of the pipeline's jobs.

    Attributes:
        sizes: of each dataset.
        network: what is trained.
        runs: how many there will be.
        images_per_job: those of a larger dataset are packed by several jobs.
    """

    sizes: Mapping[str, Size]
    network: Network
    runs: int = 0
    images_per_job: int = IMAGES_PER_JOB

    def shards(self, dataset: str) -> int:
        """By how many jobs a dataset is packed."""
        return max(1, -(-self.sizes[dataset].images // self.images_per_job))

    def size(self, dataset: str) -> Size:
        """Of a dataset; of a union how many images it has; nothing of another name."""
        known = [self.sizes[name] for name in members_of(dataset) if name in self.sizes]
        return known[0] if len(known) == 1 else Size(sum(size.images for size in known))

    def segmenting_seconds(self, method: str, size: Size) -> float:
        """Core-seconds that an image's superpixels take."""
        method, _ = parts_of(method)
        if method == NONE:
            return 0.0
        side = METHODS[method].side
        return METHODS[method].seconds * (side**2 / 1e6 if side else size.segmented)

    def cost(
        self,
        rule: str,
        dataset: str = "",
        distortion: str = "all",
        method: str = "slic",
        split: str = "split00",
        test_dataset: str = "",
    ) -> Cost:
        """What one job of a rule costs; names are those of the path grammar."""
        size = self.size(test_dataset or dataset)
        own = not test_dataset or is_own(dataset, test_dataset)
        share = 1 / size.types if own and distortion != "all" and size.types else 1.0
        images, net = size.images * share, self.network
        trained = TRAINED if split != "whole" else 1.0
        tested = VALIDATED + TESTED if own else TESTED if split != "whole" else 1.0
        decoded = images * size.megapixels * DECODE
        match rule:
            case "make_demo_data":
                return Cost(START + decoded)
            case "verify_download":  # images of one reference are known to look alike
                pairs = 0 if size.types else images**2 / 2
                return Cost(START + decoded + COMPARE * pairs)
            case "normalise_labels" | "draw_splits":
                return Cost(size=images * LABEL_BYTES)
            case "join_splits":
                return Cost(START + COMPARE * images**2 / 2, size=images * LABEL_BYTES)
            case "evaluate" | "evaluate_test_selected":
                return Cost(START + COMPARE * images**2 * trained * tested)
            case "pack_superpixels" | "pack_shard":
                shards, packed = self.shards(dataset), images * size.packed
                if rule == "pack_superpixels" and shards > 1:  # joins what they have packed
                    return Cost(START + packed / JOINED, size=packed)
                segmented = images * self.segmenting_seconds(method, size)
                return Cost(
                    START + (decoded + segmented) / shards, size=packed if shards == 1 else 0
                )
            case "train":
                seen = images * (trained * STEP + (1 - trained))
                left = 2 * 4 * net.parameters + EVENTS_BYTES
                return Cost(gflop=seen * net.epochs * net.gflop, size=left)
            case "test" | "test_test_selected":
                work = images * tested * size.views * net.gflop
                return Cost(gflop=work, size=images * LABEL_BYTES)
            case "extract_brisque":
                return Cost(START + images * size.megapixels * BRISQUE)
            case "extract_vit":
                return Cost(START + decoded, images * net.gflop)
            case "train_baseline":
                return Cost(START + REGRESSION * images**2, size=images * LABEL_BYTES)
            case "tabulate" | "plot" | "report":
                return Cost(SUMMARY + PER_TEST * self.runs)
            case _:
                return Cost()


def jobs(runs: pd.DataFrame, plan: Plan) -> Iterator[dict[str, Any]]:
    """Every job behind a list of runs, as arguments of `Plan.cost`.

    Args:
        runs: columns dataset, distortion, method, split, seed, test_dataset, run, and perhaps pack
            (runs.csv).
        plan: knows the datasets' sizes.
    """
    ensemble = runs["method"].map(is_ensemble).astype(bool)
    for row in _distinct(runs[ensemble], [*RUN, "test_dataset"]):
        yield {"rule": "average", **row}
        yield {"rule": "evaluate", **row}
    runs = runs[~ensemble]
    baseline = runs["method"].isin(list(BASELINES))
    tested = runs.drop(columns="dataset").rename(columns={"test_dataset": "dataset"})
    read = pd.concat([runs, tested])
    read["dataset"] = read["dataset"].map(members_of)
    read = read.explode("dataset")
    read["method"] = read.get("pack", read["method"])  # a list made elsewhere may lack it
    used = _distinct(read, ["dataset", "method"])
    for name in dict.fromkeys(row["dataset"] for row in used):
        if name in MADE_HERE:
            yield {"rule": "make_demo_data", "dataset": name}
        for rule in ("verify_download", "normalise_labels", "draw_splits"):
            yield {"rule": rule, "dataset": name}
    for row in _distinct(runs, ["dataset"]):
        if len(members_of(row["dataset"])) > 1:
            yield {"rule": "join_splits", **row}
    features: dict[tuple[str, str], None] = {}  # several baselines may read the same
    for row in used:
        if row["method"] in BASELINES:
            features[row["dataset"], BASELINES[row["method"]].features] = None
        else:
            shards = plan.shards(row["dataset"])
            yield from [{"rule": "pack_shard", **row}] * (shards if shards > 1 else 0)
            yield {"rule": "pack_superpixels", **row}
    yield from ({"rule": f"extract_{name}", "dataset": dataset} for dataset, name in features)
    yield from ({"rule": "train", **row} for row in _distinct(runs[~baseline], RUN))
    for row in _distinct(runs, [*RUN, "test_dataset", "run"]):
        kind = "_test_selected" if row.pop("run").endswith("/test_selected") else ""
        yield {"rule": "train_baseline" if row["method"] in BASELINES else f"test{kind}", **row}
        yield {"rule": f"evaluate{kind}", **row}
    for row in _distinct(runs[~baseline & (runs["distortion"] == "all")], ["test_dataset"]):
        yield {"rule": "map_quality", **row}
    yield from ({"rule": rule} for rule in ("tabulate", "plot", "report"))


def _distinct(table: pd.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    """The distinct rows of some columns."""
    rows = table[columns].drop_duplicates().itertuples(index=False)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def estimate(
    runs: pd.DataFrame,
    sizes: Mapping[str, Size],
    network: Network,
    tflops: float,
    images_per_job: int = IMAGES_PER_JOB,
) -> pd.DataFrame:
    """What the experiments behind a list of runs cost, by rule.

    Args:
        runs: see `jobs`.
        sizes: of every dataset in them.
        network: what is trained.
        tflops: sustained rate of the GPU, TFLOP per second.
        images_per_job: those of a larger dataset are packed by several jobs.

    Returns:
        Columns rule, jobs, cpu_hours (of one core), gpu_hours (of one GPU), disk_gb.

    Raises:
        DpamError: the number of a dataset's images is not known.
    """
    unknown = [name for name, size in sizes.items() if not size.images]
    if unknown:
        raise error_of_many(
            "the number of images is not known of",
            unknown,
            "Put these datasets where the configuration says, then ask again.",
        )
    plan = Plan(sizes, network, len(runs), images_per_job)
    rows: dict[str, list[float]] = {}
    for job in jobs(runs, plan):
        job.pop("seed", None)
        cost = plan.cost(**job)
        row = rows.setdefault(job["rule"], [0, 0, 0, 0])
        gpu_seconds = cost.gflop / (tflops * 1000)
        for column, value in enumerate(
            (1, cost.core_seconds / 3600, gpu_seconds / 3600, cost.size / 1e9)
        ):
            row[column] += value
    table = pd.DataFrame.from_dict(
        rows, orient="index", columns=["jobs", "cpu_hours", "gpu_hours", "disk_gb"]
    )
    return table.astype({"jobs": int}).rename_axis("rule").reset_index()
