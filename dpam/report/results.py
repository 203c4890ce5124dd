"""The numbers: experiments as tables and in large, methods compared, distortion types."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dpam import significance
from dpam.report.table import Table, counted, files_of, link, read_table, read_tex
from dpam.tables import (
    ABOUT_TYPES,
    DASH,
    HEADINGS,
    METRIC_HEADINGS,
    MINUS,
    SETTING,
    as_text,
    caption,
    decimal,
    held_out,
    layout_caption,
    readable,
    readable_types,
)

TILES = 8  # more results in one experiment are summed up in three
FAITHFUL = "Faithful, as released: weights of the epoch best on the tested images, which favours it"
HELD_OUT = "Held out: weights that were selected without the tested images"


@dataclass(frozen=True)
class Tile:
    """One large number: SRCC, and what it is the SRCC of."""

    value: str
    title: str
    detail: str


@dataclass(frozen=True)
class Experiment:
    """One experiment: large numbers, tables by how weights were selected, the papers' layout."""

    name: str
    tiles: list[Tile]
    source: tuple[str, str]
    tables: list[tuple[str, Table]]
    paper: Table


@dataclass(frozen=True)
class Comparisons:
    """Methods compared over splits: those tested, if any, and those that could not be tested."""

    table: Table | None
    untested: list[str]


def experiment(name: str, tables: Path, output: Path) -> Experiment:
    """One experiment from its tables."""
    path = tables / f"{name}.csv"
    table = read_table(path, SETTING)
    faithful = table["selection"] == "test"
    shown = []
    for heading, rows in ((HELD_OUT, table[~faithful]), (FAITHFUL, table[faithful])):
        if len(rows):
            text = with_difference(rows, readable(rows))
            best = best_of_setting(rows, text)
            about = caption(name, rows) + bool(best.any(axis=None)) * " The best method is in bold."
            tex = read_tex(path) if len(rows) == len(table) else ""
            shown.append((heading, Table(about, text, files_of(path, output), best, tex=tex)))
    path = tables / f"{name}_paper.csv"
    layout = read_table(path, ["method", "results"])
    about = f"{layout_caption(name, table)} Best of each column in bold."
    if faithful.any() and not faithful.all():
        about += " Held-out weights compete among themselves, the others with the published ones."
    paper = Table(
        about, as_text(layout), files_of(path, output), best_of_column(layout), tex=read_tex(path)
    )
    source = (f"{name}.csv", link(tables / f"{name}.csv", output))
    title = name.replace("_", " ").capitalize()
    return Experiment(title, tiles(held_out(table)), source, shown, paper)


def with_difference(table: pd.DataFrame, text: pd.DataFrame) -> pd.DataFrame:
    """`readable` text of a table; behind ours the published, and the difference, if any compare."""
    for metric in ("srcc", "plcc"):
        name, published = metric.upper(), f"published {metric.upper()}"
        if published in text:
            difference = table[f"{metric}_median"] - table[f"published_{metric}"]
            place = list(text.columns).index(name) + 1
            text.insert(place, published, text.pop(published))
            text.insert(place + 1, f"{name} {MINUS} published", difference.map(signed))
    return text


def signed(value: float) -> str:
    """Three decimals with a sign; a dash for nan."""
    return DASH if pd.isna(value) else f"{value:+.3f}".replace("-", MINUS)


def best_of_setting(table: pd.DataFrame, text: pd.DataFrame) -> pd.DataFrame:
    """Where in `readable` text of a table a method is the best of several tested alike."""
    best = pd.DataFrame(False, index=text.index, columns=text.columns)
    others = [name for name in SETTING if name not in ("method", "selection")]
    for _, group in table.groupby(others, sort=False):
        if len(set(group["method"])) > 1:
            for metric, heading in METRIC_HEADINGS.items():
                values = group[f"{metric}_median"]
                top = values.min() if metric == "rmse_fitted" else values.max()
                best.loc[values[values == top].index, heading] = True
    return best


def best_of_column(layout: pd.DataFrame) -> pd.DataFrame:
    """Where in a paper's layout a number is the best of its column.

    Held-out rows and those selected on the tested images, as the published ones are, compete apart
    where both are measured.
    """
    numbers = layout.select_dtypes("number")
    selection = layout.get(HEADINGS["selection"], pd.Series("", index=layout.index))
    apart = ((layout["results"] == "measured") & ~selection.isin(["", "test"])).astype(int)
    top = numbers.groupby(apart).transform("max")
    best = (numbers == top) & numbers.notna()
    return best.reindex(columns=layout.columns, fill_value=False)


def comparisons(tables: Path, output: Path) -> Comparisons | None:
    """What was compared over splits; None if no two methods were."""
    path = tables / "significance.csv"
    table = read_table(path, significance.COLUMNS)
    if table.empty:
        return None
    text = significance.readable(table)
    files, tex = files_of(path, output), read_tex(path)
    shown = None if text.empty else Table(significance.CAPTION, text, files, tex=tex)
    return Comparisons(shown, significance.untested(table))


def types(tables: Path, output: Path) -> Table | None:
    """Distortion types and levels; None if none are known."""
    path = tables / "types_and_levels.csv"
    table = read_table(path, [*SETTING, "by", "name"])
    files = [(path.name, link(path, output))]
    return None if table.empty else Table(ABOUT_TYPES, readable_types(table), files)


def tiles(table: pd.DataFrame) -> list[Tile]:
    """SRCC of each row in large; of many rows the median, the lowest and the highest."""
    text = readable(table)
    each = [tile_of(table.loc[index], text.loc[index]) for index in table.index]
    if len(each) <= TILES:
        return each
    order = table["srcc_median"].reset_index(drop=True).dropna().sort_values(kind="stable")
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
