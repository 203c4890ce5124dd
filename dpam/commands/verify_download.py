"""Check that a dataset is complete: counts, labels and images agree, every image decodes.

Archives (zip, tar, rar) that lie in the folder are unpacked first. Every image is decoded, on
several cores; what was found is kept in `inspections.json` beside the output, so that the next time
only changed files are looked at. Findings that spoil results stop with a list of all of them:
missing_image, undecodable, too_small, unlabelled_image, odd_size, wrong_count. `--allow` accepts
them, by kind (`odd_size`) or one by one (`odd_size images/I01_01_01.png`); labels of images that
are then missing, unreadable or too small are left out of everything that follows. What is wrong
with the labels themselves is said before any image is decoded.
"""

import argparse
import logging

from dpam.commands.arguments import add_dataset, add_output, positive
from dpam.datasets import find, unpack_archives
from dpam.datasets.labels import normalise
from dpam.datasets.verification import UNUSED, verify
from dpam.utils.files import refuse_other, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this stage."""
    add_dataset(parser)
    parser.add_argument(
        "--allow", metavar="FINDING", nargs="*", default=[], help="findings to accept"
    )
    parser.add_argument(
        "--threads", type=positive, help="processes that decode; default: all cores"
    )
    add_output(parser, "--output", metavar="JSON", required=True, help="what was found")


def run(args: argparse.Namespace) -> None:
    """Write what was found, or stop with a list of all that is wrong."""
    dataset = find(args.dataset, args.custom)
    cache = args.output.with_name("inspections.json")
    refuse_other(cache, b'{\n  "made_by"')
    unpack_archives(dataset, args.root)
    files = dataset.files(args.root)
    labels = dataset.reader(files)
    normalise(labels[labels["image"].isin(files.images)], dataset)
    found = verify(dataset, args.root, args.allow, args.threads, cache)
    write_json(args.output, found)
    unused = [finding for finding in found["findings"] if finding.endswith(UNUSED)]
    alike = [finding for finding in found["findings"] if finding not in unused]
    more = f"; and {len(alike) - 1} more such findings, all in {args.output}" * (len(alike) > 1)
    for finding in [*(f"{first}{more}" for first in alike[:1]), *unused]:
        logging.warning("%s", finding)
    for finding in found["accepted"]:
        logging.warning("accepted: %s", finding)
    if found["near_duplicates"]:
        logging.warning("%d pairs of near-duplicates", len(found["near_duplicates"]))
    left_out = len(found["left_out"])
    logging.info(
        "%s: %d images verified%s",
        *(found["title"], found["counts"]["images"] - left_out),
        f"; {left_out} with a label are left out, as allowed" * bool(left_out),
    )
