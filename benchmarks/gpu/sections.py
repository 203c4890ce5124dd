"""The sections of the benchmark, each run as `python -m benchmarks.gpu.sections SECTION FILE`."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.network import inputs_of, matrix_product_peak
from benchmarks.packing import CUSTOM, make_images
from dpam.datasets import find
from dpam.experiments.benchmark import Cost, Form, compare, gflop, inference, now, training_step
from dpam.inference.judge import judge_file
from dpam.model import DPAM
from dpam.model.checkpoint import save_checkpoint
from dpam.model.reference import ReferenceDPAM
from dpam.pack.recipes import preparation_of
from dpam.superpixels.ainet import AINet, ainet
from dpam.superpixels.rim import RimSettings, rim
from dpam.superpixels.slico import slico
from dpam.superpixels.slico_torch import slico_together
from dpam.utils.files import write_json
from dpam.utils.runtime import compile_network, device, whole_float32

ROOT = Path(__file__).resolve().parents[2]
DPAM_COMMAND = [sys.executable, "-m", "dpam.cli"]
SMALL_NETWORK: dict[str, Any] = {
    "backbone": "test_vit",
    "out_indices": [0, 1, 2, 3],
    "embed_dim": 32,
}
SMALL_SIDE = 64
TENSOR_CORES = {"float32": "highest", "TF32": "high", "bfloat16": "highest"}
STEPS = {"inference": inference, "training": training_step}
# The order of the cases is that of what is asked for most. Step, precision, batches; the
# reference needs too much memory for the largest.
CASES = [
    ("training", "bfloat16", (12, 48, 96)),
    ("inference", "bfloat16", (1, 12, 64, 256)),
    ("inference", "float32", (1, 12, 64)),
    ("training", "float32", (12, 48)),
    ("inference", "TF32", (1, 64)),
    ("training", "TF32", (48,)),
]
REFERENCE_AT_MOST = 64
TOP = 10  # entries of the profile


class Report:
    """What a section has found, written after each addition: a section may be stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, list[Any]] = {"notes": [], "rows": []}

    def note(self, text: str) -> None:
        """Add a line of text."""
        self.found["notes"].append(text)
        write_json(self.path, self.found, replace=True)

    def row(self, **cells: Any) -> None:
        """Add a row of the table."""
        self.found["rows"].append(cells)
        write_json(self.path, self.found, replace=True)


def called(command: list[str]) -> None:
    """Run a command; if it fails, say so in one line. What it says itself stands above."""
    if status := subprocess.run(command, check=False).returncode:
        sys.exit(f"dpam {command[3]}: exit status {status}; the section's log says why")


def tests(report: Report, small: bool) -> None:
    """Run the tests that are marked `gpu`."""
    files = [
        str(path)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "pytest.mark.gpu" in path.read_text(encoding="utf-8")
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-m", "gpu", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    for outcome, what in re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED) (.*)$", done.stdout, re.M):
        report.row(outcome=outcome.lower(), test=what)
    report.note(done.stdout.strip().splitlines()[-1].strip("= ") if done.stdout else "no output")


@contextmanager
def precision_of(name: str, where: torch.device) -> Iterator[torch.dtype]:
    """The dtype of a precision, with TF32 in it or not."""
    torch.set_float32_matmul_precision(TENSOR_CORES[name])
    if name == "TF32":
        yield torch.float32
    else:
        with whole_float32(where):
            yield torch.bfloat16 if name == "bfloat16" else torch.float32


def published(small: bool) -> DPAM:
    """The network at its published size with random weights, on the device."""
    return DPAM(**SMALL_NETWORK | {"image_size": SMALL_SIDE} if small else {}).to(device())


def network(report: Report, small: bool) -> None:
    """Plain and ours by turns, at several batches and precisions; at last ours compiled."""
    where, ours = device(), published(small)
    side, plain = ours.image_size, ReferenceDPAM(dropout=0.1)
    if small:
        vit, taps, width = (SMALL_NETWORK[key] for key in ("backbone", "out_indices", "embed_dim"))
        plain = ReferenceDPAM(vit, taps, width, 0.1, img_size=side)
    plain = plain.to(where)
    with torch.no_grad():
        work = gflop(Form(ours.eval(), inputs_of("ours", side, 1, where)))
    peaks = {}
    for name in TENSOR_CORES:
        with precision_of(name, where) as dtype:
            peaks[name] = matrix_product_peak(where, dtype, 512 if small else 8192)
    rates = ", ".join(f"{peak / 1000:.3g} TFLOP/s in {name}" for name, peak in peaks.items())
    report.note(f"{work:.3g} GFLOP per image. Products of large matrices: {rates}.")

    def measured(step: str, name: str, batch: int, nets: dict[str, Any]) -> None:
        for net in (ours, plain):
            net.train(step == "training")
        forms = {key: Form(net, inputs_of(key, side, batch, where)) for key, net in nets.items()}
        with precision_of(name, where) as dtype:
            costs = compare(STEPS[step], forms, where, dtype, 1 if small else 5)
        for net in (ours, plain):
            net.zero_grad(set_to_none=True)
        first, *_ = costs.values()
        for key, cost in costs.items():
            products = work * (3 if step == "training" else 1) * batch / cost.seconds
            report.row(
                step=step,
                precision=name,
                batch=batch,
                form=key,
                **{"images/s": batch / cost.seconds, "ms": cost.seconds * 1000},
                speed=f"{first.seconds / cost.seconds:.2f}x",
                **{"MB/image": megabytes(cost, batch)},
                **{"of peak": "" if key == "reference" else f"{products / peaks[name]:.0%}"},
            )

    cases = [(step, name, batch) for step, name, batches in CASES for batch in batches]
    if small:
        cases = [("training", "bfloat16", 2), ("inference", "float32", 1), ("inference", "TF32", 1)]
    for step, name, batch in cases:
        both = {"reference": plain, "ours": ours}
        nets = both if batch <= REFERENCE_AT_MOST else {"ours": ours}
        try:
            measured(step, name, batch, nets)
        except torch.OutOfMemoryError:
            report.note(f"{step}, {name}, batch {batch}: not enough memory.")
    for step, batch in () if small else (("inference", 1), ("inference", 64), ("training", 48)):
        measured(step, "bfloat16", batch, {"ours": ours, "ours, compiled": compile_network(ours)})


def megabytes(cost: Cost, batch: int) -> float | None:
    """Memory of an image."""
    return None if cost.memory is None else cost.memory / batch / 2**20


def training(report: Report, small: bool) -> None:
    """Pack photographs, train with `dpam train` for three epochs, look at its history."""
    images, side = (24, SMALL_SIDE) if small else (800, 224)
    judge_like = {"network": "pooled", "backbone": "vit_small_patch14_dinov2"}
    networks = {"dpam, published size": SMALL_NETWORK if small else {}}
    if not small:
        networks["pooled, ViT-S/14"] = judge_like | {"out_indices": [2, 5, 8, 11]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_images(folder, images)
        names = [f"{number:06d}.jpg" for number in range(images)]
        label = np.random.default_rng(20).random(images)
        table = pd.DataFrame({"image": names, "label": label, "label_kind": "none"})
        table = table.assign(reference="", distortion="", level=0, group="")
        table.to_csv(folder / "labels.csv", index=False)
        subsets = np.where(np.arange(images) % 10 < 8, "train", "validation")
        table.assign(split00=subsets)[["image", "split00"]].to_csv(folder / "s.csv", index=False)
        (folder / "verified.json").write_text(json.dumps({"fingerprint": "photographs"}))
        start = time.perf_counter()
        pack = [*DPAM_COMMAND, "pack-superpixels", "images", "--root", name, "--custom"]
        pack += [json.dumps(CUSTOM | {"network_input": "crop"}), "--labels", f"{name}/labels.csv"]
        pack += ["--verified", f"{name}/verified.json", "--image-size", str(side)]
        called([*pack, "--output", f"{name}/slic.h5"])
        took = time.perf_counter() - start
        report.note(f"{images} photographs of 512x384 packed in {took:.0f} s, the start included.")
        for title, model in networks.items():
            for batch in (4, 8) if small else (12, 48):
                train(report, folder, title, model | {"pretrained": False}, batch)


def train(report: Report, folder: Path, title: str, model: dict[str, Any], batch: int) -> None:
    """A row: three epochs with one size of the batch."""
    out = folder / f"{title}-{batch}"
    out.mkdir()
    told = {"epochs": 3, "batch_size": batch}
    settings = [f"model={json.dumps(model)}", f"training={json.dumps(told)}"]
    command = [*DPAM_COMMAND, "train", f"{folder}/slic.h5", "--splits", f"{folder}/s.csv", "--set"]
    command += [*settings, "--output", f"{out}/model.safetensors", "--history", f"{out}/h.csv"]
    start = time.perf_counter()
    called([*command, "--test-selected", f"{out}/t.safetensors"])
    seconds = time.perf_counter() - start
    history = pd.read_csv(out / "h.csv")
    report.row(
        network=title,
        batch=batch,
        **{
            "images/s of each epoch": ", ".join(f"{x:.3g}" for x in history["images_per_second"]),
            "s in epochs": float(history["seconds"].sum()),
            "s around them": seconds - float(history["seconds"].sum()),
            "GB": float(history["memory_gb"].max()),
        },
    )


def predict(report: Report, small: bool) -> None:
    """`dpam predict` of few and of many photographs: the rate between them, and the start."""
    few, many = (4, 12) if small else (100, 1000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "all").mkdir()
        make_images(folder / "all", many)
        (folder / "few").mkdir()
        for number in range(few):
            os.link(folder / "all" / f"{number:06d}.jpg", folder / "few" / f"{number:06d}.jpg")
        net, checkpoint = published(small), folder / "dpam.safetensors"
        save_checkpoint(checkpoint, net, about_dpam(net.image_size))
        report.note(f"{os.cpu_count()} cores; JPEGs of 512x384.")
        for title, file in {"the judge": judge_file(), "dpam, published size": checkpoint}.items():
            took = {}
            for which, count in ("few", few), ("all", many):
                command = [*DPAM_COMMAND, "predict", str(folder / which), "--checkpoint", str(file)]
                start = time.perf_counter()
                called([*command, "--output", f"{name}/{count}{title}.csv"])
                took[count] = time.perf_counter() - start
            each = (took[many] - took[few]) / (many - few)
            report.row(
                network=title, **{"photographs/s": 1 / each, "s of start": took[few] - few * each}
            )


def about_dpam(image_size: int) -> dict[str, Any]:
    """What a checkpoint says of itself so that photographs can be scored with it."""
    how = preparation_of(find("livec"), image_size, method="slic", backend="numba")
    return {
        "dataset": "livec",
        "title": "random weights",
        "label_kind": "none",
        "score_range": [0, 1],
        "higher_is_better": True,
        "preparation": vars(how),
    }


def superpixels(report: Report, small: bool) -> None:
    """Images a second of each method: RIM and AINet here, SLICO on one core."""
    where, side, batch = device(), 64 if small else 224, 2 if small else 16
    images = np.random.default_rng(20).integers(0, 256, (batch, side, side, 3), np.uint8)
    net = AINet().to(where).eval()
    slico(images[0], 20, 10, 10, "numba")  # compiled once
    many = np.concatenate([images] * (1 if small else 4))
    methods: dict[str, Callable[[], object]] = {
        "slico, torch": lambda: slico_together(many, 20, 10, 10, where),
        "slico, one core": lambda: [slico(image, 20, 10, 10, "numba") for image in images],
        "ainet": lambda: [ainet(image, net, 20) for image in images],
        "rim": lambda: rim(images, RimSettings(steps=10 if small else 500), where),
    }
    for name, method in methods.items():
        method()
        start = now(where)
        method()
        number = len(many) if name == "slico, torch" else batch
        report.row(method=name, side=side, **{"images/s": number / (now(where) - start)})


def profile(report: Report, small: bool) -> None:
    """The ten entries of a training step in bfloat16 that take most of the device's time."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    where, net = device(), published(small).train()
    form = Form(net, inputs_of("ours", net.image_size, 2 if small else 48, where))
    activities = [ProfilerActivity.CPU]
    if where.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with torch.autocast(where.type, torch.bfloat16):
        training_step(form)
        with profiler(activities=activities) as seen:
            training_step(form)
            now(where)
    column = "self_device_time_total" if where.type == "cuda" else "self_cpu_time_total"
    entries = seen.key_averages()
    total = sum(getattr(entry, column) for entry in entries)
    for entry in sorted(entries, key=lambda entry: -getattr(entry, column))[:TOP]:
        share = getattr(entry, column) / total
        report.row(entry=entry.key[:60], calls=entry.count, share=f"{share:.1%}")


SECTIONS = {
    each.__name__: each for each in (tests, network, training, predict, superpixels, profile)
}


def main() -> None:
    """Run one section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--small", action="store_true", help="tiny sizes")
    args = parser.parse_args()
    SECTIONS[args.section](Report(args.file), args.small)


if __name__ == "__main__":
    main()
