"""Native label files, truncated and bit-flipped: MATLAB, Excel, CSV."""

from typing import NamedTuple

import miniatures
import pytest
from damage import flipped, truncated
from running import call

SHARES = (0.0, 0.1, 0.5, 0.9, 0.99)


class Native(NamedTuple):
    """A dataset, the label file of it to damage, and whether checksums protect what is read."""

    dataset: str
    file: str
    checked: bool


NATIVE = (
    Native("live", "databaserelease2/dmos_realigned.mat", False),
    Native("live", "databaserelease2/refnames_all.mat", False),
    Native("livec", "ChallengeDB_release/Data/AllImages_release.mat", False),
    Native("csiq", "CSIQ.dmos.xlsx", True),
    Native("spaq", "Annotations/MOS and Image attribute scores.xlsx", True),
)


def copies(path):
    content = path.read_bytes()
    yield from truncated(content, SHARES)
    yield from flipped(content, range(10))
    yield from flipped(content, range(10, 14), 40)
    yield "a folder", None


@pytest.mark.parametrize("case", NATIVE, ids=lambda case: case.file)
def test_a_damaged_file_is_refused_or_harmless(case, tmp_path, note):
    getattr(miniatures, case.dataset)(tmp_path / "data")
    damaged = tmp_path / "data" / case.file
    command = ("normalise-labels", case.dataset, "--root", "data", "--output")
    assert call(*command, "good.csv").status == 0
    good = (tmp_path / "good.csv").read_text()
    kind = f"damaged {damaged.suffix} of labels"
    problems = []
    for what, content in list(copies(damaged)):
        if content is None:
            damaged.unlink()
            damaged.mkdir()
        else:
            damaged.write_bytes(content)
        answer = call(*command, "labels.csv")
        labels = tmp_path / "labels.csv"
        tried = f"{case.dataset}/{damaged.name}: {what}"
        if answer.status == 0 and answer.is_clear():
            same = labels.read_text() == good
            note(kind, tried, "read right" if same else "read as it stands")
            labels.unlink()
            if not same and (case.checked or what.startswith("first")):
                problems.append((tried, "another table", answer))
        elif answer.is_clear() and not labels.exists():
            note(kind, tried, "refused: " + answer.err.splitlines()[0][:200])
        else:
            problems.append((tried, answer))
    assert not problems, "\n".join(map(str, problems))


KADID = "dist_img,ref_img,dmos,var"
ROWS = {
    "kadid10k": {
        "var below 0": (KADID, "I01_01_01.png,I01.png,4,-1"),
        "no such type": (KADID, "I01_99_01.png,I01.png,4,1"),
        "no such name": (KADID, "one.png,I01.png,4,1"),
        "score of another scale": (KADID, "I01_01_01.png,I01.png,80,1"),
        "var lacks": ("dist_img,ref_img,dmos", "I01_01_01.png,I01.png,4"),
        "semicolons": (KADID.replace(",", ";"), "I01_01_01.png;I01.png;4;1"),
    },
    "koniq10k": {
        "no votes": ("image_name,c1,c2,c3,c4,c5,sd,set", "10.jpg,0,0,0,0,0,1,test"),
        "votes in words": ("image_name,c1,c2,c3,c4,c5,sd,set", "10.jpg,a,b,c,d,e,1,test"),
        "votes below 0": ("image_name,c1,c2,c3,c4,c5,sd,set", "10.jpg,-9,0,0,0,1,1,test"),
        "a part of no split": ("image_name,c1,c2,c3,c4,c5,sd,set", "10.jpg,1,1,1,1,1,1,dev"),
        "infinite votes": ("image_name,c1,c2,c3,c4,c5,sd,set", "10.jpg,inf,0,0,0,1,1,test"),
    },
}
FILES = {"kadid10k": "kadid10k/dmos.csv", "koniq10k": "koniq10k_distributions_sets.csv"}


@pytest.mark.parametrize(
    ("dataset", "what"), [(name, what) for name, rows in ROWS.items() for what in rows]
)
def test_rows_that_make_no_sense_are_refused(dataset, what, tmp_path, note):
    root = tmp_path / "data"
    options = {"sets": True} if dataset == "koniq10k" else {}
    getattr(miniatures, dataset)(root, **options)
    miniatures.write_text(root / FILES[dataset], *ROWS[dataset][what])
    answer = call("normalise-labels", dataset, "--root", "data", "--output", "labels.csv")
    assert answer.is_clear(), answer
    if answer.status == 0:
        assert what == "var below 0"
        note("rows that make no sense", f"{dataset}: {what}", "read right, without the deviation")
    else:
        note("rows that make no sense", f"{dataset}: {what}", f"refused: {answer.err[:200]}")
