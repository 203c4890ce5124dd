"""Tables of scores that grow, and their resumption after a stop at any byte."""

import json
import random

import pytest

from dpam.errors import DpamError
from dpam.inference.score_table import Row, growing, prepare_to_resume, select_rows

ROWS = [
    Row(f'ü, "{i}".jpg', 1 + i / 8, 100 * (i * 7 % 10) / 10, i / 4, None, i / 3) for i in range(10)
]


def write(path, rows, resume=False):
    with growing(path, resume) as add:
        for row in rows:
            add(row)


def stopped_after(count):
    yield from ROWS[:count]
    raise KeyboardInterrupt


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_table_cut_off_anywhere_is_completed(tmp_path, ending):
    path = tmp_path / f"scores.{ending}"
    write(path, ROWS)
    whole = path.read_bytes()
    assert list(prepare_to_resume(path)) == ROWS
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        there = list(prepare_to_resume(path))
        assert there == ROWS[: len(there)]
        write(path, ROWS[len(there) :], resume=True)
        assert path.read_bytes() == whole


def test_every_row_is_there_at_once(tmp_path):
    path = tmp_path / "new/scores.jsonl"
    with growing(path, resume=False) as add:
        for number, row in enumerate(ROWS, 1):
            add(row)
            assert len(path.read_text().splitlines()) == number
    assert json.loads(path.read_text().splitlines()[0])["image"] == ROWS[0].image


def test_parquet_is_complete_or_absent_and_can_be_resumed(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    path = tmp_path / "scores.parquet"
    with pytest.raises(KeyboardInterrupt):
        write(path, stopped_after(4))
    assert not path.exists()
    assert list(prepare_to_resume(path)) == ROWS[:4]
    write(path, ROWS[4:7], resume=True)
    assert list(prepare_to_resume(path)) == ROWS[:7]
    write(path, ROWS[7:], resume=True)
    assert [Row(**row) for row in parquet.read_table(path).to_pylist()] == ROWS
    assert [file.name for file in tmp_path.iterdir()] == ["scores.parquet"]


def test_parquet_without_its_package_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(DpamError, match="pip install pyarrow"):
        write(tmp_path / "scores.parquet", ROWS)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "other.csv").write_text("image,label\na,1\n")
    with pytest.raises(DpamError, match=r"expected the columns image, score"):
        list(prepare_to_resume(tmp_path / "other.csv"))
    (tmp_path / "other.csv").write_text("no end of the line")
    with pytest.raises(DpamError, match=r"expected the columns image, score"):
        list(prepare_to_resume(tmp_path / "other.csv"))
    assert (tmp_path / "other.csv").read_text() == "no end of the line"
    with pytest.raises(DpamError, match="cannot be written: File exists"):
        write(tmp_path / "other.csv", ROWS)
    with pytest.raises(DpamError, match=r"\.csv, \.jsonl or \.parquet"):
        write(tmp_path / "scores.xlsx", ROWS)
    (tmp_path / "file").write_text("")
    with pytest.raises(DpamError, match="cannot be written"):
        write(tmp_path / "file/scores.csv", ROWS)


def test_selections():
    rows = ROWS.copy()
    random.Random(0).shuffle(rows)
    points = [row.score_100 for row in rows]
    assert list(select_rows(rows)) == rows
    assert [row.score_100 for row in select_rows(rows, "best")] == sorted(points, reverse=True)
    assert [row.score_100 for row in select_rows(rows, "worst", 3)] == sorted(points)[:3]
    assert [row.score_100 for row in select_rows(rows, top=2)] == sorted(points)[:-3:-1]
    assert [row.score_100 for row in select_rows(rows, threshold=50)] == [
        p for p in points if p >= 50
    ]
