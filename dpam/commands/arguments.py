"""Arguments that several stages share."""

import argparse
import json
from pathlib import Path
from typing import Any

from dpam.errors import DpamError
from dpam.inference.judge import FAST, JUDGES, judge_file
from dpam.pack.views import VIEWS, Views, number_of_views
from dpam.superpixels.methods import NAMES


def positive(text: str) -> int:
    """A whole number of at least 1 on the command line."""
    return at_least(1, text)


def natural(text: str) -> int:
    """A whole number of at least 0 on the command line."""
    return at_least(0, text)


def at_least(least: int, text: str) -> int:
    """A whole number that is not too small.

    Raises:
        argparse.ArgumentTypeError: the text is something else.
    """
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least {least}, found {text!r}"
        )
    return number


def json_object(text: str) -> dict[str, Any]:
    """A JSON object on the command line.

    Raises:
        DpamError: the text is something else.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise DpamError(f"expected a JSON object, found {text!r}: {error}") from error
    if not isinstance(value, dict):
        raise DpamError(f"expected a JSON object, found {text!r}")
    return value


def add_input(parser: argparse._ActionsContainer, *names: str, **options: Any) -> None:
    """A file that the command reads, or several.

    `dpam.cli` refuses what is not there before it runs the command. So that it is said at once,
    what takes seconds to import is imported where a command needs it, not on top of its module.
    """
    dest = parser.add_argument(*names, **options).dest
    parser.set_defaults(inputs=[*(parser.get_default("inputs") or ()), dest])


def add_checkpoint(
    parser: argparse.ArgumentParser, *names: str, what: str = "weights (.safetensors)", **more: Any
) -> None:
    """A checkpoint, or a judge of the package in its place: what `checkpoint_of` reads."""
    either = parser.add_mutually_exclusive_group()
    add_input(either, *names, type=Path, help=f"{what}; default: a judge of the package", **more)
    either.add_argument(
        "--judge", choices=JUDGES, help=f"default: {FAST}; fine ranks better and takes longer"
    )


def checkpoint_of(args: argparse.Namespace) -> Path:
    """The file that `add_checkpoint`'s arguments name."""
    file: Path | None = args.checkpoint
    return file or judge_file(args.judge)


def add_output(parser: argparse.ArgumentParser, name: str, **options: Any) -> None:
    """A file or folder that the command writes; `dpam.cli` refuses one that is there already."""
    dest = parser.add_argument(name, type=Path, **options).dest
    parser.set_defaults(outputs=[*(parser.get_default("outputs") or ()), dest])


def add_superpixels(parser: argparse.ArgumentParser) -> None:
    """How superpixels are made: `method`, `backend`, `rim`, `ainet`."""
    parser.add_argument("--method", default="slic", help=f"superpixels: {', '.join(NAMES)}")
    parser.add_argument(
        "--backend",
        default="numba",
        help="what computes slic: numba, torch (on a GPU), scikit-image, or opencv, as released",
    )
    parser.add_argument(
        "--rim",
        default="dpam",
        metavar="SETTINGS",
        help="of rim: dpam, 5 steps as DPAM's release, or paper, up to 500 steps as RIM's authors",
    )
    parser.add_argument("--ainet", metavar="FILE", help="weights of ainet, from `dpam train-ainet`")


def add_image_size(parser: argparse.ArgumentParser) -> None:
    """Side of the network's square input: `image_size`."""
    parser.add_argument(
        "--image-size", type=positive, default=224, help="the network's input, pixels"
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Where the network computes: `device`, a name for `dpam.utils.runtime.device`."""
    parser.add_argument(
        "--device",
        default="auto",
        help="where the network computes: cpu, cuda, cuda:1, mps; auto: a CUDA GPU if there is one",
    )


def add_views(parser: argparse.ArgumentParser, default: Views | None = None) -> None:
    """How many squares of each image are scored: `views`; None, as the checkpoint says."""
    parser.add_argument(
        "--views",
        type=number_of_views,
        choices=VIEWS,
        default=default,
        help="of each image, where crops are the network's input: 1, the centre; 5, centre and "
        "corners; another number, a grid; whole, the image resized"
        + ("; default: as the checkpoint says" if default is None else ""),
    )


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Which dataset, and where it lies: `dataset`, `root`, `custom`."""
    parser.add_argument("dataset", metavar="DATASET", help="key of the dataset")
    parser.add_argument("--root", metavar="DIR", required=True, help="the dataset's folder")
    parser.add_argument(
        "--custom",
        type=json_object,
        metavar="JSON",
        help="describes a dataset of your own: labels, score_range, higher_is_better, ...",
    )
