"""Compilation, which may fail and changes no result, and precision."""

import logging

import pytest
import torch
from torch import Tensor

from dpam.errors import DpamError
from dpam.model import create
from dpam.utils.runtime import (
    autocast_dtype,
    compile_network,
    device,
    device_name,
    whole_float32,
)


def test_where_it_fails_the_function_is_used_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("/nowhere/c++",))
    calls = compile_network(lambda x: (x * 3).relu() + 1)
    with caplog.at_level(logging.WARNING, "dpam.utils.runtime"):
        assert torch.equal(calls(torch.ones(7)), torch.full((7,), 4.0))
        assert torch.equal(calls(torch.ones(8)), torch.full((8,), 4.0))
    ours = [one for one in caplog.records if one.name == "dpam.utils.runtime"]
    said = [one.message for one in ours if one.levelno == logging.WARNING]
    assert len(said) == 1
    assert "torch.compile does not work here" in said[0]


def test_what_the_function_itself_raises_is_raised() -> None:
    def product(x: Tensor) -> Tensor:
        return x @ x

    with pytest.raises(RuntimeError, match="shape"):
        compile_network(product)(torch.ones(2, 3))


def test_devices_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert device() == device("auto") == torch.device("cuda")
    for name in ("cpu", "cuda", "cuda:1", "mps", torch.device("cuda:1")):
        assert device(name) == torch.device(name)
    with pytest.raises(DpamError, match="cuda:1, mps; found cuda:2"):
        device("cuda:2")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert device() == torch.device("cpu")
    for name in ("cuda", "mps", "gpu", ""):
        with pytest.raises(DpamError, match="expected auto, cpu; found"):
            device(name)
    assert device_name(torch.device("cpu")).startswith("CPU, ")


def test_bfloat16_is_taken_where_the_processor_computes_in_it_and_warned_of_where_it_imitates(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cpu = torch.device("cpu")
    for features, chosen, warnings in (
        ({"avx2": True, "avx512_bw": False}, None, 1),
        ({"avx512_bw": True, "avx512_bf16": False}, None, 0),
        ({"avx512_bw": True, "avx512_bf16": True}, torch.bfloat16, 0),
        ({"amx_bf16": True}, torch.bfloat16, 0),
        ({"bf16": True}, torch.bfloat16, 0),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda features=features: features)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "dpam.utils.runtime"):
            assert autocast_dtype("auto", cpu) == chosen
            assert autocast_dtype("auto", torch.device("mps")) is None
            assert autocast_dtype("float32", cpu) is None
            assert not caplog.records
            assert autocast_dtype("bfloat16", cpu) == torch.bfloat16
        assert len(caplog.records) == warnings


@pytest.mark.parametrize("benchmark", [False, True])
def test_float32_on_a_gpu_keeps_all_of_its_bits(monkeypatch, benchmark):
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "benchmark", benchmark)
    with whole_float32(torch.device("cpu")):
        assert cudnn.allow_tf32
    with whole_float32(torch.device("cuda")):
        assert not cudnn.allow_tf32
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (True, benchmark, False)
    assert cudnn.allow_tf32
    assert cudnn.benchmark == benchmark


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_scores_of_a_gpu_are_the_processors_to_float32():
    net = create(network="pooled", backbone="test_vit", image_size=96, pretrained=False).eval()
    images = torch.randn(4, 3, 96, 96)
    with torch.inference_mode():
        expected = net(images)
        with whole_float32(torch.device("cuda")):
            found = net.to("cuda")(images.to("cuda")).cpu()
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
