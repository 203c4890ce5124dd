"""Write what the tests of faults noted: counts into docs/reliability.md, every case beside.

python tests/faults/write_table.py docs/reliability.md results/faults.xml

The counts stand in the page between two markers; every case is in results/faults.md, named after
the report.
"""

import platform
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

BEGIN, END = "<!-- begin: make fault-test -->\n", "<!-- end: make fault-test -->\n"
SHOWN = 160  # characters of an outcome


def elements(reports: list[Path], name: str) -> list[ElementTree.Element]:
    """All elements of a name in pytest's JUnit reports."""
    trees = [ElementTree.parse(report) for report in reports]  # noqa: S314 # our own
    return [element for tree in trees for element in tree.iter(name)]


def noted(reports: list[Path]) -> dict[str, list[tuple[str, str]]]:
    """Kind of fault -> what was tried and what came of it."""
    found = defaultdict(list)
    for element in elements(reports, "property"):
        if element.get("name") == "fault":
            kind, what, outcome = str(element.get("value")).split("\t", 2)
            found[kind].append((what, outcome))
    return dict(sorted(found.items()))


def tests(reports: list[Path]) -> dict[str, int]:
    """How many tests there were, failed and were skipped."""
    suites = elements(reports, "testsuite")
    names = ("tests", "failures", "errors", "skipped")
    return {name: sum(int(suite.get(name, 0)) for suite in suites) for name in names}


def cell(text: str) -> str:
    """Text for a cell of a table."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:SHOWN].replace("|", "\\|").replace("<", "&lt;")


def count_lines(reports: list[Path]) -> list[str]:
    """How many cases of each kind there were, and how they ended."""
    found, counts = noted(reports), tests(reports)
    rows = ["| fault | tried | refused with a line | harmless, or went on |", "|---|--:|--:|--:|"]
    for kind, cases in found.items():
        refused = sum(outcome.startswith(("refused", "one line")) for _, outcome in cases)
        rows.append(f"| {cell(kind)} | {len(cases)} | {refused} | {len(cases) - refused} |")
    total = sum(map(len, found.values()))
    rows.append(f"| all | {total} | | |")
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    summary = (
        f"{counts['tests']} tests on {machine}: {counts['failures'] + counts['errors']} failed, "
        f"{counts['skipped']} skipped."
    )
    return [summary, "", *rows]


def case_lines(reports: list[Path]) -> list[str]:
    """Every case, by kind."""
    every = ["# Every fault that was tried, and what came out"]
    for kind, cases in noted(reports).items():
        every += ["", f"## {cell(kind)}: {len(cases)}", "", "| tried | came out |", "|---|---|"]
        every += [f"| {cell(what)} | {cell(outcome)} |" for what, outcome in cases]
    return every


def main(page: Path, *reports: Path) -> None:
    """Put the counts in place of those that are there, and write every case beside the report."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    counts = "\n".join(count_lines(list(reports))) + "\n"
    page.write_text(f"{before}{BEGIN}{counts}{END}{after}", encoding="utf-8")
    cases = "\n".join(case_lines(list(reports))) + "\n"
    reports[0].with_suffix(".md").write_text(cases, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
