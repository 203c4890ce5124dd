"""Who only scores photographs needs none of what the pipeline needs."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
SCORING = """
import sys
sys.modules |= dict.fromkeys({missing})
import dpam
import dpam.commands.predict, dpam.commands.info
dpam.load, dpam.create_metric
from dpam.cli import main
assert main(["predict", "none.jpg", "--checkpoint", "none.safetensors"]) == 1
assert main(["inspect", sys.executable]) == 1
"""


def names(requirements: list[str]) -> set[str]:
    """Names of packages as the index compares them."""
    return {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", text)[0]).lower() for text in requirements}


def test_scoring_needs_no_package_of_the_extras() -> None:
    extras = PROJECT["optional-dependencies"]
    packages = set().union(*(names(extras[name]) for name in ("pipeline", "demo", "slurm")))
    assert packages.isdisjoint(names(PROJECT["dependencies"]))
    modules = [
        module
        for module, distributions in packages_distributions().items()
        if names(distributions) & packages
    ]
    assert {"snakemake", "h5py", "matplotlib", "piq"} <= set(modules)
    answer = subprocess.run(
        [sys.executable, "-c", SCORING.format(missing=sorted(modules))],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    first, second = answer.stderr.splitlines()
    assert first == "dpam predict: none.safetensors: no such file"
    assert re.match(r"dpam inspect: needs (\w+), which is not installed; in a clone", second)
