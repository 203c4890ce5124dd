"""Quality maps of the best, the worst and the most wrong images of a test.

Best and worst go by the label, most wrong by |prediction - label|; two images of each. The maps say
where the network sees quality lost, and what it scores each patch; the figures show them.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dpam.commands.arguments import add_device, add_input, add_output, add_views, positive
from dpam.errors import DpamError
from dpam.figures.gallery import Gallery, QualityExample, choose, write_gallery
from dpam.utils.progress import track
from dpam.utils.reading import read_csv

if TYPE_CHECKING:
    from dpam.inference.explanations import Explanation

SIDE = 320  # pixels, the longer side of what is kept


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_input(parser, "checkpoint", type=Path, help="weights (.safetensors) of train")
    add_input(parser, "pack", type=Path, help="the pack that was tested on (.h5)")
    add_input(parser, "--predictions", type=Path, required=True, help="table of test (.csv)")
    add_output(parser, "--output", required=True, help="photographs and maps (.npz)")
    add_views(parser)
    add_device(parser)
    parser.add_argument("--threads", type=positive, help="processor threads; default: all")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    import torch

    from dpam.inference.scorer import Scorer
    from dpam.model.checkpoint import load_checkpoint
    from dpam.model.scales import answer_on_scale
    from dpam.pack.joined import superpixels_seen, thin
    from dpam.pack.store import Pack
    from dpam.superpixels.methods import Segmentation
    from dpam.utils.runtime import device

    where = device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    table = read_csv(args.predictions, ["image", "subset", "label", "prediction"])
    table = table[table["subset"] == "test"].reset_index(drop=True)
    net, trained = load_checkpoint(args.checkpoint)
    scorer = Scorer(net, trained, where, args.views)
    examples = []
    with Pack(args.pack) as pack:
        answer_on_scale(net, pack.settings["dataset"])
        rows = {image: row for row, image in enumerate(pack.labels["image"])}
        for kind, index in track(choose(table), "mapping quality"):
            tested = table.iloc[index]
            if tested["image"] not in rows:
                raise DpamError(
                    f"{args.predictions}: expected images of {args.pack}, found {tested['image']}; "
                    "test again"
                )
            prepared = thin(pack.prepared(rows[tested["image"]]), superpixels_seen(pack, trained))
            blank = Segmentation(prepared.pixels, np.zeros((1, 1), dtype=np.uint16))
            explained = scorer.explain_prepared(prepared.pixels, prepared, blank)
            label, prediction = float(tested["label"]), float(tested["prediction"])
            about = kind, str(tested["image"]), label, prediction
            examples.append(QualityExample(*about, *shrunk(explained)))
        title = f"{pack.settings['title']}, {trained['split']}, {pack.preparation.method}"
        if pack.settings["dataset"] != trained["dataset"]:
            title += f", trained on {trained['dataset']}"
        title += f", label: {pack.settings['label_kind']}"
    write_gallery(args.output, Gallery(title, examples))
    logging.info("maps of %d images", len(examples))


def shrunk(explained: Explanation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photograph, (h, w, 3) uint8, lost quality and scores, (h, w) float32, of at most SIDE."""
    from dpam.inference.explanations import stretch

    photo = explained.picture.photo
    scale = min(1.0, SIDE / max(photo.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
    small = Image.fromarray(photo).resize((width, height), Image.Resampling.LANCZOS)
    maps = (
        stretch(values, height, width).astype(np.float32)
        for values in (explained.lost_map, explained.score_map)
    )
    lost, score = maps
    return np.asarray(small), lost, score
