"""Unpacking published archives without trusting them.

`X.zip` in a dataset's folder becomes the folder `X` beside it. Nothing is written outside of it,
links and other special files are refused, and so is what would hold more files or bytes than
any dataset has. The folder appears under its name when it is complete; until then it is
`.X.zip.unpacking`, with the file `.dpam` in it. The filter `data` of `tarfile` and
`shutil.unpack_archive` also refuses what lies outside, but it follows links, bounds no size, is of
tar alone and begins anew after an interruption.
"""

import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from dpam.errors import DpamError
from dpam.imaging.folders import read_to_the_end
from dpam.utils.files import cannot_be_read, not_ours, refuse_existing
from dpam.utils.progress import track

ZIP = (".zip",)
TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
RAR = (".rar", ".7z")
# Program -> its arguments to list names only, and to unpack into the folder that follows.
EXTRACTORS = {
    "bsdtar": (["-tf", "{archive}"], ["-xf", "{archive}", "-C", "{folder}"]),
    "unrar": (["lb", "-p-", "{archive}"], ["x", "-p-", "-idq", "{archive}", "{folder}/"]),
    "7z": (["l", "-ba", "-slt", "-p", "{archive}"], ["x", "-y", "-p", "-o{folder}", "{archive}"]),
}
OURS = ".dpam"  # in a folder that is being unpacked
POLL = 0.2  # seconds between two looks at what an extractor has written


class Limits(NamedTuple):
    """What an archive may hold at most: files, and bytes when unpacked."""

    files: int = 200_000
    bytes: int = 200 * 2**30


def stem(path: Path) -> str:
    """The name without the ending of an archive; empty if the file is no archive."""
    endings = [end for end in (*ZIP, *TAR, *RAR) if path.name.lower().endswith(end)]
    return path.name[: -len(max(endings, key=len))] if endings else ""


def archives(root: Path) -> list[Path]:
    """The archives that lie directly in a folder, sorted.

    Raises:
        DpamError: the folder cannot be read.
    """
    if not os.path.isdir(root):
        return []
    try:
        return sorted(path for path in root.iterdir() if stem(path) and path.is_file())
    except OSError as error:
        raise cannot_be_read(root, error) from error


def unpacked_folder(archive: Path) -> Path:
    """Where an archive is unpacked to."""
    return archive.with_name(stem(archive))


def unpack(archive: Path, limits: Limits | None = None) -> Path:
    """Unpack an archive into the folder of its name, which must not exist yet.

    What an interrupted earlier attempt completed of a zip or tar archive is not written again.

    Raises:
        DpamError: the archive is broken, unsafe or larger than `limits`; no program is
            installed that can read it; or there is a folder in its way.
    """
    limits = limits or Limits()
    partial = archive.with_name(f".{archive.name}.unpacking")
    refuse_existing([unpacked_folder(archive)])
    if partial.exists() and not (partial / OURS).exists():
        raise not_ours(partial)
    name = archive.name.lower()
    try:
        if name.endswith(ZIP):
            with zipfile.ZipFile(archive) as file:
                _write(archive, partial, _zip_members(archive, file), limits)
        elif name.endswith(TAR):
            with tarfile.open(archive) as file:
                _write(archive, partial, _tar_members(archive, file), limits)
        else:
            _extract(archive, partial, limits)
    except DpamError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    except OSError as error:
        if error.errno is not None:  # the system's; a decompressor's has no number
            reason = error.strerror or error
            raise DpamError(f"{archive}: cannot be unpacked: {reason}") from error
        raise _broken_archive(archive, partial, error) from error
    except RuntimeError as error:  # what zipfile raises where a password is needed
        raise DpamError(f"{archive}: cannot be unpacked ({error}); unpack it yourself") from error
    except Exception as error:  # of a damaged archive, the decompressors raise anything
        raise _broken_archive(archive, partial, error) from error
    (partial / OURS).unlink()
    partial.rename(unpacked_folder(archive))
    return unpacked_folder(archive)


def _broken_archive(archive: Path, partial: Path, error: Exception) -> DpamError:
    """The error about a damaged archive; what was unpacked of it may be damaged, too, and goes."""
    shutil.rmtree(partial, ignore_errors=True)
    return DpamError(f"{archive}: a broken archive ({error}); download it again")


class _Member(NamedTuple):
    """A file in an archive: its safe relative path, its size as declared, how to open it."""

    path: PurePosixPath
    size: int
    content: IO[bytes]


def _zip_members(archive: Path, file: zipfile.ZipFile) -> Iterator[_Member]:
    for info in file.infolist():
        path = _safe(archive, info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _unsafe_member(archive, info.filename, "is a link or a special file")
        if not info.is_dir():
            with file.open(info) as content:
                yield _Member(path, info.file_size, content)


def _tar_members(archive: Path, file: tarfile.TarFile) -> Iterator[_Member]:
    for info in file:
        path = _safe(archive, info.name)
        if info.isdir():
            continue
        content = file.extractfile(info) if info.isreg() else None
        if content is None:
            raise _unsafe_member(archive, info.name, "is a link or a special file")
        with content:
            yield _Member(path, info.size, content)
    read_to_the_end(file)


def _write(archive: Path, folder: Path, members: Iterator[_Member], limits: Limits) -> None:
    """Write members into a folder, leaving alone what is complete there."""
    seen: set[str] = set()
    total = 0
    folder.mkdir(exist_ok=True)
    (folder / OURS).touch()
    written = folder / ".part"
    for member in track(members, f"unpacking {archive.name}", unit="file"):
        if str(member.path) in seen:
            raise _unsafe_member(archive, str(member.path), "is there twice")
        seen.add(str(member.path))
        total += member.size
        _check_limits(archive, len(seen), total, limits)
        target = folder / member.path
        if target.is_file() and target.stat().st_size == member.size:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with written.open("wb") as output:
            shutil.copyfileobj(member.content, output, 1 << 20)
        written.replace(target)
    written.unlink(missing_ok=True)


def _extract(archive: Path, folder: Path, limits: Limits) -> None:
    """Let an installed program unpack; watch what it writes, and look at all of it afterwards."""
    program = next((name for name in EXTRACTORS if shutil.which(name)), None)
    if program is None:
        raise DpamError(
            f"{archive}: no program to unpack it; install one of {', '.join(EXTRACTORS)} "
            f"(bsdtar is in Debian's libarchive-tools), or unpack it yourself"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / OURS).touch()
    to_list, to_unpack = (
        [program, *(word.format(archive=archive.resolve(), folder=folder) for word in words)]
        for words in EXTRACTORS[program]
    )
    listing = subprocess.run(to_list, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if listing.returncode:
        raise _failed_program(archive, program, listing.stderr)
    for line in listing.stdout.decode(errors="replace").splitlines():
        if program != "7z" or line.startswith("Path = "):
            _safe(archive, line.removeprefix("Path = "))
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            to_unpack,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
        ) as job,
    ):
        try:
            while job.poll() is None:
                try:
                    job.wait(POLL)
                except subprocess.TimeoutExpired:
                    _look_through(archive, folder, limits)
        except BaseException:
            job.kill()
            raise
        complaints.seek(0)
        complaint = complaints.read()
    _look_through(archive, folder, limits)
    if job.returncode:
        raise _failed_program(archive, program, complaint)


def _look_through(archive: Path, folder: Path, limits: Limits) -> None:
    """Refuse links and special files among what was unpacked, and too much of it."""
    count = total = 0
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # renamed by the program at this moment
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise _unsafe_member(
                archive, str(path.relative_to(folder)), "is a link or a special file"
            )
        if path == folder / OURS:
            continue
        count += 1
        total += status.st_size
    _check_limits(archive, count, total, limits)


def _safe(archive: Path, name: str) -> PurePosixPath:
    """The path of a member.

    Raises:
        DpamError: it leads out of the folder that it is unpacked to.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    drive = bool(path.parts) and path.parts[0].endswith(":")
    if path.is_absolute() or ".." in path.parts or drive or "\0" in name:
        raise _unsafe_member(archive, name, "leads out of the archive's folder")
    return path


def _check_limits(archive: Path, files: int, total: int, limits: Limits) -> None:
    if files > limits.files or total > limits.bytes:
        raise DpamError(
            f"{archive}: refused, holds more than {limits.files:,} files or {limits.bytes:,} "
            f"bytes; no dataset does. If you trust it, unpack it yourself"
        )


def _unsafe_member(archive: Path, name: str, why: str) -> DpamError:
    return DpamError(f"{archive}: refused, `{name}` {why}; this is not the published archive")


def _failed_program(archive: Path, program: str, complaint: bytes) -> DpamError:
    lines = complaint.decode(errors="replace").strip().splitlines() or ["it did not say why"]
    return DpamError(f"{archive}: {program} cannot unpack it ({lines[-1].strip()})")
