"""The report: one HTML page of all results that needs no network, no script and no other file."""

import argparse
from pathlib import Path

from dpam.files import write_text
from dpam.report.page import render
from dpam.runtime import record
from dpam.stages.arguments import json_object


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `dpam report`."""
    parser.add_argument("--tables-dir", metavar="DIR", required=True, help="from `dpam tabulate`")
    parser.add_argument("--figures-dir", metavar="DIR", required=True, help="from `dpam plot`")
    parser.add_argument(
        "--benchmarks-dir", metavar="DIR", required=True, help="Snakemake's benchmarks: RULE/*.tsv"
    )
    parser.add_argument(
        "--verified", metavar="JSON", nargs="+", required=True, help="from `dpam verify-download`"
    )
    parser.add_argument(
        "--config",
        type=json_object,
        metavar="JSON",
        required=True,
        help="the configuration that the results were made with",
    )
    parser.add_argument("--output", metavar="HTML", required=True, help="file to write")


def run(args: argparse.Namespace) -> None:
    """Read tables, figures and benchmarks; write the page."""
    page = render(
        tables=Path(args.tables_dir),
        figures=Path(args.figures_dir),
        benchmarks=Path(args.benchmarks_dir),
        verified=[Path(path) for path in args.verified],
        settings=args.config,
        machine=record(),
        output=Path(args.output),
    )
    write_text(args.output, page)
