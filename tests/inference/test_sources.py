"""Photographs from files, folders, patterns and archives."""

import io
import os
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image
from samples import photograph

from dpam.errors import DpamError
from dpam.imaging.folders import SkippedFiles
from dpam.imaging.images import JXL
from dpam.inference.sources import Source, sources, total
from dpam.inference.sources import names as names_of


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


def test_links_are_followed_and_each_folder_is_entered_once(folder, tmp_path):
    (tmp_path / "elsewhere/more").mkdir(parents=True)
    (tmp_path / "elsewhere/e.png").write_bytes(png(5))
    (tmp_path / "elsewhere/more/f.png").symlink_to(folder / "b.png")
    (tmp_path / "elsewhere/more/back").symlink_to(folder / "deep")
    (folder / "0 link").symlink_to(tmp_path / "elsewhere")
    (folder / "1 link").symlink_to("deep")  # which is entered by its own name
    (folder / "2 broken").symlink_to("nowhere")
    (folder / "3 circle").symlink_to("3 circle")
    found = [name.removeprefix(f"{folder}/") for name in names(sources([str(folder)], True))]
    own = ["a [1].png", "b.png", "deep/c.png", "deep/deeper/d.PNG"]
    assert found == [*own, "0 link/e.png", "0 link/more/f.png"]


def test_a_folder_that_cannot_be_read_is_named_and_the_rest_is_read(folder, monkeypatch):
    scandir = os.scandir

    def refusing(path):
        if path == f"{folder}/deep":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", refusing)
    (folder / "last").mkdir()
    (folder / "last/z.png").write_bytes(png(3))
    found = names(sources([str(folder)], recursive=True))
    assert found[2:] == [
        f"{folder}/deep: cannot be read: Permission denied",
        f"{folder}/last/z.png",
    ]


def test_what_is_passed_over_is_counted_by_ending(folder, tmp_path):
    for name in ("x.jxl", "y.JXL", "z.nef", "scan", "deep/more.zip", ".hidden", "odd.jpg~"):
        (folder / name).write_bytes(b"?")
    passed = SkippedFiles()
    assert len(list(sources([str(folder)], True, passed=passed))) == 4
    assert passed == {".jxl": 2, ".nef": 1, "": 1, ".zip": 1, ".txt": 1, ".jpg~": 1}
    said = str(passed)
    assert said.startswith("passed over, no images by their names: 2 .jxl")
    assert "pillow-jxl-plugin" in said or JXL
    assert "1 .nef (convert raw files to TIFF or JPEG first)" in said
    assert "1 without ending (give them one, or name them one by one)" in said
    assert "1 .zip (name archives one by one)" in said
    assert "1 .txt," in said
    passed = SkippedFiles()
    assert len(list(sources([f"{folder}/*"], passed=passed))) == 2
    assert passed[".jxl"] == 2
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name in ("a.png", "a.heix", "__MACOSX/b.heix", "._a.heix"):
            file.writestr(name, png(0))
    passed = SkippedFiles()
    assert len(list(sources([str(tmp_path / "a.zip")], passed=passed))) == 1
    assert passed == {".heix": 1}
    assert not str(SkippedFiles())


def test_names_that_are_no_text_are_escaped(tmp_path):
    strange = os.fsdecode(b"caf\xe9.png")
    try:
        (tmp_path / strange).write_bytes(png(0))
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"broken")
    good, broken = sources([str(tmp_path)])
    assert good.name == f"{tmp_path}/caf\\xe9.png"
    assert good.read().shape == (40, 36, 3)
    assert broken.name.encode() == f"{tmp_path}/\\xff.png".encode()
    with pytest.raises(DpamError, match=r"/\\xff.png: expected an image"):
        broken.read()
    assert names(sources([str(tmp_path)], done={good.name})) == [broken.name]
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.add(tmp_path / strange, strange)
    (member,) = sources([str(tmp_path / "a.tar")])
    assert member.name == f"{tmp_path}/a.tar/caf\\xe9.png"
    os.mkdir(tmp_path / os.fsdecode(b"d\xe9"))
    (error,) = names(sources([str(tmp_path / os.fsdecode(b"d\xe9"))]))
    assert "/d\\xe9: no image" in error


def test_links_in_an_archive_are_named(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        about = tarfile.TarInfo("link.png")
        about.type, about.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(about)
    assert (
        "a.tar/link.png: expected a file, found a link"
        in names(sources([str(tmp_path / "a.tar")]))[0]
    )


def test_patterns_and_names_that_look_like_patterns(folder):
    assert names(sources([f"{folder}/*.png"])) == [f"{folder}/a [1].png", f"{folder}/b.png"]
    assert len(names(sources([f"{folder}/deep/**/*.PNG"]))) == 1
    assert names(sources([f"{folder}/*"])) == [f"{folder}/a [1].png", f"{folder}/b.png"]
    assert names(sources([f"{folder}/a [1].png"])) == [f"{folder}/a [1].png"]
    assert "no image matches" in names(sources([f"{folder}/*.gif"]))[0]
    if sys.version_info < (3, 13):  # later ones take it for *
        found = list(sources([f"{folder}/**.png", f"{folder}/b.png"]))
        assert "**.png: no pattern: " in str(found[0])
        assert names(found[1:]) == [f"{folder}/b.png"]


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


def parquet(path, columns):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    pq.write_table(pa.table(columns), path, row_group_size=3)
    return str(path)


@pytest.mark.parametrize("layout", ["Hugging Face", "img2dataset", "bytes alone"])
def test_images_in_the_cells_of_a_table(tmp_path, layout):
    images = [png(number) for number in range(5)]
    images[3] = None
    if layout == "Hugging Face":
        paths = ["a.png", "deep/b.png", None, "d.png", "e.png"]
        rows = [{"bytes": image, "path": path} for image, path in zip(images, paths, strict=True)]
        columns, expected = {"image": rows, "label": range(5)}, [*paths]
        expected[2] = "00000002"
    elif layout == "img2dataset":
        expected = [f"00012000{number}" for number in range(5)]
        columns = {"caption": ["no image"] * 5, "key": expected, "jpg": images}
    else:
        columns, expected = {"bytes": images}, [f"{number:08}" for number in range(5)]
    table = parquet(tmp_path / "shard.parquet", columns)
    expected = [f"{table}/{name}" for name in expected]
    found = list(sources([table], done={expected[1]}))
    assert names(found) == [expected[0], expected[2], f"{expected[3]}: no image", expected[4]]
    for number, source in ((0, found[0]), (2, found[1]), (4, found[3])):
        np.testing.assert_array_equal(source.read(), photograph(number, 40, 36))
    assert list(names_of([table], False)) == expected
    assert total([table], False) is None


def test_images_of_one_name_in_a_table_stay_apart(tmp_path):
    rows = [{"bytes": png(number), "path": "a.png"} for number in range(3)]
    table = parquet(tmp_path / "t.parquet", {"image": rows})
    expected = [f"{table}/a.png", f"{table}/a.png#00000001", f"{table}/a.png#00000002"]
    assert list(names_of([table], False)) == expected
    rest = list(sources([table], done=set(expected[:1])))
    assert names(rest) == expected[1:]
    np.testing.assert_array_equal(rest[0].read(), photograph(1, 40, 36))


def test_a_table_without_images_or_damaged_is_named(tmp_path):
    table = parquet(tmp_path / "labels.parquet", {"image": ["a.png"], "label": [1.0]})
    assert names(sources([table])) == [
        f"{table}: expected one column that holds images (bytes), found none"
    ]
    two = parquet(tmp_path / "two.parquet", {"a": [b"1"], "b": [b"2"]})
    (error,) = names(sources([two]))
    assert error.endswith("found a, b")
    (tmp_path / "two.parquet").write_bytes((tmp_path / "two.parquet").read_bytes()[:-9])
    (error,) = names(sources([two]))
    assert error.startswith(f"{two}: expected an archive, found a damaged or other file")
