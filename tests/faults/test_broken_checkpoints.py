"""Checkpoints: damaged, of something else, or made to run code."""

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from damage import flipped, truncated
from PIL import Image
from running import call
from safetensors import safe_open
from safetensors.torch import save
from samples import ABOUT, labels_table, photograph, preparation, write_pack

from dpam.model.checkpoint import FORMAT, checksum
from dpam.pack.preparing import prepare

KIND = "corrupt safetensors"


def damaged(content: bytes):
    """Truncated, flipped in header and weights, and with a header of nonsense."""
    length = struct.unpack_from("<Q", content)[0]
    yield from truncated(content, (0.0, 0.001, 0.01, 0.5, 0.999))
    yield from (("header, " + what, data) for what, data in flipped(content, range(6), 1, 0, 8))
    end = 8 + length
    yield from (("names, " + what, data) for what, data in flipped(content, range(16), 1, 8, end))
    yield from (("weights, " + what, data) for what, data in flipped(content, range(6), 1, end))
    yield "a byte more", content + b"\0"
    for what, header in {
        "header of 2^63 bytes": struct.pack("<Q", 2**63),
        "header of 100 MB": struct.pack("<Q", 100_000_000),
        "header that is no JSON": struct.pack("<Q", 8) + b"{" * 8,
        "header 100,000 deep": struct.pack("<Q", 100_000) + b"[" * 100_000,
        "header without tensors": struct.pack("<Q", 2) + b"{}",
        "tensor beyond the end": tensor_header(
            {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}
        ),
        "tensor of 2^60 numbers": tensor_header(
            {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 4]}
        ),
        "tensor of another type": tensor_header(
            {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}
        ),
    }.items():
        yield what, header + bytes(4)
    yield "text", b"weights\n" * 100
    yield "a pickle", pickle.dumps({"a": 1})
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, buffer)
    yield "PyTorch's format", buffer.getvalue()


def tensor_header(tensor: dict) -> bytes:
    text = json.dumps({"a": tensor}).encode()
    return struct.pack("<Q", len(text)) + text


def remade(model: Path):
    """Whole files with a right checksum and content that makes no sense."""
    with safe_open(model, "pt") as file:
        header = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    settings, about = json.loads(header["settings"]), json.loads(header["metadata"])
    first = next(iter(tensors))
    scores = next(name for name in tensors if name.startswith("regression.score"))
    changes = {
        "settings: a list": {"settings": []},
        "settings: nothing": {"settings": {}},
        "settings: an unknown one": {"settings": settings | {"x": 1}},
        "settings: embed_dim 8,000,000,000": {"settings": settings | {"embed_dim": 8 * 10**9}},
        "settings: embed_dim -8": {"settings": settings | {"embed_dim": -8}},
        "settings: embed_dim in words": {"settings": settings | {"embed_dim": "16"}},
        "settings: image_size 64,000,000": {"settings": settings | {"image_size": 64 * 10**6}},
        "settings: image_size 0": {"settings": settings | {"image_size": 0}},
        "settings: a backbone from the hub": {"settings": settings | {"backbone": "hf-hub:evil/x"}},
        "settings: a ResNet": {"settings": settings | {"backbone": "resnet18"}},
        "settings: weights of a file": {"settings": settings | {"weights": "/etc/passwd"}},
        "settings: pretrained": {"settings": settings | {"pretrained": True}},
        "settings: out_indices 99": {"settings": settings | {"out_indices": [99]}},
        "settings: dropout 7": {"settings": settings | {"dropout": 7}},
        "metadata: a list": {"metadata": []},
        "metadata: no preparation": {"metadata": ABOUT},
        "metadata: preparation in words": {"metadata": about | {"preparation": "whole"}},
        "metadata: an unknown method": {
            "metadata": about | {"preparation": about["preparation"] | {"method": "x"}}
        },
        "metadata: score_range in words": {"metadata": about | {"score_range": "1 to 5"}},
        "metadata: score_range backwards": {"metadata": about | {"score_range": [5, 1]}},
        "metadata: score_range lacks": {
            "metadata": {name: value for name, value in about.items() if name != "score_range"}
        },
        "metadata: higher_is_better in words": {"metadata": about | {"higher_is_better": "no"}},
        "weights: one lacks": {first: None},
        "weights: one more": {"x": torch.zeros(1)},
        "weights: another shape": {first: torch.zeros(1)},
        "weights: NaN": {scores: torch.full_like(tensors[scores], torch.nan)},
        "weights: infinite": {scores: torch.full_like(tensors[scores], torch.inf)},
        "another format": {"format": "dpam-model-0"},
    }
    for what, change in changes.items():
        new = tensors | {k: v for k, v in change.items() if isinstance(v, torch.Tensor)}
        new = {name: tensor for name, tensor in new.items() if change.get(name, 0) is not None}
        texts = header | {
            name: json.dumps(change[name]) for name in ("settings", "metadata") if name in change
        }
        texts["format"] = change.get("format", FORMAT)
        texts["checksum"] = checksum(texts, new)
        yield what, save(new, texts)


@pytest.mark.parametrize("cases", [damaged, remade])
def test_a_broken_checkpoint_is_refused(cases, model, tmp_path, note):
    Image.fromarray(photograph(1)).save(tmp_path / "photo.png")
    command = ("predict", "photo.png", "--checkpoint", "x.safetensors", "--workers", 1)
    (tmp_path / "x.safetensors").write_bytes(model.read_bytes())
    assert call(*command).status == 0
    found = list(cases(model.read_bytes() if cases is damaged else model))
    problems = []
    for what, content in found:
        (tmp_path / "x.safetensors").write_bytes(content)
        answer = call(*command)
        lines = answer.err.splitlines()
        if answer.is_clear() and answer.status == 1 and "x.safetensors: " in lines[0]:
            note(KIND, what, f"refused: {lines[0].partition(': ')[2][:200]}")
        else:
            problems.append((what, answer))
    assert not problems, "\n".join(map(str, problems))


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = str(canary)

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


def carriers(canary: Path):
    """Files that run code in those who unpickle them: what, bytes."""
    evil = Evil(canary)
    yield "a pickle", pickle.dumps(evil)
    yield "a pickle of protocol 0", pickle.dumps({"state_dict": evil}, protocol=0)
    for what, content in {
        "a model": evil,
        "beside tensors": {"state_dict": {"a": torch.zeros(1)}, "epoch": evil},
        "as a tensor": {"conv1.bias": evil},
        "in a list": [[evil]],
    }.items():
        buffer = io.BytesIO()
        torch.save(content, buffer)
        yield f"PyTorch's format, {what}", buffer.getvalue()
    buffer = io.BytesIO()
    torch.save(evil, buffer, _use_new_zipfile_serialization=False)
    yield "PyTorch's old format", buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(evil))
        archive.writestr("archive/constants.pkl", pickle.dumps(evil))
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/code/__torch__.py", b"import os\nos.system('touch canary')\n")
    yield "TorchScript's format", buffer.getvalue()


READERS = {
    "predict": ("predict", "photo.png", "--checkpoint", "{}.pt", "--dataset", "koniq10k"),
    "predict, by another name": ("predict", "photo.png", "--checkpoint", "{}.safetensors"),
    "import-checkpoint": ("import-checkpoint", "{}.pt", "out.safetensors"),
    "info": ("info", "{}.safetensors"),
    "superpixels, AINet's weights": (
        *("superpixels", "photo.png", "--method", "ainet"),
        *("--ainet", "{}.pt"),
    ),
    "train, the backbone's weights": (
        *("train", "tiny.h5", "--splits", "splits.csv", "--history", "h"),
        *("--output", "m.safetensors", "--test-selected", "r.safetensors", "--set"),
        'model={{"backbone": "test_vit", "embed_dim": 16, "weights": "{}.pt"}}',
    ),
    "inspect": ("inspect", "{}.h5"),
}  # fmt: skip


def test_code_in_a_checkpoint_does_not_run(tmp_path, note):
    """Every reader of files from outside meets every carrier of code."""
    pack(tmp_path)
    Image.fromarray(photograph(1)).save(tmp_path / "photo.png")
    canary = tmp_path / "canary"
    for what, content in carriers(canary):
        if "code" not in what and what.startswith("a pickle"):
            pickle.loads(content)  # noqa: S301 # it does run code
            assert canary.exists()
            canary.unlink()
        for suffix in ("pt", "safetensors", "h5"):
            (tmp_path / f"x.{suffix}").write_bytes(content)
        for reader, command in READERS.items():
            answer = call(*(word.format("x") for word in command))
            assert not canary.exists(), (what, reader)
            assert answer.is_clear(), (what, reader, answer)
            assert answer.status == 1
            assert "x." in answer.err
            note("checkpoints that run code", f"{what}: {reader}", f"refused: {answer.err[:160]}")


def test_progress_and_features_are_not_unpickled_either(tmp_path, note):
    """Files that the stages themselves leave, replaced by ones that run code."""
    pack(tmp_path)
    canary = tmp_path / "canary"
    evil = Evil(canary)
    buffer = io.BytesIO()
    np.save(buffer, np.array([evil], dtype=object), allow_pickle=True)
    (tmp_path / "x.npy").write_bytes(buffer.getvalue())
    labels_table(12).assign(official="", group="").to_csv(tmp_path / "labels.csv", index=False)
    sides = [
        f"--{side}{name}" for side in ("", "test-") for name in ("features", "labels", "splits")
    ]
    files = ["x.npy", "labels.csv", "splits.csv"] * 2
    pairs = [word for pair in zip(sides, files, strict=True) for word in pair]
    answer = call("train-baseline", "brisque_svr", *pairs, "--output", "out.csv")
    assert answer.is_clear(), answer
    assert answer.status == 1
    assert "x.npy: expected an array" in answer.err
    note("checkpoints that run code", "train-baseline: features", f"refused: {answer.err[:160]}")

    for number, (what, content) in enumerate(carriers(canary)):
        run = f"run{number}"
        (tmp_path / run).mkdir()
        (tmp_path / run / "model.progress.pt").write_bytes(content)
        answer = call(
            *("train", "tiny.h5", "--splits", "splits.csv", "--output", f"{run}/model.safetensors"),
            *("--test-selected", f"{run}/r.safetensors"),
            *("--history", f"{run}/h.csv", "--set", "model={backbone: test_vit, embed_dim: 16}"),
            *("--set", "training={epochs: 1, batch_size: 4}", "--threads", 1),
        )
        assert not canary.exists()
        assert answer.is_clear(), answer
        if answer.status == 0:  # it begins as ours do
            assert "progress.pt: unreadable" in answer.err
            result = "passed over, trained anew"
        else:
            assert answer.status == 1
            assert "progress.pt: would be replaced, but dpam did not make it" in answer.err
            result = f"refused: {answer.err.splitlines()[-1][:160]}"
        note("checkpoints that run code", f"train: progress, {what}", result)
    assert not canary.exists()


def pack(folder: Path) -> None:
    """A pack of twelve images and their splits."""
    how, labels = preparation("whole"), labels_table(12)
    settings = ABOUT | {"preparation": vars(how)}
    images = (prepare(photograph(number), how) for number in range(12))
    write_pack(folder / "tiny.h5", labels, how, settings, images)
    subsets = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
    labels[["image"]].assign(split00=subsets).to_csv(folder / "splits.csv", index=False)
