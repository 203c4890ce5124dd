"""The command line: help, errors in one line, the log."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from dpam import cli
from dpam.commands.arguments import natural, positive
from dpam.errors import SOME_FAILED, DpamError


def test_help_names_every_stage_without_importing_torch():
    code = (
        "import sys; from dpam.cli import build_parser; print(build_parser(None).format_help());"
        "sys.exit('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0
    for name in cli.COMMANDS:
        assert name in answer.stdout


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_stage_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "usage:" in text
    assert "--log" in text
    assert len(text.split("\n\n")[1]) > 40, "the description says what the stage does"


def test_an_error_is_one_line_on_the_terminal_and_in_the_log(tmp_path, capsys):
    log = tmp_path / "train.log"
    status = cli.main(["train", "none.h5", "--splits", "none.csv", "--output", "a.safetensors",
                       "--history", "h", "--test-selected", "r", "--log", str(log)])  # fmt: skip
    assert status == 1
    missing = "".join(f"  - none.{ending}: no such file\n" for ending in ("h5", "csv"))
    expected = f"dpam train: 2 files cannot be read:\n{missing}"
    assert capsys.readouterr().err == expected
    head, *rest = log.read_text().splitlines(keepends=True)
    assert head.startswith("# dpam train none.h5 --splits none.csv")
    assert "".join(rest) == expected


def test_a_log_replaces_an_earlier_one_and_nothing_else(tmp_path, capsys):
    log = tmp_path / "mine"
    for text, replaced in {"": True, "# dpam evaluate": True, "image,score\n": False}.items():
        log.write_text(text)
        assert cli.main(["evaluate", "none.csv", "--identity", "{", "--output", str(tmp_path / "o"),
                         "--splits", "none.csv", "--verified", "v", "--test-verified", "v",
                         "--log", str(log)]) == 1  # fmt: skip
        assert (log.read_text() != text) == replaced
    assert "mine: would be replaced, but dpam did not make it" in capsys.readouterr().err


def arguments_of(command):
    """The actions of a command's parser, and the names of those that are files it reads."""
    parser = cli.build_parser(command)._subparsers._group_actions[0].choices[command]
    return parser._actions, parser.get_default("inputs") or []


READING = [name for name in cli.COMMANDS if arguments_of(name)[1]]
SLOW = {"torch", "timm", "torchvision", "h5py", "matplotlib", "sklearn", "skimage", "numba"}
SLOW |= {"scipy.stats", "scipy.optimize", "piq"}


def test_files_that_are_missing_are_named_before_what_is_slow_is_imported(tmp_path):
    """And who asks for help gets it at once."""
    code = (
        "import sys; from dpam import cli\n"
        "for name in cli.COMMANDS: cli.build_parser(name)\n"
        "status = cli.main(['test', 'a', 'b', '--splits', 'c', '--output', 'd'])\n"
        f"print(status, {SLOW} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "1 set()\n", done.stderr
    missing = "".join(f"  - {name}: no such file\n" for name in "abc")
    assert done.stderr == f"dpam test: 3 files cannot be read:\n{missing}"


def test_commands_that_compute_no_network_import_no_torch(tmp_path, monkeypatch):
    """It takes seconds, and a job of a pipeline waits for them."""
    monkeypatch.chdir(tmp_path)
    Path("p.csv").write_text("image,subset,label,prediction,spread\n")
    Path("v.json").write_text("{}")
    files = ["--splits", "p.csv", "--verified", "v.json", "--test-verified", "v.json"]
    calls = [
        ["info"],
        ["datasets"],
        ["datasets", "koniq10k"],
        ["evaluate", "p.csv", "--identity", "{}", *files, "--output", "o.json"],
        ["tabulate", "--help"],
    ]
    code = (
        "import sys; from contextlib import suppress; from dpam import cli\n"
        "import dpam.figures.selection, dpam.report.page  # of plot and report\n"
        f"for words in {calls}:\n"
        "    with suppress(SystemExit): cli.main(words)\n"
        "    print('torch' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if line in ("True", "False")]
    assert said == ["False"] * len(calls), done.stderr
    assert "parameters" in done.stdout


@pytest.mark.parametrize("command", READING)
def test_each_file_that_a_command_reads_is_looked_for(command):
    actions, inputs = arguments_of(command)
    there = {action.dest: __file__ for action in actions if action.dest in inputs}
    assert sorted(there) == sorted(inputs)
    cli.refuse_missing(Namespace(**there, inputs=inputs))
    for action in actions:
        if action.dest in inputs:
            value = [__file__, "none"] if action.nargs in ("*", "+") else "none"
            with pytest.raises(DpamError, match=r"^none: no such file$"):
                cli.refuse_missing(Namespace(**there | {action.dest: value}, inputs=inputs))


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_what_is_closed_stops_nothing(monkeypatch, name):
    monkeypatch.setattr(sys, name, None)  # as Python has it after `<&-`, `>&-`, `2>&-`
    words = ["-", "none.jpg"] if name == "stdin" else ["none.jpg"]
    assert cli.main(["predict", *words]) == SOME_FAILED


def numbers(command):
    """The options of a command that are whole numbers, and the least that each may be."""
    subparsers = cli.build_parser(command)._subparsers._group_actions[0]
    for action in subparsers.choices[command]._actions:
        assert action.type is not int, f"{action.dest}: unbounded"
        if action.type in (natural, positive):
            yield action.option_strings[0], 0 if action.type is natural else 1


NUMBERS = [(command, *found) for command in cli.COMMANDS for found in numbers(command)]


@pytest.mark.parametrize(("command", "option", "least"), NUMBERS)
def test_numbers_out_of_range_are_wrong_use(command, option, least, capsys):
    for number in (str(least - 1), "many"):
        with pytest.raises(SystemExit, match="2"):
            cli.main([command, option, number])
        expected = f"{option}: expected a whole number of at least {least}, found {number!r}"
        assert expected in capsys.readouterr().err


def test_what_is_not_given_is_not_looked_for():
    parser = cli.build_parser("predict")
    cli.refuse_missing(parser.parse_args(["predict", "photo.jpg"]))


def test_a_folder_as_output_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").touch()
    words = ["evaluate", "p.csv", "--identity", "{}", "--splits", "p.csv", "--verified", "p.csv",
             "--test-verified", "p.csv", "--output"]  # fmt: skip
    for name in (".", "..", "/"):
        assert cli.main([*words, name]) == 1
        expected = f"dpam evaluate: {name}: expected a new name, found a folder that is there\n"
        assert capsys.readouterr().err == expected


def test_windows_is_told_in_one_line():
    code = "import sys; sys.platform = 'win32'; sys.modules['fcntl'] = None; import dpam.cli"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 1
    assert answer.stderr == "dpam: runs on Linux and macOS; on Windows, install it in WSL\n"


def test_a_bug_is_called_one_and_leaves_its_traceback(tmp_path, monkeypatch):
    def broken(command):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "build_parser", broken)
    assert cli.main(["evaluate", "--log", str(tmp_path / "log")]) == 70
    text = (tmp_path / "log").read_text()
    assert "this is a bug in dpam" in text
    assert "ZeroDivisionError" in text


def test_unknown_arguments_of_the_training_are_named(capsys):
    there = __file__
    status = cli.main(["train", there, "--splits", there, "--output", "o.safetensors",
                       "--test-selected", "r.safetensors", "--history", "h",
                       "--set", "training.lr=1"])  # fmt: skip
    assert status == 1
    assert "training: unknown key lr; known: epochs" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_asleep_unless_the_user_says_otherwise(given, expected):
    """It must be said before PyTorch is imported."""
    code = (
        "import os, sys, dpam.cli as cli; cli.build_parser = lambda command: "
        "sys.exit(os.environ['OMP_WAIT_POLICY'] + ' torch' * ('torch' in sys.modules)); "
        "cli.main(['train'])"
    )
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    environment |= {} if given is None else {"OMP_WAIT_POLICY": given}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert answer.stderr.strip() == expected
