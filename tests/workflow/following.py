"""Doing what a page says, block by block, in a copy of the repository."""

import re

import yaml
from checkout import Checkout
from pages import NOT_RUN, blocks, commands

PLACE = re.compile(
    r"# (\S+\.(?:py|yaml))(?:, with `(\w+)` as above|, (above|below) the line: (.*))?\n"
)


def follow(checkout: Checkout, page: str, python: str = "") -> dict[str, str]:
    """Write the files that the blocks of a page name, and run everything else.

    Args:
        checkout: with all that the page takes for granted.
        page: such as `docs/reruns.md`.
        python: comes first in blocks of Python.

    Returns:
        What each command, as it stands on the page, printed; nothing if it was not run.
    """
    said = {}
    for language, block in blocks(page):
        if place := PLACE.match(block):
            write(checkout, place, block[place.end() :])
        elif language == "sh":
            for command in commands(block):
                _, instead = NOT_RUN.get(command, ("", command))
                said[command] = succeed(checkout, instead) if instead else ""
        elif language in ("python", "pycon"):
            text = f"{python}\n" + re.sub(r"(?m)^>>> ", "", block)
            (checkout.folder / "block.py").write_text(text, encoding="utf-8")
            said[block] = succeed(checkout, "python block.py")
    return said


def succeed(checkout: Checkout, command: str) -> str:
    """What a command prints."""
    answer = checkout.shell(command)
    assert answer.returncode == 0, f"{command}\n{answer.stdout[-5000:]}{answer.stderr[-5000:]}"
    return answer.stdout + answer.stderr


def write(checkout: Checkout, place: re.Match[str], text: str) -> None:
    """Do what the first line of a block says: write a file, or put the rest beside a line of it."""
    name, kept, side, beside = place.groups()
    file = checkout.folder / name
    if kept:
        text = yaml.safe_dump({kept: yaml.safe_load(file.read_text())[kept]}) + text
    if side:
        before, line, after = file.read_text(encoding="utf-8").partition(f"\n{beside}\n")
        assert line, f"{file} has no line {beside}"
        text = f"\n{text}{line[1:]}" if side == "above" else f"{line}{text}"
        text = before + text + after
    file.write_text(text, encoding="utf-8")
