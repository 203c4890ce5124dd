"""Photographs from files, folders, patterns and archives."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image
from samples import photograph

from dpam.errors import DpamError
from dpam.sources import Source, sources, total


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photograph(seed, 40, 36)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "photos"
    (home / "deep/deeper").mkdir(parents=True)
    for number, name in enumerate(["b.png", "a [1].png", "deep/c.png", "deep/deeper/d.PNG"]):
        (home / name).write_bytes(png(number))
    (home / "notes.txt").write_text("no image")
    (home / "._b.png").write_bytes(b"of another system")
    (home / "deep/loop").symlink_to(home)
    return home


def names(found) -> list[str]:
    return [str(item) if isinstance(item, DpamError) else item.name for item in found]


def test_folders_give_their_images_in_order_and_recursion_ends(folder):
    here = [f"{folder}/a [1].png", f"{folder}/b.png"]
    assert names(sources([str(folder)])) == here
    below = [f"{folder}/deep/c.png", f"{folder}/deep/deeper/d.PNG"]
    assert names(sources([str(folder)], recursive=True)) == here + below
    assert total([str(folder)], True) == 4
    (folder / "empty").mkdir()
    (error,) = names(sources([str(folder / "empty")]))
    assert "empty: no image in this folder; -r" in error


def test_patterns_and_names_that_look_like_patterns(folder):
    assert names(sources([f"{folder}/*.png"])) == [f"{folder}/a [1].png", f"{folder}/b.png"]
    assert len(names(sources([f"{folder}/deep/**/*.PNG"]))) == 1
    assert names(sources([f"{folder}/*"])) == [f"{folder}/a [1].png", f"{folder}/b.png"]
    assert names(sources([f"{folder}/a [1].png"])) == [f"{folder}/a [1].png"]
    assert "no image matches" in names(sources([f"{folder}/*.gif"]))[0]


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
def test_archives_are_read_without_unpacking(tmp_path, ending):
    archive = tmp_path / f"many{ending}"
    members = {"x/b.png": png(1), "a.png": png(0), "__MACOSX/a.png": b"?", "list.txt": b"?"}
    if ending == ".zip":
        with zipfile.ZipFile(archive, "w") as file:
            for name, content in members.items():
                file.writestr(name, content)
    else:
        with tarfile.open(archive, "w:gz" if ending == ".tar.gz" else "w") as file:
            for name, content in members.items():
                about = tarfile.TarInfo(name)
                about.size = len(content)
                file.addfile(about, io.BytesIO(content))
    found = list(sources([str(archive)]))
    assert names(found) == [f"{archive}/x/b.png", f"{archive}/a.png"]
    assert isinstance(found[0], Source)
    np.testing.assert_array_equal(found[0].read(), photograph(1, 40, 36))
    assert total([str(archive)], False) is None
    done = {f"{archive}/a.png"}
    assert names(sources([str(archive)], done=done)) == [f"{archive}/x/b.png"]
    assert names(sources([str(archive)], done={*names(found)})) == []
    archive.write_bytes(archive.read_bytes()[:100])
    assert "damaged" in names(sources([str(archive)]))[-1]


def test_a_broken_member_is_named_and_the_rest_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("one.png", png(0))
        file.writestr("two.png", png(1))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[60] ^= 255
    (tmp_path / "a.zip").write_bytes(content)
    one, two = names(sources([str(tmp_path / "a.zip")]))
    assert "a.zip/one.png: cannot be unpacked" in one
    assert two.endswith("a.zip/two.png")


def test_missing_and_done_files(tmp_path):
    assert names(sources(["a.png", "b.png"], done={"a.png"})) == ["b.png"]
    (source,) = sources([str(tmp_path / "none.png")])
    with pytest.raises(DpamError, match="no such file"):
        source.read()
    (error,) = names(sources([str(tmp_path / "none.zip")]))
    assert "no such file" in error
