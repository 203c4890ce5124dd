"""Write a checkpoint for others: in half the space, or in the authors' format.

    dpam export-checkpoint model.safetensors small.safetensors
    dpam export-checkpoint model.safetensors authors.pt

The first has the same metadata, and the weights that scores depend on, as float16: each moves by
at most 2^-11 of itself. `dpam predict`, `test`, `info` and `model.start` read it as any checkpoint
and compute in float32. The second, of any other ending, is what the authors' code reads; networks
of another size than the published one are refused.
"""

import argparse
import logging
from pathlib import Path

from dpam.commands.arguments import add_input, add_output
from dpam.errors import DpamError
from dpam.utils.files import atomic

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_input(parser, "checkpoint", type=Path, help="checkpoint of dpam (.safetensors)")
    add_output(parser, "output", help="file to write (.safetensors, or .pt for the authors' code)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    import torch

    from dpam.model.checkpoint import load_checkpoint, to_authors, to_small, write_checkpoint
    from dpam.model.start import sha256_of

    net, metadata = load_checkpoint(args.checkpoint)
    ours = args.output.suffix == ".safetensors"
    try:
        state = to_small(net) if ours else to_authors(net.state_dict())
    except DpamError as error:
        raise DpamError(f"{args.checkpoint}: {error}") from error
    if ours:
        origin = {"file": args.checkpoint.name, "sha256": sha256_of(args.checkpoint)}
        write_checkpoint(args.output, state, net.settings, {**metadata, "exported_from": origin})
    else:
        with atomic(args.output) as temporary:
            torch.save(state, temporary)
    log.info("%s: %d tensors of %s", args.output, len(state), args.checkpoint)
