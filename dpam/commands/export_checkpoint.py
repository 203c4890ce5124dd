"""Write a network of the published size as a checkpoint in the authors' format.

Networks of another size are refused: the authors' code could not read them.
"""

import argparse
import logging
from pathlib import Path

import torch

from dpam.commands.arguments import add_output
from dpam.errors import DpamError
from dpam.model.checkpoint import load_checkpoint, to_authors
from dpam.utils.files import atomic

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("checkpoint", type=Path, help="checkpoint of dpam (.safetensors)")
    add_output(parser, "output", help="file to write (.pt)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    net, _ = load_checkpoint(args.checkpoint)
    try:
        state = to_authors(net.state_dict())
    except DpamError as error:
        raise DpamError(f"{args.checkpoint}: {error}") from error
    with atomic(args.output) as temporary:
        torch.save(state, temporary)
    log.info("%s: %d tensors of %s", args.output, len(state), args.checkpoint)
