"""Label files of one's own: read right, or refused with a line about the file."""

import json

import pytest
from broken_labels import GOOD, NAMES, labels
from miniatures import write_image
from running import call

from dpam.utils.reading import read_csv

CASES = list(labels())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.what}-{case.name}")
def test_labels_are_read_right_or_refused(case, tmp_path, note):
    data = tmp_path / "data"
    for number, name in enumerate(NAMES):
        write_image(data / name, number)
    (data / case.name).write_bytes(case.content)
    own = json.dumps({"labels": case.name, "score_range": [0, 5], "higher_is_better": True})
    common = ("mine", "--root", "data", "--custom", own)
    answer = call("verify-download", *common, "--threads", 1, "--output", "verified.json")
    if answer.status == 0:
        last = ("--verified", "verified.json", "--output", "labels.csv")
        answer = call("normalise-labels", *common, *last)
    assert answer.is_clear(), answer
    if case.read is not None:
        assert (answer.status == 0) == case.read, answer.err
    if answer.status == 0:
        table = read_csv("labels.csv", ["image", "label"])
        assert dict(zip(table["image"], table["label"], strict=True)) == GOOD
        note(case.kind, case.what, "read right")
    else:
        assert not (tmp_path / "labels.csv").exists()
        assert f"data/{case.name}" in answer.err or "mine" in answer.err
        assert max(map(len, answer.err.splitlines())) < 6000
        note(case.kind, case.what, "refused: " + answer.err.splitlines()[0][:200])
