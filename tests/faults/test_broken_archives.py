"""Archives as datasets and as photographs: nothing leaves their folder, a line about each."""

import csv
import io
import json
import os

import pytest
from broken_archives import archives, tarred
from broken_images import encoded
from damage import flipped
from running import call
from samples import photograph

pytestmark = pytest.mark.xdist_group("broken archives")

CASES = {f"{number:03d}": case for number, case in enumerate(archives())}
OWN = json.dumps(
    {"labels": "scores.csv", "images": "x", "score_range": [0, 5], "higher_is_better": True}
)


def everything(folder):
    """The files in a folder, and those in the folders above it that tests may write to."""
    return sorted(path for path in folder.rglob("*"))


@pytest.mark.parametrize("number", CASES, ids=lambda n: f"{n}-{CASES[n].name}-{CASES[n].what}")
def test_an_archive_of_a_dataset_is_unpacked_whole_or_refused(number, tmp_path, note):
    case = CASES[number]
    data = tmp_path / "home/data"
    data.mkdir(parents=True)
    (data / case.name).write_bytes(case.content)
    (data / "scores.csv").write_text("image,label\n0.png,1\n")
    before = everything(tmp_path)
    os.chdir(tmp_path / "home")
    answer = call(
        *("verify-download", "mine", "--root", "data", "--custom", OWN, "--threads", 1),
        *("--output", "verified.json"),
    )
    assert answer.is_clear(), answer
    new = [path for path in everything(tmp_path) if path not in before]
    assert not any(path.is_symlink() for path in new)
    inside = (data / "x", data / f".{case.name}.unpacking")
    own = [tmp_path / f"home/{name}" for name in ("verified.json", "inspections.json")]
    outside = [
        path for path in new if path not in own and not any(path.is_relative_to(f) for f in inside)
    ]
    assert not outside
    tried = f"{case.name}: {case.what}"
    if answer.status == 0:
        note(case.kind, tried, "unpacked, whole")
        assert (data / "x/0.png").read_bytes() == encoded(photograph(1), format="PNG")
    else:
        assert case.name in answer.err or "mine in data" in answer.err
        assert "evil" not in str(everything(data))
        note(case.kind, tried, f"refused: {answer.err.splitlines()[0][:200]}")


@pytest.fixture(scope="module")
def scored(model, tmp_path_factory):
    """All archives, and the bytes of the image in some of them, through scoring."""
    folder = tmp_path_factory.mktemp("archives")
    for number, case in CASES.items():
        (folder / number).mkdir()
        (folder / number / case.name).write_bytes(case.content)
    before = everything(folder)
    os.chdir(folder)
    paths = [f"{number}/{case.name}" for number, case in CASES.items()]
    answer = call("predict", *paths, "--checkpoint", model, "--workers", 1, seconds=300)
    return answer, before, everything(folder)


def test_archives_of_photographs_are_read_without_unpacking(scored, note):
    answer, before, after = scored
    assert answer.is_clear(), answer
    assert before == after
    table = list(csv.DictReader(io.StringIO(answer.out)))
    scores = [float(row["score"]) for row in table]
    assert max(scores) == pytest.approx(min(scores), rel=1e-5), (
        "an image is whole, or it is not scored"
    )
    for number, case in CASES.items():
        place = f"{number}/{case.name}"
        lines = [line for line in answer.err.splitlines() if line.startswith(place)]
        rows = [row for row in table if row["image"].startswith(place)]
        assert lines or rows, f"{place}: {case.what}"
        outcome = (
            f"refused: {lines[0].partition(': ')[2]}" if lines else "scored, unpacking nothing"
        )
        note(case.kind, f"{case.name} to score: {case.what}", outcome)


def test_what_a_damaged_archive_left_is_not_taken_for_good(tmp_path):
    """gzip says at the end that what was unpacked before was damaged."""
    members = [(f"{n}.bmp", encoded(photograph(n), format="BMP"), {}) for n in range(3)]
    good = tarred(*members, mode="w:gz")
    data = tmp_path / "data"
    data.mkdir()
    (data / "scores.csv").write_text("image,label\n" + "".join(f"{n}.bmp,1\n" for n in range(3)))
    command = ("verify-download", "mine", "--root", "data", "--custom", OWN, "--threads", 1)
    refused = 0
    for _, damaged in flipped(good, range(20), start=100):
        (data / "x.tar.gz").write_bytes(damaged)
        refused += call(*command, "--output", "verified.json").status == 1
        assert not (data / "x").exists()
    assert refused == 20
    (data / "x.tar.gz").write_bytes(good)
    assert call(*command, "--output", "verified.json").status == 0
    for name, content, _ in members:
        assert (data / "x" / name).read_bytes() == content
