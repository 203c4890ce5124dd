"""Golden values of the released network: its weights and inputs by formula, its answers on file."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

DATA = Path(__file__).parents[1] / "data"


def answers(name: str) -> dict[str, Any]:
    """What the released code answered: "a" (evaluation and training) or "b" (evaluation)."""
    return json.loads((DATA / f"model_{name}.json").read_text())


def published_layout() -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of the authors' checkpoints."""
    rows = (line.split("\t") for line in (DATA / "state_dict_layout.tsv").read_text().splitlines())
    return {name: tuple(int(n) for n in shape.split("x") if n) for name, shape in rows}


def generator(tag: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(tag.encode())))


def weights(salt: str, layout: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: weight(salt, name, shape) for name, shape in layout.items()}


def weight(salt: str, name: str, shape: tuple[int, ...]) -> Tensor:
    random = generator(f"{salt}:{name}")
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith("running_var"):
        return torch.from_numpy(1 + 0.5 * random.random(shape))
    z = torch.from_numpy(random.standard_normal(shape))
    if name.endswith("running_mean"):
        return z.mul_(0.1)
    if name in ("vit.pos_embed", "vit.cls_token"):
        return z.mul_(0.02)
    if len(shape) > 1:
        return z.div_(np.sqrt(np.prod(shape[1:])))
    return z.mul_(0.1).add_(1) if name.endswith("weight") else z.mul_(0.02)


def inputs(record: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """image (B, 3, 224, 224), texture (B, 1, 224, 224), superpixels (B, N, P, 3), mos (B,)."""
    salt, b, n, p = (
        record[key] for key in ("salt", "batch", "superpixels", "pixels_per_superpixel")
    )
    image = generator(f"{salt}:image").random((b, 3, 224, 224)) * 2 - 1
    texture = generator(f"{salt}:texture").integers(0, 256, (b, 1, 224, 224)) / 255
    mean = generator(f"{salt}:superpixel_mean").random((b, n, 1, 3))
    noise = generator(f"{salt}:superpixel_noise").standard_normal((b, n, p, 3))
    superpixels = np.clip(np.rint(255 * (mean + 0.1 * noise)), 0, 255) / 255
    mos = generator(f"{salt}:mos").random(b)
    image, texture, superpixels, mos = map(torch.from_numpy, (image, texture, superpixels, mos))
    return image, texture, superpixels, mos


def misfit(found: Tensor, expected: dict[str, Any], floor: float = 0.0) -> float:
    """Largest relative deviation of a tensor from its golden record.

    Each number is measured against its own size, or the tensor's standard deviation, or `floor`,
    whichever is largest.
    """
    assert found.numel() == np.prod(expected["shape"])
    x = found.detach().double().reshape(-1)
    numbers = {"mean": x.mean(), "std": x.std(correction=0), "abs_max": x.abs().max()}
    pairs = [(number.item(), expected[key]) for key, number in numbers.items()]
    pairs += zip(x[torch.tensor(expected["index"])].tolist(), expected["value"], strict=True)
    if "norm" in expected:
        pairs.append((x.norm().item(), expected["norm"]))
    floor = max(floor, expected["std"])
    return max(0 if a == b else abs(a - b) / max(abs(b), floor) for a, b in pairs)


def offenders(misfits: dict[str, float], tolerance: float) -> list[str]:
    """The tensors that miss the tolerance, worst first; also those that are not numbers."""
    bad = {name: value for name, value in misfits.items() if not value <= tolerance}
    return [f"{name}: {value:.2e}" for name, value in sorted(bad.items(), key=lambda kv: -kv[1])]
