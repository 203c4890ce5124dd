"""Downloads over real connections to a server that breaks off, lies, and refuses ranges."""

import hashlib
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import miniatures
import pytest

from dpam.cli import main
from dpam.datasets import DATASETS, downloading
from dpam.datasets.dataset import Download
from dpam.datasets.downloading import ATTEMPTS, download
from dpam.errors import DpamError

CONTENT = bytes(range(256)) * 4000  # a megabyte
HASH = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(ThreadingHTTPServer):
    """Serves `content` under any name and misbehaves as told."""

    content = CONTENT
    ranges = True
    etag = '"one"'
    break_off: tuple[int, ...] = ()  # bytes after which successive answers end
    chunked = False
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []  # the range of each request
        self.sent = 0

    def file(self, known_hash: str | None = HASH) -> Download:
        address = f"http://127.0.0.1:{self.server_port}/archive.zip"
        return Download(address, "archive.zip", known_hash)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range", "")
        server.asked.append(wanted)
        start = 0
        if wanted and server.ranges and self.headers.get("If-Range") in (server.etag, None):
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        if server.status != 200 or start > len(server.content):
            self.send_response(server.status if server.status != 200 else 416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            total = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.break_off:
            body, server.break_off = body[: server.break_off[0]], server.break_off[1:]
            self.close_connection = True
            self.wfile.write(body)
        elif server.chunked:
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        else:
            self.wfile.write(body)
        server.sent += len(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once_and_checked_the_next_time(tmp_path, server):
    (path,) = download([server.file()], tmp_path / "new" / "folder")
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["archive.zip", "downloads.json"]
    download([server.file()], path.parent)
    assert server.asked == [""]


@pytest.mark.parametrize("name", ["archive.zip", ".archive.zip.part", "downloads.json"])
def test_what_is_there_and_of_somebody_else_is_left_alone(tmp_path, server, name):
    (tmp_path / name).write_text('{"archive.zip": "mine"}')
    with pytest.raises(DpamError, match=f"{name}: "):
        download([server.file()], tmp_path, pause=0)
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == '{"archive.zip": "mine"}'
    assert server.asked == []


def test_goes_on_where_the_server_broke_off(tmp_path, server):
    server.break_off = (300_000, 200_000)
    (path,) = download([server.file()], tmp_path, pause=0)
    assert path.read_bytes() == CONTENT
    assert server.asked[0] == ""
    starts = [int(wanted.removeprefix("bytes=").removesuffix("-")) for wanted in server.asked[1:]]
    assert len(starts) == 2
    assert 200_000 < starts[0] <= 300_000 < starts[1] <= 500_000
    assert server.sent < len(CONTENT) + 200_000


def test_goes_on_in_another_run(tmp_path, server, monkeypatch):
    monkeypatch.setattr(downloading, "ATTEMPTS", 1)
    server.break_off = (500_000,)
    with pytest.raises(DpamError, match="cannot be fetched from http://127"):
        download([server.file()], tmp_path, pause=0)
    assert names(tmp_path) == [".archive.zip.part", ".archive.zip.part.validator"]
    download([server.file()], tmp_path, pause=0)
    assert names(tmp_path) == ["archive.zip", "downloads.json"]
    assert server.asked[1].startswith("bytes=")


def test_starts_again_where_ranges_are_refused(tmp_path, server):
    server.ranges = False
    server.break_off = (300_000,)
    (path,) = download([server.file()], tmp_path, pause=0)
    assert path.read_bytes() == CONTENT
    assert server.sent == 300_000 + len(CONTENT)


def test_starts_again_where_the_file_has_changed(tmp_path, server, monkeypatch):
    monkeypatch.setattr(downloading, "ATTEMPTS", 1)
    server.break_off = (300_000,)
    with pytest.raises(DpamError):
        download([server.file()], tmp_path, pause=0)
    server.etag, server.content = '"two"', CONTENT[::-1]
    (path,) = download([server.file(None)], tmp_path, pause=0)
    assert path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_starts_again_where_the_server_does_not_vouch(tmp_path, server, etag):
    server.etag = etag
    server.break_off = (300_000,)
    (path,) = download([server.file()], tmp_path, pause=0)
    assert path.read_bytes() == CONTENT
    assert server.asked == ["", ""]


def test_an_unfinished_file_that_is_too_long_is_thrown_away(tmp_path, server):
    (tmp_path / ".archive.zip.part").write_bytes(CONTENT * 2)
    (tmp_path / ".archive.zip.part.validator").write_text(server.etag)
    (path,) = download([server.file()], tmp_path, pause=0)
    assert path.read_bytes() == CONTENT


def test_without_a_length(tmp_path, server):
    server.chunked = True
    (path,) = download([server.file()], tmp_path)
    assert path.read_bytes() == CONTENT
    server.break_off = (300_000,)
    (path,) = download([server.file()], tmp_path / "other", pause=0)
    assert path.read_bytes() == CONTENT


def test_wrong_bytes_are_never_kept(tmp_path, server):
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(
        DpamError, match=r"archive\.zip: cannot be fetched.*does not match"
    ) as caught:
        download([server.file()], tmp_path, pause=0)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "archive.zip").exists()
    assert len(server.asked) == 1  # they would be as wrong, and as many, again
    server.content = CONTENT
    (path,) = download([server.file()], tmp_path)
    assert path.read_bytes() == CONTENT


def test_an_unknown_hash_is_said_recorded_and_compared(tmp_path, server, caplog):
    (path,) = download([server.file(None)], tmp_path)
    assert "no published hash is known" in caplog.text
    assert HASH in caplog.text
    record = json.loads((tmp_path / "downloads.json").read_text())
    assert record["archive.zip"]["hash"] == HASH
    caplog.clear()
    download([server.file(None)], tmp_path)
    assert caplog.text == ""
    path.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(DpamError, match=r"if its publisher has changed it, remove it from .*json"):
        download([server.file(None)], tmp_path, pause=0)
    assert not path.exists()


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (403, 1), (503, ATTEMPTS)])
def test_what_will_not_get_better_is_not_retried(tmp_path, server, status, attempts):
    server.status = status
    with pytest.raises(DpamError, match=f"{status}.*fetch it yourself and put it there"):
        download([server.file()], tmp_path, pause=0)
    assert len(server.asked) == attempts


def test_nobody_there(tmp_path):
    file = Download("http://127.0.0.1:9/a.zip", "a.zip")
    with pytest.raises(DpamError, match=r"a\.zip: cannot be fetched"):
        download([file], tmp_path, pause=0)


def test_only_datasets_whose_terms_allow_it_have_addresses():
    allowed = {name for name, dataset in DATASETS.items() if dataset.downloads}
    assert allowed == {"kadid10k", "koniq10k", "tid2013", "biq2021"}
    for name in allowed:
        for file in DATASETS[name].downloads:
            assert file.url.startswith("https://")
            assert file.name in (Path(file.url).name, "BIQ2021-main.zip")


def test_the_command(tmp_path, server, monkeypatch, capsys):
    from dataclasses import replace

    here = replace(DATASETS["kadid10k"], downloads=(server.file(),))
    monkeypatch.setitem(DATASETS, "kadid10k", here)
    roots = json.dumps({"kadid10k": str(tmp_path / "elsewhere")})
    options = ["--data-root", str(tmp_path), "--roots", roots]
    assert main(["download", "kadid10k", "live", *options]) == 0
    said = capsys.readouterr().err
    assert (tmp_path / "elsewhere" / "archive.zip").read_bytes() == CONTENT
    assert "KADID-10k (free download; for research, to be cited)" in said
    assert "on request, by a form" in said
    assert f"into {tmp_path / 'live'}" in said
    assert not (tmp_path / "live").exists()
    miniatures.kadid10k(tmp_path / "elsewhere")
    assert main(["download", "kadid10k", *options]) == 0
    assert "KADID-10k: is in" in capsys.readouterr().err
    (tmp_path / "elsewhere" / "kadid10k" / "dmos.csv").unlink()
    server.status = 404
    monkeypatch.setitem(
        DATASETS, "tid2013", replace(DATASETS["tid2013"], downloads=(server.file(),))
    )
    assert main(["download", "tid2013", "kadid10k", *options]) == 1
    said = capsys.readouterr().err
    assert "tid2013/archive.zip: cannot be fetched" in said
    assert said.rstrip().endswith(f"put it there. Its page: {DATASETS['tid2013'].page}")
    assert main(["download"]) == 1
    assert "tid2013, kadid10k, koniq10k, biq2021 can be fetched" in capsys.readouterr().err
    assert "elsewhere/archive.zip: complete" in said
