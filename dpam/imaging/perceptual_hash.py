"""Which images show nearly the same: perceptual hashes, and pairs that differ in few bits.

Found are the same picture recompressed, resized or slightly retouched, and photographs of one
burst. A crop of a picture, a mirrored or a turned one is not found.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from PIL import Image

from dpam.utils.progress import track

HASH_SIDE = 16  # a perceptual hash has this many bits squared
# Of its 256 bits, so many may differ between near-duplicates. Among 2,000 photographs of BIQ2021
# all 41 pairs that differ in up to 43 bits show the same scene; the first that does not, in 45.
NEAR = 36
COLUMNS = ["image", "other", "bits"]


def difference_hash(image: Image.Image) -> str:
    """Perceptual hash: whether brightness rises from each cell of a 17 x 16 grid to the next.

    Returns:
        256 bits, hexadecimal. Recompressed, resized or slightly retouched copies differ in few.
    """
    plain = image if image.mode in ("L", "RGB") else image.convert("RGB")
    grid = plain.resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX).convert("L")
    cells = np.asarray(grid, np.int16)
    return np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes().hex()


def near_duplicates(
    hashes: Mapping[str, str], reference: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Pairs of images whose hashes differ in at most `NEAR` bits.

    Args:
        hashes: image -> its `difference_hash`.
        reference: image -> name of the reference that it shows, empty text if none. Pairs of one
            reference are known to look alike, and are left out.

    Returns:
        Columns image, other, bits (that differ); each pair once. Images that are nearly without
        structure, whose hash means little, are left out.
    """
    names, words = structured_images(hashes)
    scene = np.array([(reference or {}).get(name, "") for name in names], dtype=object)
    found = []
    for row in track(range(len(names)), "looking for near-duplicates", unit="image"):
        differ = bits_apart(words[row], words[row + 1 :])
        near = row + 1 + np.flatnonzero(differ <= NEAR)
        if scene[row]:
            near = near[scene[near] != scene[row]]
        found += [(names[row], names[other], int(differ[other - row - 1])) for other in near]
    return pd.DataFrame(found, columns=COLUMNS)


def nearest(hashes: Mapping[str, str], others: Mapping[str, str]) -> pd.DataFrame:
    """Of each image that has near-duplicates among others, the nearest.

    Args:
        hashes: image -> its `difference_hash`.
        others: the same, of images of the same or another dataset.

    Returns:
        Columns image, other, bits (that differ, at most `NEAR`). Images that are nearly without
        structure are left out.
    """
    names, words = structured_images(hashes)
    other_names, other_words = structured_images(others)
    found = []
    if len(other_names):
        for row in track(range(len(names)), "looking for near-duplicates", unit="image"):
            differ = bits_apart(words[row], other_words)
            best = int(differ.argmin())
            if differ[best] <= NEAR:
                found.append((names[row], other_names[best], int(differ[best])))
    return pd.DataFrame(found, columns=COLUMNS)


def structured_images(hashes: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Names, sorted, and hashes, (n, 4) uint64, of the images that have some structure."""
    names = np.array(sorted(hashes), dtype=object)
    bits = np.frombuffer(bytes.fromhex("".join(hashes[name] for name in names)), np.uint64)
    words = bits.reshape(len(names), HASH_SIDE**2 // 64)
    rising = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    kept = (rising > NEAR) & (rising < HASH_SIDE**2 - NEAR)
    return names[kept], words[kept]


def bits_apart(word: np.ndarray, words: np.ndarray) -> np.ndarray:
    """(n,) in how many bits a hash, (4,), differs from each of (n, 4)."""
    return np.asarray(np.bitwise_count(words ^ word).sum(axis=1, dtype=np.int64))
