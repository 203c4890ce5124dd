"""Write what the tests of faults noted into docs/reliability.md, between two markers.

python tests/faults/write_table.py results/faults.xml docs/reliability.md
"""

import platform
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

BEGIN, END = "<!-- begin: make fault-test -->\n", "<!-- end: make fault-test -->\n"
SHOWN = 160  # characters of an outcome


def noted(report: Path) -> dict[str, list[tuple[str, str]]]:
    """Kind of fault -> what was tried and what came of it, from pytest's JUnit report."""
    found = defaultdict(list)
    for element in ElementTree.parse(report).iter("property"):  # noqa: S314 # our own report
        if element.get("name") == "fault":
            kind, what, outcome = str(element.get("value")).split("\t", 2)
            found[kind].append((what, outcome))
    return dict(sorted(found.items()))


def tests(report: Path) -> dict[str, int]:
    """How many tests there were, failed and were skipped."""
    suites = list(ElementTree.parse(report).iter("testsuite"))  # noqa: S314
    names = ("tests", "failures", "errors", "skipped")
    return {name: sum(int(suite.get(name, 0)) for suite in suites) for name in names}


def cell(text: str) -> str:
    """Text for a cell of a table."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:SHOWN].replace("|", "\\|").replace("<", "&lt;")


def lines(report: Path) -> list[str]:
    """The counts, and under them every case."""
    found, counts = noted(report), tests(report)
    rows = ["| fault | tried | refused with a line | harmless, or went on |", "|---|--:|--:|--:|"]
    for kind, cases in found.items():
        refused = sum(outcome.startswith(("refused", "one line")) for _, outcome in cases)
        rows.append(f"| {cell(kind)} | {len(cases)} | {refused} | {len(cases) - refused} |")
    total = sum(map(len, found.values()))
    rows.append(f"| all | {total} | | |")
    every = []
    for kind, cases in found.items():
        every += ["", "<details>", f"<summary>{cell(kind)}: {len(cases)}</summary>", ""]
        every += ["| tried | came out |", "|---|---|"]
        every += [f"| {cell(what)} | {cell(outcome)} |" for what, outcome in cases]
        every += ["", "</details>"]
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    summary = (
        f"{counts['tests']} tests on {machine}: {counts['failures'] + counts['errors']} failed, "
        f"{counts['skipped']} skipped."
    )
    return [summary, "", *rows, "", "Every case:", *every]


def main(report: Path, page: Path) -> None:
    """Put the tables in place of those that are there."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    table = "\n".join(lines(report)) + "\n"
    page.write_text(f"{before}{BEGIN}{table}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
