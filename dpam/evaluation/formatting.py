"""Tables as text for people: on the page, in LaTeX, in Markdown."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from dpam.evaluation.baselines import BASELINES
from dpam.evaluation.bootstrap import FEW_REFERENCES
from dpam.evaluation.published import SPLIT, published
from dpam.evaluation.tables import FLOOR, SETTING
from dpam.evaluation.unions import dataset_name

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
HEADINGS = {
    "dataset": "trained on",
    "distortion": "distortion",
    "method": "method",
    "test_dataset": "tested on",
    "label_kind": "labels",
    "selection": "epoch selected on",
}
METRIC_HEADINGS = {
    "srcc": "SRCC",
    "plcc": "PLCC",
    "srcc_within": "SRCC within groups",
    "krcc": "KRCC",
    "plcc_fitted": "PLCC fitted",
    "rmse_fitted": "RMSE fitted",
}
WITHOUT_HEADINGS = {
    "srcc_without": "SRCC without near-duplicates",
    "plcc_without": "PLCC without near-duplicates",
}
METHOD_TITLES = {
    "slic": "DPAM, SLIC",
    "rim": "DPAM, RIM",
    "ainet": "DPAM, AINet",
    "none": "pooled ViT",
    **{name: baseline.title for name, baseline in BASELINES.items()},
    FLOOR: "mean of the group in training",
}


def readable_types(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `types_and_levels` as text for people; numbers as `over_splits` shows them."""
    text = pd.DataFrame({"experiment": table["experiment"]})
    shown = ["dataset", *(name for name in SETTING[1:] if len(set(table[name])) > 1)]
    words = with_names(table)
    for name in shown:
        text[HEADINGS[name]] = words[name].astype(str)
    text["by"], text["type or level"] = table["by"], table["name"].astype(str)
    text["images"], text["splits"] = (
        table["n_median"].map("{:g}".format),
        table["splits"].astype(str),
    )
    for metric in ("srcc", "plcc"):
        text[METRIC_HEADINGS[metric]] = [
            over_splits(row, metric) for row in table.to_dict("records")
        ]
    return text


def with_names(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose methods and datasets have their names for people."""
    names = {"method": method_name, "dataset": dataset_name}
    return table.assign(**{key: table[key].map(name) for key, name in names.items()})


def method_name(method: str) -> str:
    """A method's name for people; behind a + of it stands its variant, or `ensemble`."""
    name, *rest = method.split("+")
    title = METHOD_TITLES.get(name, f"DPAM, {name}")
    return ", ".join([title, *(x.replace("_", " ") for x in rest)])


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `summarise` as text for people: only the columns that tell rows apart.

    Metrics read as in `over_splits`, and of a single run "value [interval]"; a dash stands for
    what is not defined, and a logistic that did not converge is said.
    """
    several = {name: len(set(table[name])) > 1 for name in SETTING}
    crossed = bool((table["dataset"] != table["test_dataset"]).any())
    shown = {
        "dataset": True,
        "distortion": several["distortion"] or bool((table["distortion"] != "all").any()),
        "method": several["method"],
        "test_dataset": crossed,
        "label_kind": True,
        "selection": len(rules_of(table)) > 1,
    }
    headings = HEADINGS if crossed else HEADINGS | {"dataset": "dataset"}
    words = with_names(table[SETTING].astype(str))
    text = pd.DataFrame({headings[name]: words[name] for name in SETTING if shown[name]})
    text["images"] = [span(*ends) for ends in table[["n_min", "n_max"]].to_numpy()]
    text["splits"] = table["splits"].astype(str)
    if (table["runs"] != table["splits"]).any():
        text["runs"] = table["runs"].astype(str)
    for metric, heading in METRIC_HEADINGS.items():
        if metric == "srcc_within" and table[f"{metric}_median"].isna().all():
            continue
        text[heading] = [_cell(row, metric) for row in table.to_dict("records")]
    if (table["near_max"] > 0).any():
        counts = [span(*ends) for ends in table[["near_min", "near_max"]].to_numpy()]
        text["near-duplicates"] = counts
        for metric, heading in WITHOUT_HEADINGS.items():
            text[heading] = [over_splits(row, metric) for row in table.to_dict("records")]
    if table["published_srcc"].notna().any():
        text["published SRCC"] = table["published_srcc"].map(decimal)
        text["published PLCC"] = table["published_plcc"].map(decimal)
    return text


def span(low: int, high: int) -> str:
    """A number, or the smallest and the largest of several."""
    return f"{low}" if low == high else f"{low}{DASH}{high}"


def rules_of(table: pd.DataFrame) -> list[str]:
    """The rules by which weights of a table were selected; FLOOR has none."""
    return list(dict.fromkeys(table.loc[table["method"] != FLOOR, "selection"]))


def _cell(row: Mapping[Any, Any], metric: str) -> str:
    if metric.endswith("_fitted") and row["not_converged"]:
        which = "" if row["runs"] == 1 else f": {row['not_converged']} of {row['runs']} fits"
        return f"not converged{which}"
    return over_splits(row, metric) + interval(row, metric)


def over_splits(row: Mapping[Any, Any], metric: str) -> str:
    """A number with `tables.statistics`: of each split if few, else "median ± deviation"."""
    each = str(row[f"{metric}_each"]).split()
    if each:
        if set(each) == {"nan"}:
            return DASH
        return ", ".join(decimal(float(value)) for value in each)
    return f"{decimal(row[f'{metric}_median'])} ± {decimal(row[f'{metric}_std'])}"


def interval(row: Mapping[Any, Any], metric: str) -> str:
    """The interval of a number, to stand behind it; empty text where there is none.

    Args:
        row: {metric}_low, {metric}_high, which may lack, and intervals_over.
        metric: its name.
    """
    low, high = row.get(f"{metric}_low"), row.get(f"{metric}_high")
    if pd.isna(low) or pd.isna(high):
        return ""
    mark = "*" if row["intervals_over"] == FEW_REFERENCES else ""
    return f" [{decimal(low)}, {decimal(high)}]{mark}"


def paper_text(table: pd.DataFrame) -> pd.DataFrame:
    """The `paper_layout` of a table as text for people; numbers as `over_splits` shows them."""
    layout = paper_layout(table, over_splits)
    return layout.map(lambda cell: cell if isinstance(cell, str) else decimal(cell))


def median(row: Mapping[Any, Any], metric: str) -> Any:
    """A number of a row with `dpam.evaluation.tables.statistics`, as it is."""
    return row[f"{metric}_median"]


def paper_layout(
    table: pd.DataFrame, cell: Callable[[Mapping[Any, Any], str], Any] = median
) -> pd.DataFrame:
    """A table of `summarise` laid out as those of papers: a row per method, columns per dataset.

    A row stands for a method, and where they differ for what it was trained on, its distortion type
    and what its weights were selected on: first those selected on test, then the others.
    The columns are the datasets tested on. Above our rows stand the published ones, where each
    network was tested on the dataset that it was trained on.

    Args:
        table: of `summarise`.
        cell: what to show of a row's metric.

    Returns:
        text columns method, results (published, or measured), ...; then for each dataset
        "{dataset} SRCC" and "{dataset} PLCC", the latter without a fit; nan where there is none.
    """
    crossed = bool((table["dataset"] != table["test_dataset"]).any())
    varies = {
        "dataset": crossed,
        "distortion": bool((table["distortion"] != "all").any()),
        "selection": len(rules_of(table)) > 1,
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
        if crossed:
            row[HEADINGS["dataset"]] = dataset_name(row[HEADINGS["dataset"]])
        for tested in group.to_dict("records"):
            row[f"{tested['test_dataset']} SRCC"] = cell(tested, "srcc")
            row[f"{tested['test_dataset']} PLCC"] = cell(tested, "plcc")
        rows.append(row)
    if not crossed and not varies["distortion"]:
        rows = _published_rows(comparable(table)) + rows
    texts = ["method", "results", *(HEADINGS[key] for key in keys[1:])]
    numbers = [f"{dataset} {metric}" for dataset in datasets for metric in ("SRCC", "PLCC")]
    return pd.DataFrame(rows, columns=[*texts, *numbers]).fillna(dict.fromkeys(texts, ""))


def comparable(table: pd.DataFrame) -> list[str]:
    """The datasets of a table of `summarise` that published numbers compare with, by the split."""
    pairs = table[["test_dataset", "split"]].drop_duplicates().to_numpy().tolist()
    return list(dict.fromkeys(name for name, split in pairs if SPLIT.get(name, split) == split))


def _published_rows(datasets: list[str]) -> list[dict[str, Any]]:
    table = published()
    known = table[table["dataset"].isin(datasets) & table["srcc"].notna()]
    return [
        {"method": method, "results": "published"}
        | {f"{row['dataset']} SRCC": row["srcc"] for row in group.to_dict("records")}
        | {f"{row['dataset']} PLCC": row["plcc"] for row in group.to_dict("records")}
        for method, group in known.groupby("method", sort=False)
    ]


def decimal(value: float) -> str:
    """Three decimals with a proper minus sign; a dash for nan."""
    return DASH if pd.isna(value) else f"{value:.3f}".replace("-", MINUS)


def with_sign(value: float) -> str:
    """Three decimals with a sign; a dash for nan."""
    return DASH if pd.isna(value) else f"{value:+z.3f}".replace("-", MINUS)


def latex(table: pd.DataFrame, caption: str) -> str:
    """A table of text as a LaTeX table that needs the package booktabs; all text is escaped.

    By `escape_latex`: pandas escapes neither dashes and signs nor the caption.
    """
    text = table.map(escape_latex).rename(columns=escape_latex)
    return text.style.hide().to_latex(
        caption=escape_latex(caption),
        column_format="l" * len(text.columns),
        hrules=True,
        position_float="centering",
    )


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
