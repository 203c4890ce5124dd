"""The numbers: experiments in a sentence and as tables, methods compared, distortion types."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dpam.evaluation import ablation, significance
from dpam.evaluation.baselines import BASELINES
from dpam.evaluation.captions import (
    ABOUT_NEAR,
    ABOUT_NO_NEAR,
    ABOUT_TYPES,
    TEST_SELECTED,
    brief_caption,
    caption,
    layout_caption,
)
from dpam.evaluation.formatting import (
    DASH,
    HEADINGS,
    METRIC_HEADINGS,
    MINUS,
    decimal,
    method_name,
    over_splits,
    paper_text,
    readable,
    readable_types,
    with_sign,
)
from dpam.evaluation.methods import is_plain
from dpam.evaluation.tables import FLOOR, SETTING, not_selected_on_test, of_networks
from dpam.evaluation.unions import is_own, members_of
from dpam.report.table import Table, files_of, link, quantity, read_table, read_tex

ABOUT_BOLD = (
    "In bold: an SRCC better than that of every other method (variants and ensembles aside), by "
    "the corrected t-test (see Differences between methods)."
)
ABOUT_NO_BOLD = "Nothing is in bold: no method is shown to be better than every other."
# Columns behind the numbers; they become a sentence where all rows say the same.
LAST = ("labels", "epoch selected on", "images", "splits", "runs")
ON_TEST = "Epoch selected on test, as in the released code, which favours it"
FAIR = "Epoch selected on validation, or the last one"
# Columns that say what was trained and tested on what.
TESTED = ("dataset", *(HEADINGS[name] for name in ("dataset", "distortion", "test_dataset")))


@dataclass(frozen=True)
class Experiment:
    """One experiment: what was asked, the answer, its table; then what is behind it.

    Attributes:
        name: for people.
        asked: what was trained and tested on what.
        answer: of `answer`.
        brief: SRCC and PLCC, also of the epochs selected on test.
        tables: all metrics, by how weights were selected.
        variants: beside base; None if there are none.
        paper: laid out as in papers.
    """

    name: str
    asked: str
    answer: str
    brief: Table
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
            text, same = without_constants(with_difference(rows, readable(rows)))
            text = text[sorted(text.columns, key=lambda name: name in LAST)]
            best = best_of_setting(rows, text, pairs)
            about = f"{caption(name, rows)}{same}{about_bold(rows, best)}"
            tex = read_tex(path) if len(rows) == len(table) else ""
            shown.append((heading, Table(about, text, files_of(path, output), best, tex=tex)))
    fair = not_selected_on_test(table[table["method"] != FLOOR])
    paper = tables / f"{name}_paper.csv"
    return Experiment(
        name.replace("_", " ").capitalize(),
        asked(table),
        answer(fair, pairs),
        brief(table, pairs, files_of(path, output)),
        shown,
        variants(name, tables, output),
        Table(
            layout_caption(name, table),
            paper_text(table),
            files_of(paper, output),
            tex=read_tex(paper),
        ),
    )


def asked(table: pd.DataFrame) -> str:
    """What was trained and tested on what, in an experiment's table of `summarise`."""
    together = table["dataset"].map(lambda name: len(members_of(name)) > 1)
    own = [is_own(*names) for names in zip(table["dataset"], table["test_dataset"], strict=True)]
    source = "several datasets together" if together.all() else "one dataset"
    if together.any() and not together.all():
        source = "one dataset, or several together"
    same = "the same datasets" if together.any() else "the same dataset"
    where = f"other images of {same}" if all(own) else "other datasets"
    if any(own) and not all(own):
        where = f"other images of {same}, and on other datasets"
    kinds = ", one distortion type at a time" if (table["distortion"] != "all").all() else ""
    return f"trained on {source}, tested on {where}{kinds}"


def brief(table: pd.DataFrame, pairs: pd.DataFrame, files: list[tuple[str, str]]) -> Table:
    """SRCC and PLCC of an experiment: a row for each test and method.

    Beside the numbers of the epochs that the tested images did not choose stand those of the
    epochs selected on test, and what is published.

    Args:
        table: of `dpam.evaluation.tables.summarise`, of one experiment.
        pairs: rows of `significance.compare_methods` of that experiment.
        files: name and link of the files that hold all metrics.
    """
    on_test = table["selection"] == "test"
    settings = pd.MultiIndex.from_frame(table[[*significance.FIXED, "method", "label_kind"]])
    kept = ~on_test | ~settings.isin(settings[~on_test])
    rows, text = table[kept], readable(table)
    names = [str(name) for name in text]
    shown = [name for name in names if name in (*TESTED, "method")]
    shown += [METRIC_HEADINGS[metric] for metric in ("srcc", "plcc")]
    said = text[kept][[*shown, *(name for name in names if name.startswith("published"))]]
    for place, name in enumerate(shown[-2:]):
        found = dict(zip(settings[on_test], text.loc[on_test, name], strict=True))
        beside = [found.get(setting, DASH) for setting in settings[kept]]
        said.insert(len(shown) + place, f"{TEST_SELECTED} {name}", beside)
        said[name] = said[name].where(rows["selection"] != "test", DASH)
    said = said[[name for name in said if set(said[name]) != {DASH}]]
    best = best_of_setting(rows, said, pairs)
    return Table(f"{brief_caption(table)}{about_bold(rows, best)}", said, files, best)


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


def without_constants(text: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """A table's text without the columns that say the same in all of several rows, and a sentence
    that says it for all of them."""
    alike = [name for name in LAST if name in text and len(set(text[name])) == 1]
    if len(text) < 2 or not alike:
        return text, ""
    said = "; ".join(f"{name}: {text[name].iloc[0]}" for name in alike)
    return text.drop(columns=alike), f" In all rows, {said}."


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


def about_bold(rows: pd.DataFrame, best: pd.DataFrame) -> str:
    """What a caption says of bold, behind a space; nothing where one method is alone."""
    if len(set(rows["method"])) < 2:
        return ""
    return f" {ABOUT_BOLD if best.any(axis=None) else ABOUT_NO_BOLD}"


def near_duplicates(metrics: pd.DataFrame) -> str:
    """In words, where tested images look like images that were trained on, and how many do."""
    found = []
    for (dataset, tested), rows in metrics.groupby(["dataset", "test_dataset"], sort=False):
        most, images = max(zip(rows["near_duplicates"], rows["n"], strict=True))
        if most:
            row = {"dataset": dataset, "test_dataset": tested, "distortion": "all"}
            name = significance.test_in_words(row)
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


def answer(table: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """An experiment in a sentence for each network: what it reached, and how baselines compare.

    Args:
        table: of `dpam.evaluation.tables.summarise`, of one experiment, without what was selected
            on the tested images.
        pairs: rows of `significance.compare_methods` of that experiment.
    """
    place = list(significance.FIXED)
    names = [*place, "method", "selection"]
    networks = table[of_networks(table) & table["method"].map(is_plain).astype(bool)]
    baselines = table[table["method"].isin(BASELINES)]
    sentences = []
    for method, rows in networks.groupby("method", sort=False):
        said = f"{method_name(str(method))}: {reached(rows)}"
        for other, theirs in baselines.groupby("method", sort=False):
            both = rows.merge(theirs, on=place, suffixes=("", "_other"))
            ahead = int((both["srcc_median"] > both["srcc_median_other"]).sum())
            if len(both):
                said += f"; in {ahead} of {quantity(len(both), 'test')} "
                said += f"its SRCC is above that of {method_name(str(other))}"
            if ahead:
                of_both = pairs[["first", "second"]].isin([method, other]).all(axis=1)
                winners = significance.winners(pairs[of_both])
                sure = sum(tuple(row) in winners for row in rows[names].to_numpy())
                said += f" (by more than luck in {sure})" if sure else " (perhaps by luck)"
        sentences.append(said + ".")
    return " ".join(sentences)


def reached(rows: pd.DataFrame) -> str:
    """The SRCC of one row with its interval, or from the lowest to the highest of several."""
    known = rows.dropna(subset="srcc_median").sort_values("srcc_median")
    if known.empty:
        return "SRCC is not defined"
    ends = (known if len(known) == 1 else known.iloc[[0, -1]]).to_dict("records")
    return "SRCC " + " to ".join(f"{decimal(row['srcc_median'])} ({where(row)})" for row in ends)


def where(row: dict[Any, Any]) -> str:
    """What a row was trained and tested on, and how sure its SRCC is.

    Of a single run stands the interval; of several the SRCC of each split or seed, or, of many
    splits, the standard deviation.
    """
    name = significance.test_in_words(row)
    if not pd.isna(row["srcc_low"]):
        return f"{name}; 95 %: {decimal(row['srcc_low'])} to {decimal(row['srcc_high'])}"
    name += f", median of {row['splits']} splits" if row["splits"] > 1 else ""
    if len(str(row["srcc_each"]).split()) > 1:
        return f"{name}{'' if row['splits'] > 1 else ', by seed'}: {over_splits(row, 'srcc')}"
    spread = row["srcc_std"]
    return name if pd.isna(spread) else f"{name}, standard deviation {decimal(spread)}"
