"""From file to score on a processor: photographs a second by size, ours beside other networks.

Each form takes the same JPEGs from disk, and all take turns. Ours are the judge and the network of
the paper at its published size (five views). Beside them stand BRISQUE's features and, where pyiqa
is installed, its HyperIQA, MUSIQ and MANIQA as it runs them (25 crops, two scales and the
photograph's own size, 20 crops). Weights are random but for the judge's: speed needs none.

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
from dpam.inference.judge import judge
from dpam.inference.scorer import Scorer
from dpam.inference.scorer import load as load_scorer
from dpam.model import DPAM
from dpam.pack.preparation import complete, read_photograph
from dpam.pack.recipes import preparation_of
from dpam.superpixels.methods import segment
from dpam.utils.progress import track
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
    return {"the judge": load_scorer(judge()), "DPAM, ViT-B/8": Scorer(DPAM(), about)}


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


def measured() -> list[dict[str, Any]]:
    """What each size costs with the threads that this process has."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_AS, (int(SHARE * memory),) * 2)
    scorers, found = ours(), []
    forms: dict[str, Form] = {name: partial(rated, each) for name, each in scorers.items()}
    forms |= of_pyiqa()
    forms["BRISQUE's features"] = lambda paths: [brisque_features(decode(path)) for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        for size, count in track(SIZES.items(), "scoring", len(SIZES), "size"):
            paths = written(Path(folder), size, count)
            seconds = seconds_of(forms, paths)
            spent = {
                name: np.min([parts(scorer, paths[0]) for _ in range(ROUNDS)], axis=0).tolist()
                for name, scorer in scorers.items()
            }
            found.append(
                {
                    "size": f"{size[0]}x{size[1]}",
                    "threads": torch.get_num_threads(),
                    "seconds": {name: seconds.get(name) for name in forms},
                    "parts": spent,
                }
            )
    return found


def tables(found: list[dict[str, Any]]) -> str:
    """Photographs a second, and where ours spend their time."""
    lines = ["| photograph | threads | form | photographs/s | time, of the judge's |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for one in found:
        first = one["seconds"]["the judge"]
        for name, took in one["seconds"].items():
            told = f"{1 / took:.3g} | {took / first:.2f}" if took else "not enough memory |"
            lines.append(f"| {one['size']} | {one['threads']} | {name} | {told} |")
    lines += ["", f"| ms of one photograph | threads | network | {' | '.join(PARTS)} |"]
    lines.append("| --- " * (3 + len(PARTS)) + "|")
    for one in found:
        for name, spent in one["parts"].items():
            told = " | ".join(f"{1000 * part:.0f}" for part in spent)
            lines.append(f"| {one['size']} | {one['threads']} | {name} | {told} |")
    return "\n".join(lines)


def main() -> None:
    """Measure with each number of threads in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        print(json.dumps(measured()))
        return
    found = []
    for threads in args.threads:
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))
        command = ["taskset", "-c", cores, sys.executable, __file__, "--here"]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
        found += json.loads(told)
    print(f"{processor()}; {', '.join(f'{k} {v}' for k, v in record()['versions'].items())}\n")
    print(tables(found))


if __name__ == "__main__":
    main()
