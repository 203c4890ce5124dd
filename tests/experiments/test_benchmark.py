"""The benchmark measures what it says: memory, products, turns."""

import runpy
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dpam.experiments import benchmark
from dpam.experiments.benchmark import Form

CPU = torch.device("cpu")
NETWORK = Path(__file__).resolve().parents[2] / "benchmarks/network.py"
LINUX = Path("/proc/self/clear_refs").exists()


@pytest.mark.skipif(not LINUX, reason="the peak of resident memory is counted by Linux only")
def test_peak_memory_is_what_was_taken_for_a_while() -> None:
    with benchmark.peak_memory(CPU) as peak:
        torch.ones(50 * 2**20).sum()  # 200 MiB, given back at once
    assert peak[0] is not None
    assert 190 * 2**20 < peak[0] < 260 * 2**20


def test_a_multiply_add_counts_as_two() -> None:
    layer = torch.nn.Linear(100, 200, bias=False)
    assert benchmark.gflop(Form(layer, (torch.rand(10, 100),))) == 2 * 10 * 100 * 200 / 1e9


def test_the_slower_form_takes_longer() -> None:
    calls = []

    def slow(x: Tensor) -> Tensor:
        calls.append("slow")
        time.sleep(0.05)
        return x

    def quick(x: Tensor) -> Tensor:
        calls.append("quick")
        return x

    forms = {"slow": Form(slow, (torch.ones(1),)), "quick": Form(quick, (torch.ones(1),))}
    costs = benchmark.compare(benchmark.inference, forms, CPU, torch.float32, repetitions=3)
    assert costs["slow"].seconds >= 0.05 > costs["quick"].seconds
    assert calls == ["slow"] * 2 + ["quick"] * 2 + ["slow", "quick"] * 3


def test_a_training_step_leaves_gradients() -> None:
    layer = torch.nn.Linear(4, 1)
    benchmark.training_step(Form(lambda x: layer(x).squeeze(1), (torch.rand(3, 4),)))
    assert layer.weight.grad is not None


@pytest.mark.parametrize("form", ["reference", "ours"])
def test_both_forms_get_the_same_image(form: str) -> None:
    inputs_of = runpy.run_path(str(NETWORK))["inputs_of"]
    image, *_ = inputs_of(form, 32, 2, CPU)
    other, *_ = inputs_of("reference", 32, 2, CPU)
    assert image.shape == (2, 3, 32, 32)
    assert torch.equal(image, other)
