"""Score your own photographs, with the judge of the package or with another trained network.

One line per photograph. On a terminal in words, from 0 (worst) to 100 (best): "62, likely between
47 and 77". What people say of nine in ten photographs lies in that interval, if they are like those
of the training's validation set. Elsewhere CSV: the score on the scale of the dataset that the
network was trained on, the score of 100, the standard deviation of the latter over the views that
were scored, and both ends of the interval, empty where the checkpoint does not tell it. Scores stay
within their range, whatever the network says. Where it is not known how labels and predictions
belong together, as for checkpoints of the authors, both scores go from 0 to 100.

    dpam predict photo.jpg
    dpam predict -r holidays/ archive.zip 'more/*.png' --top 20
    find . -name '*.jpg' | dpam predict - --threshold 60
    dpam predict -r photos/ --output scores.csv --resume
    dpam predict photo.jpg --judge fine
    dpam predict photo.jpg --checkpoint model.safetensors

Without --checkpoint a judge of the package scores: the fast one, or, with --judge fine, one that
ranks better and takes twice as long. `dpam info` says what they are.

Folders, patterns and archives (zip, tar, Parquet with images in its cells) stand for the images in
them; archives are not unpacked.
What else is in them is counted at the end, by ending, with what would read it. Links are followed.
What in a name is not UTF-8 is escaped.
With --output every row is written as soon as it is known, and printed only where --sort, --top or
--threshold ask for some. --resume goes on after a stop, with the same checkpoint and settings:
FILE.json beside the table says which these were.

A photograph that cannot be read is one line; the others are scored. The exit status is
3 if any failed; with --failures, which writes these lines to a file, it is 0.

--labels names a CSV (columns image, label) or lines "image label", on the dataset's scale, and adds
SRCC, PLCC, KRCC and RMSE; with a column group also the mean SRCC within groups of at least five
images; --scatter plots them. Images are found by their name, or by the end of their path. What is
wrong with the labels is said before anything is scored.

--page writes all of it as one HTML page of thumbnails, to be ordered and filtered by score.

Nothing that is there is written over: a file that exists is refused, and --maps wants a new folder;
with -r, one that lies elsewhere.

The authors' flags are understood: --image_dir, --ckpt_slic and --label_path. Superpixels are
computed; their --slic_dir, a folder of pickled ones, is not read. A checkpoint of theirs needs
--dataset.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tqdm import tqdm

from dpam.commands.arguments import (
    add_checkpoint,
    add_device,
    add_input,
    add_views,
    checkpoint_of,
    positive,
)
from dpam.errors import SOME_FAILED, DpamError
from dpam.imaging.folders import SkippedFiles
from dpam.inference.score_table import (
    Row,
    about_table,
    begun_table,
    csv_line,
    growing,
    prepare_to_resume,
    select_rows,
    sign_table,
)
from dpam.inference.scores import in_words
from dpam.utils.files import (
    lies_in,
    refuse_existing,
    refuse_other_ending,
    refuse_same,
    refuse_unwritable,
    write_text,
)
from dpam.utils.progress import own_terminal

if TYPE_CHECKING:
    import numpy as np

    from dpam.inference.explanations import Explanation
    from dpam.inference.gallery import Shown
    from dpam.inference.jobs import Run
    from dpam.inference.scorer import Scorer

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        "photographs",
        nargs="*",
        help="files, folders, patterns, archives; - for a list of those on standard input",
    )
    add_checkpoint(
        parser,
        "--checkpoint",
        "--ckpt_slic",
        metavar="FILE",
        what="weights (.safetensors), or the authors' (.pt)",
    )
    parser.add_argument(
        "--dataset",
        metavar="DATASET",
        help="what a checkpoint of the authors was trained on, as `dpam datasets` calls it",
    )
    parser.add_argument("-r", "--recursive", action="store_true", help="folders in folders, too")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write all rows (.csv, .jsonl, .parquet)"
    )
    parser.add_argument(
        "--failures", type=Path, metavar="FILE", help="write what cannot be read, a line each"
    )
    parser.add_argument("--resume", action="store_true", help="pass over what --output has")
    parser.add_argument("--sort", choices=["best", "worst"], help="print these first, at the end")
    parser.add_argument(
        "--top", type=positive, metavar="N", help="print only the first N, best first"
    )
    parser.add_argument(
        "--threshold", type=float, metavar="S", help="print only those with at least S of 100"
    )
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="write a page of thumbnails (.html)"
    )
    parser.add_argument("--maps", type=Path, metavar="DIR", help="draw where the quality is lost")
    add_input(
        parser,
        "--labels",
        "--label_path",
        type=Path,
        metavar="FILE",
        help="compare with these labels",
    )
    parser.add_argument(
        "--scatter", type=Path, metavar="FILE", help="with --labels: also plot them (.svg)"
    )
    parser.add_argument(
        "--workers", type=positive, default=os.cpu_count(), help="threads that decode and prepare"
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        help="views per batch; default: 32 on a GPU, 2 for each thread of a processor",
    )
    add_views(parser)
    add_device(parser)
    parser.add_argument("--image_dir", metavar="DIR", help="as a folder among the photographs")


def run(args: argparse.Namespace) -> int:
    """Run the stage; returns the exit status."""
    places = [*args.photographs, *([args.image_dir] if args.image_dir else [])]
    refuse_arguments(args, places)
    refuse_to_replace(args)
    args.checkpoint = checkpoint_of(args)
    if own_terminal():
        log.info("loading %s", args.checkpoint.name)
    from dpam.inference.jobs import Run  # PyTorch comes with these, which takes seconds
    from dpam.inference.scorer import load
    from dpam.inference.sources import names, sources, total
    from dpam.utils.runtime import device, record

    labels = None
    if args.labels:
        from dpam.inference.labelled import Labels  # only labels need pandas and scipy

        labels = Labels(args.labels)
    scorer = load(args.checkpoint, args.dataset, device(args.device), args.views)

    if args.output:
        how = {
            "dataset": scorer.metadata.get("dataset"),
            "views": scorer.views,
            "preparation": json.loads(json.dumps(vars(scorer.preparation))),
        }
        failures = os.path.abspath(args.failures) if args.failures else None
        about = {"failures": failures, "made_by": record(scorer.device)}
        sign_table(args.output, args.resume, args.checkpoint, how, about)
    earlier = prepare_to_resume(args.output) if args.resume else iter(())
    done = {row.image for row in earlier}
    before: Iterable[Row] = prepare_to_resume(args.output) if args.resume else ()
    known = None if "-" in places else total(places, args.recursive)
    named: Iterable[str] = chain.from_iterable(
        map(partial(apart_from_maps, args), read_names(sys.stdin)) if place == "-" else [place]
        for place in places
    )
    if labels is not None:
        named = list(named)
        photographs = dict.fromkeys([*names(named, args.recursive), *done])
        labels.match(photographs, named, scorer.labels.range)
    left = None if known is None else max(0, known - len(done))
    on_page: list[Shown] = []
    explain = partial(show_where, args=args, scorer=scorer, on_page=on_page)
    run = Run(scorer, left, args.workers, args.batch_size, side_of_pictures(args), explain)
    passed = SkippedFiles()
    rows = run.rows(sources(named, args.recursive, done, passed))
    with growing(args.output, args.resume) if args.output else nullcontext(None) as add:

        def keep() -> Iterator[Row]:
            for row in rows:
                if add is not None:
                    add(row)
                yield row

        everything: Iterable[Row] = chain(before, keep())
        everything = everything if labels is None else labels.watch(everything)
        chosen = select_rows(everything, args.sort, args.top, args.threshold)
        asked = args.sort or args.top or args.threshold is not None
        if args.output and not asked:  # the table has them all
            deque(chosen, maxlen=0)
        else:
            show(chosen, scorer)
    if passed:
        log.info("%s", passed)
    seconds = time.monotonic() - run.started
    log.info(
        "%d scored in %.1f s (%.2f images/s)%s; %d failed",
        *(run.scored, seconds, run.scored / seconds),
        f", {len(done)} passed over" if args.resume else "",
        len(run.failures),
    )
    try:
        compared = None if labels is None else labels.compare(scorer)
    finally:  # the numbers are said, if there are any, whatever comes of the files
        write_lists(args, run, on_page)
    if args.scatter and compared is not None:
        plot(compared, args)
    return SOME_FAILED if run.failures and not args.failures else 0


def side_of_pictures(args: argparse.Namespace) -> int | None:
    """Pixels of the longer side of the photographs that maps and a page show; None: none do."""
    if not (args.maps or args.page):
        return None
    from dpam.inference import explanations, gallery

    return explanations.SHOWN if args.maps else gallery.SIDE


def show_where(
    row: Row,
    explanation: Explanation,
    args: argparse.Namespace,
    scorer: Scorer,
    on_page: list[Shown],
) -> None:
    """Draw the maps of a photograph, or keep what the page shows of it, or both."""
    if args.maps:
        from dpam.figures import quality_maps  # only these need matplotlib

        quality_maps.write(args.maps, row.image, explanation, scorer.scale)
    if args.page:
        from dpam.inference.gallery import Shown, lost_quality, thumbnail

        small = thumbnail(explanation.picture.photo)
        on_page.append(Shown(row, small, lost_quality(explanation)))


def write_lists(args: argparse.Namespace, run: Run, on_page: list[Shown]) -> None:
    """Write what --failures and --page ask for."""
    if args.failures:
        lines = "".join(f"{failure}\n" for failure in run.failures)
        write_text(args.failures, lines, ours=b"")  # looked at when this began
    if args.page:
        from dpam.inference.gallery import gallery

        made_with = f"Scored by {args.checkpoint.name}; its labels: {run.scorer.scale}."
        write_text(args.page, gallery(on_page, made_with))


def refuse_arguments(args: argparse.Namespace, places: list[str]) -> None:
    """Raise a DpamError if the arguments do not fit together."""
    if not places:
        raise DpamError("no photographs: name files, folders, patterns or archives, or - ")
    if args.resume and not args.output:
        raise DpamError("--resume needs --output, the table to go on with")
    if args.page and (args.resume or args.page.suffix != ".html"):
        raise DpamError(
            f"--page {args.page}: expected a name in .html, and no --resume: the page "
            "shows what this run scores"
        )
    if args.scatter and not args.labels:
        raise DpamError("--scatter needs --labels, to plot against")
    if args.scatter:
        refuse_other_ending(args.scatter, ".svg")
    for option in ("maps", "scatter"):
        if getattr(args, option) and not find_spec("matplotlib"):
            raise DpamError(f"--{option} draws with matplotlib: pip install matplotlib")
    for place in places:
        apart_from_maps(args, place)


def apart_from_maps(args: argparse.Namespace, place: str) -> str:
    """The place, which is to be scored.

    Raises:
        DpamError: the pictures of --maps would be found in it, and scored.
    """
    if args.maps and args.recursive and os.path.isdir(place) and lies_in(args.maps, place):
        raise DpamError(
            f"--maps {args.maps}: lies in {place}, whose folders are scored, too; name a "
            "folder elsewhere"
        )
    return place


def read_names(stream: TextIO) -> Iterator[str]:
    """The lines of standard input that are not empty; names in it need not be UTF-8."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="surrogateescape")
    return (line.rstrip("\r\n") for line in stream if line.strip())


def refuse_to_replace(args: argparse.Namespace) -> None:
    """Raise a DpamError if something would be written over that this command did not write.

    With --resume it goes on with what it wrote: the table, its failures and maps.
    """
    begun = begun_table(args.output, args.resume) if args.output else None
    table = (args.output, about_table(args.output)) if args.output else ()
    written = [*table, *(path for path in (args.failures, args.scatter, args.page) if path)]
    refuse_same(written)
    refuse_unwritable([*written, *([args.maps / "*.png"] if args.maps else [])])
    if args.failures and not (begun and begun.get("failures") == os.path.abspath(args.failures)):
        refuse_existing([args.failures])
    refuse_existing(path for path in (args.scatter, args.page) if path)
    if args.maps and not args.resume and args.maps.is_dir() and any(args.maps.iterdir()):
        raise DpamError(f"{args.maps}: expected a new folder, found one that is not empty")


def show(rows: Iterable[Row], scorer: Scorer) -> None:
    """Print rows as they come: a table on a terminal, CSV elsewhere."""
    if not sys.stdout.isatty():
        print(csv_line(Row._fields), end="", flush=True)
        for row in rows:
            print(csv_line(row), end="", flush=True)
        return
    print(f"from 0, worst, to 100, best; in brackets: {scorer.scale}")
    width = len(in_words(100, *((None, None) if scorer.width is None else (100, 100))))
    for row in rows:
        words = in_words(row.score_100, row.low, row.high)
        tqdm.write(f"{words:<{width}}  ({row.score:.4f})  {row.image}", file=sys.stdout)


def plot(compared: tuple[np.ndarray, np.ndarray, dict[str, Any]], args: argparse.Namespace) -> None:
    """Plot scores and labels, as `Labels.compare` returns them, in the file of `args.scatter`.

    Raises:
        DpamError: it cannot be written.
    """
    from dpam.evaluation.tables import intervals_of
    from dpam.figures import scatter, style  # only these need matplotlib

    prediction, label, result = compared
    with style.style():
        about = prediction, scatter.agreement(result | intervals_of(result)), result["logistic"]
        cloud = scatter.Scatter(args.checkpoint.name, args.labels.name, label, *about)
        style.save(scatter.scatter([cloud]), args.scatter)
