"""From many scores to a few tables: statistics over splits, as CSV, LaTeX and for reading."""

from pathlib import Path
from typing import Any

import pandas as pd

from dpam.errors import DpamError, listed
from dpam.files import read_csv, read_json

RUN = ["dataset", "part", "method", "split", "seed"]
COLUMNS = ["experiment", *RUN, "test_dataset", "run"]
METRICS = ["srcc", "plcc", "krcc", "plcc_fitted", "rmse", "rmse_fitted"]
LOGISTIC = ["logistic_upper", "logistic_lower", "logistic_centre", "logistic_width"]
# What is held fixed while split and seed vary.
SETTING = ["dataset", "part", "method", "test_dataset", "label_kind"]

# SRCC, PLCC of DPAM as published. The best epoch was chosen on the test part, on one split.
PUBLISHED = {
    "live": (0.986, 0.989),
    "csiq": (0.967, 0.971),
    "tid2013": (0.947, 0.953),
    "kadid10k": (0.937, 0.945),
    "livec": (0.925, 0.928),
    "koniq10k": (0.926, 0.944),
    "spaq": (0.927, 0.930),
}

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
HEADINGS = {
    "dataset": "trained on",
    "part": "distortion",
    "method": "superpixels",
    "test_dataset": "tested on",
    "label_kind": "labels",
}
ABOUT_METRICS = (
    "PLCC and RMSE fitted: after a logistic of four parameters, fitted on the tested images. "
    "RMSE in units of the score, 0 to 1."
)
METRIC_HEADINGS = {
    "srcc": "SRCC",
    "plcc": "PLCC",
    "krcc": "KRCC",
    "plcc_fitted": "PLCC fitted",
    "rmse_fitted": "RMSE fitted",
}


def read_scores(path: str | Path) -> pd.DataFrame:
    """The list of scores with the numbers that it points to.

    Args:
        path: CSV with the columns of COLUMNS; `run` is the folder of the run, in which
            on-{test_dataset}.json lies.

    Returns:
        One row per line of the list: COLUMNS, label_kind, n, METRICS, LOGISTIC; nan where a
        number is not defined.

    Raises:
        DpamError: the list is empty, or a score is missing or belongs to another run.
    """
    scores = read_csv(path, COLUMNS).astype({name: str for name in COLUMNS if name != "seed"})
    if scores.empty:
        raise DpamError(f"{path}: expected a row per run and test dataset, found none")
    numbers, wrong = [], []
    for row in scores.to_dict("records"):
        file = Path(row["run"]) / f"on-{row['test_dataset']}.json"
        if not file.exists():
            wrong.append(f"{file}: no such file")
            continue
        score = read_json(file)
        if any(score.get(key) != row[key] for key in [*RUN, "test_dataset"]):
            wrong.append(f"{file}: belongs to another run")
            continue
        numbers.append(_flat(score))
    if wrong:
        raise listed(f"{path}: scores that it names", wrong, "Run the workflow to make them anew.")
    return pd.concat([scores[COLUMNS], pd.DataFrame(numbers)], axis=1)


def _flat(score: dict[str, Any]) -> dict[str, Any]:
    flat = {"label_kind": score["label_kind"], "n": score["n"]}
    flat |= {metric: _number(score[metric]) for metric in METRICS}
    return flat | dict(zip(LOGISTIC, score["logistic"] or [float("nan")] * 4, strict=True))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Statistics of one experiment over its splits and seeds.

    Args:
        scores: rows of `read_scores`, all of one experiment.

    Returns:
        One row per dataset x part x method x test dataset, in the order met: SETTING, n_min and
        n_max (images scored in a run), splits, runs, then median, mean and std of each metric
        (std with n - 1, nan for a single run; all nan if a run's value is not defined), then
        published_srcc and published_plcc, nan where nothing comparable was published.
    """
    rows = []
    for setting, group in scores.groupby(SETTING, sort=False):
        row = dict(zip(SETTING, setting, strict=True))
        row |= {"n_min": group["n"].min(), "n_max": group["n"].max()}
        row |= {"splits": group["split"].nunique(), "runs": len(group)}
        for metric in METRICS:
            row[f"{metric}_median"] = group[metric].median(skipna=False)
            row[f"{metric}_mean"] = group[metric].mean(skipna=False)
            row[f"{metric}_std"] = group[metric].std(skipna=False)
        row["published_srcc"], row["published_plcc"] = _published(row)
        rows.append(row)
    return pd.DataFrame(rows)


def _published(row: dict[str, Any]) -> tuple[float, float]:
    nothing = (float("nan"), float("nan"))
    comparable = (row["test_dataset"], row["part"], row["method"]) == (
        row["dataset"],
        "all",
        "slic",
    )
    return PUBLISHED.get(row["dataset"], nothing) if comparable else nothing


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `summarise` as text for people: only the columns that tell rows apart.

    Metrics read "median ± standard deviation"; a dash stands for what is not defined.
    """
    several = {name: len(set(table[name])) > 1 for name in SETTING}
    crossed = bool((table["dataset"] != table["test_dataset"]).any())
    shown = {
        "dataset": True,
        "part": several["part"] or bool((table["part"] != "all").any()),
        "method": several["method"],
        "test_dataset": crossed,
        "label_kind": True,
    }
    headings = HEADINGS if crossed else HEADINGS | {"dataset": "dataset"}
    text = pd.DataFrame(
        {headings[name]: table[name].astype(str) for name in SETTING if shown[name]}
    )
    text["images"] = [
        f"{low}" if low == high else f"{low}{DASH}{high}"
        for low, high in zip(table["n_min"], table["n_max"], strict=True)
    ]
    text["splits"] = table["splits"].astype(str)
    if (table["runs"] != table["splits"]).any():
        text["runs"] = table["runs"].astype(str)
    for metric, heading in METRIC_HEADINGS.items():
        pairs = zip(table[f"{metric}_median"], table[f"{metric}_std"], strict=True)
        text[heading] = [_with_spread(median, spread) for median, spread in pairs]
    if table["published_srcc"].notna().any():
        text["published SRCC"] = table["published_srcc"].map(decimal)
        text["published PLCC"] = table["published_plcc"].map(decimal)
    return text


def decimal(value: float) -> str:
    """Three decimals with a proper minus sign; a dash for nan."""
    return DASH if pd.isna(value) else f"{value:.3f}".replace("-", MINUS)


def _with_spread(median: float, spread: float) -> str:
    return decimal(median) if pd.isna(spread) else f"{decimal(median)} ± {decimal(spread)}"


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


LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    MINUS: r"$-$",
    DASH: "--",
}


def escape_latex(text: str) -> str:
    """Text with everything escaped that LaTeX would take for a command."""
    return "".join(LATEX.get(character, character) for character in text)


def caption(experiment: str, table: pd.DataFrame) -> str:
    """What a reader must know of a table of `summarise`, besides ABOUT_METRICS."""
    name = experiment.replace("_", " ").capitalize()
    text = f"{name}: median ± standard deviation over splits."
    pseudo = sorted({kind for kind in table["label_kind"] if is_pseudo(kind)})
    if pseudo:
        text += f" The labels are {' and '.join(pseudo)}, computed, not given by people."
    if table["published_srcc"].notna().any():
        text += " Published: one split, best epoch chosen on its test part, which favours it."
    return text


def is_pseudo(label_kind: str) -> bool:
    """Whether labels of this kind were computed rather than given by people."""
    return label_kind.lower().startswith("pseudo")
