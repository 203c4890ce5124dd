"""Which images show nearly the same: perceptual hashes, and pairs that differ in few bits.

Found are the same picture recompressed, resized or slightly retouched, and photographs of one
burst. A crop of a picture, a mirrored or a turned one is not found.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from PIL import Image

from dpam.utils.parallel import in_order
from dpam.utils.progress import track

HASH_SIDE = 16  # a perceptual hash has this many bits squared
# Of its 256 bits, so many may differ between near-duplicates. Among 2,000 photographs of BIQ2021
# all 41 pairs that differ in up to 43 bits show the same scene; the first that does not, in 45.
NEAR = 36
COLUMNS = ["image", "other", "bits"]
ROWS = 256  # hashes that a thread compares with all others at a time


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
    hashes: Mapping[str, str], reference: Mapping[str, str] | None = None, workers: int = 1
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

    def told_apart(row: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.asarray((scene[row] == "") | (scene[row] != scene[other]))

    return with_names(names, names, close_pairs(words, words, told_apart, workers))


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
    pairs = with_names(names, other_names, close_pairs(words, other_words))
    return pairs.sort_values(["image", "bits", "other"]).drop_duplicates("image", ignore_index=True)


def with_names(names: np.ndarray, others: np.ndarray, pairs: np.ndarray) -> pd.DataFrame:
    """Pairs of numbers, as `close_pairs` gives them, with the names of their images."""
    row, other, bits = pairs.T
    return pd.DataFrame(dict(zip(COLUMNS, (names[row], others[other], bits), strict=True)))


def close_pairs(
    words: np.ndarray,
    others: np.ndarray,
    kept: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda row, other: row >= 0,
    workers: int = 1,
) -> np.ndarray:
    """Which hashes differ in at most `NEAR` bits.

    Half of the bits of each pair are compared first: unlike pictures differ in more than `NEAR` of
    these already.

    Args:
        words: (n, 4) uint64.
        others: (m, 4) uint64. If these are the same array, only those after a row are looked at.
        kept: of the numbers of a row and of its likes, both (k,): which pairs to keep, (k,) bool.
        workers: threads.

    Returns:
        (pairs, 3) int64: row of `words`, row of `others`, bits that differ; sorted.
    """
    found = [np.empty((0, 3), np.int64)]
    if not len(words) or not len(others):
        return found[0]
    from dpam.imaging.hash_kernels import candidates

    same = words is others
    left, right = np.ascontiguousarray(others[:, :2].T)

    def near(first: int) -> np.ndarray:
        last = min(first + ROWS, len(words))
        row, other = candidates(words, left, right, first, last, same, np.uint64(NEAR)).T
        bits = np.bitwise_count(words[row] ^ others[other]).sum(axis=1, dtype=np.int64)
        pairs = np.column_stack([row, other, bits])
        close: np.ndarray = pairs[(bits <= NEAR) & kept(row, other)]
        return close

    blocks = range(0, len(words), ROWS)
    searched = in_order(near, blocks, workers)
    found += track(searched, "looking for near-duplicates", len(blocks), unit="block")
    pairs = np.concatenate(found)
    return pairs[np.lexsort(pairs.T[1::-1])]


def structured_images(hashes: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Names, sorted, and hashes, (n, 4) uint64, of the images that have some structure."""
    names = np.array(sorted(hashes), dtype=object)
    bits = np.frombuffer(bytes.fromhex("".join(hashes[name] for name in names)), np.uint64)
    words = bits.reshape(len(names), HASH_SIDE**2 // 64)
    rising = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    kept = (rising > NEAR) & (rising < HASH_SIDE**2 - NEAR)
    return names[kept], words[kept]
