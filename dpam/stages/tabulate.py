"""Tables over all scores: every number in one long table, and one table per experiment.

Writes scores.csv (one row per run and test dataset) and, for each experiment, EXPERIMENT.csv and
EXPERIMENT.tex with median, mean and standard deviation over splits. The published values of DPAM
stand beside ours where they compare.
"""

import argparse
from pathlib import Path

from dpam.files import write_csv, write_text
from dpam.tables import ABOUT_METRICS, caption, latex, read_scores, readable, summarise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `dpam tabulate`."""
    parser.add_argument("scores", metavar="CSV", help="the list of all scores")
    parser.add_argument("--output-dir", metavar="DIR", required=True, help="folder for the tables")


def run(args: argparse.Namespace) -> None:
    """Read every score of the list, write the tables."""
    output = Path(args.output_dir)
    scores = read_scores(args.scores)
    write_csv(output / "scores.csv", scores)
    for experiment, rows in scores.groupby("experiment", sort=False):
        table = summarise(rows)
        write_csv(output / f"{experiment}.csv", table)
        title = f"{caption(str(experiment), table)} {ABOUT_METRICS}"
        write_text(output / f"{experiment}.tex", latex(readable(table), title))
