"""Fetching a dataset's archives: resumed where it stopped, retried, checked by hash.

A file without a known hash is not checked the first time, and this is said. Its hash is recorded
in `downloads.json` beside it and must be the same the next time. A file that is there already is
never replaced. An unfinished one is hidden, `.NAME.part`, with `.NAME.part.validator` beside it.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import Any

import pooch
import requests

from dpam.datasets.dataset import Download
from dpam.errors import DpamError
from dpam.utils.files import not_ours, write_json, write_text
from dpam.utils.progress import bar
from dpam.utils.reading import read_json

ATTEMPTS = 5
PAUSE = 2.0  # seconds before the second attempt; twice as long before each further one
TIMEOUT = 60.0  # seconds without a byte
RECORD = "downloads.json"
log = logging.getLogger(__name__)


def download(files: Sequence[Download], folder: Path, pause: float = PAUSE) -> list[Path]:
    """Fetch files into a folder; those that are there already are checked only.

    Args:
        files: what to fetch.
        folder: made if need be.
        pause: seconds before the second attempt.

    Returns:
        The files, complete and checked.

    Raises:
        DpamError: a file could not be fetched in `ATTEMPTS` attempts, another is there already,
            or its hash is wrong, which no further attempt mends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("ERROR")
    record = read_record(folder / RECORD)
    for file in files:
        recorded = record.get(file.name, {}).get("hash")
        expected = file.known_hash or recorded
        _fetch(file, folder, expected, pause)
        path = folder / file.name
        found = f"sha256:{pooch.file_hash(str(path))}"
        if expected is None:
            log.warning(
                "%s: no published hash is known, so only its length was checked; %s is recorded "
                "in %s and compared the next time",
                path,
                found,
                folder / RECORD,
            )
        record[file.name] = {"url": file.url, "hash": found, "bytes": path.stat().st_size}
        write_json(folder / RECORD, record, replace=True)
    return [folder / file.name for file in files]


def read_record(path: Path) -> dict[str, Any]:
    """File -> its address, hash and size, as recorded earlier.

    Raises:
        DpamError: the file of the record is another one.
    """
    if not path.exists():
        return {}
    record: dict[str, Any] = read_json(path)
    if not isinstance(record, dict) or not all(
        isinstance(entry, dict) and "hash" in entry for entry in record.values()
    ):
        raise not_ours(path)
    return record


def _fetch(file: Download, folder: Path, expected: str | None, pause: float) -> None:
    part, there = folder / f".{file.name}.part", folder / file.name
    if (
        expected
        and there.exists()
        and pooch.file_hash(str(there), expected.split(":")[0]) != (expected.split(":")[1])
    ):
        raise DpamError(
            f"{there}: is there, but is not what {file.url} is known to be ({expected}); if it is "
            "not your own, remove it, and it is fetched again"
        )
    for attempt in range(1, ATTEMPTS + 1):
        try:
            pooch.retrieve(
                file.url,
                known_hash=expected,
                fname=file.name,
                path=folder,
                downloader=Resuming(part),
            )
            return
        except (ValueError, requests.RequestException) as error:
            problem = str(error).split(" Deleted download", 1)[0].replace("\n", " ")
            complete = isinstance(error, ValueError)  # of another hash: it will be so again
            if complete and not file.known_hash:
                problem += f" (if its publisher has changed it, remove it from {folder / RECORD})"
            refused = getattr(getattr(error, "response", None), "status_code", 0)
            if complete or attempt == ATTEMPTS or 400 <= refused < 500:
                raise DpamError(
                    f"{folder / file.name}: cannot be fetched from {file.url}: {problem}. "
                    f"Try again later, or fetch it yourself and put it there"
                ) from error
            log.warning("%s: attempt %d failed: %s", file.name, attempt, problem)
            sleep(pause * 2 ** (attempt - 1))
        except OSError as error:
            raise DpamError(f"{part}: cannot be written: {error.strerror or error}") from error


class Resuming:
    """A downloader for `pooch` that goes on with what an earlier attempt left in `part`.

    It does so only if the server vouches, by ETag or date, that the file is still the same one;
    otherwise, and where the server does not do ranges, it starts again.
    """

    def __init__(self, part: Path) -> None:
        self.part = part
        self.validator = part.with_name(f"{part.name}.validator")
        if part.exists() and not self.validator.exists():
            raise not_ours(part)

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        """Fetch `url` into `part`; when it is complete, rename it to `output_file`.

        Raises:
            requests.RequestException: the server cannot be reached, refuses, or breaks off.
        """
        headers = {"Accept-Encoding": "identity"}
        have = self.part.stat().st_size if self.part.exists() else 0
        validator = self.validator.read_text() if self.validator.exists() else ""
        if have and validator:
            headers["Range"] = f"bytes={have}-"
            headers["If-Range"] = validator
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                self.part.unlink()  # longer than the file is: start again at the next attempt
                raise requests.ConnectionError("the unfinished file does not fit; starting again")
            answer.raise_for_status()
            resumed = answer.status_code == requests.codes.partial_content
            if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                self.part.unlink()
                raise requests.ConnectionError("the server sent another range than asked for")
            if not resumed:
                have = 0
                self._remember(answer)
            total = have + int(answer.headers.get("Content-Length", 0))
            with (
                self.part.open("ab" if resumed else "wb") as output,
                bar(total, self.part.stem, done=have) as progress,
            ):
                for block in answer.iter_content(1 << 16):
                    output.write(block)
                    progress.update(len(block))
        if total > have and self.part.stat().st_size != total:
            raise requests.ConnectionError(
                f"broke off after {self.part.stat().st_size:,} of {total:,} bytes"
            )
        self.part.replace(output_file)
        self.validator.unlink(missing_ok=True)

    def _remember(self, answer: requests.Response) -> None:
        etag = answer.headers.get("ETag", "")
        validator = answer.headers.get("Last-Modified") if etag.startswith("W/") else etag
        validator = validator or answer.headers.get("Last-Modified") or ""
        self.validator.unlink(missing_ok=True)
        write_text(self.validator, validator)
