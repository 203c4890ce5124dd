"""Damaged images: a line each, the others are scored; verification and scoring agree."""

import csv
import io
import json
import os
import re

import numpy as np
import pytest
from broken_images import images
from PIL import Image
from running import call
from samples import photograph

from dpam.imaging.images import decode

pytestmark = pytest.mark.xdist_group("broken images")

CASES = {f"{number:03d}": case for number, case in enumerate(images())}
CHECKED = ("png", "deflate.tif")  # every bit of these formats' pixels is under a checksum
# libtiff says lines of its own, in pieces: those of two threads mix, and ours may end one of them.
ABOUT_A_FILE = re.compile(r"data/\d{3}/[^:\n]+: .*")
OWN = json.dumps({"labels": "scores.csv", "score_range": [0, 5], "higher_is_better": True})


@pytest.fixture(scope="module")
def answers(model, tmp_path_factory):
    """All broken images, a good one before and after them: scores, and the line about each."""
    folder = tmp_path_factory.mktemp("images")
    for number, case in CASES.items():
        (folder / "data" / number).mkdir(parents=True)
        (folder / "data" / number / case.name).write_bytes(case.content)
    for number in ("", "999"):
        (folder / "data" / number).mkdir(exist_ok=True)
        Image.fromarray(photograph(2)).save(folder / "data" / number / "good.png")
    lines = [f"{number}/{case.name},1" for number, case in CASES.items()]
    lines += ["good.png,2", "999/good.png,2"]
    (folder / "data/scores.csv").write_text("\n".join(["image,label", *lines]))
    os.chdir(folder)
    predicted = call("predict", "-r", "data", "--checkpoint", model, "--workers", 2, seconds=300)
    verified = call(
        *("verify-download", "mine", "--root", "data", "--custom", OWN, "--threads", 2),
        *("--output", "verified.json"),
        seconds=300,
    )
    return folder, predicted, verified


def test_the_good_ones_are_scored_and_the_others_are_counted(answers):
    folder, predicted, verified = answers
    assert predicted.is_clear(), predicted.err
    assert verified.is_clear(), verified.err
    scores = scores_of(predicted.out)
    assert {"data/good.png", "data/999/good.png"} <= scores.keys()
    failed = len(CASES) + 2 - len(scores)
    assert predicted.status == (3 if failed else 0)
    assert len(ABOUT_A_FILE.findall(predicted.err)) == failed
    *_, others, counts = predicted.err.splitlines()
    assert others == "passed over, no images by their names: 1 .csv"
    assert counts.endswith(f"; {failed} failed")
    assert verified.status == 1
    assert not (folder / "verified.json").exists()
    assert not list(folder.rglob("canary"))


def scores_of(out: str) -> dict[str, float]:
    return {row["image"]: float(row["score"]) for row in csv.DictReader(io.StringIO(out))}


@pytest.mark.parametrize("number", CASES, ids=lambda n: f"{n}-{CASES[n].kind}-{CASES[n].what}")
def test_a_broken_image_is_one_line_or_harmless(number, answers, note):
    folder, predicted, verified = answers
    case = CASES[number]
    score = scores_of(predicted.out).get(f"data/{number}/{case.name}")
    said = [line for line in ABOUT_A_FILE.findall(predicted.err) if f"data/{number}/" in line]
    found = [line for line in verified.err.splitlines() if f" {number}/{case.name}: " in line]
    tried = f"{case.name}: {case.what}"
    if score is None:
        assert len(said) == 1
        assert said[0].startswith(f"data/{number}/{case.name}: ")
        note(case.kind, tried, f"refused: {said[0].partition(': ')[2]}")
    else:
        assert not said
        assert 1 <= score <= 5
        decoded = decode(folder / "data" / number / case.name)
        same = case.original is None or np.array_equal(decoded, case.original)
        assert same or not case.name.endswith(CHECKED), "checksums say that it is damaged"
        note(case.kind, tried, "scored" if same else "scored as it decodes")
    if case.refused is not None:
        assert (score is None) == case.refused
    assert bool(found) == (score is None), "both see the same"
