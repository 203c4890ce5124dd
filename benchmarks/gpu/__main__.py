"""The command line; see the package's docstring."""

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from . import __doc__ as about
from .page import markdown

# What the sections import, by the name of its package.
NEEDED = {
    "torch": "torch",
    "timm": "timm",
    "einops": "einops",
    "h5py": "h5py",
    "skimage": "scikit-image",
    "scipy": "scipy",
    "pandas": "pandas",
    "numba": "numba",
    "safetensors": "safetensors",
    "tensorboard": "tensorboard",
    "jsonschema": "jsonschema",
    "yaml": "pyyaml",
    "pooch": "pooch",
    "piq": "piq",
    "tqdm": "tqdm",
    "pytest": "pytest",
}
# Section -> its share of the time. What matters most comes first.
SECTIONS = {
    "tests": 0.18,
    "network": 0.34,
    "training": 0.2,
    "predict": 0.12,
    "superpixels": 0.1,
    "profile": 0.06,
}
ROOT = Path(__file__).resolve().parents[2]


def missing() -> list[str]:
    """Names of packages that the sections need and that are not there."""
    return [package for name, package in NEEDED.items() if importlib.util.find_spec(name) is None]


def measured(section: str, folder: Path, seconds: float, small: bool) -> dict[str, Any]:
    """What a section found, in a process of its own that ends after so many seconds."""
    from dpam.utils.reading import read_json

    told, log = folder / f"{section}.json", folder / f"{section}.log"
    command = [sys.executable, "-m", "benchmarks.gpu.sections", section, str(told)]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    start = time.perf_counter()
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            [*command, *(["--small"] if small else [])],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its own processes end with it
        )
        try:
            status: int | str = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = "out of time"
            os.killpg(process.pid, 9)
            process.wait()
    found: dict[str, Any] = read_json(told) if told.exists() else {}
    if status != 0:
        last = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
        found["stopped"] = status if isinstance(status, str) else " ".join([f"({status})", *last])
    return found | {"seconds": time.perf_counter() - start}


def main() -> None:
    """Measure every section, then write the page and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write to; new")
    parser.add_argument("--seconds", type=float, default=480, help="for all sections together")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try the benchmark")
    args = parser.parse_args()
    if absent := missing():
        sys.exit(
            f"missing: {', '.join(absent)}; bring them as wheels: pip install --no-index WHEEL"
        )

    import torch

    from dpam.utils.files import write_json, write_text
    from dpam.utils.runtime import record

    if not args.small and not torch.cuda.is_available():
        sys.exit("no CUDA device; --small tries the benchmark itself on the processor")
    if args.output.exists():
        sys.exit(f"{args.output} is there already; give another --output")
    args.output.mkdir(parents=True)
    found: dict[str, Any] = {"small": args.small, "record": record(), "sections": {}}
    end, shares = time.perf_counter() + args.seconds, dict(SECTIONS)
    for section in SECTIONS:
        left = end - time.perf_counter()  # what others left is shared by all that follow
        seconds = left * shares[section] / sum(shares.values())
        del shares[section]
        found["sections"][section] = measured(section, args.output, seconds, args.small)
        write_json(args.output / "bench-gpu.json", found, replace=True)
        took = found["sections"][section]["seconds"]
        print(f"{section}: {took:.0f} s", file=sys.stderr, flush=True)
    page = markdown(found)
    write_text(args.output / "bench-gpu.md", page)
    print(page)


if __name__ == "__main__":
    main()
