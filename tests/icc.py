"""Small colour profiles (ICC, version 2), and their colours by plain arithmetic."""

import struct

import numpy as np

# Red, green, blue of ProPhoto and sRGB as XYZ under D50, in columns (ISO 22028-2, IEC 61966-2-1).
PROPHOTO = np.array(
    [[0.7976749, 0.1351917, 0.0313534], [0.2880402, 0.7118741, 0.0000857], [0.0, 0.0, 0.8252100]]
)
SRGB = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
D50 = (0.9642, 1.0, 0.8249)


def numbers(values) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def profile(matrix: np.ndarray | None, gamma: float) -> bytes:
    """A display's profile: RGB with its primaries in columns, or grey, and a power as curve."""
    text = b"made for a test\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + text,
        b"wtpt": b"XYZ " + bytes(4) + numbers(D50),
    }
    if matrix is None:
        tags[b"kTRC"] = curve(gamma)
    else:
        for name, column in zip((b"r", b"g", b"b"), matrix.T, strict=True):
            tags[name + b"XYZ"] = b"XYZ " + bytes(4) + numbers(column)
            tags[name + b"TRC"] = curve(gamma)
    table, content, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(content), len(data))
        content += data + bytes(-len(data) % 4)
    body = struct.pack(">I", len(tags)) + table + content
    header = struct.pack(">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02100000, b"mntr",
                         b"RGB " if matrix is not None else b"GRAY", b"XYZ ")  # fmt: skip
    header += bytes(12) + b"acsp" + bytes(28) + numbers(D50)
    return header.ljust(128, b"\0") + body


def linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB in 0 to 1 as light."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def in_prophoto(srgb: np.ndarray) -> np.ndarray:
    """The same colours, (..., 3) uint8 sRGB, as ProPhoto of gamma 1.8, in 0 to 1."""
    light = linear(srgb / 255) @ SRGB.T @ np.linalg.inv(PROPHOTO).T
    return light.clip(0, 1) ** (1 / 1.8)
