"""The command line; see the package's docstring."""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from dpam.commands.arguments import json_object
from dpam.errors import DpamError
from dpam.evaluation.baselines import BASELINES
from dpam.model.backbone import Backbone
from dpam.utils.files import write_json
from dpam.utils.reading import read_json
from dpam.utils.runtime import record

from . import __doc__ as about
from . import absurd, heldout, ladders, maps, page, sizes, speed
from .dataset import Judged
from .judges import SEED, Baseline, Judge, Network

SECTIONS = ("test", "ladders", "maps", "sizes", "absurd", "speed")


def measured(args: argparse.Namespace) -> None:
    """Measure the sections of a judge, and keep those measured before.

    Raises:
        DpamError: the file holds another judge, or something is missing.
    """
    judged = Judged.read(args.data, args.root) if args.data and args.root else None
    judge = judge_of(args, judged)
    wanted = args.sections or [
        name
        for name in SECTIONS
        if (judged or name != "test") and (isinstance(judge, Network) or name != "maps")
    ]
    known: dict[str, Any] = read_json(args.output) if args.output.exists() else {}
    if known and known.get("about", {}).get("id") != judge.about["id"]:
        raise DpamError(f"{args.output}: holds numbers of another judge; give another --output")
    known = {
        "title": judge.title,
        "about": judge.about,
        **{k: known[k] for k in SECTIONS if k in known},
    }
    for name in wanted:
        known[name] = section(name, judge, judged, args.judge) | {"made_by": record()}
        known["bounds"] = bounds(known)
        write_json(args.output, known, replace=True)
        print(f"{args.output}: {name}", flush=True)


def section(name: str, judge: Judge, judged: Judged | None, file: str) -> dict[str, Any]:
    """The numbers of a section."""
    if name == "test":
        if judged is None:
            raise DpamError("the section test needs the dataset: give --data and --root")
        return heldout.measure(judge, judged)
    if name == "speed":
        return speed.measure(judge, Path(file))
    if name == "maps":
        if not isinstance(judge, Network):
            raise DpamError("the section maps needs a network, as baselines have none")
        return maps.measure(judge)
    measures = {"ladders": ladders.measure, "sizes": sizes.measure, "absurd": absurd.measure}
    return measures[name](judge)


def judge_of(args: argparse.Namespace, judged: Judged | None) -> Judge:
    """The judge that the command line names.

    Raises:
        DpamError: it cannot be made.
    """
    if args.judge not in BASELINES:
        return Network(Path(args.judge), args.title)
    if judged is None or args.features is None:
        raise DpamError(f"{args.judge}: give --data, --root and --features, which it is fitted to")
    if args.judge == "brisque_svr":
        return Baseline(args.judge, judged, args.features)
    if args.model is None:
        raise DpamError(f"{args.judge}: give --model, as `dpam extract-vit` was told")
    torch.manual_seed(SEED)
    model = args.model
    backbone = Backbone(
        model["backbone"],
        model["pretrained"],
        args.image_size,
        model["out_indices"],
        model["weights"],
    )
    return Baseline(args.judge, judged, args.features, backbone.eval())


def bounds(known: dict[str, Any]) -> list[float]:
    """The lowest and the highest of all scores that were measured."""
    found: list[float] = []
    if "test" in known:
        found += known["test"]["bounds"]
    for ladder in known.get("ladders", {}).get("kinds", {}).values():
        found += [score for row in ladder["scores"] for score in row]
    for by_form in known.get("sizes", {}).get("photographs", {}).values():
        found += [score for row in by_form.values() for score in row]
    found += known.get("absurd", {}).get("images", {}).values()
    for one in known.get("absurd", {}).get("optimised", {}).values():
        found += [one[name] for name in ("start", "raised", "lowered")]
    return [min(found), max(found)] if found else []


def main() -> None:
    """Measure a judge, or make the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judge",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    measure = commands.add_parser("measure", help="measure one judge")
    measure.add_argument("judge", help=f"a checkpoint, or {' or '.join(BASELINES)}")
    measure.add_argument("--output", type=Path, required=True, help="its numbers (.json)")
    measure.add_argument("--sections", nargs="+", choices=SECTIONS, help="default: all")
    measure.add_argument("--title", help="name of a network in tables; default: its file's")
    measure.add_argument(
        "--data", type=Path, help="folder of labels.csv, splits.csv and near_duplicates.csv"
    )
    measure.add_argument("--root", type=Path, help="the dataset's folder")
    measure.add_argument("--features", type=Path, help="of a baseline, of all images (.npy)")
    measure.add_argument("--model", type=json_object, help="of vit_ridge, as for extract-vit")
    measure.add_argument("--image-size", type=int, default=224, help="of vit_ridge, likewise")
    measure.set_defaults(run=measured)
    made = commands.add_parser("page", help="fill the sections of the model card")
    made.add_argument("files", type=Path, nargs="+", help="JSONs; first the card's own judge")
    made.add_argument("--page", type=Path, default=Path("docs/judge.md"), help="to fill")
    made.add_argument("--images", type=Path, default=Path("docs/images"), help="for its pictures")
    made.set_defaults(run=lambda args: page.write(args.files, args.page, args.images))
    args = parser.parse_args()
    try:
        args.run(args)
    except DpamError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
