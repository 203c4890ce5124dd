"""Make one of the two demonstration datasets from photographs that installed packages ship.

demo_synthetic has KADID-10k's native layout (graded distortions of single types), demo_authentic
has KonIQ-10k's (crops with random camera faults). Labels are pseudo-MOS: HaarPSI, no votes.
"""

import argparse
import logging

from dpam.commands.arguments import add_output, natural, positive
from dpam.demo.photographs import NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this stage."""
    parser.add_argument("dataset", choices=["demo_synthetic", "demo_authentic"])
    add_output(parser, "--output", metavar="FOLDER", required=True, help="the dataset's folder")
    parser.add_argument(
        "--photographs", nargs="+", metavar="NAME", default=list(NAMES), help="which to use"
    )
    parser.add_argument(
        "--crops", type=positive, default=40, help="images per photograph (demo_authentic)"
    )
    parser.add_argument(
        "--levels", type=positive, default=5, help="strengths per distortion type (demo_synthetic)"
    )
    parser.add_argument("--seed", type=natural, default=20, help="of all that is drawn")


def run(args: argparse.Namespace) -> None:
    """Write the dataset's folder."""
    from dpam.demo.make import make_demo

    make_demo(
        args.output,
        args.dataset,
        photographs=args.photographs,
        crops=args.crops,
        levels=args.levels,
        seed=args.seed,
    )
    images = sum(path.suffix in (".jpg", ".png") for path in args.output.rglob("*"))
    logging.info("%s: %d images made in %s", args.dataset, images, args.output)
