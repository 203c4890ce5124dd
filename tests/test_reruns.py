"""What would run again is told in words; the whole of it is tried in tests/workflow."""

import json

import pytest

from dpam.errors import DpamError
from dpam.reruns import Planned, differences, explained, planned


def changed(before: dict, now: dict) -> list[str]:
    """The clauses about parameters that were `before` and are `now`, by name."""
    old, new = set(map(repr, before.values())), set(map(repr, now.values()))
    names = {repr(value): name for name, value in now.items()}
    return list(differences(names, old - new, new - old))


@pytest.mark.parametrize(
    ("before", "now", "clauses"),
    [
        ({"views": 5, "n": 1}, {"views": 1, "n": 1}, ["a parameter was 5"]),
        ({"views": 5}, {"views": 9}, ["views changed from 5 to 9"]),
        ({"views": 5}, {"views": 9, "new": "x"}, ['new is now "x"', "views changed from 5 to 9"]),
        ({"how": ["--allow", "a"]}, {"how": []}, ['how changed from ["--allow", "a"] to []']),
        ({"table": "a,b\n" * 50}, {"table": "a,c\n" * 50}, ["table changed"]),
        ({"state": "files 1"}, {"state": "files 2"}, ["the dataset's files changed"]),
        (
            {"model": '{"taps": [5], "deep": {"width": 3}}', "code": '{"a.py": "1"}'},
            {"model": '{"taps": [5], "deep": {"width": 4}}', "code": '{"a.py": "2", "b.py": "1"}'},
            ["the code changed: a.py, b.py", "model.deep.width changed from 3 to 4"],
        ),
        (
            {"model": '{"a": 1, "b": 1}'},
            {"model": '{"b": 1}'},
            ["model.a changed from 1 to nothing"],
        ),
    ],
)
def test_what_changed_is_said_by_name(before, now, clauses):
    assert changed(before, now) == clauses


def test_a_long_list_of_files_is_counted():
    before = json.dumps({f"dpam/{letter}.py": 1 for letter in "abcde"})
    now = json.dumps({f"dpam/{letter}.py": 2 for letter in "abcde"})
    assert changed({"code": before}, {"code": now}) == [
        "the code changed: dpam/a.py, dpam/b.py, dpam/c.py and 2 more"
    ]


def test_jobs_are_told_by_rule_and_reason():
    train = [Planned("train", f"live split0{number}", ("views changed",)) for number in range(4)]
    jobs = [Planned("verify", "live", ("a is gone", "b changed")), *train, Planned("score", "", ())]
    assert explained(jobs).splitlines() == [
        "6 jobs would run.",
        "  - verify, 1 job (live), because a is gone; b changed.",
        "  - train, 4 jobs, because views changed.",
        "  - score (1): these follow from the others.",
    ]
    assert explained([]) == "Nothing would run: all results are up to date."


def test_elsewhere_it_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DpamError, match=r"no Snakefile here; run this in the repository's top"):
        planned()
