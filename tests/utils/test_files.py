"""Files are read and written with words that are true, and modes that the user chose."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from miniatures import nobody
from safetensors import SafetensorError

from dpam.datasets.native import read_labels, read_mat, read_named_labels, read_sheet, read_table
from dpam.errors import DpamError
from dpam.figures.gallery import read_gallery
from dpam.imaging.images import decode
from dpam.model.checkpoint import load_checkpoint
from dpam.pack.store import Pack
from dpam.report.runs import header
from dpam.report.table import read_tex
from dpam.utils.files import (
    atomic,
    new_folder,
    refuse_same,
    refuse_unwritable,
    write_text,
)
from dpam.utils.locks import exclusive
from dpam.utils.reading import read_array, read_csv, read_json
from dpam.utils.tensors import read_tensors, write_tensors

READERS: list[Callable[[Path], Any]] = [
    *(read_array, read_json, lambda path: read_csv(path, [])),
    *(read_tensors, load_checkpoint, header, Pack),
    *(decode, read_gallery, read_tex),
    *(read_labels, read_named_labels, read_mat),
    *(lambda path: read_table(path, []), lambda path: read_sheet(path, [])),
]


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_may_not_be_read_is_not_called_missing_or_damaged(
    tmp_path: Path, read: Callable[[Path], Any]
) -> None:
    path = tmp_path / "a.tex"
    with pytest.raises(DpamError, match=f"{path}: no such file"):
        read(path)
    path.touch(mode=0)
    with nobody(), pytest.raises(DpamError, match=f"{path}: cannot be read: Permission denied"):
        read(path)


def test_weights_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(3)}, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/.."])
def test_what_is_written_has_a_name(name: str) -> None:
    for write in (atomic, exclusive, new_folder):
        with pytest.raises(DpamError, match="expected a new name"), write(name):
            pytest.fail("begun")


@pytest.mark.parametrize(
    ("error", "is_of_writing"),
    [
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 640"), True),
        (RuntimeError("Can't decrement id ref count (file write failed: errno = 28,"), True),
        (SafetensorError("I/O error: File too large (os error 27)"), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "other.csv"), False),
        (ValueError("negative"), False),
    ],
)
def test_only_errors_of_writing_are_called_that(
    tmp_path: Path, error: Exception, is_of_writing: bool
) -> None:
    def write() -> None:
        with atomic(tmp_path / "a.csv") as temporary:
            temporary.touch()
            raise error

    with pytest.raises(DpamError if is_of_writing else type(error)) as raised:
        write()
    assert (raised.value is error) == (not is_of_writing)
    assert is_of_writing == ("a.csv: cannot be written: " in str(raised.value))
    assert not any(tmp_path.iterdir())


def test_one_file_by_two_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    refuse_same([tmp_path / "folder" / "a.csv", tmp_path / "link" / "b.csv"])
    with pytest.raises(DpamError, match="named for two things"):
        refuse_same([tmp_path / "folder" / "a.csv", tmp_path / "link" / "a.csv"])


def test_what_cannot_be_written_is_said_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refuse_unwritable([tmp_path / "a.csv", tmp_path / "new" / "folder" / "a.csv"])
    with pytest.raises(DpamError, match=r"a\.csv: cannot be written: Not a directory"):
        refuse_unwritable([tmp_path / "file" / "a.csv"])
    with nobody(), pytest.raises(DpamError, match=r"a\.csv: cannot be written: Permission denied"):
        refuse_unwritable([tmp_path / "new" / "a.csv"])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DpamError, match=r"a\.csv: cannot be written: Not a directory"):
        write_text(tmp_path / "file" / "folder" / "a.csv", "")
    with pytest.raises(DpamError, match=r"a\.csv: cannot be written: .*/file is no folder"):
        write_text(tmp_path / "file" / "a.csv", "")
