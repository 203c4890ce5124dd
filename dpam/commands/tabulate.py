"""Tables of all metrics: every number in one long table, and two tables per experiment.

Writes metrics.csv (one row per run and test dataset), types_and_levels.csv (distortion types,
levels and groups within runs) and for each experiment, as CSV, LaTeX and Markdown:

  EXPERIMENT        median, mean, standard deviation over splits, each of few; a row per setting
  EXPERIMENT_paper  medians laid out as in papers, below the published values of other methods
  EXPERIMENT_variants  of an experiment with variants: each beside base, with its difference

and, in the same three forms, significance: each two methods compared over the splits they share,
by runs whose weights were not selected on test.
"""

import argparse
import logging
from pathlib import Path

import pandas as pd

from dpam.commands.arguments import add_input
from dpam.evaluation import captions, formatting, tables
from dpam.evaluation.methods import BASE, parts_of
from dpam.utils.files import refuse_existing, write_csv, write_text

ENDINGS = (".csv", ".tex", ".md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `dpam tabulate`."""
    add_input(parser, "runs", metavar="CSV", help="the list of all runs (runs.csv)")
    parser.add_argument("--output-dir", metavar="DIR", required=True, help="folder for the tables")


def run(args: argparse.Namespace) -> None:
    """Read the metrics of every run of the list, write the tables."""
    from dpam.evaluation import ablation, significance

    output = Path(args.output_dir)
    metrics = tables.read_metrics(args.runs)
    varied = [parts_of(method)[1] != BASE for method in metrics["method"]]
    several = set(metrics.loc[varied, "experiment"])
    experiments = [
        f"{name}{end}"
        for name in metrics["experiment"].unique()
        for end in ("", "_paper", *(["_variants"] if name in several else []))
    ]
    laid_out = [f"{name}{end}" for name in ["significance", *experiments] for end in ENDINGS]
    refuse_existing(output / name for name in ["metrics.csv", "types_and_levels.csv", *laid_out])
    write_csv(output / "metrics.csv", metrics)
    results = tables.read_results(args.runs)
    write_csv(output / "types_and_levels.csv", tables.types_and_levels(results))
    pairs = significance.compare_methods(metrics)
    text = significance.readable(pairs)
    write(output / "significance", pairs, text, significance.CAPTION)
    rows_of_all = pd.concat([metrics, tables.floors(results)])
    for experiment, rows in rows_of_all.groupby("experiment", sort=False):
        table = tables.summarise(rows)
        layout = formatting.paper_layout(table)
        title = captions.caption(str(experiment), table)
        about = f"{title} {captions.about_near(table)} {captions.ABOUT_METRICS}"
        write(output / str(experiment), table, formatting.readable(table), about)
        about = captions.layout_caption(str(experiment), table)
        write(output / f"{experiment}_paper", layout, formatting.paper_text(table), about)
        if experiment in several:
            own = pairs[pairs["experiment"] == experiment]
            beside = ablation.compare_variants(rows, own)
            text = ablation.readable(beside)
            write(output / f"{experiment}_variants", beside, text, ablation.CAPTION)
    tests = len(metrics.drop_duplicates(["run", "test_dataset"]))
    logging.info("%d tests in tables of %d experiments", tests, metrics["experiment"].nunique())


def write(path: Path, table: pd.DataFrame, text: pd.DataFrame, caption: str) -> None:
    """Write a table as CSV, and its text as LaTeX and Markdown."""
    as_csv, as_latex, as_markdown = (path.with_name(f"{path.name}{end}") for end in ENDINGS)
    write_csv(as_csv, table)
    write_text(as_latex, formatting.latex(text, caption))
    write_text(as_markdown, formatting.markdown(text, caption))
