"""Train DPAM on one split of one dataset, or of the union of several, with one seed.

Weights of two epochs are kept: for honest results the one with the largest SRCC + PLCC on the
validation set (or the last one, if the settings say so), and the one with the largest on the test
set, as the release chooses.

Settings stand in a file like config.yaml, with the keys `model` and `training`, or are given one by
one; config.yaml explains them. What is not given has its default, but for a ViT's weights: none are
loaded from the hub where `model.pretrained` is not given.

    dpam train slic.h5 --splits splits.csv --config run.yaml --set training.learning_rate=1e-4 ...

Beside them a checkpoint keeps how far the labels of nine in ten images of the validation set lie
from what its epoch predicted (central view): `dpam predict` gives scores with that interval. A set
with fewer than 20 images tells none.

Several packs make one network of all of them; the splits then are those of join-splits. Its scores
are on the scale of the first, and it learns a linear map to the scale of each other one.

For an output model.safetensors, progress is kept after every epoch in model.progress.pt beside it:
a run that was stopped goes on from there when it is started again with the same settings, start,
data and code. SIGTERM and SIGUSR1 save at once and end with exit status 75. Curves for TensorBoard
go to model.tensorboard.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpam.commands.arguments import add_device, add_input, add_output, add_views, natural, positive
from dpam.datasets.scaling import extremes, stretch_in_subsets
from dpam.errors import DpamError
from dpam.evaluation.conformal import LEAST, interval, width_of
from dpam.experiments.configuration import settings_of_run
from dpam.experiments.settings import JUDGE
from dpam.inference.judge import judge_file
from dpam.pack.views import USUAL
from dpam.utils.files import refuse_other_ending, write_csv, writing
from dpam.utils.progress import PROGRESS, duration, roughly
from dpam.utils.reading import read_csv

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from dpam.model import Network
    from dpam.pack.joined import AnyPack
    from dpam.training.trainer import Trainer

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    pack = "pack of pack-superpixels (.h5); one, or several"
    add_input(parser, "packs", metavar="pack", nargs="+", type=Path, help=pack)
    add_input(
        parser,
        "--splits",
        type=Path,
        required=True,
        help="splits.csv of draw-splits, of several packs of join-splits",
    )
    parser.add_argument("--split", default="split00", help="column of the splits")
    parser.add_argument("--distortion", default="all", help="all, or one distortion type")
    parser.add_argument(
        "--seed", type=natural, default=20, help="of weights, order, crops, dropout"
    )
    add_input(
        parser,
        "--config",
        type=Path,
        metavar="YAML",
        help="settings: the keys `model` and `training`",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="settings, over the file, such as model.start=judge training.epochs=10",
    )
    parser.add_argument(
        "--scaling",
        choices=["declared", "faithful"],
        default="declared",
        help="of the labels: by the dataset's range, or as released by the extremes of each subset",
    )
    add_views(parser, USUAL)
    add_device(parser)
    parser.add_argument("--threads", type=positive, help="processor threads; default: all")
    add_output(parser, "--output", required=True, help="weights (.safetensors)")
    add_output(
        parser, "--test-selected", required=True, help="weights of the epoch best on the test set"
    )
    add_output(parser, "--history", required=True, help="table of the epochs (.csv)")


def run(args: argparse.Namespace) -> None:
    """Run the stage."""
    for path in (args.output, args.test_selected):
        refuse_other_ending(path, ".safetensors")
    model, settings = settings_of_run(args.config, args.set)  # before what takes seconds to import
    import torch

    from dpam.pack.joined import open_packs
    from dpam.training.history import history_table, rows_of_subsets
    from dpam.training.stopping import stopping_on_signals
    from dpam.training.tensorboard import fresh_events
    from dpam.training.trainer import Trainer
    from dpam.utils.runtime import device, record

    where = device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    splits = read_csv(args.splits, ["image", args.split]).set_index("image")[args.split]
    progress = args.output.with_suffix(".progress.pt")
    events = args.output.with_suffix(".tensorboard")
    if len(args.packs) > 1 and args.scaling == "faithful":
        raise DpamError("--scaling faithful: expected one pack, as released; take declared")
    with open_packs(args.packs) as pack:
        torch.manual_seed(args.seed)
        net, start = build_network(model, pack)
        rows = rows_of_subsets(pack, splits, args.distortion)
        learned = 0.0, 1.0
        if args.scaling == "faithful":
            subsets = pd.Series("", index=pack.labels.index)
            for name, chosen in rows.items():
                subsets.iloc[chosen] = name
            learned = extremes(pack.labels["label"], subsets)
            pack.labels["label"] = stretch_in_subsets(pack.labels["label"], subsets)
        origin = origin_of(model, start)
        trainer = Trainer(net, pack, rows, settings, args.seed, where, progress, origin)
        log.info(
            "%s, distortion %s, %s, seed %d: %s images, %d epochs",
            pack.settings["title"],
            args.distortion,
            args.split,
            args.seed,
            " + ".join(f"{len(rows[name])} {name}" for name in rows),
            settings.epochs,
        )
        left_out = trainer.datasets.count_left_out(pack, splits)
        with writing(events):
            writer = fresh_events(events)
            writer.add_text("settings", f"```json\n{json.dumps(vars(settings), indent=2)}\n```")
        try:
            trainer.run(lambda row: report_epoch(writer, row, trainer))
        finally:
            with writing(events):
                writer.close()
        history = history_table(trainer.history)
        about = {
            **{key: value for key, value in pack.settings.items() if key != "made_by"},
            "distortion": args.distortion,
            "split": args.split,
            "scaling": args.scaling,
            "learned_range": learned,
            "views": args.views,
            "seed": args.seed,
            "training": vars(settings),
            "made_by": record(where),
            **({"start": start} if start else {}),
            **({"left_out": left_out} if len(args.packs) > 1 else {}),
        }
        with stopping_on_signals(trainer):  # a run that is over writes its files all the same
            write_outputs(args, trainer, history, about)
        log.info(summary(history))
    progress.unlink(missing_ok=True)


def summary(history: pd.DataFrame) -> str:
    """The epoch that the weights are of, and what it reached."""
    from dpam.training.history import RULES

    row = history.loc[history[RULES[0]] == 1].iloc[0].dropna().to_dict()
    reached = ", ".join(numbers_of(row, "validation_srcc", "test_srcc"))
    return f"weights of epoch {row['epoch']:.0f} of {len(history)}" + f": {reached}" * bool(reached)


def numbers_of(row: Mapping[Any, Any], *names: str) -> list[str]:
    """Numbers of an epoch in words, of those that it has."""
    return [
        f"{name.replace('_', ' ').replace('srcc', 'SRCC')} {row[name]:.3f}"
        for name in names
        if name in row
    ]


def write_outputs(
    args: argparse.Namespace, trainer: Trainer, history: pd.DataFrame, about: dict[str, Any]
) -> None:
    """Write the three files of a finished run: all, or, as on a full disk, none.

    Raises:
        DpamError: one cannot be written; the progress is kept.
    """
    from dpam.model.checkpoint import save_checkpoint
    from dpam.training.history import RULES

    net = trainer.evaluated.cpu()
    made: list[Path] = []
    try:
        for rule, path in zip(RULES, (args.output, args.test_selected), strict=True):
            net.load_state_dict(trainer.kept[rule])
            epoch = int(history.loc[history[rule] == 1, "epoch"].iloc[0])
            selected = {
                "selected_by": trainer.selecting_subset(rule) or "last epoch",
                "selected_epoch": epoch,
                **on_validation(trainer, epoch, about["learned_range"]),
            }
            save_checkpoint(path, net, about | selected)
            made.append(path)
        write_csv(args.history, history)
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def on_validation(
    trainer: Trainer, epoch: int, learned_range: tuple[float, float]
) -> dict[str, Any]:
    """What an epoch's predictions of the validation set tell, for the metadata.

    Args:
        trainer: of a finished run.
        epoch: from 1.
        learned_range: (lowest, highest) quality that 0 and 1 mean, see `Scorer`.

    Returns:
        "validation": number of images, SRCC and PLCC; "interval": how far nine in ten labels lie
        from the prediction, of 1, of several datasets those of the first, on whose scale scores
        are; without what the subset is too small for.
    """
    rows = trainer.rows["validation"]
    if not len(rows):
        log.info("there is no validation set: scores will have no interval")
        return {}
    first = dict(trainer.datasets.groups(rows)).get(trainer.datasets.names[0], rows[:0])
    low, high = learned_range
    told = trainer.predictions["validation"][epoch - 1].numpy()[first].astype(np.float64)
    quality = (low + told * (high - low)).clip(0, 1)  # as `Scorer` has it
    label = low + trainer.label[rows[first]] * (high - low)
    agreement = {key: trainer.history[epoch - 1][f"validation_{key}"] for key in ("srcc", "plcc")}
    found: dict[str, Any] = {}
    if all(map(math.isfinite, agreement.values())):  # of one image, say, they are not defined
        found["validation"] = {"images": len(rows), **agreement}
    entry = interval(quality, label)
    if not entry:
        log.info(
            "scores will have no interval: the validation set has %d images, and at least %d are "
            "needed",
            *(len(first), LEAST),
        )
        return found
    log.info(
        "epoch %d: nine in ten labels of validation lie no farther from the score than %s",
        *(epoch, width_of(entry)),
    )
    return found | entry


def build_network(model: dict[str, Any], pack: AnyPack) -> tuple[Network, dict[str, Any]]:
    """The network to train, and what it started from, if from a checkpoint.

    Raises:
        DpamError: settings that do not fit together, or to the pack, or a start that does not fit.
    """
    from dpam.model import create
    from dpam.model.start import start_from
    from dpam.pack.joined import packs_of

    names = [each.settings["dataset"] for each in packs_of(pack)]
    model = dict(model) | ({"scales": names} if len(names) > 1 else {})
    start, sha256 = model.pop("start", None), model.pop("start_sha256", None)
    if start == JUDGE:
        start = judge_file()
    if start:  # which brings the ViT's weights along
        model |= {"pretrained": False, "weights": None}
    try:
        net = create(image_size=pack.preparation.image_size, **model)
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise DpamError(f"model: {error}; config.yaml explains each setting") from error
    if "mean" in net.reads and pack.preparation.method == "none":
        raise DpamError(
            f"{pack.path}: expected a pack with superpixels, which the network dpam reads; this "
            "one was made for the network pooled"
        )
    return net, start_from(net, start, sha256) if start else {}


def origin_of(model: Mapping[str, Any], start: Mapping[str, Any]) -> str:
    """What a network's first weights depend on beside the seed: settings, and what files hold."""
    from dpam.model.start import sha256_of

    weights = None if start else model.get("weights")
    held = {"start": start.get("sha256"), "weights": sha256_of(weights) if weights else None}
    return json.dumps({**model, **held, "start_sha256": None}, sort_keys=True)


def report_epoch(writer: SummaryWriter, row: dict[str, Any], trainer: Trainer) -> None:
    """One epoch for TensorBoard, and as a line of the log."""
    from dpam.training.history import RULES
    from dpam.training.tensorboard import draw_epoch

    pictures = draw_epoch(row["epoch"], trainer)
    with writing(writer.log_dir):
        for name, value in row.items():
            if name not in ("epoch", *RULES):
                writer.add_scalar(name, value, row["epoch"])
        for name, figure in pictures.items():
            writer.add_figure(name, figure, row["epoch"])
    numbers = numbers_of(row, "loss", "train_srcc", "validation_srcc", "test_srcc")
    done, epochs = row["epoch"], trainer.settings.epochs
    numbers.append(duration(row["seconds"]))
    if done < epochs:
        each = sum(before["seconds"] for before in trainer.history[:done]) / done
        numbers.append(f"{roughly(each * (epochs - done))} left")
    log.info("epoch %d/%d: %s", done, epochs, ", ".join(numbers), extra=PROGRESS)
