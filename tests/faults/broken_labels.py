"""Label files as people, spreadsheets and broken transfers leave them."""

from collections.abc import Iterator
from typing import NamedTuple

from damage import flipped, truncated

NAMES = [f"{number}.png" for number in range(6)]
GOOD = {name: number / 5 for number, name in enumerate(NAMES)}  # of the range 0 to 5
BODY = "".join(f"{number}.png,{number}\n" for number in range(6))
CSV = "image,label\n" + BODY


class BrokenLabels(NamedTuple):
    """A label file and what must come of it.

    Attributes:
        kind: as the table calls it.
        what: was done to it.
        content: its bytes.
        read: True: read, and right; False: refused; None: either, but never wrong.
        name: of the file.
    """

    kind: str
    what: str
    content: bytes
    read: bool | None
    name: str = "scores.csv"


def labels() -> Iterator[BrokenLabels]:
    """All of them; the images are NAMES."""
    yield from encodings()
    yield from columns()
    yield from numbers()
    yield from rows()
    yield from lines()
    for what, content in truncated(CSV.encode(), (0.0, 0.1, 0.5, 0.8)):
        yield BrokenLabels("truncated CSV", what, content, False)
    for what, content in flipped(CSV.encode(), range(12)):
        yield BrokenLabels("bit-flipped CSV", what, content, None)


def encodings() -> Iterator[BrokenLabels]:
    good, bad = True, False
    kind = "BOM, line ends"
    yield BrokenLabels(kind, "BOM", b"\xef\xbb\xbf" + CSV.encode(), good)
    yield BrokenLabels(kind, "CRLF", CSV.replace("\n", "\r\n").encode(), good)
    yield BrokenLabels(kind, "BOM and CRLF", CSV.replace("\n", "\r\n").encode("utf-8-sig"), good)
    yield BrokenLabels(kind, "CR alone", CSV.replace("\n", "\r").encode(), good)
    yield BrokenLabels(kind, "no end of the last line", CSV.rstrip().encode(), good)
    yield BrokenLabels(kind, "empty lines between", CSV.replace("\n", "\n\n").encode(), good)
    yield BrokenLabels(kind, "BOM twice", b"\xef\xbb\xbf" * 2 + CSV.encode(), None)
    kind = "encoding"
    for encoding in ("utf-16", "utf-16-be", "utf-32", "cp500"):
        yield BrokenLabels(kind, encoding, CSV.encode(encoding), bad)
    yield BrokenLabels(kind, "Latin-1", (CSV + "é.png,1\n").encode("latin-1"), bad)
    yield BrokenLabels(kind, "NUL bytes", CSV.replace(",", "\0,").encode(), bad)
    yield BrokenLabels(
        kind, "a picture", b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(range(256)) * 9, bad
    )
    yield BrokenLabels(kind, "HTML", b"<!DOCTYPE html><title>404</title>", bad)
    yield BrokenLabels(kind, "JSON", b'[{"image": "0.png", "score": 1}]', bad)
    yield BrokenLabels(kind, "workbook", b"PK\x03\x04" + bytes(99), bad)


def columns() -> Iterator[BrokenLabels]:
    good, bad = True, False
    kind = "separators"
    yield BrokenLabels(kind, "semicolons", CSV.replace(",", ";").encode(), bad)
    yield BrokenLabels(kind, "tabs", CSV.replace(",", "\t").encode(), bad)
    yield BrokenLabels(kind, "bars", CSV.replace(",", "|").encode(), bad)
    yield BrokenLabels(kind, "blanks after commas", CSV.replace(",", ", ").encode(), good)
    yield BrokenLabels(kind, "quotes", "".join(f'"{a}","{b}"\n' for a, b in pairs()).encode(), good)
    yield BrokenLabels(kind, "decimal commas", header(f"{n},0" for n in range(6)), bad)
    yield BrokenLabels(kind, "a comma at each row's end", header(f"{n}," for n in range(6)), bad)
    yield BrokenLabels(
        kind, "a quote that is not closed", CSV.replace("2.png", '"2.png').encode(), bad
    )
    kind = "columns"
    yield BrokenLabels(kind, "no score", b"image\n" + b"\n".join(n.encode() for n in NAMES), bad)
    yield BrokenLabels(kind, "no image", b"score\n1\n2\n", bad)
    yield BrokenLabels(kind, "no header", BODY.encode(), bad)
    yield BrokenLabels(kind, "other names", CSV.replace("image,label", "file,mos").encode(), bad)
    yield BrokenLabels(kind, "capitals", CSV.replace("image,label", "Image , LABEL").encode(), good)
    yield BrokenLabels(kind, "label twice", table("image,label,label", ",{n},{m}"), bad)
    yield BrokenLabels(kind, "image twice", table("image,label,image", ",{n},other"), bad)
    yield BrokenLabels(kind, "more", table("image,label,camera", ",{n},x"), good)
    yield BrokenLabels(kind, "a cell too many in one row", (CSV + "9.png,1,2\n").encode(), bad)
    yield BrokenLabels(
        kind, "label first, then a row cut off", b"label,image\n" + reverse() + b"3\n", bad
    )
    yield BrokenLabels(kind, "level lacks in the rows", table("image,label,level", ",{n}"), good)
    yield BrokenLabels(kind, "nothing but a header", b"image,label\n", bad)
    yield BrokenLabels(kind, "nothing", b"", bad)
    yield BrokenLabels(kind, "blanks", b"  \n \n", bad)
    many = ",".join(f"c{number}" for number in range(2_000))
    yield BrokenLabels(kind, "2,000", f"image,label,{many}\n{BODY}".encode(), good)
    yield BrokenLabels(kind, "a name of 5 MB", b"i" * 5_000_000 + b",label\n0.png,1\n", bad)
    yield BrokenLabels(
        kind, "a level that is no number", table("image,label,level", ",{n},low"), bad
    )
    yield BrokenLabels(kind, "a part of no split", table("image,label,split", ",{n},dev"), bad)
    yield BrokenLabels(
        kind, "a distortion of two words", table("image,label,distortion", ",{n},a b"), bad
    )


def numbers() -> Iterator[BrokenLabels]:
    refused = {
        "NaN, infinities": ["NaN", "nan", "", "null", "N/A", "inf", "-inf", "Infinity", "+INF"],
        "huge numbers": ["1e999", "-1e999", "1e308", "9" * 400, "-0.0000001", "5.0000001", "6"],
        "no numbers": ["good", "3 MOS", "0x3", "1_0", "3..2", "--1", "1/2", "True", "3 4", "(3)"],
    }
    for kind, texts in refused.items():
        for text in texts:
            what = f"score `{text[:12]}`"
            yield BrokenLabels(kind, what, CSV.replace("3.png,3", f"3.png,{text}").encode(), False)
    for text in ("3.0", "3e0", "+3", "03", "30e-1", " 3 "):
        content = CSV.replace("3.png,3", f"3.png,{text}").encode()
        yield BrokenLabels("numbers written otherwise", f"score `{text}`", content, True)
    content = CSV.replace("3.png,3", "3.png,\uff13").encode()
    yield BrokenLabels("numbers written otherwise", "score in full width", content, None)


def rows() -> Iterator[BrokenLabels]:
    extra = {
        "the same row": "3.png,3",
        "another score": "3.png,4",
        "in capitals": "3.PNG,3",
        "with ./": "./3.png,3",
        "with a backslash": ".\\3.png,3",
    }
    for what, row in extra.items():
        yield BrokenLabels("duplicates", what, f"{CSV}{row}\n".encode(), False)
    strange = {
        "an image that is not there": "9.png,1",
        "a folder": ".,1",
        "an empty name": ",1",
        "../": "../secret.png,1",
        "an absolute path": "/etc/hostname,1",
        "a name of 5,000 letters": f"{'x' * 5000}.png,1",
        "a line break": '"3\n.png",1',
        "a dash first": "-rf,1",
        "a formula": "=cmd|'/C calc'!A0,1",
        "a format": "%s%n{}{0},1",
        "a control code": "\x1b[31m3.png,1",
    }
    for what, row in strange.items():
        yield BrokenLabels("image names", what, f"{CSV}{row}\n".encode(), False)


def lines() -> Iterator[BrokenLabels]:
    kind, name = "lines of text", "scores.txt"
    text = BODY.replace(",", " ")
    yield BrokenLabels(kind, "as they should be", text.encode(), True, name)
    spreadsheet = BODY.replace(",", "\t").replace("\n", "\r\n").encode("utf-8-sig")
    yield BrokenLabels(kind, "BOM, CRLF, tabs", spreadsheet, True, name)
    yield BrokenLabels(kind, "no scores", "\n".join(NAMES).encode(), False, name)
    yield BrokenLabels(kind, "commas", BODY.encode(), False, name)
    yield BrokenLabels(
        kind, "score first", "".join(f"{n} {n}.png\n" for n in range(6)).encode(), False, name
    )
    yield BrokenLabels(kind, "a header", f"image score\n{text}".encode(), False, name)
    yield BrokenLabels(kind, "nothing", b"", False, name)
    yield BrokenLabels(kind, "UTF-16", text.encode("utf-16"), False, name)
    yield BrokenLabels(kind, "NaN", text.replace(" 3", " nan").encode(), False, name)
    yield BrokenLabels(kind, "duplicates", (text + "3.png 3\n").encode(), False, name)
    yield BrokenLabels(kind, "form feeds", text.replace("\n", "\f").encode(), None, name)


def pairs() -> list[tuple[str, str]]:
    return [("image", "label"), *((name, str(number)) for number, name in enumerate(NAMES))]


def header(cells: Iterator[str]) -> bytes:
    return "\n".join(["image,label", *map(",".join, zip(NAMES, cells, strict=True))]).encode()


def table(head: str, cells: str) -> bytes:
    rest = [name + cells.format(n=n, m=5 - n) for n, name in enumerate(NAMES)]
    return "\n".join([head, *rest]).encode()


def reverse() -> bytes:
    return "".join(f"{n},{n}.png\n" for n in range(6)).encode()
