"""The table and the cards of datasets say what is known, and what is here."""

from pathlib import Path

import miniatures
import pandas as pd
import pytest

from dpam.cli import main
from dpam.datasets import DATASETS, find
from dpam.datasets.cards import card, histogram, overview, state
from dpam.demo.make import make_demo


@pytest.fixture
def data(tmp_path) -> Path:
    """A folder with a complete LIVE, part of KADID-10k, and a packed TID2013."""
    miniatures.live(tmp_path / "live")
    miniatures.kadid10k(tmp_path / "kadid10k")
    (tmp_path / "tid2013").mkdir()
    (tmp_path / "tid2013" / "tid2013.rar").touch()
    return tmp_path


def test_the_table_names_every_dataset_and_where_to_get_it(data, capsys):
    assert main(["datasets", "--data-root", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines[2:]}
    assert list(rows) == list(DATASETS)
    assert "complete" in rows["live"]
    assert str(data / "live") in rows["live"]
    assert "3 labels" in rows["kadid10k"]
    assert "archives" in rows["tid2013"]
    assert "missing" in rows["csiq"]
    assert DATASETS["csiq"].page in rows["csiq"]
    assert "dpam download koniq10k" in rows["koniq10k"]
    assert rows["demo_authentic"].endswith("dpam make-demo-data demo_authentic")
    assert overview([(DATASETS["spaq"], str(data))]).count("\n") == 2


def test_the_table_names_what_the_demonstration_made_and_one_s_own(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = "results/demo/datasets/demo_authentic"
    make_demo(made, "demo_authentic", photographs=["china"], crops=1)
    miniatures.write_text(tmp_path / "photos/mine.csv", "image,label,distortion", "a.png,0.5,JPEG")
    miniatures.write_image(tmp_path / "photos/a.png")
    (tmp_path / "my.yaml").write_text(
        "roots: {mine: photos}\n"
        "custom: {mine: {labels: mine.csv, score_range: [0, 1], higher_is_better: true},\n"
        "        more: {labels: more.csv, score_range: [0, 1], higher_is_better: true},\n"
        "        crops: {labels: crops.csv, score_range: [0, 1], higher_is_better: true},\n"
        "        walks: {labels: walks.csv, score_range: [0, 1], higher_is_better: true},\n"
        "        broken: {labels: broken.csv, score_range: [0, 1], higher_is_better: true}}\n"
    )
    for name, head, row in (
        ("crops", "image,label,reference", "a.png,0.5,tower"),
        ("walks", "image,label", "a.png,0.5"),
        ("broken", "image,label,level", "a.png,0.5,high"),
    ):
        miniatures.write_text(tmp_path / f"data/{name}/{name}.csv", head, row)
        miniatures.write_image(tmp_path / f"data/{name}/a.png")
    assert main(["datasets", "--configfile", "my.yaml"]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()[2:]}
    assert rows["demo_authentic"][-2:] == ["complete", made]
    assert rows["mine"][-2:] == ["complete", "photos"]
    assert rows["more"][-2:] == ["missing", "data/more"]
    kinds = {name: {"synthetic", "authentic"} & set(row) for name, row in rows.items()}
    assert kinds["mine"] == kinds["crops"] == kinds["demo_synthetic"] == {"synthetic"}
    assert kinds["walks"] == kinds["demo_authentic"] == {"authentic"}
    assert kinds["more"] == kinds["broken"] == set()
    assert rows["broken"][-3:-1] == ["labels", "unreadable"]
    assert main(["datasets", "broken", "--configfile", "my.yaml"]) == 1
    assert "levels must be whole numbers" in capsys.readouterr().err
    assert main(["datasets", "mine", "--configfile", "my.yaml"]) == 0
    said = capsys.readouterr().out
    assert "1 labels, median 0.500" in said
    assert "distortions  1: JPEG" in said
    for text, words in {
        "a: [": "expected YAML",
        "- a": "expected keys",
        "custom: 7": "7 is not",
    }.items():
        (tmp_path / "my.yaml").write_text(text)
        assert main(["datasets", "--configfile", "my.yaml"]) == 1
        assert words in capsys.readouterr().err


def test_states(data, tmp_path):
    own = find("mine", {"labels": "mine.csv", "score_range": [0, 1], "higher_is_better": True})
    root = tmp_path / "mine"
    miniatures.write_text(root / "mine.csv", "image,label", "a.png,0.5", "b.png,1")
    assert state(own, root) == "2 of 2 images missing"
    miniatures.write_image(root / "a.png")
    miniatures.write_image(root / "b.png", 1)
    assert state(own, root) == "complete"
    (root / "mine.csv").write_text("nothing")
    assert state(own, root) == "labels unreadable"
    assert state(own, tmp_path / "nowhere") == "missing"


def test_a_card_with_a_histogram(data, capsys):
    picture = data / "live.svg"
    assert main(["datasets", "live", "--data-root", str(data), "--svg", str(picture)]) == 0
    text = capsys.readouterr().out
    for fact in ("LIVE (live)", "779, made from 29 references", "lower is better", "fast_fading"):
        assert fact in text
    assert "779 labels, median " in text
    assert text.count("#") > 100
    drawn = picture.read_text()
    assert "LIVE:" in drawn
    assert "779 images" in drawn
    assert max(map(len, text.splitlines())) <= 100


def test_the_card_of_a_missing_dataset_says_where_to_get_it(data):
    text = card(DATASETS["koniq10k"], data / "koniq10k")
    assert "own split    yes" in text
    assert "dpam download koniq10k" in text
    assert "median" not in text
    assert "archives" in card(DATASETS["tid2013"], data / "tid2013")


def test_the_bars_are_as_long_as_the_counts():
    lines = histogram(pd.Series([0.0, 0.01, 0.5, 0.5, 0.5, 0.5, 1.0]))
    assert len(lines) == 21
    assert lines[0].split() == ["0.00-0.05", "2", "#" * 25]
    assert lines[10].split() == ["0.50-0.55", "4", "#" * 50]
    assert lines[19].split() == ["0.95-1.00", "1", "#" * 12]
    assert lines[1].split() == ["0.05-0.10", "0"]
    assert lines[20] == "7 labels, median 0.500; 0 is the worst, 1 the best"


def test_a_picture_needs_a_dataset(capsys):
    assert main(["datasets", "--svg", "a.svg"]) == 1
    assert "--svg: name a dataset, too" in capsys.readouterr().err
