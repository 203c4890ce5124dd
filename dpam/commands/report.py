"""The report: one HTML page of all results that needs no network and no other file.

Beside it stand jobs.csv, time and memory of each job, and disk.csv, the size of the results.
"""

import argparse
from pathlib import Path

from dpam.commands.arguments import add_input, add_output, json_object
from dpam.utils.files import refuse_existing, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `dpam report`."""
    parser.add_argument("--tables-dir", metavar="DIR", required=True, help="from `dpam tabulate`")
    parser.add_argument("--figures-dir", metavar="DIR", required=True, help="from `dpam plot`")
    parser.add_argument(
        "--benchmarks-dir", metavar="DIR", required=True, help="Snakemake's benchmarks: RULE/*.tsv"
    )
    add_input(
        parser,
        "--verified",
        metavar="JSON",
        nargs="+",
        required=True,
        help="from `dpam verify-download`",
    )
    parser.add_argument(
        "--results-dir", metavar="DIR", required=True, help="all results, to tell their size"
    )
    parser.add_argument(
        "--config",
        type=json_object,
        metavar="JSON",
        required=True,
        help="the configuration that the results were made with",
    )
    parser.add_argument(
        "--as-released",
        type=json_object,
        metavar="JSON",
        required=True,
        help="the configuration of the released code's experiment; the page tells what differs",
    )
    parser.add_argument(
        "--gpu-rules", metavar="RULE", nargs="*", default=[], help="rules that ask for a GPU"
    )
    parser.add_argument(
        "--planned", type=int, metavar="N", help="tests to be made; the page tells if fewer are"
    )
    add_output(parser, "--output", metavar="HTML", required=True, help="file to write")


def run(args: argparse.Namespace) -> None:
    """Read tables, figures and benchmarks; write the page."""
    from dpam.report.page import Sources, render
    from dpam.utils.runtime import record

    refuse_existing(args.output.with_name(name) for name in ("jobs.csv", "disk.csv"))
    sources = Sources(
        tables=Path(args.tables_dir),
        figures=Path(args.figures_dir),
        benchmarks=Path(args.benchmarks_dir),
        results=Path(args.results_dir),
        verified=[Path(path) for path in args.verified],
        settings=args.config,
        as_released=args.as_released,
        gpu_rules=args.gpu_rules,
        planned=args.planned,
        machine=record(),
    )
    write_text(args.output, render(sources, args.output))
