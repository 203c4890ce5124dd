"""Train DPAM on one split of one dataset; keep the epoch that is best on its validation part.

Progress is kept after every epoch in `progress.pt` beside the outputs: a run that was stopped
goes on from there when it is started again with the same settings and data.
"""

import argparse
import logging
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch.utils.tensorboard import SummaryWriter

from dpam.errors import DpamError
from dpam.files import read_csv, write_csv
from dpam.model import DPAM
from dpam.model.checkpoint import save_checkpoint
from dpam.runtime import device, record
from dpam.scaling import stretched_in_parts
from dpam.stages.arguments import json_object
from dpam.store import Pack
from dpam.training import Trainer, TrainingSettings, history_table, rows_of_parts

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("pack", type=Path, help="the pack of pack-superpixels (.h5)")
    parser.add_argument("--splits", type=Path, required=True, help="splits.csv of draw-splits")
    parser.add_argument("--split", default="split00", help="column of the splits")
    parser.add_argument("--part", default="all", help="all, or one distortion type")
    parser.add_argument("--seed", type=int, default=20, help="of weights, order, crops, dropout")
    parser.add_argument("--model", type=json_object, default={}, help="JSON: arguments of DPAM")
    parser.add_argument("--training", type=json_object, default={}, help="JSON: TrainingSettings")
    parser.add_argument(
        "--scaling",
        choices=["declared", "faithful"],
        default="declared",
        help="of the scores: by the dataset's range, or as released by the extremes of each part",
    )
    parser.add_argument("--threads", type=int, help="processor threads; default: all")
    parser.add_argument("--output", type=Path, required=True, help="weights (.safetensors)")
    parser.add_argument("--history", type=Path, required=True, help="table of the epochs (.csv)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        settings = TrainingSettings(**args.training)
    except TypeError as error:
        raise DpamError(f"--training: {error}") from error
    splits = read_csv(args.splits, ["image", args.split]).set_index("image")[args.split]
    progress = args.output.parent / "progress.pt"
    events = args.output.parent / "tensorboard"
    with Pack(args.pack) as pack:
        torch.manual_seed(args.seed)
        net = DPAM(image_size=pack.preparation.image_size, **args.model)
        rows = rows_of_parts(pack, splits, args.part)
        if args.scaling == "faithful":
            parts = pd.Series("", index=pack.labels.index)
            for name, chosen in rows.items():
                parts.iloc[chosen] = name
            pack.labels["score"] = stretched_in_parts(pack.labels["score"], parts)
        trainer = Trainer(net, pack, rows, settings, args.seed, device(), progress)
        log.info(
            "%s, part %s, %s, seed %d: %s images, %d epochs",
            pack.settings["title"],
            args.part,
            args.split,
            args.seed,
            " + ".join(f"{len(rows[name])} {name}" for name in rows),
            settings.epochs,
        )
        # A resumed run reports its earlier epochs again, so the events start afresh.
        shutil.rmtree(events, ignore_errors=True)
        with SummaryWriter(str(events)) as writer:
            trainer.run(lambda row: report_epoch(writer, row, settings.epochs))
        history = history_table(trainer.history)
        metadata = {
            **{key: value for key, value in pack.settings.items() if key != "made_by"},
            "part": args.part,
            "split": args.split,
            "scaling": args.scaling,
            "seed": args.seed,
            "training": vars(settings),
            "selected_by": "validation" if len(rows["validation"]) else "last epoch",
            "selected_epoch": int(history.loc[history["selected"] == 1, "epoch"].iloc[0]),
            "made_by": record(),
        }
        save_checkpoint(args.output, trainer.net.cpu(), metadata)
    write_csv(args.history, history)
    progress.unlink(missing_ok=True)


def report_epoch(writer: SummaryWriter, row: dict[str, Any], epochs: int) -> None:
    """One epoch as scalars for TensorBoard and as a line of the log."""
    for name, value in row.items():
        if name not in ("epoch", "selected"):
            writer.add_scalar(name, value, row["epoch"])
    numbers = [
        f"{name.replace('_', ' ').replace('srcc', 'SRCC')} {row[name]:.3f}"
        for name in ("loss", "train_srcc", "validation_srcc", "test_srcc")
        if name in row
    ]
    log.info("epoch %d/%d: %s", row["epoch"], epochs, ", ".join(numbers))
