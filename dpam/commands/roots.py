"""Arguments that say where datasets lie."""

import argparse
from pathlib import Path
from typing import Any

from dpam.commands.arguments import json_object
from dpam.datasets import MADE_HERE
from dpam.experiments.configuration import read_over
from dpam.experiments.places import root_of


def add_roots(parser: argparse.ArgumentParser) -> None:
    """Declare where datasets lie: `configfile`, `data_root`, `roots`."""
    parser.add_argument(
        "--configfile", metavar="FILE", nargs="+", default=[], help="laid over config.yaml in turn"
    )
    parser.add_argument("--data-root", metavar="DIR", help="holds DIR/DATASET; as configured")
    parser.add_argument(
        "--roots", type=json_object, metavar="JSON", default={}, help="datasets that lie elsewhere"
    )


def places(args: argparse.Namespace) -> dict[str, Any]:
    """The configuration, with what `add_roots`'s arguments say.

    Raises:
        DpamError: it cannot be read, or is not valid.
    """
    config = read_over(args.configfile)
    return config | {
        "data_root": args.data_root or config["data_root"],
        "roots": config["roots"] | args.roots,
    }


def found_root(config: dict[str, Any], name: str) -> str:
    """The folder of a dataset; of one made here, also below the results of a preset."""
    root = root_of(config, name)
    if name in MADE_HERE and not Path(root).exists():
        made = sorted(Path(config["pathvars"]["results"]).glob(f"*/datasets/{name}"))
        return str(made[0]) if made else root
    return root
