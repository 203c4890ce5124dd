"""What was run: a row per run, the machines, and the settings that are not the release's."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError, safe_open

from dpam.errors import DpamError
from dpam.evaluation.baselines import BASELINES
from dpam.evaluation.formatting import DASH, METRIC_HEADINGS, decimal, interval, method_name
from dpam.evaluation.methods import BASE, is_network
from dpam.evaluation.tables import history_file, of_networks
from dpam.evaluation.unions import dataset_name, members_of
from dpam.report.table import Table, link, quantity
from dpam.utils.files import refuse_unreadable
from dpam.utils.reading import read_csv

# What says where things lie rather than what is computed.
PLACES = ("pathvars", "data_root", "roots", "allow", "custom", "demo", "finished_only")


def summary(metrics: pd.DataFrame) -> str:
    """What was run, in a sentence."""
    runs = metrics.drop_duplicates(["dataset", "distortion", "method", "split", "seed"])
    tested = len(metrics.drop_duplicates(["run", "test_dataset"]))
    baselines = int(runs["method"].isin(BASELINES).sum())
    trained = quantity(int(of_networks(runs).sum()), "network")
    if baselines:
        trained += f" and {quantity(baselines, 'baseline')}"
    return (
        f"{trained} trained and {quantity(tested, 'test')} made on "
        f"{quantity(len(datasets(metrics)), 'dataset')}: {', '.join(datasets(metrics))}."
    )


def datasets(metrics: pd.DataFrame) -> list[str]:
    """The datasets trained or tested on."""
    named = [*metrics["dataset"], *metrics["test_dataset"]]
    return list(dict.fromkeys(name for each in named for name in members_of(each)))


def overview(
    metrics: pd.DataFrame, origins: dict[str, dict[str, Any]], machine: dict[str, Any]
) -> list[tuple[str, str]]:
    """Names and values: what, how often, by which code, on which machine.

    Args:
        metrics: rows of `dpam.evaluation.tables.read_metrics`.
        origins: of `read_origins`.
        machine: `dpam.utils.runtime.record()` of the job that makes the page.
    """
    made = [origins[run].get("made_by", {}) for run in origins]

    def each(key: str) -> str:
        return "; ".join(dict.fromkeys(str(one.get(key) or "unknown") for one in made)) or DASH

    starts = [start_in_words(one["start"]) for one in origins.values() if "start" in one]
    versions = [one.get("versions", {}) for one in made]
    software = [f"torch {one['torch']}" for one in versions if "torch" in one]
    software += [f"Python {one['python']}" for one in made if "python" in one]
    return [
        ("datasets", ", ".join(datasets(metrics))),
        *([("left out of training", left)] if (left := left_out(origins)) else []),
        ("distortions", ", ".join(dict.fromkeys(metrics["distortion"]))),
        ("methods", "; ".join(map(method_name, dict.fromkeys(metrics["method"])))),
        ("splits", ", ".join(dict.fromkeys(metrics["split"]))),
        ("seeds", ", ".join(str(seed) for seed in dict.fromkeys(metrics["seed"]))),
        *([("started from", "; ".join(dict.fromkeys(starts)))] if starts else []),
        ("trained on", each("device")),
        ("trained by commit", each("commit")),
        ("trained with", ", ".join(dict.fromkeys(software)) or DASH),
        ("page made on", f"{machine['platform']}, {machine['device']}"),
        ("page made by commit", str(machine["commit"] or "unknown")),
    ]


def left_out(origins: dict[str, dict[str, Any]]) -> str:
    """How many images do not train as another dataset of a union holds out what they show."""
    found = [
        f"{dataset_name(origin['dataset'])}, {origin['split']}: "
        + ", ".join(f"{count:,} of {name}" for name, count in origin["left_out"].items())
        for origin in origins.values()
        if "left_out" in origin
    ]
    return "; ".join(dict.fromkeys(found))


def start_in_words(start: dict[str, Any]) -> str:
    """The checkpoint that a network started from, as `dpam.model.start.start_from` tells of it."""
    learned = start.get("metadata", {}).get("title")
    return f"{start['file']}, trained on {learned}" if learned else str(start["file"])


def read_origins(metrics: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Run -> what the header of its network says of it; runs without weights are left out.

    Raises:
        DpamError: the weights are something else.
    """
    runs = metrics.loc[of_networks(metrics), "run"]
    files = {str(run): history_file(run).with_name("model.safetensors") for run in runs}
    return {run: header(file) for run, file in files.items() if file.exists()}


def header(path: Path) -> dict[str, Any]:
    """The metadata of a network, read without its weights and without torch.

    Raises:
        DpamError: the file is no checkpoint.
    """
    refuse_unreadable(path)
    try:
        with safe_open(path, framework="numpy") as file:
            found: dict[str, Any] = json.loads(file.metadata()["metadata"])
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise DpamError(
            f"{path}: expected a network of `dpam train`, found something else"
        ) from error
    return found


def deviations(settings: dict[str, Any], released: dict[str, Any]) -> Table | None:
    """Settings that differ from the released code's experiment; None if none does.

    Args:
        settings: the configuration here.
        released: the configuration of that experiment.
    """
    here, there = dict(science(settings)), dict(science(released))
    rows = [
        {"setting": name, "as released": there.get(name, DASH), "here": here.get(name, DASH)}
        for name in dict.fromkeys([*there, *here])
        if here.get(name) != there.get(name)
    ]
    text = (
        "Settings that differ from the released code's, of which workflow/presets/as_released.yaml "
        "holds what can be had here and says what cannot."
    )
    return Table(text, pd.DataFrame(rows), []) if rows else None


def science(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """The settings that say what is computed, as (dotted name, text); one line per experiment."""
    kept = {key: value for key, value in settings.items() if key not in (*PLACES, "experiments")}
    blocks: dict[str, list[str]] = {}
    for block in settings.get("experiments", []):
        blocks.setdefault(block["name"], []).append(in_words(block))
    experiments = [(f"experiment {name}", "; ".join(words)) for name, words in blocks.items()]
    return [*experiments, *flatten(kept)]


def in_words(block: dict[str, Any]) -> str:
    """An experiment's block of the configuration."""
    lists = (block.get(key, []) for key in ("datasets", "methods", "baselines", "splits"))
    names, methods, baselines, splits = lists
    names = names or [" + ".join(block.get("train_on", []))]
    distortions, variants = block.get("distortions", ["all"]), block.get("variants", [BASE])
    targets = block.get("test_on", "self")
    words = [
        f"on {', '.join(names)}",
        ", ".join([*methods, *baselines]),
        f"variants {', '.join(variants)}" if variants != [BASE] else "",
        ", ".join(splits) if len(splits) < 3 else f"{splits[0]} to {splits[-1]} ({len(splits)})",
        f"distortions {distortions if isinstance(distortions, str) else ', '.join(distortions)}"
        if distortions != ["all"]
        else "",
        f"tested on {targets if isinstance(targets, str) else ', '.join(targets)}",
    ]
    return ", ".join(filter(None, words))


def flatten(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested settings as (dotted name, text); a list of objects gives one line per object."""
    if isinstance(value, dict):
        return [
            line
            for key, part in value.items()
            for line in flatten(part, f"{name}.{key}".strip("."))
        ]
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return [(name, "; ".join(": ".join(line) for line in flatten(part))) for part in value]
    if isinstance(value, list):
        return [(name, ", ".join(map(str, value)))]
    return [(name, DASH if value is None else str(value))]


def runs(metrics: pd.DataFrame, tables: Path, output: Path) -> Table:
    """One row per run and test dataset, with what the training took."""
    rows, links = [], []
    for row in metrics.drop_duplicates(["run", "test_dataset"]).to_dict("records"):
        files = {"predictions": Path(row["run"]) / f"on-{row['test_dataset']}.csv"}
        took = {}
        if is_network(row["method"]):
            files = {"history": history_file(row["run"]), **files}
            rule = "test_selected" if row["selection"] == "test" else "validation_selected"
            took = training(files["history"], rule)
        rows.append(
            {
                "trained on": dataset_name(row["dataset"]),
                "distortion": row["distortion"],
                "method": method_name(row["method"]),
                "split": row["split"],
                "seed": row["seed"],
                "tested on": row["test_dataset"],
                "epoch selected on": row["selection"],
                "labels": row["label_kind"],
                "images": row["n"],
                "near-duplicates": row["near_duplicates"],
                **{
                    heading: decimal(row[metric]) + interval(row, metric)
                    for metric, heading in (METRIC_HEADINGS | {"rmse": "RMSE"}).items()
                },
                **took,
            }
        )
        links.append([(name, link(file, output)) for name, file in files.items()])
    table = pd.DataFrame(rows).fillna(DASH)
    varying = ("distortion", "method", "seed", "epoch selected on")
    alike = [name for name in varying if len(set(table[name])) == 1]
    within = METRIC_HEADINGS["srcc_within"]
    alike += [within] * bool((table[within] == DASH).all())
    alike += ["near-duplicates"] * bool((table["near-duplicates"] == 0).all())
    path = tables / "metrics.csv"
    text = (
        "Every training run and its tests. Seconds: of the whole training, its evaluations "
        "included."
    )
    source = [(path.name, link(path, output))]
    return Table(text, table.drop(columns=alike), source, row_files=links)


def training(path: Path, rule: str) -> dict[str, str]:
    """Epochs and time of a training run from its history; `rule`: the column of the kept epoch."""
    history = read_csv(path, ["epoch", "seconds", "images_per_second", rule])
    kept = history.loc[history[rule] == 1, "epoch"]
    return {
        "epochs": str(len(history)),
        "kept": str(kept.iloc[0]) if len(kept) else DASH,
        "seconds": f"{history['seconds'].sum():.1f}",
        "images/s": f"{history['images_per_second'].median():.1f}",
    }
