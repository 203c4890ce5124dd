"""Train AINet, the superpixel method, on your own images. No labels are needed.

The targets are SLIC's superpixels of the same images: the network learns to give them from the
image alone. This replaces the authors' weights, which need people's segmentations and cannot be
shipped here; superpixels are not theirs. With 200 images and a GPU it takes minutes.

    dpam train-ainet photographs/ --output ainet.safetensors
    dpam superpixels photograph.jpg --method ainet --ainet ainet.safetensors
"""

import argparse
import logging
from pathlib import Path

import numpy as np

from dpam.commands.arguments import add_output, natural, positive
from dpam.imaging.folders import image_files
from dpam.superpixels.ainet_settings import AINetSettings
from dpam.utils.files import refuse_other_ending
from dpam.utils.progress import track

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    default = AINetSettings()
    parser.add_argument("images", nargs="+", type=Path, help="image files, or folders of them")
    parser.add_argument("--steps", type=positive, default=default.steps, help="steps of Adam")
    parser.add_argument("--batch-size", type=positive, default=default.batch_size, help="per step")
    parser.add_argument("--learning-rate", type=float, default=default.learning_rate, help="Adam's")
    parser.add_argument("--seed", type=natural, default=default.seed, help="of all that is drawn")
    parser.add_argument(
        "--region-size", type=positive, default=40, help="side of SLIC's superpixels, pixels"
    )
    add_output(parser, "--output", required=True, help="weights (.safetensors)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    from dpam.pack.preparation import read_photograph
    from dpam.superpixels.ainet import save_ainet
    from dpam.superpixels.ainet_training import train_ainet
    from dpam.superpixels.slico import slico
    from dpam.utils.runtime import device, record

    refuse_other_ending(args.output, ".safetensors")
    files, passed = image_files(args.images)
    if passed:
        log.info("%s", passed)
    images = [read_photograph(path) for path in track(files, "reading")]
    settings = AINetSettings(
        steps=args.steps,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        seed=args.seed,
    )

    def segment(image: np.ndarray) -> np.ndarray:
        return slico(image, args.region_size, 10, 10, "numba")

    net, history = train_ainet(images, segment, settings, device())
    metadata = {
        "images": len(images),
        "region_size": args.region_size,
        "training": vars(settings),
        "made_by": record(),
    }
    save_ainet(args.output, net, metadata)
    tenth = max(1, len(history) // 10)
    log.info(
        "loss %.2f in the first tenth, %.2f in the last; %s",
        np.mean(history[:tenth]),
        np.mean(history[-tenth:]),
        args.output,
    )
