"""Images in the cells of a Parquet table, as Hugging Face's datasets and img2dataset keep them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dpam.errors import DpamError
from dpam.inference.score_table import INSTALL

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 16  # read at a time
KEYS = ("path", "key", "__key__", "file_name", "image_id")  # columns that name an image


class Cell(NamedTuple):
    """An image in a table.

    Attributes:
        name: its path or key as the table has it; without one the row's number, eight digits,
            which also follows one that an earlier row has.
        content: its bytes, if they were asked for; None: there are none.
    """

    name: str
    content: bytes | None


def cells(table: Path, contents: bool = True) -> Iterator[Cell]:
    """The images of a Parquet table, row by row.

    They stand in its one column of bytes, or of bytes with their path.

    Args:
        table: the file (.parquet).
        contents: whether to read the images, or their names alone.

    Raises:
        DpamError: pyarrow is not installed, or no column, or several, hold bytes.
        Exception: of kinds of pyarrow's, if the file is damaged.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DpamError(f"{table}: {INSTALL}") from error

    with pq.ParquetFile(table) as file:
        column, inner = column_of_images(table, file.schema_arrow)
        key = next((name for name in KEYS if name in file.schema_arrow.names), None)
        wanted = [] if key is None else [key]
        wanted += [f"{column}.path"] if "path" in inner else []
        if contents:
            wanted.append(f"{column}.bytes" if inner else column)
        batches = file.iter_batches(ROWS, columns=wanted)
        known = set()
        for number, row in enumerate(row for batch in batches for row in batch.to_pylist()):
            image = row.get(column)
            parts = (image or {}) if inner else {"bytes": image}
            name = str(parts.get("path") or row.get(key) or f"{number:08}")
            if name in known:
                name += f"#{number:08}"
            known.add(name)
            yield Cell(name, parts.get("bytes"))


def column_of_images(table: Path, schema: "pa.Schema") -> tuple[str, list[str]]:
    """The column that holds images, and the names of what is in it if it is a structure.

    Raises:
        DpamError: there is none, or several.
    """
    import pyarrow.types as kinds

    def is_bytes(kind: Any) -> bool:
        return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))

    found = []
    for field in schema:
        if is_bytes(field.type):
            found.append((field.name, list[str]()))
        elif kinds.is_struct(field.type):
            inner = {part.name: part.type for part in field.type}
            if "bytes" in inner and is_bytes(inner["bytes"]):
                found.append((field.name, list(inner)))
    if len(found) != 1:
        names = ", ".join(name for name, _ in found) or "none"
        raise DpamError(f"{table}: expected one column that holds images (bytes), found {names}")
    return found[0]
