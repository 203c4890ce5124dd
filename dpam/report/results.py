"""The numbers: experiments as tables and in large, methods compared, distortion types."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dpam.evaluation import ablation, significance
from dpam.evaluation.bootstrap import FEW_REFERENCES
from dpam.evaluation.captions import ABOUT_NEAR, ABOUT_NO_NEAR, ABOUT_TYPES, caption, layout_caption
from dpam.evaluation.formatting import (
    DASH,
    METRIC_HEADINGS,
    MINUS,
    decimal,
    over_splits,
    paper_text,
    readable,
    readable_types,
    with_sign,
)
from dpam.evaluation.tables import FLOOR, SETTING, not_selected_on_test
from dpam.report.table import Table, files_of, link, quantity, read_table, read_tex

ABOUT_BOLD = (
    "In bold: an SRCC better than that of every other method (variants and ensembles aside), by "
    "the corrected t-test (see Differences between methods)."
)
ABOUT_NO_BOLD = "Nothing is in bold: no method is shown to be better than every other."
TILES = 8  # more results in one experiment are summed up in three
ON_TEST = "Epoch selected on test, as in the released code, which favours it"
FAIR = "Epoch selected on validation, or the last one"


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
    variants: Table | None
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
    pairs = read_table(tables / "significance.csv", significance.COLUMNS)
    pairs = pairs[pairs["experiment"] == name]
    on_test = table["selection"] == "test"
    shown = []
    for heading, rows in ((FAIR, table[~on_test]), (ON_TEST, table[on_test])):
        if len(rows):
            text = with_difference(rows, readable(rows))
            best = best_of_setting(rows, text, pairs)
            about = caption(name, rows)
            if len(set(rows["method"])) > 1:
                about += f" {ABOUT_BOLD if best.any(axis=None) else ABOUT_NO_BOLD}"
            tex = read_tex(path) if len(rows) == len(table) else ""
            shown.append((heading, Table(about, text, files_of(path, output), best, tex=tex)))
    path = tables / f"{name}_paper.csv"
    paper = Table(
        layout_caption(name, table), paper_text(table), files_of(path, output), tex=read_tex(path)
    )
    source = (f"{name}.csv", link(tables / f"{name}.csv", output))
    title = name.replace("_", " ").capitalize()
    large = tiles(not_selected_on_test(table[table["method"] != FLOOR]))
    return Experiment(title, large, source, shown, variants(name, tables, output), paper)


def variants(name: str, tables: Path, output: Path) -> Table | None:
    """The variants of an experiment beside base; None if it has none."""
    path = tables / f"{name}_variants.csv"
    if not path.exists():
        return None
    text = ablation.readable(read_table(path, ablation.COLUMNS))
    return Table(ablation.CAPTION, text, files_of(path, output), tex=read_tex(path))


def with_difference(table: pd.DataFrame, text: pd.DataFrame) -> pd.DataFrame:
    """`readable` text of a table; behind ours the published, and the difference, if any compare."""
    for metric in ("srcc", "plcc"):
        name, published = metric.upper(), f"published {metric.upper()}"
        if published in text:
            difference = table[f"{metric}_median"] - table[f"published_{metric}"]
            place = list(text.columns).index(name) + 1
            text.insert(place, published, text.pop(published))
            text.insert(place + 1, f"{name} {MINUS} published", difference.map(with_sign))
    return text


def best_of_setting(table: pd.DataFrame, text: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Where in `readable` text of a table an SRCC is better than those of all other methods.

    Args:
        table: of `dpam.evaluation.tables.summarise`, of one experiment.
        text: the same as text.
        pairs: rows of `significance.compare_methods` of that experiment.
    """
    best = pd.DataFrame(False, index=text.index, columns=text.columns)
    names = [*significance.FIXED, "method", "selection"]
    winners = significance.winners(pairs)
    best[METRIC_HEADINGS["srcc"]] = [tuple(row) in winners for row in table[names].to_numpy()]
    return best


def near_duplicates(metrics: pd.DataFrame) -> str:
    """In words, where tested images look like images that were trained on, and how many do."""
    found = []
    for (dataset, tested), rows in metrics.groupby(["dataset", "test_dataset"], sort=False):
        most, images = max(zip(rows["near_duplicates"], rows["n"], strict=True))
        if most:
            name = dataset if dataset == tested else f"{dataset} \N{RIGHTWARDS ARROW} {tested}"
            found.append(f"{name} {most:,} of {images:,}")
    if not found:
        return ABOUT_NO_NEAR
    return f"{ABOUT_NEAR} Found, at most in a run: {'; '.join(found)}."


def comparisons(tables: Path, output: Path) -> Comparisons | None:
    """What was compared over splits; None if no two methods were."""
    path = tables / "significance.csv"
    table = read_table(path, significance.COLUMNS)
    if table.empty:
        return None
    text = significance.readable(table)
    files, tex = files_of(path, output), read_tex(path)
    shown = None if text.empty else Table(significance.CAPTION, text, files, tex=tex)
    return Comparisons(shown, significance.name_untested(table))


def types(tables: Path, output: Path) -> Table | None:
    """Distortion types, levels and groups; None if none are known."""
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
    middle = Tile(decimal(order.median()), "median", f"over {quantity(len(order), 'row')}")
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
        detail += ", over images" * (row["intervals_over"] == FEW_REFERENCES)
    each = bool(row["srcc_each"])
    if row["splits"] > 1:
        detail += f", {'' if each else 'median of '}{row['splits']} splits"
    value = over_splits(row.to_dict(), "srcc") if each else decimal(row["srcc_median"])
    return Tile(value, ", ".join([title, *extra]), detail)
