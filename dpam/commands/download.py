"""Fetch the archives of datasets whose terms allow it; say of the others where to get them.

KADID-10k, KonIQ-10k, TID2013 and BIQ2021 are fetched from their authors' addresses into
DATA_ROOT/DATASET, resumed where an earlier attempt stopped, and checked by hash where one is
known. For LIVE, CSIQ, LIVE-C and SPAQ, which are behind forms and licences, this prints the page,
the terms and where to put the files. verify-download unpacks the archives.
"""

import argparse
import logging
from pathlib import Path

from dpam.commands.roots import add_roots, found_root, places
from dpam.datasets import DATASETS, find, missing_files, missing_message
from dpam.datasets.downloading import download
from dpam.errors import DpamError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument("datasets", metavar="DATASET", nargs="*", help="keys of datasets")
    add_roots(parser)


def run(args: argparse.Namespace) -> None:
    """Fetch what may be fetched and is not there."""
    if not args.datasets:
        with_address = [name for name, dataset in DATASETS.items() if dataset.downloads]
        raise DpamError(f"no dataset to fetch was named; {', '.join(with_address)} can be fetched")
    problems, config = [], places(args)
    for name in args.datasets:
        dataset, root = find(name), found_root(config, name)
        if not missing_files(dataset, Path(root)):
            logging.info("%s: is in %s already", dataset.title, root)
            continue
        if not dataset.downloads:
            logging.info("%s", missing_message(dataset, root))
            continue
        logging.info("%s (%s; %s) -> %s", dataset.title, dataset.terms, dataset.licence, root)
        try:
            for path in download(dataset.downloads, Path(root)):
                logging.info("%s: complete", path)
        except DpamError as error:
            problems.append(f"{error}. Its page: {dataset.page}")
    if problems:
        raise DpamError("\n".join(problems))
