"""Image files that are damaged, lie about themselves, or ask for too much."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from damage import flipped, truncated
from PIL import Image
from samples import photograph

SHARES = (0.0, 0.02, 0.3, 0.6, 0.9, 0.99)
FORMATS = {
    "jpg": {"format": "JPEG", "quality": 90},
    "progressive.jpg": {"format": "JPEG", "quality": 90, "progressive": True},
    "png": {"format": "PNG"},
    "bmp": {"format": "BMP"},
    "tif": {"format": "TIFF"},
    "lzw.tif": {"format": "TIFF", "compression": "tiff_lzw"},
    "deflate.tif": {"format": "TIFF", "compression": "tiff_adobe_deflate"},
    "webp": {"format": "WEBP", "quality": 90},
}


class BrokenImage(NamedTuple):
    """A file and what may come of it.

    Attributes:
        kind: as the table calls it.
        name: of the file.
        what: was done to it.
        content: its bytes.
        refused: True: it must be; False: it must not; None: it may decode, to something else in a
            format without checksums.
        original: the undamaged image's pixels, where it is a copy of one.
    """

    kind: str
    name: str
    what: str
    content: bytes
    refused: bool | None
    original: np.ndarray | None = None


def encoded(image: np.ndarray | Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, **options)
    return buffer.getvalue()


def images() -> Iterator[BrokenImage]:
    """All of them."""
    rgb = photograph(1)
    for suffix, options in FORMATS.items():
        kind, content = options["format"], encoded(rgb, **options)
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        for what, damaged in truncated(content, SHARES):
            yield BrokenImage(f"truncated {kind}", f"x.{suffix}", what, damaged, True, pixels)
        last = BrokenImage(
            f"truncated {kind}", f"x.{suffix}", "last byte lost", content[:-1], None, pixels
        )
        yield last
        for bits, seeds in ((1, range(6)), (40, range(6, 9))):
            for what, damaged in flipped(content, seeds, bits):
                yield BrokenImage(f"bit-flipped {kind}", f"x.{suffix}", what, damaged, None, pixels)
    for suffix in ("jpg", "png", "bmp", "tif"):
        dot = encoded(rgb[:1, :1], **FORMATS[suffix])
        yield BrokenImage("1x1", f"x.{suffix}", "", dot, True)
    yield BrokenImage(
        "1x1", "x.png", "31x31, one too small", encoded(rgb[:31, :31], format="PNG"), True
    )
    yield BrokenImage(
        "1x1", "x.png", "32x32, just large enough", encoded(rgb[:32, :32], format="PNG"), False
    )
    yield from bombs()
    yield from strangers(rgb)


def bombs() -> Iterator[BrokenImage]:
    """Small files that would become large images."""
    side = 30_000
    kind = "30,000x30,000"
    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(bytes(side // 8 + 1) * 1000) for _ in range(side // 1000))
    packed += rows.flush()
    yield BrokenImage(kind, "x.png", "black, whole", png(side, side, packed, depth=1), True)
    yield BrokenImage(kind, "x.png", "nothing but a header", png(side, side, b""), True)
    bmp = bytearray(encoded(np.zeros((2, 2, 3), np.uint8), format="BMP"))
    bmp[18:26] = struct.pack("<ii", side, side)
    yield BrokenImage(kind, "x.bmp", "nothing but a header", bytes(bmp), True)
    jpeg = bytearray(encoded(np.zeros((8, 8, 3), np.uint8), format="JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    yield BrokenImage(kind, "x.jpg", "8x8 that says so", bytes(jpeg), True)
    tiff = encoded(Image.new("1", (side, side)), format="TIFF", compression="group4")
    yield BrokenImage(kind, "x.tif", "white, whole", tiff, True)
    kind = "decompression bomb"
    yield BrokenImage(kind, "x.png", "65,535x65,535", png(65_535, 65_535, b""), True)
    largest = 2**31 - 1
    yield BrokenImage(kind, "x.png", "2^31-1 squared", png(largest, largest, b""), True)
    text = zlib.compress(bytes(100_000_000), 9)
    for name, start in ((b"zTXt", b"Comment\0\0"), (b"iCCP", b"profile\0\0")):
        what = f"100 MB of text in {len(text) >> 10} kB, chunk {name.decode()}"
        good = encoded(photograph(1), format="PNG")
        content = good[:33] + chunk(name, start + text) + good[33:]
        yield BrokenImage(kind, "x.png", what, content, None)
    many = encoded(photograph(1), format="PNG")
    content = many[:33] + chunk(b"tEXt", b"a\0b") * 100_000 + many[33:]
    yield BrokenImage(kind, "x.png", "100,000 chunks of text", content, None)
    frames = [Image.new("L", (64, 64), number) for number in range(200)]
    buffer = io.BytesIO()
    frames[0].save(buffer, format="TIFF", save_all=True, append_images=frames[1:])
    yield BrokenImage(kind, "x.tif", "200 pages: the first counts", buffer.getvalue(), False)
    yield BrokenImage(kind, "x.tif", "a page that is its own next", circular_tiff(), None)


def circular_tiff() -> bytes:
    content = bytearray(encoded(photograph(1), format="TIFF"))
    (start,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, start)
    struct.pack_into("<I", content, start + 2 + 12 * entries, start)
    return bytes(content)


def strangers(rgb: np.ndarray) -> Iterator[BrokenImage]:
    """Files whose names say something else than their bytes."""
    kind = "wrong extension"
    jpeg, png_file = (encoded(rgb, **FORMATS[name]) for name in ("jpg", "png"))
    yield BrokenImage(kind, "x.png", "a JPEG", jpeg, False)
    yield BrokenImage(kind, "x.jpg", "a PNG", png_file, False)
    yield BrokenImage(kind, "x.bmp", "a WebP", encoded(rgb, **FORMATS["webp"]), False)
    others = {
        "text": b"not a picture\n" * 100,
        "HTML": b"<!DOCTYPE html><html><body>404</body></html>",
        "zeros": bytes(5000),
        "PDF": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        "zip": b"PK\x03\x04" + bytes(200),
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"/>',
        "shell script": b"#!/bin/sh\ntouch canary\n",
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\nshowpage\n",
        "pickle": b"\x80\x04cos\nsystem\n(S'touch canary'\ntR.",
    }
    for number, (what, content) in enumerate(others.items()):
        suffix = ("jpg", "png", "bmp", "tif")[number % 4]
        yield BrokenImage(kind, f"x.{suffix}", what, content, True)


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, packed: bytes, depth: int = 8) -> bytes:
    """A grey PNG with these sizes in its header, whatever is in it."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )
