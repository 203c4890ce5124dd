"""Archives that want out of their folder, lie about themselves, or are damaged."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

from broken_images import encoded
from damage import flipped, truncated
from samples import photograph

GOOD = encoded(photograph(1), format="PNG")
OUTSIDE = ("../evil.png", "../../evil.png", "a/../../evil.png", "/evil.png", "//evil.png",
           "..\\evil.png", "C:\\evil.png", "C:/evil.png", "\\evil.png")  # fmt: skip


class BrokenArchive(NamedTuple):
    """An archive: kind as the table calls it, file name, what is wrong, bytes."""

    kind: str
    name: str
    what: str
    content: bytes


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            archive.writestr(*member)
    return buffer.getvalue()


def tarred(*members: tuple[str, bytes, dict[str, object]], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content, attributes in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def archives() -> Iterator[BrokenArchive]:
    """All of them; none may write outside of the folder of its name."""
    good = ("0.png", GOOD)
    for name in OUTSIDE:
        yield BrokenArchive(
            "archives with .., absolute paths", "x.zip", name, zipped(good, (name, GOOD))
        )
        members = ("0.png", GOOD, {}), (name, GOOD, {})
        yield BrokenArchive("archives with .., absolute paths", "x.tar", name, tarred(*members))
    yield from links()
    yield from liars()
    for name, content in (
        ("x.zip", zipped(*((f"{n}.png", GOOD) for n in range(3)))),
        ("x.tar.gz", tarred(*((f"{n}.png", GOOD, {}) for n in range(3)), mode="w:gz")),
        ("x.tar.xz", tarred(*((f"{n}.png", GOOD, {}) for n in range(3)), mode="w:xz")),
        ("x.tar.bz2", tarred(*((f"{n}.png", GOOD, {}) for n in range(3)), mode="w:bz2")),
    ):
        for what, damaged in truncated(content, (0.0, 0.1, 0.5, 0.9, 0.99)):
            yield BrokenArchive("truncated archives", name, what, damaged)
        for what, damaged in flipped(content, range(8)):
            yield BrokenArchive("bit-flipped archives", name, what, damaged)
        for what, damaged in flipped(content, range(8, 11), 40):
            yield BrokenArchive("bit-flipped archives", name, what, damaged)


def links() -> Iterator[BrokenArchive]:
    kind = "archives with links, devices"
    link = zipfile.ZipInfo("1.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    yield BrokenArchive(
        kind, "x.zip", "symbolic link", zipped(("0.png", GOOD), (link, b"/etc/passwd"))
    )
    for what, type_, target in (
        ("symbolic link", tarfile.SYMTYPE, "/etc/passwd"),
        ("symbolic link to ..", tarfile.SYMTYPE, ".."),
        ("hard link", tarfile.LNKTYPE, "/etc/passwd"),
        ("named pipe", tarfile.FIFOTYPE, ""),
        ("device", tarfile.CHRTYPE, ""),
    ):
        member = ("1.png", b"", {"type": type_, "linkname": target})
        yield BrokenArchive(kind, "x.tar", what, tarred(("0.png", GOOD, {}), member))
    through = [
        ("out", b"", {"type": tarfile.SYMTYPE, "linkname": ".."}),
        ("out/evil.png", GOOD, {}),
    ]
    yield BrokenArchive(kind, "x.tar", "a file through a link", tarred(*through))


def liars() -> Iterator[BrokenArchive]:
    kind = "archives that lie"
    content = bytearray(zipped(("0.png", GOOD)))
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    yield BrokenArchive(kind, "x.zip", "smaller than it is", bytes(content))
    content[directory + 24 : directory + 28] = (2**32 - 2).to_bytes(4, "little")
    yield BrokenArchive(kind, "x.zip", "4 GiB, it says", bytes(content))
    content = bytearray(zipped(("0.png", GOOD)))
    content[directory + 8] |= 1
    content[6] |= 1
    yield BrokenArchive(kind, "x.zip", "encrypted, it says", bytes(content))
    yield BrokenArchive(kind, "x.zip", "a file twice", zipped(("0.png", GOOD), ("0.png", b"other")))
    yield BrokenArchive(
        kind, "x.zip", "a file that is a folder, too", zipped(("a", GOOD), ("a/0.png", GOOD))
    )
    yield BrokenArchive(
        kind, "x.zip", "a name of 5,000 letters", zipped((f"{'x' * 5000}.png", GOOD))
    )
    yield BrokenArchive(kind, "x.zip", "a name with a line break", zipped(("a\nb.png", GOOD)))
    yield BrokenArchive(
        kind, "x.zip", "50 MB of zeros in 50 kB", zipped(("0.png", bytes(50_000_000)))
    )
    yield BrokenArchive(kind, "x.zip", "nothing in it", zipped())
    yield BrokenArchive(kind, "x.zip", "a tar", tarred(("0.png", GOOD, {})))
    yield BrokenArchive(kind, "x.tar", "a zip", zipped(("0.png", GOOD)))
    plain = tarred(("0.png", GOOD, {}))
    negative = plain[:124] + b"-0000000001\0" + plain[136:]
    yield BrokenArchive(kind, "x.tar", "a size below 0", negative)
    inner = zipped(("0.png", GOOD))
    yield BrokenArchive(kind, "x.zip", "an archive in an archive", zipped(("y.zip", inner)))
