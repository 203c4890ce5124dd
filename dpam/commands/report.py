"""The report: one HTML page of all results that needs no network and no other file.

Beside it stand jobs.csv, time and memory of each job, and disk.csv, the size of the results.

The configuration is a file like config.yaml. The workflow writes the one that it had, with all
defaults, beside the page, and so it does with the release's.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

from dpam.commands.arguments import add_input, add_output, natural
from dpam.errors import DpamError
from dpam.utils.files import refuse_existing, write_text
from dpam.utils.reading import read_yaml

LISTS = ("datasets", "methods", "baselines", "splits", "train_on")  # of an experiment


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
    add_input(
        parser,
        "--config",
        type=Path,
        metavar="YAML",
        required=True,
        help="the configuration that the results were made with",
    )
    add_input(
        parser,
        "--as-released",
        type=Path,
        metavar="YAML",
        required=True,
        help="the configuration of the released code's experiment; the page tells what differs",
    )
    parser.add_argument(
        "--gpu-rules", metavar="RULE", nargs="*", default=[], help="rules that ask for a GPU"
    )
    parser.add_argument(
        "--planned", type=natural, metavar="N", help="tests to be made; the page tells if fewer are"
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
        settings=read_configuration(args.config),
        as_released=read_configuration(args.as_released),
        gpu_rules=args.gpu_rules,
        planned=args.planned,
        machine=record(),
    )
    page = render(sources, args.output)
    write_text(args.output, page)
    logging.info("%s: %.1f MB", args.output, len(page) / 1e6)


def read_configuration(file: Path) -> dict[str, Any]:
    """A configuration, whose experiments and own datasets have the form that the page reads.

    Raises:
        DpamError: they have another one, or the file cannot be read.
    """
    config = {key: value for key, value in read_yaml(file).items() if value is not None}
    blocks = config.get("experiments", [])
    if not isinstance(blocks, list) or not all(map(is_experiment, blocks)):
        raise DpamError(
            f"{file}: experiments: expected a list of blocks, each with a `name` and lists of "
            f"{', '.join(LISTS)}, as in config.yaml"
        )
    if not isinstance(config.get("custom", {}), dict):
        raise DpamError(f"{file}: custom: expected datasets of your own by key, as in config.yaml")
    return config


def is_experiment(block: Any) -> bool:
    """Whether a block of `experiments` has a name, and lists where lists belong."""
    return (
        isinstance(block, dict)
        and isinstance(block.get("name"), str)
        and all(isinstance(block.get(key, []), list) for key in LISTS)
    )
