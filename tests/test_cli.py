"""The command line: help, errors in one line, the log."""

import os
import subprocess
import sys

import pytest

from dpam import cli


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
                       "--history", "h.csv", "--released", "r", "--predictions", "e.h5",
                       "--log", str(log)])  # fmt: skip
    assert status == 1
    expected = "dpam train: none.csv: no such file\n"
    assert capsys.readouterr().err == expected
    head, *rest = log.read_text().splitlines(keepends=True)
    assert head.startswith("# dpam train none.h5 --splits none.csv")
    assert rest == [expected]


def test_a_log_replaces_an_earlier_one_and_nothing_else(tmp_path, capsys):
    log = tmp_path / "mine"
    for text, replaced in {"": True, "# dpam score": True, "image,score\n": False}.items():
        log.write_text(text)
        assert cli.main(["score", "none.csv", "--identity", "{", "--output", str(tmp_path / "o"),
                         "--splits", "none.csv", "--verified", "v", "--test-verified", "v",
                         "--log", str(log)]) == 1  # fmt: skip
        assert (log.read_text() != text) == replaced
    assert "mine: would be replaced, but dpam did not make it" in capsys.readouterr().err


def test_a_bug_is_called_one_and_leaves_its_traceback(tmp_path, monkeypatch):
    def broken(command):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "build_parser", broken)
    assert cli.main(["score", "--log", str(tmp_path / "log")]) == 70
    text = (tmp_path / "log").read_text()
    assert "this is a bug in dpam" in text
    assert "ZeroDivisionError" in text


def test_unknown_arguments_of_the_training_are_named(capsys):
    status = cli.main(["train", "a.h5", "--splits", "s.csv", "--output", "o", "--history", "h",
                       "--released", "r", "--predictions", "e",
                       "--training", '{"lr": 1}'])  # fmt: skip
    assert status == 1
    assert "unexpected keyword argument 'lr'" in capsys.readouterr().err


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
