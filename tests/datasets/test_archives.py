"""Archives are unpacked whole or not at all, and never outside of their folder."""

import io
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path

import miniatures
import pytest

from dpam.datasets import DATASETS, archives, is_present, unpack_archives
from dpam.datasets.archives import EXTRACTORS, OURS, Limits, stem, unpack
from dpam.errors import DpamError

INSTALLED = [name for name in EXTRACTORS if shutil.which(name)]
needs_extractor = pytest.mark.skipif(
    not INSTALLED, reason=f"none of {', '.join(EXTRACTORS)} is installed"
)


def pack_zip(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def pack_tar(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def number(value: int) -> bytes:
    """An integer as RAR 5 writes it: seven bits a byte, lowest first."""
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def rar_block(content: bytes, data: bytes = b"") -> bytes:
    body = number(len(content)) + content
    return zlib.crc32(body).to_bytes(4, "little") + body + data


def pack_rar(path: Path, *members: tuple[str, bytes]) -> Path:
    """A RAR 5 archive whose members are stored as they are."""
    blocks = [b"Rar!\x1a\x07\x01\x00", rar_block(number(1) + number(0) + number(0))]
    for name, content in members:
        size, encoded = number(len(content)), name.encode()
        header = number(2) + number(2) + size  # a file; its data follow; how many bytes of them
        header += number(4) + size + number(0o100644)  # with a checksum; unpacked size; mode
        header += zlib.crc32(content).to_bytes(4, "little")
        header += number(0) + number(1) + number(len(encoded)) + encoded  # stored; Unix; name
        blocks.append(rar_block(header, content))
    blocks.append(rar_block(number(5) + number(0) + number(0)))
    path.write_bytes(b"".join(blocks))
    return path


KINDS = [
    pytest.param("a.zip", pack_zip, id="zip"),
    pytest.param("a.tar.gz", pack_tar, id="tar"),
    pytest.param("a.rar", pack_rar, id="rar", marks=needs_extractor),
]
MEMBERS = [("home/images/my photo (1).JPG", b"one" * 500), ("home/labels.txt", b"two")]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(("name", "pack"), KINDS)
def test_unpacked_beside_the_archive(tmp_path, name, pack):
    archive = pack(tmp_path / name, *MEMBERS)
    assert unpack(archive) == tmp_path / "a"
    assert contents(tmp_path / "a") == dict(MEMBERS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", name]


@needs_extractor
@pytest.mark.parametrize("program", INSTALLED)
def test_every_installed_extractor(tmp_path, monkeypatch, program):
    monkeypatch.setattr(archives, "EXTRACTORS", {program: EXTRACTORS[program]})
    archive = pack_zip(tmp_path / "a.7z", *MEMBERS)  # they go by the content
    if program == "unrar":
        archive = pack_rar(tmp_path / "a.rar", *MEMBERS)
    unpack(archive)
    assert contents(tmp_path / "a") == dict(MEMBERS)
    with pytest.raises(DpamError, match="refused, holds more than 1 files"):
        unpack(archive.rename(archive.with_stem("b")), Limits(files=1))
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(("name", "pack"), KINDS)
@pytest.mark.parametrize("path", ["../evil.txt", "a/../../evil.txt", "/evil.txt"])
def test_a_path_that_leads_out_is_refused(tmp_path, name, pack, path):
    inside = tmp_path / "in"
    inside.mkdir()
    archive = pack(inside / name, ("fine.txt", b"x"), (path, b"evil"))
    with pytest.raises(DpamError, match=r"refused, .*evil\.txt` leads out"):
        unpack(archive)
    assert [file.name for file in inside.iterdir()] == [name]
    assert [file.name for file in tmp_path.iterdir()] == ["in"]
    assert not Path("/evil.txt").exists()


def test_a_windows_path_that_leads_out_is_refused(tmp_path):
    for path in ("..\\evil.txt", "C:\\evil.txt"):
        archive = pack_zip(tmp_path / "a.zip", (path, b"evil"))
        with pytest.raises(DpamError, match="leads out"):
            unpack(archive)


def zip_with_link(path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(info, "/etc/passwd")


def tar_with_link(path: Path, kind: bytes = tarfile.SYMTYPE) -> None:
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    with tarfile.open(path, "w") as file:
        file.addfile(info)


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        pytest.param("a.zip", zip_with_link, id="zip"),
        pytest.param("a.tar", tar_with_link, id="tar"),
        pytest.param("a.tar", lambda path: tar_with_link(path, tarfile.LNKTYPE), id="hard"),
        pytest.param("a.tar", lambda path: tar_with_link(path, tarfile.FIFOTYPE), id="fifo"),
        pytest.param("a.rar", tar_with_link, id="extractor", marks=needs_extractor),
    ],
)
def test_links_and_special_files_are_refused(tmp_path, name, pack):
    pack(tmp_path / name)
    with pytest.raises(DpamError, match="`link` is a link or a special file"):
        unpack(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("name", "pack"), KINDS)
def test_too_much_is_refused(tmp_path, name, pack):
    archive = pack(tmp_path / name, ("zeros", bytes(1_000_000)), ("b", b""), ("c", b""))
    for limits in (Limits(bytes=999_999), Limits(files=2)):
        with pytest.raises(DpamError, match="refused, holds more than"):
            unpack(archive, limits)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    unpack(archive, Limits(files=3, bytes=1_000_000))


def test_an_endless_extractor_is_stopped(tmp_path, monkeypatch):
    script = tmp_path / "bin" / "bsdtar"
    script.parent.mkdir()
    script.write_text(
        '#!/bin/sh\n[ "$1" = -tf ] && exit 0\n'
        'while :; do head -c 100000 /dev/zero >> "$4/zeros"; sleep 0.02; done\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    monkeypatch.setattr(archives, "EXTRACTORS", {"bsdtar": EXTRACTORS["bsdtar"]})
    (tmp_path / "a.rar").write_bytes(b"")
    with pytest.raises(DpamError, match="refused, holds more than"):
        unpack(tmp_path / "a.rar", Limits(bytes=1_000_000))
    assert not (tmp_path / ".a.rar.unpacking").exists()


def test_the_same_name_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = pack_zip(tmp_path / "a.zip", ("x", b"1"), ("x", b"2"))
    with pytest.raises(DpamError, match="`x` is there twice"):
        unpack(archive)


@pytest.mark.parametrize(
    "name", ["a.zip", "a.tar.gz", pytest.param("a.rar", marks=needs_extractor)]
)
def test_a_broken_archive_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive at all")
    with pytest.raises(DpamError, match=rf"{name}: .*(broken archive|cannot unpack)"):
        unpack(tmp_path / name)


def test_a_truncated_archive_leaves_nothing_under_the_final_name(tmp_path):
    archive = pack_tar(tmp_path / "a.tar.gz", ("one", b"1" * 2000), ("two", bytes(range(256)) * 99))
    archive.write_bytes(archive.read_bytes()[:-120])
    with pytest.raises(DpamError, match="broken archive"):
        unpack(archive)
    assert not (tmp_path / "a").exists()


def test_an_interrupted_unpacking_goes_on(tmp_path):
    archive = pack_zip(tmp_path / "a.zip", *MEMBERS)
    done = tmp_path / ".a.zip.unpacking" / MEMBERS[0][0]
    done.parent.mkdir(parents=True)
    done.write_bytes(MEMBERS[0][1])
    before = done.stat().st_ino
    (tmp_path / ".a.zip.unpacking" / ".part").write_bytes(b"half")
    (tmp_path / ".a.zip.unpacking" / OURS).touch()
    unpack(archive)
    assert (tmp_path / "a" / MEMBERS[0][0]).stat().st_ino == before
    assert contents(tmp_path / "a") == dict(MEMBERS)


@pytest.mark.parametrize("folder", ["a", ".a.zip.unpacking"])
def test_a_folder_that_is_there_is_left_alone(tmp_path, folder):
    archive = pack_zip(tmp_path / "a.zip", *MEMBERS)
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "notes.txt").write_text("mine")
    with pytest.raises(DpamError, match=f"{folder}: "):
        unpack(archive)
    assert contents(tmp_path / folder) == {"notes.txt": b"mine"}


def test_without_an_extractor_it_says_which_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.rar").write_bytes(b"")
    with pytest.raises(DpamError, match="install one of bsdtar, unrar, 7z"):
        unpack(tmp_path / "a.rar")


def test_names_of_archives():
    names = {"KADID10k.ZIP": "KADID10k", "a.tar.gz": "a", "b.tgz": "b", "c.rar": "c", "d.jpg": ""}
    assert {name: stem(Path(name)) for name in names} == names


@pytest.mark.parametrize(
    ("name", "pack"),
    [*KINDS, pytest.param("kadid10k.zip", pack_zip, id="same name")],
)
def test_a_dataset_from_its_archive(tmp_path, name, pack):
    source, root = tmp_path / "source", tmp_path / "root"
    rows = miniatures.kadid10k(source)
    root.mkdir()
    pack(root / name, *contents(source).items())
    dataset = miniatures.smaller("kadid10k", rows)
    assert is_present(dataset, root)
    unpack_archives(dataset, root)
    labels = dataset.read_labels(root)
    assert labels["image"].tolist() == [f"{stem(Path(name))}/{row[0]}" for row in rows]
    assert all((root / image).is_file() for image in labels["image"])
    (root / stem(Path(name)) / rows[0][0]).unlink()
    unpack_archives(dataset, root)  # what was unpacked once is left to verification
    assert not (root / rows[0][0]).exists()


def test_several_archives_of_one_dataset(tmp_path):
    miniatures.koniq10k(tmp_path / "source")
    files = contents(tmp_path / "source")
    images = {name: content for name, content in files.items() if name.endswith((".jpg", ".JPG"))}
    root = tmp_path / "root"
    root.mkdir()
    pack_zip(root / "koniq10k_1024x768.zip", *images.items())
    pack_zip(root / "scores.zip", *(set(files.items()) - set(images.items())))
    miniatures.koniq10k(tmp_path / "sets", sets=True)
    shutil.copy(tmp_path / "sets" / "koniq10k_distributions_sets.csv", root)
    unpack_archives(DATASETS["koniq10k"], root)
    labels = DATASETS["koniq10k"].read_labels(root)
    assert labels["official"].tolist() == ["train", "test"]
    assert labels["image"].str.startswith("koniq10k_1024x768/1024x768/").all()
