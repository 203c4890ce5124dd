"""`dpam <stage>`: one subcommand per rule of the pipeline, same name with a dash."""

import argparse
import importlib
import io
import logging
import os
import shlex
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

if sys.platform == "win32":
    sys.exit("dpam: runs on Linux and macOS; on Windows, install it in WSL")

from dpam import __version__
from dpam.errors import DpamError, Interrupted, error_of_many
from dpam.experiments.fingerprint import STARTED, code_fingerprint, find_edits
from dpam.utils.files import (
    refuse_existing,
    refuse_other,
    refuse_same,
    refuse_unreadable,
    refuse_unwritable,
)
from dpam.utils.gpus import own_card
from dpam.utils.locks import exclusive
from dpam.utils.progress import SHARED_TERMINAL, OneOfMany

# Subcommand -> module with `add_arguments(parser)` and `run(args)`, and its line in `dpam --help`.
COMMANDS = {
    "make-demo-data": ("dpam.commands.make_demo_data", "make the two demonstration datasets"),
    "datasets": ("dpam.commands.datasets", "which datasets are known, and which are here"),
    "download": ("dpam.commands.download", "fetch datasets whose terms allow it"),
    "verify-download": ("dpam.commands.verify_download", "check that a dataset is complete"),
    "normalise-labels": ("dpam.commands.normalise_labels", "bring native labels to one table"),
    "draw-splits": ("dpam.commands.draw_splits", "draw training, validation and test sets"),
    "join-splits": ("dpam.commands.join_splits", "join the splits of several datasets"),
    "pack-superpixels": ("dpam.commands.pack_superpixels", "images, superpixels, texture to HDF5"),
    "estimate": ("dpam.commands.estimate", "hours and disk that the experiments will take"),
    "inspect": ("dpam.commands.inspect", "what is inside a pack"),
    "train": ("dpam.commands.train", "train one network on one split"),
    "test": ("dpam.commands.test", "predict every image of a test set"),
    "map-quality": ("dpam.commands.map_quality", "quality maps of a test's most telling images"),
    "extract-brisque": ("dpam.commands.extract_brisque", "features of the baseline brisque_svr"),
    "extract-vit": ("dpam.commands.extract_vit", "features of the baseline vit_ridge"),
    "train-baseline": ("dpam.commands.train_baseline", "train a baseline and predict with it"),
    "average": ("dpam.commands.average", "mean predictions of several seeds"),
    "evaluate": ("dpam.commands.evaluate", "SRCC, PLCC, KRCC and RMSE of predictions"),
    "tabulate": ("dpam.commands.tabulate", "tables of all metrics"),
    "plot": ("dpam.commands.plot", "figures of training, predictions and superpixels"),
    "report": ("dpam.commands.report", "one self-contained HTML page of all results"),
    "predict": ("dpam.commands.predict", "score your own photographs"),
    "adapt": ("dpam.commands.adapt", "teach a judge what you think of some dozens of photographs"),
    "list-photographs": ("dpam.commands.list_photographs", "cut a list of photographs into chunks"),
    "gather-scores": ("dpam.commands.gather_scores", "one table of the scores of all chunks"),
    "info": ("dpam.commands.info", "a card of a checkpoint: network, training, scores, origin"),
    "superpixels": ("dpam.commands.superpixels", "outline the superpixels of your own photographs"),
    "train-ainet": ("dpam.commands.train_ainet", "train the superpixel method AINet, label-free"),
    "import-checkpoint": ("dpam.commands.import_checkpoint", "read a checkpoint of the authors"),
    "export-checkpoint": (
        "dpam.commands.export_checkpoint",
        "write a small checkpoint, or one of the authors",
    ),
    "export-onnx": ("dpam.commands.export_onnx", "write a network for programs without PyTorch"),
}

LOG = "# dpam "  # what a log begins with
STATUS = """\
exit status: 0, done; 1, an error, in one line; 2, wrong use; 3, some photographs failed, each is
named, and the others are done; 75, stopped by a signal, the same command goes on; 70, a bug."""


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Show defaults that say something; keep the line breaks of descriptions."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """The parser; only the module of `command`, if that is one, is imported."""
    parser = argparse.ArgumentParser(
        prog="dpam",
        description="Blind image quality assessment with DPAM. Each stage of the pipeline is a "
        "subcommand; the pipeline itself is run by snakemake.",
        epilog=f"`dpam COMMAND --help` explains a command.\n\n{STATUS}",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dpam {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module_name, summary) in COMMANDS.items():
        if name != command:
            subparsers.add_parser(name, help=summary)
            continue
        module = importlib.import_module(module_name)
        subparser = subparsers.add_parser(
            name, help=summary, description=module.__doc__, formatter_class=HelpFormatter
        )
        subparser.add_argument(
            "--log",
            metavar="FILE",
            help="also write messages to this file",
            default=argparse.SUPPRESS,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def log_file(arguments: list[str]) -> str | None:
    """The value of --log, known before the stage is imported, so that failing to is logged."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--log")
    file: str | None = parser.parse_known_args(arguments)[0].log
    return file


def refuse_missing(args: argparse.Namespace) -> None:
    """Raise a DpamError if files that a command reads are not there; it names all."""
    wrong = []
    for dest in getattr(args, "inputs", ()):
        value = getattr(args, dest)
        for name in value if isinstance(value, list) else [value]:
            try:
                if name is not None and not os.path.isdir(name):
                    refuse_unreadable(name)
            except DpamError as error:
                wrong.append(error)
    if wrong:
        title = f"{len(wrong)} files cannot be read"
        raise error_of_many(title, list(map(str, wrong))) if wrong[1:] else wrong[0]


def start_logging(file: str | None, arguments: Sequence[str] = ()) -> None:
    """Messages go to standard error and, if named, to a file, which begins with the command.

    On a terminal that jobs share, those of a job begin with the name of its log.

    Raises:
        DpamError: the file cannot be written, or is there and no log.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if file and SHARED_TERMINAL in os.environ:
        handlers[0].addFilter(OneOfMany())
        handlers[0].setFormatter(logging.Formatter(f"    {Path(file).stem}: %(message)s"))
    if file:
        refuse_other(file, LOG.encode())
        try:
            with open(file, "w", encoding="utf-8", errors="backslashreplace") as log:
                log.write(f"{LOG}{shlex.join(arguments)}\n")
            handlers.append(logging.FileHandler(file, encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise DpamError(f"--log {file}: cannot be written: {error.strerror}") from error
    logging.raiseExceptions = False  # a full disk must not fill the terminal
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers, force=True)


def refuse_edited(module: str) -> None:
    """Raise a DpamError in a job of Snakemake if the code of its stage was edited meanwhile."""
    if STARTED in os.environ and find_edits({module: code_fingerprint(module)}):
        raise DpamError(
            "the code was edited since snakemake was started; start it again, then it runs with "
            "the new code all that this concerns"
        )


def missing_package(error: Exception) -> str | None:
    """The package of others that an import did not find, if the error says so."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    return None if name is None or name.startswith("dpam") else name.partition(".")[0]


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command = next((word for word in arguments if not word.startswith("-")), None)
    # OpenMP's threads wait for each other asleep: awake, as usual, they take the time that those
    # still at work need, where a machine has more to do. PyTorch reads this when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by who started this, as `>&-` does
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 # open until the process ends
    start_logging(None)
    if isinstance(sys.stdout, io.TextIOWrapper):  # what it cannot show must end nothing
        sys.stdout.reconfigure(errors="backslashreplace")
    threading.excepthook = lambda failed: logging.error("dpam %s: %s", command, failed.exc_value)
    try:
        start_logging(log_file(arguments), arguments)
        args = build_parser(command).parse_args(arguments)
        refuse_missing(args)
        refuse_edited(args.run.__module__)
        if STARTED in os.environ and getattr(args, "device", None) == "auto":
            own_card()
        output = getattr(args, "output", None)
        with exclusive(output) if output else nullcontext():
            named = [getattr(args, name) for name in getattr(args, "outputs", ())]
            outputs = [path for path in named if path]
            refuse_existing(outputs)
            refuse_same(outputs)
            refuse_unwritable(outputs)
            return args.run(args) or 0
    except DpamError as error:
        logging.error("dpam %s: %s", command, error)
        return 1
    except Interrupted as message:
        logging.warning("dpam %s: %s", command, message)
        return os.EX_TEMPFAIL  # 75: try again
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        logging.error("dpam %s: interrupted", command)
        return 130
    except MemoryError:
        logging.error("dpam %s: the memory is not enough; take fewer --threads or --workers, or a "
                      "smaller batch", command)  # fmt: skip
        return 1
    except OSError as error:  # such as a file that was removed meanwhile
        name = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        logging.error("dpam %s: %s%s", command, name, error.strerror or error)
        return 1
    except Exception as error:
        if missing := missing_package(error):
            logging.error("dpam %s: needs %s, which is not installed; in a clone of the repository "
                          "pip install '.[pipeline,demo]' installs all",
                          command, missing)  # fmt: skip
            return 1
        logging.exception("dpam %s: this is a bug in dpam", command)
        return 70


if __name__ == "__main__":
    sys.exit(main())
