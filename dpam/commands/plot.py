"""Figures as SVG and PDF: curves, predictions, examples, quality maps, methods, distortion types.

They are as wide as one column of a journal, 3.5 inches, or as two, 7.16 inches, and their text has
8 points. A figure that has nothing to show says so in its SVG, and is not among the PDFs, which lie
in the folder `pdf`.

Of many runs the first split of each is shown before the second of any, at most 24 panels; a
figure says how many it leaves out. Where there are weights selected on the tested images beside
others, the others are shown.

most_wrong.json holds a thumbnail of each image that the scatter plots number.
"""

import argparse
import logging
from pathlib import Path

from dpam.commands.arguments import add_input


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `dpam plot`."""
    add_input(parser, "runs", metavar="CSV", help="the list of all runs (runs.csv)")
    add_input(
        parser, "--packs", metavar="H5", nargs="+", required=True, help="packs to take images from"
    )
    add_input(
        parser,
        "--maps",
        metavar="NPZ",
        nargs="*",
        default=[],
        help="quality maps of `dpam map-quality`",
    )
    parser.add_argument("--output-dir", metavar="DIR", required=True, help="folder for the figures")


def run(args: argparse.Namespace) -> None:
    """Read metrics, histories, predictions, packs and maps; write the figures."""
    from dpam.figures.selection import write_figures

    output = Path(args.output_dir)
    write_figures(args.runs, args.packs, args.maps, output)
    logging.info("%d figures in %s", len(list(output.glob("*.svg"))), output)
