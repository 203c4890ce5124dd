"""Write a network as an ONNX model, for programs without PyTorch.

    dpam export-onnx --output judge.onnx                     # the judge
    dpam export-onnx model.safetensors --output model.onnx

Inputs are those of the network: image (N, 3, S, S), RGB from 0 to 1, and of DPAM also texture
(N, 1, S, S), colour_mean (N, P, 3) and colour_covariance (N, P, 6) of P superpixels. The output,
quality (N,), goes from 0, worst, to 1, best. How photographs are prepared stands in the model's
properties (dpam.preparation, dpam.views).
"""

import argparse
import logging
from importlib.util import find_spec

from dpam.commands.arguments import add_checkpoint, add_output, checkpoint_of
from dpam.errors import DpamError

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_checkpoint(parser, "checkpoint", nargs="?")
    add_output(parser, "--output", required=True, help="the model to write (.onnx)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    if args.output.suffix != ".onnx":
        raise DpamError(f"--output {args.output}: expected a name in .onnx")
    if not (find_spec("onnx") and find_spec("onnxscript")):
        raise DpamError("onnx or onnxscript is not installed; pip install '.[onnx]'")
    from dpam.inference.onnx import export
    from dpam.inference.scorer import load

    log.info("exporting takes some ten seconds")
    names = export(load(checkpoint_of(args), device="cpu"), args.output)
    log.info("%s: inputs %s; output quality", args.output, ", ".join(names))
