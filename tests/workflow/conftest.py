"""The tiny configuration, run once for all tests of the workflow."""

import shutil
from pathlib import Path

import pytest
from checkout import CONFIGURATION, Checkout


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A checkout in which the tiny configuration has run; tests leave it as they found it."""
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    shutil.copy(Path(__file__).parent / "tiny.yaml", checkout.folder)
    checkout.take_photographs()
    one_process = ["--set-threads", "pack_superpixels=1", "extract_brisque=1"]
    answer = checkout.snakemake(*one_process, "--configfile", *CONFIGURATION)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return checkout
