"""From many scores to a few tables: statistics over splits, as CSV, LaTeX and Markdown."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dpam.errors import DpamError, listed
from dpam.files import read_csv, read_json
from dpam.published import published

RUN = ["dataset", "part", "method", "split", "seed"]
COLUMNS = ["experiment", *RUN, "test_dataset", "run"]
METRICS = ["srcc", "plcc", "krcc", "plcc_fitted", "rmse", "rmse_fitted"]
WITH_INTERVAL = ["srcc", "plcc", "plcc_fitted", "rmse", "rmse_fitted"]
LOGISTIC = ["logistic_upper", "logistic_lower", "logistic_centre", "logistic_width"]
# What is held fixed while split and seed vary.
SETTING = ["dataset", "part", "method", "test_dataset", "label_kind", "selection"]

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
HEADINGS = {
    "dataset": "trained on",
    "part": "distortion",
    "method": "method",
    "test_dataset": "tested on",
    "label_kind": "labels",
    "selection": "weights selected on",
}
ABOUT_METRICS = (
    "PLCC and RMSE fitted: after a logistic of four parameters, fitted on the tested images. "
    "RMSE in units of the score, 0 to 1. A single run has its 95 % interval in brackets: "
    "percentiles of a bootstrap over references, or over images where there is no reference."
)
ABOUT_TYPES = (
    "Single distortion types and levels within tests of all: median ± standard deviation over "
    "splits. Few images, narrow ranges of quality: correlations are lower than over all."
)
ABOUT_SELECTION = (
    "Weights selected on test are, as released, of the epoch best on the test part of the training "
    "dataset: comparable with published results, and favoured as they are. All others are held out."
)
ABOUT_PUBLISHED = (
    "Published, of DPAM: one split, best epoch chosen on its test part, which favours it."
)
METRIC_HEADINGS = {
    "srcc": "SRCC",
    "plcc": "PLCC",
    "krcc": "KRCC",
    "plcc_fitted": "PLCC fitted",
    "rmse_fitted": "RMSE fitted",
}
BASELINES = {
    "brisque_svr": "BRISQUE features, SVR",
    "vit_ridge": "frozen ViT features, ridge",
}
METHODS = {"slic": "DPAM, SLIC", "rim": "DPAM, RIM", "ainet": "DPAM, AINet", **BASELINES}


def read_results(path: str | Path) -> list[dict[str, Any]]:
    """The list of scores, each row with the JSON that it points to.

    Args:
        path: CSV with the columns of COLUMNS; `run` is the folder of the run, in which
            on-{test_dataset}.json lies.

    Raises:
        DpamError: the list is empty, or a score is missing or belongs to another run.
    """
    scores = read_csv(path, COLUMNS).astype({name: str for name in COLUMNS if name != "seed"})
    if scores.empty:
        raise DpamError(f"{path}: expected a row per run and test dataset, found none")
    results, wrong = [], []
    for row in scores[COLUMNS].to_dict("records"):
        file = Path(row["run"]) / f"on-{row['test_dataset']}.json"
        if not file.exists():
            wrong.append(f"{file}: no such file")
            continue
        score = read_json(file)
        if any(score.get(key) != row[key] for key in [*RUN, "test_dataset"]):
            wrong.append(f"{file}: belongs to another run")
            continue
        results.append(score | row)
    if wrong:
        raise listed(f"{path}: scores that it names", wrong, "Run the workflow to make them anew.")
    return results


def read_scores(path: str | Path) -> pd.DataFrame:
    """One row per line of the list of scores.

    Returns:
        COLUMNS, label_kind, selection, n, groups, test_to_train, METRICS, validation_srcc,
        validation_plcc, `_low` and `_high` of each of WITH_INTERVAL, logistic_status, LOGISTIC; nan
        where a number is not defined.

    Raises:
        DpamError: see `read_results`.
    """
    return pd.DataFrame([_flat(result) for result in read_results(path)])


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    names = [*COLUMNS, "label_kind", "selection", "n", "groups", "test_to_train"]
    flat = {name: result[name] for name in names}
    flat |= {metric: _number(result[metric]) for metric in METRICS}
    validation = result["validation"] or {}
    flat |= {f"validation_{name}": _number(validation.get(name)) for name in ("srcc", "plcc")}
    for metric in WITH_INTERVAL:
        low, high = result["intervals"][metric] or (None, None)
        flat |= {f"{metric}_low": _number(low), f"{metric}_high": _number(high)}
    flat["logistic_status"] = result["logistic_status"]
    return flat | dict(zip(LOGISTIC, result["logistic"] or [float("nan")] * 4, strict=True))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def types_and_levels(results: list[dict[str, Any]]) -> pd.DataFrame:
    """Statistics of single distortion types and levels within runs on all of them.

    Args:
        results: as `read_results` returns them.

    Returns:
        One row per experiment x SETTING x type or level, in the order met: `by` (distortion or
        level), `name`, splits, n_median, srcc_median, srcc_std, plcc_median, plcc_std. A run in
        which a number is not defined makes it nan.
    """
    rows = [
        {name: result[name] for name in ["experiment", *SETTING, "split"]}
        | {"by": by, "name": name, "n": numbers["n"]}
        | {metric: _number(numbers[metric]) for metric in ("srcc", "plcc")}
        for result in results
        for by in ("distortion", "level")
        for name, numbers in result[f"by_{by}"].items()
    ]
    keys = ["experiment", *SETTING, "by", "name"]
    table = pd.DataFrame(rows, columns=[*keys, "split", "n", "srcc", "plcc"])
    statistics = [
        {
            **dict(zip(keys, setting, strict=True)),
            "splits": group["split"].nunique(),
            "n_median": group["n"].median(),
            **{
                f"{metric}_{name}": getattr(group[metric], name)(skipna=False)
                for metric in ("srcc", "plcc")
                for name in ("median", "std")
            },
        }
        for setting, group in table.groupby(keys, sort=False)
    ]
    columns = [*keys, "splits", "n_median", "srcc_median", "srcc_std", "plcc_median", "plcc_std"]
    return pd.DataFrame(statistics, columns=columns)


def readable_types(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `types_and_levels` as text for people: medians over splits ± their deviation."""
    text = pd.DataFrame({"experiment": table["experiment"]})
    shown = ["dataset", *(name for name in SETTING[1:] if len(set(table[name])) > 1)]
    words = table.assign(method=table["method"].map(method_name))
    for name in shown:
        text[HEADINGS[name]] = words[name].astype(str)
    text["by"], text["type or level"] = table["by"], table["name"].astype(str)
    text["images"], text["splits"] = (
        table["n_median"].map("{:g}".format),
        table["splits"].astype(str),
    )
    for metric in ("srcc", "plcc"):
        text[METRIC_HEADINGS[metric]] = [
            spread(row[f"{metric}_median"], row[f"{metric}_std"])
            for row in table.to_dict("records")
        ]
    return text


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Statistics of one experiment over its splits and seeds.

    Args:
        scores: rows of `read_scores`, all of one experiment.

    Returns:
        One row per dataset x part x method x test dataset x selection, in the order met: SETTING,
        n_min and n_max (images scored in a run), splits, runs, not_converged (runs whose logistic
        did not converge), then median, mean and std of each metric (std with n - 1, nan for a
        single run; all nan if a run's value is not defined), `_low` and `_high` of those
        WITH_INTERVAL (of a single run; else nan), then published_srcc and published_plcc, nan
        where nothing comparable was published.
    """
    rows = []
    for setting, group in scores.groupby(SETTING, sort=False):
        row = dict(zip(SETTING, setting, strict=True))
        row |= {"n_min": group["n"].min(), "n_max": group["n"].max()}
        row |= {"splits": group["split"].nunique(), "runs": len(group)}
        row["not_converged"] = int((group["logistic_status"] == "not converged").sum())
        for metric in METRICS:
            row[f"{metric}_median"] = group[metric].median(skipna=False)
            row[f"{metric}_mean"] = group[metric].mean(skipna=False)
            row[f"{metric}_std"] = group[metric].std(skipna=False)
        for name in (f"{metric}_{end}" for metric in WITH_INTERVAL for end in ("low", "high")):
            row[name] = group[name].iloc[0] if len(group) == 1 else float("nan")
        row["published_srcc"], row["published_plcc"] = _published(row)
        rows.append(row)
    return pd.DataFrame(rows)


def _published(row: dict[str, Any]) -> tuple[float, float]:
    """SRCC and PLCC of DPAM as published, if they compare."""
    own = row["test_dataset"] == row["dataset"]
    if own and row["part"] == "all" and row["method"] == "slic":
        table = published()
        found = table[(table["method"] == "DPAM") & (table["dataset"] == row["dataset"])]
        if len(found):
            return float(found["srcc"].iloc[0]), float(found["plcc"].iloc[0])
    return float("nan"), float("nan")


def method_name(method: str) -> str:
    """A method's name for people."""
    return METHODS.get(method, method)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `summarise` as text for people: only the columns that tell rows apart.

    Metrics read "median ± standard deviation", or of a single run "value [interval]"; a dash
    stands for what is not defined, and a logistic that did not converge is said.
    """
    several = {name: len(set(table[name])) > 1 for name in SETTING}
    crossed = bool((table["dataset"] != table["test_dataset"]).any())
    shown = {
        "dataset": True,
        "part": several["part"] or bool((table["part"] != "all").any()),
        "method": several["method"],
        "test_dataset": crossed,
        "label_kind": True,
        "selection": several["selection"],
    }
    headings = HEADINGS if crossed else HEADINGS | {"dataset": "dataset"}
    words = table[SETTING].astype(str).assign(method=table["method"].map(method_name))
    text = pd.DataFrame({headings[name]: words[name] for name in SETTING if shown[name]})
    text["images"] = [
        f"{low}" if low == high else f"{low}{DASH}{high}"
        for low, high in zip(table["n_min"], table["n_max"], strict=True)
    ]
    text["splits"] = table["splits"].astype(str)
    if (table["runs"] != table["splits"]).any():
        text["runs"] = table["runs"].astype(str)
    for metric, heading in METRIC_HEADINGS.items():
        text[heading] = [_cell(row, metric) for row in table.to_dict("records")]
    if table["published_srcc"].notna().any():
        text["published SRCC"] = table["published_srcc"].map(decimal)
        text["published PLCC"] = table["published_plcc"].map(decimal)
    return text


def _cell(row: Mapping[Any, Any], metric: str) -> str:
    if metric.endswith("_fitted") and row["not_converged"]:
        which = "" if row["runs"] == 1 else f": {row['not_converged']} of {row['runs']} fits"
        return f"not converged{which}"
    text = spread(row[f"{metric}_median"], row[f"{metric}_std"])
    return text + interval(row.get(f"{metric}_low"), row.get(f"{metric}_high"))


def spread(median: float, deviation: float) -> str:
    """A median and, where there is one, the standard deviation."""
    return decimal(median) + ("" if pd.isna(deviation) else f" ± {decimal(deviation)}")


def interval(low: float | None, high: float | None) -> str:
    """An interval to stand behind its number; empty text where there is none."""
    return "" if pd.isna(low) or pd.isna(high) else f" [{decimal(low)}, {decimal(high)}]"


def paper_layout(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `summarise` laid out as those of papers: a row per method, columns per dataset.

    A row stands for a method, and where they differ for what it was trained on, its distortion type
    and what its weights were selected on: first those selected as released, then the held-out ones.
    The columns are the datasets tested on. Above our rows stand the published ones, where each
    network was tested on the dataset that it was trained on.

    Returns:
        text columns method, results (published, or measured), ...; then for each dataset
        "{dataset} SRCC" and "{dataset} PLCC": medians over splits, PLCC without a fit; nan where
        there is none.
    """
    crossed = bool((table["dataset"] != table["test_dataset"]).any())
    varies = {
        "dataset": crossed,
        "part": bool((table["part"] != "all").any()),
        "selection": len(set(table["selection"])) > 1,
    }
    keys = ["method", *(name for name in varies if varies[name])]
    tested_on = set(table["test_dataset"])
    names = dict.fromkeys([*table["dataset"], *table["test_dataset"]])
    datasets = [name for name in names if name in tested_on]
    rows = []
    table = table.sort_values("selection", key=lambda part: part != "test", kind="stable")
    for setting, group in table.groupby(keys, sort=False):
        row: dict[str, Any] = {
            HEADINGS[key]: value for key, value in zip(keys, setting, strict=True)
        }
        row |= {"method": method_name(str(row["method"])), "results": "measured"}
        for tested in group.to_dict("records"):
            row[f"{tested['test_dataset']} SRCC"] = tested["srcc_median"]
            row[f"{tested['test_dataset']} PLCC"] = tested["plcc_median"]
        rows.append(row)
    if not crossed and not varies["part"]:
        rows = _published_rows(datasets) + rows
    texts = ["method", "results", *(HEADINGS[key] for key in keys[1:])]
    numbers = [f"{dataset} {metric}" for dataset in datasets for metric in ("SRCC", "PLCC")]
    layout = pd.DataFrame(rows, columns=[*texts, *numbers])
    return layout.fillna(dict.fromkeys(texts, "")).astype(dict.fromkeys(numbers, float))


def _published_rows(datasets: list[str]) -> list[dict[str, Any]]:
    table = published()
    known = table[table["dataset"].isin(datasets) & table["srcc"].notna()]
    return [
        {"method": method, "results": "published"}
        | {f"{row['dataset']} SRCC": row["srcc"] for row in group.to_dict("records")}
        | {f"{row['dataset']} PLCC": row["plcc"] for row in group.to_dict("records")}
        for method, group in known.groupby("method", sort=False)
    ]


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose numbers have become text of three decimals."""
    numbers = table.select_dtypes("float").columns
    return table.assign(**{name: table[name].map(decimal) for name in numbers}).astype(str)


def decimal(value: float) -> str:
    """Three decimals with a proper minus sign; a dash for nan."""
    return DASH if pd.isna(value) else f"{value:.3f}".replace("-", MINUS)


def latex(table: pd.DataFrame, caption: str) -> str:
    """A table of text as a LaTeX table that needs the package booktabs; all text is escaped."""
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(caption)}}}",
        rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
        r"\toprule",
        " & ".join(escape_latex(name) for name in table.columns) + r" \\",
        r"\midrule",
        *(" & ".join(map(escape_latex, row)) + r" \\" for row in table.itertuples(index=False)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def markdown(table: pd.DataFrame, caption: str) -> str:
    """A table of text as a Markdown table below its caption."""
    rows = [list(table.columns), ["---"] * len(table.columns), *table.itertuples(index=False)]
    lines = (" | ".join(escape_markdown(str(cell)) for cell in row) for row in rows)
    return "\n".join([escape_markdown(caption), "", *(f"| {line} |" for line in lines)]) + "\n"


def escape_markdown(text: str) -> str:
    """Text with everything escaped that Markdown would take for layout or for HTML."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": "$<$",
    ">": "$>$",
    "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    MINUS: r"$-$",
    DASH: "--",
}


def escape_latex(text: str) -> str:
    """Text with everything escaped that LaTeX would take for a command."""
    return "".join(LATEX.get(character, character) for character in text)


def caption(experiment: str, table: pd.DataFrame) -> str:
    """What a reader must know of a table of `summarise`, besides ABOUT_METRICS."""
    text = f"{_title(experiment)}: median ± standard deviation over splits."
    if table["published_srcc"].notna().any():
        text += f" {ABOUT_PUBLISHED}"
    return text + _about_labels_and_weights(table)


def layout_caption(experiment: str, table: pd.DataFrame) -> str:
    """What a reader must know of the `paper_layout` of a table of `summarise`."""
    low, high = table["splits"].min(), table["splits"].max()
    splits = (
        f"{low} to {high} splits" if low < high else "one split" if low == 1 else f"{low} splits"
    )
    text = f"{_title(experiment)}: SRCC and PLCC; measured: medians over {splits}."
    text += " PLCC without a fitted logistic, as in the released code."
    if table["published_srcc"].notna().any():
        text += f" {ABOUT_PUBLISHED}"
    return text + _about_labels_and_weights(table)


def _title(experiment: str) -> str:
    return experiment.replace("_", " ").capitalize()


def _about_labels_and_weights(table: pd.DataFrame) -> str:
    text = ""
    selections = list(dict.fromkeys(table["selection"]))
    if len(selections) == 1:
        text += f" Weights selected on: {selections[0]}."
    elif "test" in selections:
        text += f" {ABOUT_SELECTION}"
    pseudo = sorted({kind for kind in table["label_kind"] if is_pseudo(kind)})
    if pseudo:
        text += f" The labels are {' and '.join(pseudo)}, computed, not given by people."
    return text


def is_pseudo(label_kind: str) -> bool:
    """Whether labels of this kind were computed rather than given by people."""
    return label_kind.lower().startswith("pseudo")


def held_out(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows whose weights were not selected on the tested images; all rows if there are none."""
    rows = scores[scores["selection"] != "test"]
    return rows if len(rows) else scores


def history_file(run: str | Path) -> Path:
    """The history of the training that a run's weights come from.

    Predictions of the weights selected as released lie in a folder of the run, `released`.
    """
    folder = Path(run)
    return (folder.parent if folder.name == "released" else folder) / "history.csv"
