"""Score your own photographs with a trained network.

Prints one line per photograph: the score on the scale of the dataset that the network was trained
on, and on 0 to 100, higher is better. Photographs that cannot be read are named, the rest is
scored, and the exit status is 1.
"""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from dpam.errors import DpamError, listed
from dpam.files import write_csv
from dpam.images import image_files
from dpam.inference import predict
from dpam.model.checkpoint import load_checkpoint
from dpam.preparation import Preparation, Prepared, prepare_file
from dpam.progress import track
from dpam.runtime import device

log = logging.getLogger(__name__)

VIEWS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("photographs", nargs="+", type=Path, help="image files, or folders of them")
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights (.safetensors)")
    parser.add_argument("--output", type=Path, help="also write the table here (.csv)")


def native_score(score: float, metadata: dict[str, Any]) -> float:
    """A score in [0, 1], higher better, on the dataset's own scale."""
    low, high = metadata["score_range"]
    share = score if metadata["higher_is_better"] else 1 - score
    return float(low + share * (high - low))


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    net, metadata = load_checkpoint(args.checkpoint)
    if "preparation" not in metadata:
        raise DpamError(f"{args.checkpoint}: does not say how photographs are to be prepared")
    preparation = Preparation.from_json(metadata["preparation"])
    files = image_files(args.photographs)
    scored: list[Path] = []
    failures: list[str] = []

    def prepared_images() -> Iterator[Prepared]:
        for path in track(files, "scoring"):
            try:
                prepared, _ = prepare_file(path, preparation, device())
            except DpamError as error:
                failures.append(str(error))
                continue
            scored.append(path)
            yield prepared

    scores, spread = predict(
        net.to(device()), prepared_images(), preparation.image_size, VIEWS, device()
    )
    low, high = metadata["score_range"]
    scale = f"{metadata['label_kind']} {low:g}-{high:g}"
    table = pd.DataFrame(
        {
            "image": [str(path) for path in scored],
            scale: [round(native_score(score, metadata), 4) for score in scores],
            "score_100": (100 * scores).round(2),
            "spread_100": (100 * spread).round(2),
        }
    )
    if len(table):
        print(table.to_string(index=False))
    if args.output:
        write_csv(args.output, table)
    if failures:
        raise listed(f"{len(failures)} of {len(files)} photographs were not scored", failures)
