"""A tree of results as the workflow leaves it, with made-up predictions."""

import json
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import yaml
from safetensors.numpy import save_file
from samples import write_pack

from dpam.cli import main
from dpam.evaluation.baselines import BASELINES
from dpam.evaluation.metrics import evaluate
from dpam.figures.gallery import Gallery, QualityExample, choose, write_gallery
from dpam.pack.preparation import Preparation, Prepared
from dpam.superpixels.methods import Segmentation

KIND = "pseudo-MOS (HaarPSI)"
PREPARATION = Preparation("whole", 32, "slic", 4, None, 8, 10.0, 1)


def labels(dataset: str, n: int, image_name: str = "images/{:03d}.png") -> pd.DataFrame:
    rng = np.random.default_rng(len(dataset))
    return pd.DataFrame(
        {
            "image": [image_name.format(i) for i in range(n)],
            "reference": [f"photograph{i % 5}" for i in range(n)],
            "distortion": [("blur", "noise")[i % 2] for i in range(n)],
            "level": "",
            "group": "",
            "raw_label": 0.0,
            "raw_std": "",
            "label": rng.beta(2, 2, n),
            "label_kind": KIND,
        }
    )


def history(epochs: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    epoch = np.arange(1, epochs + 1)
    table = pd.DataFrame({"epoch": epoch, "learning_rate": 1e-4})
    table["loss"] = 0.09 * np.exp(-epoch / 8) + 0.004 + rng.random(epochs) * 0.003
    for part, best in (("train", 0.95), ("validation", 0.8), ("test", 0.75)):
        for number in ("srcc", "plcc"):
            table[f"{part}_{number}"] = best * (1 - np.exp(-epoch / 6)) + rng.normal(
                0, 0.02, epochs
            )
    table["seconds"], table["images_per_second"] = 3.25, 81.5
    table["validation_selected"] = (epoch == table["validation_srcc"].argmax() + 1).astype(int)
    table["test_selected"] = (epoch == table["test_srcc"].argmax() + 1).astype(int)
    return table


def add_run(
    results: Path,
    experiment: str,
    dataset: str,
    tested: pd.DataFrame,
    on_test: bool = False,
    device: str = "CPU, 2 threads",
    **change: str,
) -> dict[str, object]:
    """Write one run's files; returns its row of the list of runs.

    Faithful: the weights were selected on the test set; they lie in a folder of the run.
    """
    row: dict[str, object] = {
        "dataset": dataset,
        "distortion": "all",
        "method": "slic",
        "split": "split00",
        "seed": 20,
        "test_dataset": dataset,
    }
    row |= change
    names = ("dataset", "distortion", "method", "split")
    run = results.joinpath("runs", *(str(row[name]) for name in names), "seed20")
    run.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32("/".join([*run.parts[-5:], str(row["test_dataset"])]).encode())
    if row["method"] not in BASELINES:
        history(30, seed).to_csv(run / "history.csv", index=False)
        made_by = {"device": device, "commit": "0123abcd", "python": "3.12.1"}
        start = {"file": "judge.safetensors", "metadata": {"title": "BIQ2021"}}
        about = {"made_by": {**made_by, "versions": {"torch": "2.9.0"}}, "start": start}
        weights = {"weight": np.zeros(1, np.float32)}
        save_file(weights, run / "model.safetensors", {"metadata": json.dumps(about)})
    if on_test:
        run /= "test_selected"
        run.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    table = tested.drop(columns=["raw_label", "raw_std"])
    table["prediction"] = 0.2 + 0.6 * table["label"] + rng.normal(0, 0.08, len(table))
    table["spread"] = 0.0
    table["subset"], table["selection"] = "test", "test" if on_test else "validation"
    table.to_csv(run / f"on-{row['test_dataset']}.csv", index=False)
    names = {name: list(table[name]) for name in ("reference", "distortion", "level", "group")}
    numbers = evaluate(table["prediction"].to_numpy(), table["label"].to_numpy(), **names)
    common = {name: str(table[name][0]) for name in ("label_kind", "selection")}
    numbers |= {"validation": None, "test_to_train": 0.25, "floor": None}
    alike = 3 * (row["dataset"] != row["test_dataset"])
    rest = {"n": len(table) - alike, **{name: numbers[name] for name in ("srcc", "plcc")}}
    numbers["near_duplicates"] = {"images": alike, "pairs": [], "without": rest}
    text = json.dumps({**row, **common, **numbers})
    (run / f"on-{row['test_dataset']}.json").write_text(text)
    return {"experiment": experiment, **row, "run": str(run)}


def add_pack(
    results: Path, dataset: str, title: str, table: pd.DataFrame, method: str = "slic"
) -> Path:
    """Write a small pack of made-up images, and what their verification found."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :64] // 16
    label_map = (rows * 4 + columns).astype(np.uint16)

    def images() -> Iterator[tuple[Prepared, Segmentation]]:
        for _ in range(len(table)):
            image = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            statistics = np.zeros((4, 3), np.float32), np.zeros((4, 6), np.float32)
            whole = np.zeros((32, 32, 3), np.uint8)
            prepared = Prepared(whole, np.zeros((1, 32, 32), np.float32), *statistics)
            yield prepared, Segmentation(image, label_map)

    settings = {"dataset": dataset, "title": title, "label_kind": KIND}
    settings |= {"preparation": {**vars(PREPARATION), "method": method}}
    path = results / "data" / dataset / f"{method}.h5"
    write_pack(path, table, PREPARATION, settings, images())
    add_verified(results, dataset, title, [])
    return path


def add_verified(results: Path, dataset: str, title: str, accepted: list[str]) -> None:
    """Write what the verification of a dataset found."""
    found = {
        "dataset": dataset,
        "title": title,
        "counts": {"images": 1060, "references": 5, "without_label": 0},
        "bytes": 4_560_000,
        "fingerprint": "0123456789abcdef" * 4,
        "accepted": accepted,
        "left_out": ["images/one.png"],
        "near_duplicates": [["a.png", "b.png", 3]] * 7,
    }
    path = results / "data" / dataset / "verified.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))


def add_maps(row: dict[str, object]) -> None:
    """Write made-up quality maps of a run's own test."""
    table = pd.read_csv(f"{row['run']}/on-{row['test_dataset']}.csv")
    rng = np.random.default_rng(0)
    examples = []
    for kind, index in choose(table):
        one = table.iloc[index]
        photo = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        maps = rng.random((2, 24, 32))
        name = str(one["image"])
        examples.append(QualityExample(kind, name, one["label"], one["prediction"], photo, *maps))
    path = Path(str(row["run"])) / f"maps-on-{row['test_dataset']}.npz"
    write_gallery(path, Gallery(f"Maps of {row['dataset']}", examples))


def add_benchmarks(results: Path) -> None:
    """Write Snakemake's benchmark files of a few jobs."""
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for job, line in {
        "train/demo_a-all-slic-split00-seed20": "75.5\t0:01:15\t812.25\t1\t1\t1\t0\t0\t99\t75\n",
        "train/demo_a-all-slic-split01-seed20": "90.5\t0:01:30\t700.5\t1\t1\t1\t0\t0\t99\t75\n",
        "evaluate/demo_a-split00": "0.4\t0:00:00\t-\t-\t-\t-\t-\t-\t-\t-\n",
        "tabulate/all": "1.5\t0:00:01\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\n",
    }.items():
        path = results / "benchmarks" / f"{job}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header + line)


def build(results: Path) -> Path:
    """The whole tree: two datasets, four experiments; returns the list of runs."""
    a, b = labels("demo_a", 60), labels("demo_b2", 40)
    test_a, test_b = a[:20], b[:16]
    rows = [
        add_run(results, "individual", "demo_a", test_a),
        add_run(results, "individual", "demo_a", test_a, split="split01"),
        add_run(results, "individual", "demo_a", test_a, method="brisque_svr"),
        add_run(results, "individual", "demo_b", test_b),
        add_run(results, "cross_dataset", "demo_a", test_b, test_dataset="demo_b"),
        add_run(results, "cross_dataset", "demo_b", test_a, test_dataset="demo_a"),
        add_run(results, "single_distortion", "demo_a", a[:20:2], distortion="blur"),
    ]
    add_maps(rows[0])
    add_pack(results, "demo_a", "Demonstration A", a)
    add_pack(results, "demo_b", "Demonstration B", b)
    odd = "images/<one>.png: has a label but is not there [missing_image]"
    add_verified(results, "demo_a", "Demonstration A", [odd])
    add_benchmarks(results)
    pd.DataFrame(rows).to_csv(results / "runs.csv", index=False)
    return results / "runs.csv"


SETTINGS = {
    "training": {"learning_rate": 1e-05, "epochs": 30},
    "experiments": [{"name": "other", "datasets": ["demo_a"], "methods": ["slic"]}],
}
AS_RELEASED = {
    "training": {"learning_rate": 1e-04, "epochs": 30},
    "experiments": [
        {"name": "individual", "datasets": ["demo_a"], "methods": ["slic"], "splits": ["split00"]}
    ],
}


def make_page(results: Path, planned: int = 0, pdf: bool = False) -> Path:
    """Tables, figures and report of the results in a folder, by the commands.

    Writing figures as PDF takes most of the time; where nobody looks at them, none are written.
    """
    packs = [str(path) for path in sorted(results.glob("data/*/*.h5"), reverse=True)]
    maps = [str(path) for path in sorted(results.glob("runs/**/maps-on-*.npz"))]
    page = results / "report" / "index.html"
    tables, figures = str(results / "tables"), str(results / "figures")
    listed = str(results / "runs.csv")
    assert main(["tabulate", listed, "--output-dir", tables]) == 0
    drawn = ["--packs", *packs, "--maps", *maps, "--output-dir", figures]
    with nullcontext() if pdf else patch("dpam.figures.style.save_pdf"):
        assert main(["plot", listed, *drawn]) == 0
    arguments = ["--tables-dir", tables, "--figures-dir", figures]
    arguments += ["--benchmarks-dir", str(results / "benchmarks"), "--results-dir", str(results)]
    arguments += ["--verified", *map(str, sorted(results.glob("data/*/verified.json")))]
    for name, content in (("config", SETTINGS), ("as-released", AS_RELEASED)):
        file = results / f"{name}.yaml"
        file.write_text(yaml.safe_dump(content))
        arguments += [f"--{name}", str(file)]
    arguments += ["--gpu-rules", "train", "test", "--planned", str(planned)]
    assert main(["report", *arguments, "--output", str(page)]) == 0
    return page
