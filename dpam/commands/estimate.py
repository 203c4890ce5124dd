"""What the experiments of a list of runs will cost: jobs, core-hours, GPU-hours, disk.

    snakemake estimate                        of the configuration, before anything is started
    dpam estimate results/runs.csv            of a list that is there, with the published network

Nothing is started, and no dataset needs to be there. All numbers are estimates: images of each
dataset times what one cost when it was measured. How fast a GPU trains is taken from runs in
the list that are finished (history.csv), from a step timed here (--measure), or assumed (--tflops).
Hours are those of one core and of one GPU; a job's cores beside its GPU are not counted. A variant
is taken to cost what base does.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dpam.commands.arguments import (
    add_image_size,
    add_input,
    add_output,
    add_views,
    json_object,
    positive,
)
from dpam.datasets import find
from dpam.evaluation.unions import members_of
from dpam.experiments.resources import (
    ASSUMED_TFLOPS,
    CORE_TFLOPS,
    IMAGES_PER_JOB,
    STEP,
    Network,
    estimate,
    size_of,
)
from dpam.experiments.settings import TrainingSettings
from dpam.pack.views import USUAL
from dpam.utils.files import write_csv
from dpam.utils.reading import read_csv

if TYPE_CHECKING:
    from dpam.model import Network as Judge

COLUMNS = ["dataset", "distortion", "method", "split", "seed", "test_dataset", "run"]
SUPERPIXELS = 140
BATCH = {"cpu": 2, "cuda": 12}  # images of the step that --measure times


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_input(parser, "runs", metavar="CSV", type=Path, help="the list of all runs (runs.csv)")
    parser.add_argument(
        "--images", type=json_object, metavar="JSON", default={}, help="dataset: number of images"
    )
    parser.add_argument(
        "--custom", type=json_object, metavar="JSON", default={}, help="datasets of your own"
    )
    parser.add_argument(
        "--model", type=json_object, default={}, help="JSON: network, and arguments of it"
    )
    add_image_size(parser)
    parser.add_argument(
        "--epochs", type=positive, default=TrainingSettings.epochs, help="of training"
    )
    parser.add_argument(
        "--images-per-job",
        type=positive,
        default=IMAGES_PER_JOB,
        help="those of a larger dataset are packed by several jobs",
    )
    add_views(parser, USUAL)
    parser.add_argument(
        "--tflops",
        type=float,
        help=f"rate of a GPU, TFLOP/s; assumed: {ASSUMED_TFLOPS:g}; an H100 has 145",
    )
    parser.add_argument("--measure", action="store_true", help="time a training step here")
    add_output(parser, "--output", help="also write the table (.csv)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    import torch

    from dpam.experiments.benchmark import Form, gflop, inference
    from dpam.model import create

    runs = read_csv(args.runs, COLUMNS)
    views = 1 if args.views == "whole" else args.views
    sizes = {}
    named = pd.concat([runs["dataset"], runs["test_dataset"]]).unique()
    for name in dict.fromkeys(name for each in named for name in members_of(each)):
        dataset = find(name, args.custom.get(name))
        images = args.images.get(name) or dataset.images or 0
        sizes[name] = size_of(dataset, images, args.image_size, views)
    with torch.random.fork_rng(devices=[]):
        origin = {"pretrained": False, "weights": None}
        model = {name: args.model[name] for name in args.model if not name.startswith("start")}
        net = create(image_size=args.image_size, **model | origin)
    form = Form(net.eval(), inputs_of(net, 1))
    inference(form)  # composes weights, once
    work = gflop(form)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    tflops, source = rate(args, runs, net, work)
    network = Network(work, parameters, args.epochs)
    table = estimate(runs, sizes, network, tflops, args.images_per_job)
    print(readable(table))
    print(f"Estimates. {work:.3g} GFLOP per image, {STEP} times that in training; {source}.")
    cores = table["gpu_hours"].sum() * tflops / CORE_TFLOPS
    print(
        f"Without a GPU: about {cores:,.0f} core-hours more ({cores / 24:,.1f} days of one core)."
    )
    if args.output:
        write_csv(args.output, table)


def readable(table: pd.DataFrame) -> str:
    """The table with its sums, as text."""
    total = table.drop(columns="rule").sum().to_frame().T.assign(rule="total")
    whole = pd.concat([table, total])
    head = ["rule", "jobs", "core-hours", "GPU-hours", "disk"]
    lines = [f"{head[0]:<18}{head[1]:>8}{head[2]:>14}{head[3]:>14}{head[4]:>14}"]
    for row in whole.to_dict("records"):
        hours = "".join(f"{row[name]:>14,.1f}" for name in ("cpu_hours", "gpu_hours"))
        lines.append(f"{row['rule']:<18}{int(row['jobs']):>8,}{hours}{row['disk_gb']:>11,.1f} GB")
    return "\n".join(lines)


def rate(
    args: argparse.Namespace, runs: pd.DataFrame, net: Judge, work: float
) -> tuple[float, str]:
    """TFLOP per second in training, and where the number comes from."""
    from dpam.utils.runtime import device_name

    if args.tflops:
        return args.tflops, f"{args.tflops:g} TFLOP/s as given"
    if args.measure:
        seconds = step_seconds(net)
        tflops = STEP * work / seconds / 1000
        return tflops, f"{tflops:.3g} TFLOP/s measured here ({device_name()})"
    histories = [Path(path, "history.csv") for path in runs["run"].unique()]
    found = [
        read_csv(path, ["images_per_second"])["images_per_second"].median()
        for path in histories
        if path.is_file()
    ]
    if found:
        images = float(pd.Series(found).median())
        tflops = images * STEP * work / 1000
        finished = f"{len(found)} finished run{'s' * (len(found) > 1)}"
        return tflops, f"{images:.3g} images/s in {finished}, that is {tflops:.3g} TFLOP/s"
    return ASSUMED_TFLOPS, (
        f"{ASSUMED_TFLOPS:g} TFLOP/s of a GPU are assumed, not measured: give your own as "
        "--tflops, or run with --measure on a machine that has the GPU"
    )


def step_seconds(net: Judge) -> float:
    """Seconds per image of a training step on this machine, in the precision `auto`."""
    import torch

    from dpam.experiments.benchmark import Form, compare, training_step
    from dpam.utils.runtime import autocast_dtype, device

    where = device()
    precision = autocast_dtype("auto", where) or torch.float32
    batch = BATCH[where.type]
    form = Form(net.train().to(where), tuple(x.to(where) for x in inputs_of(net, batch)))
    cost = compare(training_step, {"ours": form}, where, precision, repetitions=3)
    return cost["ours"].seconds / batch


def inputs_of(net: Judge, batch: int) -> tuple[Any, ...]:
    """A random batch: image, texture, mean and covariance of superpixels."""
    import torch

    side = net.image_size
    covariance = torch.tensor([0.1, 0, 0, 0.1, 0, 0.1]).expand(batch, SUPERPIXELS, 6)
    inputs = {
        "image": torch.rand(batch, 3, side, side),
        "texture": torch.rand(batch, 1, side, side),
        "mean": torch.rand(batch, SUPERPIXELS, 3),
        "covariance": covariance,
    }
    return tuple(inputs[name] for name in net.reads)
