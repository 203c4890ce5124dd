"""A training step of a small network with one and two threads, on an idle and a busy machine.

OpenMP's threads wait for each other awake unless they are told not to (OMP_WAIT_POLICY=PASSIVE, as
every `dpam` command sets it). Awake they take the time that other processes need. The network is
the demonstration's; "busy" means as many other processes at work as there are cores.

    python benchmarks/threads.py
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from network import random_inputs

from dpam.experiments.benchmark import Form, training_step
from dpam.model import DPAM
from dpam.superpixels.statistics import pixel_statistics
from dpam.utils.progress import track

SIDE, BATCH, STEPS = 126, 8, 12
BACKBONE = {"backbone": "vit_small_patch14_dinov2", "out_indices": [2], "embed_dim": 32}
BUSY = [sys.executable, "-c", "while True: pass"]


def milliseconds() -> float:
    """Of a step, the median."""
    torch.manual_seed(20)
    net = DPAM(image_size=SIDE, **BACKBONE).train()
    image, texture, pixels = random_inputs(SIDE, BATCH, 100, 60)
    mean, covariance = map(torch.from_numpy, pixel_statistics(pixels.numpy()))
    form = Form(net, (image, texture[:, :1], mean, covariance))
    times = []
    for _ in range(STEPS + 2):
        start = time.perf_counter()
        training_step(form)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[2:])


@contextmanager
def others(count: int) -> Iterator[None]:
    """So many other processes at work."""
    running = [subprocess.Popen(BUSY) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--here", type=int, help=argparse.SUPPRESS)
    here = parser.parse_args().here
    if here:
        torch.set_num_threads(here)
        print(milliseconds())
        return
    cores = len(os.sched_getaffinity(0))
    cases = [
        (busy, threads, policy)
        for busy in (0, cores)
        for threads, policy in ((1, "PASSIVE"), (2, "PASSIVE"), (2, "ACTIVE"))
    ]
    print("| other processes | threads | they wait | ms of a step |\n| --- | --- | --- | --- |")
    for busy, threads, policy in track(cases, "measuring", len(cases), "case"):
        with others(busy):
            told = subprocess.run(
                [sys.executable, __file__, "--here", str(threads)],
                env=os.environ | {"OMP_WAIT_POLICY": policy, "OMP_NUM_THREADS": str(threads)},
                check=True,
                stdout=subprocess.PIPE,
            ).stdout
        wait = {"PASSIVE": "asleep", "ACTIVE": "awake"}[policy] if threads > 1 else ""
        print(f"| {busy} | {threads} | {wait} | {float(told):.0f} |", flush=True)


if __name__ == "__main__":
    main()
