"""From the metrics of many runs to a few tables, with statistics over splits."""

from pathlib import Path
from typing import Any

import pandas as pd

from dpam.errors import DpamError, error_of_many
from dpam.evaluation.methods import is_network
from dpam.evaluation.published import published
from dpam.utils.reading import read_csv, read_json

RUN = ["dataset", "distortion", "method", "split", "seed"]
COLUMNS = ["experiment", *RUN, "test_dataset", "run"]
WITHOUT = ["srcc_without", "plcc_without"]  # near-duplicates of images trained on
METRICS = ["srcc", "plcc", "srcc_within", "krcc", "plcc_fitted", "rmse", "rmse_fitted", *WITHOUT]
WITH_INTERVAL = ["srcc", "plcc", "srcc_within", "plcc_fitted", "rmse", "rmse_fitted"]
LOGISTIC = ["logistic_upper", "logistic_lower", "logistic_centre", "logistic_width"]
# What is held fixed while split and seed vary.
SETTING = ["dataset", "distortion", "method", "test_dataset", "label_kind", "selection"]
# What is no method but a row beside them: the mean of the group in training.
FLOOR = "group_mean"
FEW = 4  # splits; of fewer each is shown, a median and a deviation would say less


def read_results(path: str | Path) -> list[dict[str, Any]]:
    """The list of runs, each row with the JSON that it points to.

    Args:
        path: CSV with the columns of COLUMNS; `run` is the folder of the run, in which
            on-{test_dataset}.json lies.

    Raises:
        DpamError: the list is empty, or metrics are missing or belong to another run.
    """
    runs = read_csv(path, COLUMNS).astype({name: str for name in COLUMNS if name != "seed"})
    if runs.empty:
        raise DpamError(f"{path}: expected a row per run and test dataset, found none")
    results, wrong = [], []
    for row in runs[COLUMNS].to_dict("records"):
        file = Path(row["run"]) / f"on-{row['test_dataset']}.json"
        if not file.exists():
            wrong.append(f"{file}: no such file")
            continue
        found = read_json(file)
        if any(str(found.get(key)) != str(row[key]) for key in [*RUN, "test_dataset"]):
            wrong.append(f"{file}: belongs to another run")
            continue
        results.append(found | row)
    if wrong:
        raise error_of_many(
            f"{path}: metrics that it names", wrong, "Run the workflow to make them anew."
        )
    return results


def read_metrics(path: str | Path) -> pd.DataFrame:
    """One row per line of the list of runs.

    Returns:
        COLUMNS, label_kind, selection, n, clusters, intervals_over, test_to_train, near_duplicates
        (tested images that have one among those trained on), METRICS, validation_srcc,
        validation_plcc, `_low` and `_high` of each of WITH_INTERVAL, logistic_status, LOGISTIC; nan
        where a number is not defined.

    Raises:
        DpamError: see `read_results`.
    """
    return pd.DataFrame([_flat(result) for result in read_results(path)])


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    names = [*COLUMNS, "label_kind", "selection", "n", "clusters", "intervals_over"]
    flat = {name: result[name] for name in [*names, "test_to_train"]}
    near = result["near_duplicates"]
    flat["near_duplicates"] = near["images"]
    result = result | {name: near["without"][name.removesuffix("_without")] for name in WITHOUT}
    flat |= {metric: _number(result[metric]) for metric in METRICS}
    validation = result["validation"] or {}
    flat |= {f"validation_{name}": _number(validation.get(name)) for name in ("srcc", "plcc")}
    flat |= intervals_of(result)
    flat["logistic_status"] = result["logistic_status"]
    return flat | dict(zip(LOGISTIC, result["logistic"] or [float("nan")] * 4, strict=True))


def intervals_of(result: dict[str, Any]) -> dict[str, float]:
    """`_low` and `_high` of each of WITH_INTERVAL, of an answer of `metrics.evaluate`."""
    flat: dict[str, float] = {}
    for metric in WITH_INTERVAL:
        low, high = result["intervals"][metric] or (None, None)
        flat |= {f"{metric}_low": _number(low), f"{metric}_high": _number(high)}
    return flat


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def floors(results: list[dict[str, Any]]) -> pd.DataFrame:
    """What the group of an image alone predicts, as if a method called FLOOR had.

    Args:
        results: as `read_results` returns them.

    Returns:
        the columns of `read_metrics`; one row per experiment, dataset, distortion, split and test
        dataset whose runs tell it.
    """
    keys = ("experiment", "dataset", "distortion", "split", "test_dataset")
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for result in results:
        if result["floor"] is not None:
            row = result | result["floor"]
            row |= {"method": FLOOR, "selection": "nothing", "validation": None}
            found.setdefault(tuple(row[key] for key in keys), row)
    return pd.DataFrame([_flat(row) for row in found.values()])


def types_and_levels(results: list[dict[str, Any]]) -> pd.DataFrame:
    """Statistics of single distortion types, levels and groups within runs on all of them.

    Args:
        results: as `read_results` returns them.

    Returns:
        One row per experiment x SETTING x type, level or group, in the order met: `by`
        (distortion, level, or group where it is not the distortion), `name`, splits, n_median, and
        `statistics` of srcc and plcc.
    """
    rows = [
        {name: result[name] for name in ["experiment", *SETTING, "split"]}
        | {"by": by, "name": name, "n": numbers["n"]}
        | {metric: _number(numbers[metric]) for metric in ("srcc", "plcc")}
        for result in results
        for by in ("distortion", "level", "group")
        if by != "group" or result["by_group"] != result["by_distortion"]
        for name, numbers in result[f"by_{by}"].items()
    ]
    keys = ["experiment", *SETTING, "by", "name"]
    table = pd.DataFrame(rows, columns=[*keys, "split", "n", "srcc", "plcc"])
    found = [
        {
            **dict(zip(keys, setting, strict=True)),
            "splits": group["split"].nunique(),
            "n_median": group["n"].median(),
            **statistics(group, "srcc"),
            **statistics(group, "plcc"),
        }
        for setting, group in table.groupby(keys, sort=False)
    ]
    names = [f"{m}_{name}" for m in ("srcc", "plcc") for name in ("median", "mean", "std", "each")]
    return pd.DataFrame(found, columns=[*keys, "splits", "n_median", *names])


def statistics(runs: pd.DataFrame, metric: str) -> dict[str, Any]:
    """What the runs of one setting say of a metric.

    Args:
        runs: columns split and the metric's, one row per run.
        metric: its name.

    Returns:
        {metric}_median, _mean and _std (with n - 1, nan for a single run) over the runs; all nan
        if one of them is. {metric}_each: of fewer than FEW splits the value of each, the mean over
        its seeds (of a single split the value of each seed), as text with blanks between; else
        empty.
    """
    values = runs[metric]
    if len(set(runs["split"])) > 1:
        split_means = values.groupby(runs["split"], sort=False).agg(
            lambda several: several.mean(skipna=False)
        )
        each = split_means.tolist()
    else:
        each = values.tolist()
    return {
        f"{metric}_median": values.median(skipna=False),
        f"{metric}_mean": values.mean(skipna=False),
        f"{metric}_std": values.std(skipna=False),
        f"{metric}_each": " ".join(map(str, each)) if len(each) < FEW else "",
    }


def summarise(metrics: pd.DataFrame) -> pd.DataFrame:
    """Statistics of one experiment over its splits and seeds.

    Args:
        metrics: rows of `read_metrics`, all of one experiment.

    Returns:
        One row per dataset x distortion x method x test dataset x selection, in the order met:
        SETTING, split (its name, if only one), n_min and n_max (images tested in a run), near_min
        and near_max (of these, near-duplicates of images trained on), splits, runs, not_converged
        (runs whose logistic did not converge), then `statistics` of each metric, `_low` and `_high`
        of those WITH_INTERVAL (of a single run; else nan), intervals_over (see `metrics.evaluate`;
        empty where there is no interval), then published_srcc and published_plcc, nan where nothing
        comparable was published.
    """
    rows = []
    for setting, group in metrics.groupby(SETTING, sort=False):
        row = dict(zip(SETTING, setting, strict=True))
        names = set(group["split"])
        row["split"] = names.pop() if len(names) == 1 else ""
        row |= {"n_min": group["n"].min(), "n_max": group["n"].max()}
        near = group["near_duplicates"]
        row |= {"near_min": near.min(), "near_max": near.max()}
        row |= {"splits": group["split"].nunique(), "runs": len(group)}
        row["not_converged"] = int((group["logistic_status"] == "not converged").sum())
        for metric in METRICS:
            row |= statistics(group, metric)
        alone = len(group) == 1
        for name in (f"{metric}_{end}" for metric in WITH_INTERVAL for end in ("low", "high")):
            row[name] = group[name].iloc[0] if alone else float("nan")
        row["intervals_over"] = group["intervals_over"].iloc[0] if alone else ""
        row["published_srcc"], row["published_plcc"] = _published(row)
        rows.append(row)
    return pd.DataFrame(rows)


def _published(row: dict[str, Any]) -> tuple[float, float]:
    """SRCC and PLCC of DPAM as published, if they compare."""
    own = row["test_dataset"] == row["dataset"]
    if own and row["distortion"] == "all" and row["method"] == "slic":
        table = published()
        found = table[(table["method"] == "DPAM") & (table["dataset"] == row["dataset"])]
        if len(found):
            return float(found["srcc"].iloc[0]), float(found["plcc"].iloc[0])
    return float("nan"), float("nan")


def of_networks(metrics: pd.DataFrame) -> pd.Series:
    """Which rows are of a trained network; see `is_network`."""
    return metrics["method"].map(is_network).astype(bool)


def not_selected_on_test(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows whose weights were not selected on the tested images; all rows if there are none."""
    rows = metrics[metrics["selection"] != "test"]
    return rows if len(rows) else metrics


def history_file(run: str | Path) -> Path:
    """The history of the training that a run's weights come from.

    Predictions of the weights selected on test lie in a folder of the run, `test_selected`.
    """
    folder = Path(run)
    return (folder.parent if folder.name == "test_selected" else folder) / "history.csv"
