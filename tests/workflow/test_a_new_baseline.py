"""A new baseline on features that are there is one entry of the table of baselines."""

import re

import pytest
from checkout import CONFIGURATION, Checkout

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("pipeline")]

ENTRY = """
    "brisque_ridge": Baseline("BRISQUE features, ridge", "brisque", ridge, {"alpha": [1.0]}),
"""
SAY = """
from dpam.commands.train_baseline import add_arguments
from dpam.evaluation.formatting import method_name
import argparse
parser = argparse.ArgumentParser()
add_arguments(parser)
print(method_name("brisque_ridge"), "brisque_ridge" in parser.format_usage())
"""


def test_everything_reads_it_there(tmp_path):
    checkout = Checkout(tmp_path)
    checkout.take_photographs()
    table = tmp_path / "dpam/evaluation/baselines.py"
    before, head, rest = table.read_text().partition("BASELINES = {")
    table.write_text(before + head + ENTRY + rest)
    tiny = tmp_path / "tiny.yaml"
    tiny.write_text(
        "demo: {photographs: [astronaut, coffee], crops: 4, levels: 1}\n"
        "experiments:\n"
        "  - {name: individual, datasets: [demo_synthetic], test_on: self,\n"
        "     baselines: [brisque_svr, brisque_ridge]}\n"
    )
    made = [path for job in checkout.planned() for path in job.outputs]
    assert sum("/all/brisque_ridge/split00/seed20/on-" in path for path in made) == 2  # csv, json
    assert sum(path.endswith("/brisque.npy") for path in made) == 1  # which both read

    answer = checkout.snakemake("estimate", "--configfile", *CONFIGURATION)
    assert answer.returncode == 0, answer.stderr
    shown = answer.stdout + answer.stderr
    assert re.search(r"^extract_brisque +1 ", shown, re.MULTILINE)
    assert re.search(r"^train_baseline +2 ", shown, re.MULTILINE)

    said = checkout.run("python", "-c", SAY)
    assert said.stdout == "BRISQUE features, ridge True\n", said.stderr
