"""From file to score on a processor: photographs a second by size, ours beside other networks.

Each form takes the same JPEGs from disk, and all take turns. What takes longer than ten seconds a
photograph, or more memory than there is, is left out at the larger sizes that follow. Ours are the
judge and the network of the paper at its published size (five views). Beside them stand BRISQUE's
features and, where pyiqa is installed, its HyperIQA, MUSIQ and MANIQA as it runs them (25 crops,
two scales and the photograph's own size, 20 crops). Weights are random but for the judge's: speed
needs none.

    pip install pyiqa
    python benchmarks/scoring.py
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from judge.speed import processor
from PIL import Image

from dpam.baselines.brisque import brisque_features
from dpam.datasets import find
from dpam.demo.photographs import PHOTOGRAPHS, load
from dpam.imaging.images import decode
from dpam.inference.judge import judge_file
from dpam.inference.scorer import Scorer
from dpam.inference.scorer import load as load_scorer
from dpam.model import DPAM
from dpam.pack.preparation import read_photograph
from dpam.pack.preparing import complete
from dpam.pack.recipes import preparation_of
from dpam.superpixels.methods import segment
from dpam.utils.runtime import record

# (width, height) -> how many photographs are scored in a round.
SIZES = {(512, 384): 2, (1024, 768): 2, (4000, 3000): 2, (8660, 5773): 1}
ROUNDS = 3
LONG = 10.0  # seconds
SHARE = 0.7  # of the machine's memory that a form may take
Form = Callable[[list[Path]], Any]
PARTS = "decode", "superpixels", "texture, resize", "network"


def ours() -> dict[str, Scorer]:
    """The judge, and the published network with random weights."""
    how = preparation_of(find("koniq10k"), 224, method="slic", backend="numba")
    about = {"dataset": "koniq10k", "title": "random weights", "label_kind": "none"}
    about |= {"score_range": [0, 1], "higher_is_better": True, "preparation": vars(how)}
    return {"the judge": load_scorer(judge_file()), "DPAM, ViT-B/8": Scorer(DPAM(), about)}


def rated(scorer: Scorer, paths: list[Path]) -> list[Any]:
    """Scores of photographs."""
    return list(scorer.rate(paths))


def of_pyiqa() -> dict[str, Form]:
    """Its networks with random weights; nothing where it is not installed."""
    try:
        import timm
        from pyiqa.archs.hypernet_arch import HyperNet
        from pyiqa.archs.maniqa_arch import MANIQA
        from pyiqa.archs.musiq_arch import MUSIQ
        from pyiqa.utils.img_util import imread2tensor
    except ImportError as error:
        print(f"pyiqa is not measured: {error}", file=sys.stderr)
        return {}
    create = timm.create_model
    timm.create_model = lambda name, pretrained=False, **more: create(name, **more)
    networks = {
        "pyiqa: hyperiqa": HyperNet(pretrained=False),
        "pyiqa: musiq": MUSIQ(pretrained=False),
        "pyiqa: maniqa": MANIQA(pretrained=False, scale=0.8),
    }
    timm.create_model = create

    def scored(net: torch.nn.Module, paths: list[Path]) -> list[Any]:
        with torch.inference_mode():
            return [net(imread2tensor(str(path), rgb=True)[None]) for path in paths]

    return {name: partial(scored, net.eval()) for name, net in networks.items()}


def written(folder: Path, size: tuple[int, int], count: int) -> list[Path]:
    """Photographs of a size as JPEG files."""
    paths = []
    for number in range(count):
        picture = load(PHOTOGRAPHS[number % len(PHOTOGRAPHS)])
        paths.append(folder / f"{size[0]}-{number}.jpg")
        picture.resize(size, Image.Resampling.LANCZOS).save(paths[-1], quality=90)
    return paths


def parts(scorer: Scorer, path: Path) -> list[float]:
    """Seconds of PARTS for one photograph."""
    how, times = scorer.preparation, [time.perf_counter()]
    rgb = read_photograph(path, how)
    times.append(time.perf_counter())
    (segmentation,) = segment([rgb], how, scorer.device)
    times.append(time.perf_counter())
    prepared = complete(rgb, segmentation, how)
    times.append(time.perf_counter())
    list(scorer.predict_views([prepared]))
    times.append(time.perf_counter())
    return np.diff(times).tolist()


def seconds_of(forms: dict[str, Form], paths: list[Path]) -> dict[str, float]:
    """Seconds of a photograph in each form, the fastest of the rounds; without those that failed.

    What takes longer than LONG is timed once.
    """
    seconds: dict[str, float] = {}
    done: set[str] = set()
    for _ in range(ROUNDS):
        for name in [name for name in forms if name not in done]:
            start = time.perf_counter()
            try:
                forms[name](paths)
            except (MemoryError, RuntimeError) as error:
                print(f"{name}, {paths[0].name}: {str(error)[:100]}", file=sys.stderr)
                done.add(name)
                continue
            took = (time.perf_counter() - start) / len(paths)
            if took > LONG:
                done.add(name)
            seconds[name] = min(took, seconds.get(name, took))
    return seconds


def measured(size: tuple[int, int], left_out: list[str]) -> dict[str, Any]:
    """What a size costs with the threads that this process has."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_AS, (int(SHARE * memory),) * 2)
    scorers = ours()
    forms: dict[str, Form] = {name: partial(rated, each) for name, each in scorers.items()}
    forms |= of_pyiqa()
    forms["BRISQUE's features"] = lambda paths: [brisque_features(decode(path)) for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        paths = written(Path(folder), size, SIZES[size])
        tried = {name: form for name, form in forms.items() if name not in left_out}
        seconds = seconds_of(tried, paths)
        spent = {
            name: np.min([parts(scorer, paths[0]) for _ in range(ROUNDS)], axis=0).tolist()
            for name, scorer in scorers.items()
        }
    return {"seconds": {name: seconds.get(name) for name in forms}, "parts": spent}


def main() -> None:
    """Measure each number of threads and each size in a process of its own; print what is known."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--here", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        size, left_out = args.here
        print(json.dumps(measured(tuple(size), left_out)))
        return
    print(f"{processor()}; {', '.join(f'{k} {v}' for k, v in record()['versions'].items())}\n")
    print("| photograph | threads | form | photographs/s | time, of the judge's |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    lines = [f"| ms of one photograph | threads | network | {' | '.join(PARTS)} |"]
    lines.append("| --- " * (3 + len(PARTS)) + "|")
    for threads in args.threads:
        slow: list[str] = []
        for size in SIZES:
            found = in_a_process(threads, size, slow)
            setting = f"{size[0]}x{size[1]} | {threads}"
            for name, took in found["seconds"].items():
                why = "left out: slow" if name in slow else "not enough memory"
                ratio = (took or 0) / found["seconds"]["the judge"]
                told = f"{1 / took:.3g} | {ratio:.2f}" if took else f"{why} |"
                print(f"| {setting} | {name} | {told} |", flush=True)
            for name, spent in found["parts"].items():
                told = " | ".join(f"{1000 * part:.0f}" for part in spent)
                lines.append(f"| {setting} | {name} | {told} |")
            slow = [name for name, took in found["seconds"].items() if (took or LONG) >= LONG]
    print("", *lines, sep="\n")


def in_a_process(threads: int, size: tuple[int, int], left_out: list[str]) -> dict[str, Any]:
    """What `measured` finds with so many threads on as many cores."""
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))
    command = ["taskset", "-c", cores, sys.executable, __file__]
    command += ["--here", json.dumps([size, left_out])]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
    found: dict[str, Any] = json.loads(told)
    return found


if __name__ == "__main__":
    main()
