"""All results as one HTML page that needs nothing else: no script, no request, any device."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas as pd
from markupsafe import Markup

from dpam import significance
from dpam.errors import DpamError
from dpam.figures import COLOURS
from dpam.files import read_csv, read_json
from dpam.tables import (
    ABOUT_METRICS,
    ABOUT_TYPES,
    BASELINES,
    COLUMNS,
    DASH,
    HEADINGS,
    METRIC_HEADINGS,
    SETTING,
    as_text,
    caption,
    decimal,
    interval,
    is_pseudo,
    layout_caption,
    method_name,
    readable,
    readable_types,
)

FOLDER = Path(__file__).parent
TILES = 8  # more results in one experiment are summed up in three
LEGIBLE = 528  # points; a wider figure is scrolled rather than shrunk below that
LONG = 40  # rows; a longer table of runs is folded away
TEXT_HEADINGS = {*HEADINGS.values(), "dataset", "split", "rule", "experiment", "results", "better"}
TEXT_HEADINGS |= {"first", "second", "by", "type or level", "fingerprint"}
# Columns of the tables' files that are no numbers.
TEXT = {*SETTING, *COLUMNS, *TEXT_HEADINGS, "name", "logistic_status"} - {"seed"}

FIGURES = {
    "training_curves": "Loss and rank correlation of each training run per epoch. The weights of "
    "the kept epoch are those that were tested: the best on validation images, or the last epoch "
    "where a split has none or the settings say so.",
    "scatter": "Predicted against labelled quality, one dot per tested image. On the dashed line, "
    "prediction and label are equal.",
    "examples": "Photographs of each dataset from high to low quality; below each, its superpixels "
    "outlined. A prediction stands where the image was in a test part.",
    "superpixels": "The same photographs with the superpixels of each method outlined: the best, a "
    "middling and the worst of each dataset.",
    "cross_dataset": "Median SRCC of networks trained on one dataset and tested on another.",
}


@dataclass(frozen=True)
class Table:
    """A table of text for the page; the first column names the row."""

    caption: str
    rows: pd.DataFrame
    files: list[tuple[str, str]]  # name and link

    @property
    def right(self) -> list[bool]:
        """For each column, whether to align it right: numbers without a spread."""
        spread = self.rows.map(lambda cell: "±" in str(cell) or "[" in str(cell)).any()
        return [name not in TEXT_HEADINGS and not spread[name] for name in self.rows.columns]


@dataclass(frozen=True)
class Tile:
    """One large number: SRCC, and what it is the SRCC of."""

    value: str
    title: str
    detail: str


@dataclass(frozen=True)
class Experiment:
    """One experiment: its results in large numbers, its table, and that as laid out in papers."""

    name: str
    tiles: list[Tile]
    table: Table
    paper: Table


@dataclass(frozen=True)
class Comparisons:
    """Methods compared over splits: those tested, if any, and those that share too few splits."""

    table: Table | None
    too_few: list[str]
    fewest: int


def render(
    tables: Path,
    figures: Path,
    benchmarks: Path,
    verified: list[Path],
    settings: dict[str, Any],
    machine: dict[str, Any],
    output: Path,
) -> str:
    """The page as HTML.

    Args:
        tables: folder that `dpam tabulate` wrote.
        figures: folder that `dpam plot` wrote.
        benchmarks: folder with Snakemake's benchmark files, RULE/*.tsv.
        verified: what `dpam verify-download` found in each dataset.
        settings: the configuration that the results were made with.
        machine: `dpam.runtime.record()`.
        output: where the page will lie; its links to files are relative to that.

    Raises:
        DpamError: a table or a figure is missing.
    """
    scores = read_table(tables / "scores.csv", COLUMNS)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    networks = scores[~scores["method"].isin(BASELINES)]
    kinds = scores.drop_duplicates(["test_dataset", "label_kind"])
    copies = [read_json(path) for path in verified]
    return environment.get_template("page.html.j2").render(
        summary=summary(scores),
        pseudo=[
            f"{row['test_dataset']}: {row['label_kind']}"
            for row in kinds.to_dict("records")
            if is_pseudo(row["label_kind"])
        ],
        about_metrics=ABOUT_METRICS,
        experiments=[
            experiment(str(name), tables, output) for name in dict.fromkeys(scores["experiment"])
        ],
        crossed=bool((scores["dataset"] != scores["test_dataset"]).any()),
        significance=comparisons(tables, output),
        types=types(tables, output),
        compared=networks.groupby("dataset")["method"].nunique().max() > 1,
        figures={name: inline_svg(figures / f"{name}.svg", name) for name in FIGURES},
        captions=FIGURES,
        data=data(copies),
        accepted=[f"{copy['title']}: {text}" for copy in copies for text in copy["accepted"]],
        runs=runs(scores, tables, output),
        long=LONG,
        cost=cost(benchmarks),
        settings=flattened(settings),
        machine=flattened(machine),
    )


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """A table that `dpam tabulate` wrote; empty numbers are nan."""
    table = read_csv(path, columns)
    return pd.DataFrame(
        {
            name: table[name].astype(str) if name in TEXT else pd.to_numeric(table[name])
            for name in table.columns
        }
    )


def summary(scores: pd.DataFrame) -> str:
    """What was run, in a sentence."""
    runs = scores.drop_duplicates("run")
    tested = len(scores.drop_duplicates(["run", "test_dataset"]))
    baselines = int(runs["method"].isin(BASELINES).sum())
    trained = counted(len(runs) - baselines, "network")
    if baselines:
        trained += f" and {counted(baselines, 'baseline')}"
    datasets = list(dict.fromkeys([*scores["dataset"], *scores["test_dataset"]]))
    return (
        f"{trained} trained and {counted(tested, 'test')} made on "
        f"{counted(len(datasets), 'dataset')}: {', '.join(datasets)}."
    )


def counted(count: int, noun: str) -> str:
    """A number and its noun, in the plural if need be."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def experiment(name: str, tables: Path, output: Path) -> Experiment:
    """One experiment from its table."""
    path = tables / f"{name}.csv"
    table = read_table(path, SETTING)
    shown = Table(caption(name, table), readable(table), files_of(path, output))
    path = tables / f"{name}_paper.csv"
    layout = as_text(read_table(path, ["method", "results"]))
    paper = Table(layout_caption(name, table), layout, files_of(path, output))
    return Experiment(name.replace("_", " ").capitalize(), tiles(table), shown, paper)


def comparisons(tables: Path, output: Path) -> Comparisons | None:
    """What was compared over splits; None if no two methods were."""
    path = tables / "significance.csv"
    table = read_table(path, significance.COLUMNS)
    if table.empty:
        return None
    text = significance.readable(table)
    shown = None if text.empty else Table(significance.CAPTION, text, files_of(path, output))
    return Comparisons(shown, significance.too_few(table), significance.FEWEST_SPLITS)


def types(tables: Path, output: Path) -> Table | None:
    """Distortion types and levels; None if none are known."""
    path = tables / "types_and_levels.csv"
    table = read_table(path, [*SETTING, "by", "name"])
    files = [(path.name, link(path, output))]
    return None if table.empty else Table(ABOUT_TYPES, readable_types(table), files)


def files_of(path: Path, output: Path) -> list[tuple[str, str]]:
    """Name and link of a table as CSV, LaTeX and Markdown."""
    files = [path.with_suffix(ending) for ending in (".csv", ".tex", ".md")]
    return [(file.name, link(file, output)) for file in files]


def tiles(table: pd.DataFrame) -> list[Tile]:
    """SRCC of each row in large; of many rows the median, the lowest and the highest."""
    text = readable(table)
    each = [tile_of(table.loc[index], text.loc[index]) for index in table.index]
    if len(each) <= TILES:
        return each
    order = table["srcc_median"].dropna().sort_values(kind="stable")
    if order.empty:
        return [Tile(DASH, "SRCC is not defined", f"in {len(each)} rows")]
    middle = Tile(decimal(order.median()), "median", f"over {counted(len(order), 'row')}")
    ends = [("lowest", each[order.index[0]]), ("highest", each[order.index[-1]])]
    return [middle, *(Tile(t.value, f"{end}: {t.title}", t.detail) for end, t in ends)]


def tile_of(row: pd.Series, words: pd.Series) -> Tile:
    """The tile of one row of an experiment's table, given as numbers and as text."""
    title = row["dataset"]
    if row["test_dataset"] != row["dataset"]:
        title += f" \N{RIGHTWARDS ARROW} {row['test_dataset']}"
    extra = [words[heading] for heading in ("distortion", "method") if heading in words]
    detail = f"{words['images']} images"
    if not pd.isna(row["srcc_low"]):
        detail += f", 95 %: {decimal(row['srcc_low'])} to {decimal(row['srcc_high'])}"
    if row["splits"] > 1:
        detail += f", median of {row['splits']} splits"
    return Tile(decimal(row["srcc_median"]), ", ".join([title, *extra]), detail)


def runs(scores: pd.DataFrame, tables: Path, output: Path) -> Table:
    """One row per run and test dataset, with what the training took."""
    rows = []
    for row in scores.drop_duplicates(["run", "test_dataset"]).to_dict("records"):
        folder = Path(row["run"])
        files = {"predictions": folder / f"on-{row['test_dataset']}.csv"}
        took = {}
        if row["method"] not in BASELINES:
            files = {"history": folder / "history.csv", **files}
            took = training(files["history"])
        rows.append(
            {
                "trained on": row["dataset"],
                "distortion": row["part"],
                "method": method_name(row["method"]),
                "split": row["split"],
                "seed": row["seed"],
                "tested on": row["test_dataset"],
                "labels": row["label_kind"],
                "images": row["n"],
                **{
                    heading: decimal(row[metric])
                    + interval(row.get(f"{metric}_low"), row.get(f"{metric}_high"))
                    for metric, heading in (METRIC_HEADINGS | {"rmse": "RMSE"}).items()
                },
                **took,
                "files": Markup(" ").join(
                    Markup('<a href="{}">{}</a>').format(link(file, output), name)
                    for name, file in files.items()
                ),
            }
        )
    table = pd.DataFrame(rows).fillna(DASH)
    table["files"] = table.pop("files")  # last, whatever the first row lacks
    alike = [name for name in ("distortion", "method", "seed") if len(set(table[name])) == 1]
    path = tables / "scores.csv"
    text = (
        "Every training run and its tests. Seconds: of the whole training, its evaluations "
        "included."
    )
    return Table(text, table.drop(columns=alike), [(path.name, link(path, output))])


def data(copies: list[dict[str, Any]]) -> Table:
    """One row per dataset: what was verified."""
    rows = [
        {
            "dataset": copy["dataset"],
            "images": f"{copy['counts']['images'] - len(copy['left_out']):,}",
            "MB": f"{copy['bytes'] / 1e6:,.1f}",
            "look alike": f"{len(copy['near_duplicates']):,}",
            "fingerprint": copy["fingerprint"][:16],
        }
        for copy in copies
    ]
    text = (
        "The copies that were used. Look alike: pairs of authentic photographs that are nearly the "
        "same. Fingerprint: of all images and labels; equal copies have equal ones."
    )
    return Table(text, pd.DataFrame(rows), [])


def training(path: Path) -> dict[str, str]:
    """Epochs and time of a training run from its history."""
    history = read_csv(path, ["epoch", "seconds", "images_per_second", "held_out"])
    kept = history.loc[history["held_out"] == 1, "epoch"]
    return {
        "epochs": str(len(history)),
        "kept": str(kept.iloc[0]) if len(kept) else DASH,
        "seconds": f"{history['seconds'].sum():.1f}",
        "images/s": f"{history['images_per_second'].median():.1f}",
    }


def cost(benchmarks: Path) -> Table | None:
    """Time and memory by rule from Snakemake's benchmark files; None if there are none."""
    files = sorted(benchmarks.glob("*/*.tsv"))
    if not files:
        return None
    jobs = pd.concat([pd.read_csv(file, sep="\t").assign(job=file.parent.name) for file in files])
    for column in ("s", "max_rss"):  # very short jobs are not measured: "-" or NA
        jobs[column] = pd.to_numeric(jobs[column], errors="coerce")
    rows = [
        {
            "rule": str(job),
            "jobs": str(len(group)),
            "total time": duration(group["s"].sum()),
            "longest": duration(group["s"].max()),
            "largest memory, MB": (
                f"{group['max_rss'].max():.0f}" if group["max_rss"].notna().any() else DASH
            ),
        }
        for job, group in sorted(jobs.groupby("job"), key=lambda item: -item[1]["s"].sum())
    ]
    total = duration(jobs["s"].sum())
    text = f"Time and memory by rule, {total} in all, from Snakemake's benchmark files."
    return Table(text, pd.DataFrame(rows), [])


def duration(seconds: float) -> str:
    """Seconds for people: 12.3 s, 4 min 05 s, 3 h 20 min."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def flattened(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested settings as (dotted name, text); a list of objects gives one line per object."""
    if isinstance(value, dict):
        return [
            line
            for key, part in value.items()
            for line in flattened(part, f"{name}.{key}".strip("."))
        ]
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return [(name, "; ".join(": ".join(line) for line in flattened(part))) for part in value]
    if isinstance(value, list):
        return [(name, ", ".join(map(str, value)))]
    return [(name, DASH if value is None else str(value))]


def link(file: Path, output: Path) -> str:
    """Relative address of a file for a page that lies at `output`."""
    return quote(os.path.relpath(file, output.parent).replace(os.sep, "/"))


def inline_svg(path: Path, name: str) -> Markup:
    """A figure for use inside the page: its own names, the page's colours, no prolog.

    Raises:
        DpamError: the figure is missing.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DpamError(f"{path}: no such file; `dpam plot` makes it") from error
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    width = float(text.split('width="')[1].split("pt")[0])
    text = text.replace("<svg", "<svg data-small" if width < LEGIBLE else "<svg", 1)
    for role, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{role})")
    return Markup(text)  # noqa: S704 - written by dpam.figures, which escapes its text
