"""What the tests of faults share: a small network, a way to note down what came of a fault."""

import os
import sys
from pathlib import Path

import pytest
import torch
from samples import photograph, save_network

import dpam

sys.path.append(str(Path(__file__).parent.parent / "workflow"))  # for checkout.py


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small network for whole images."""
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_network(path, "whole", spread=0.15)
    dpam.load(path).score(photograph(1))  # what is compiled here need not be in each process
    return path


@pytest.fixture
def note(record_property):
    """Note what came of a fault, for docs/reliability.md: kind, what was tried, outcome."""

    def write(kind: str, what: str, outcome: str) -> None:
        record_property("fault", "\t".join((kind, " ".join(what.split()), outcome)))

    return write


@pytest.fixture(autouse=True)
def _own_folder(tmp_path):
    before = os.getcwd()
    os.chdir(tmp_path)
    yield
    os.chdir(before)
