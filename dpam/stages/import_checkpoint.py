"""Bring a checkpoint in the authors' format to a file that dpam reads.

The file must hold a state dict of the published network (325 tensors, with or without the prefix
"module."). Only tensors are read from it; no code in it is ever run.
"""

import argparse
import hashlib
import logging
from pathlib import Path

from dpam.errors import DpamError
from dpam.model import DPAM
from dpam.model.checkpoint import from_authors, save_checkpoint
from dpam.tensors import read_tensors

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("authors", type=Path, help="checkpoint of the authors (.pt, .pth)")
    parser.add_argument("output", type=Path, help="file to write (.safetensors)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    try:
        state = from_authors(read_tensors(args.authors))
    except DpamError as error:
        raise DpamError(f"{args.authors}: {error}") from error
    net = DPAM()
    net.load_state_dict(state)
    with args.authors.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    origin = {"file": args.authors.name, "sha256": digest, "format": "the authors'"}
    save_checkpoint(args.output, net, {"imported_from": origin})
    log.info("%s: %d tensors of %s", args.output, len(state), args.authors)
