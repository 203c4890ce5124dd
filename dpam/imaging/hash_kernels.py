"""Compiled search for hashes that differ in few bits.

Imported only where it is needed, as `dpam.imaging.crops`; compiled at the first call and kept on
disk. It runs on one core and lets other threads run meanwhile.
"""

import numpy as np

from dpam.utils.jit import jit

TILE = 1024  # hashes that all rows are compared with before the next: 16 KiB stay in the cache
compiled = jit()


@compiled
def ones(word):
    """How many bits of a word are set; compilers know this form, and count four words at once."""
    pairs = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (eights * np.uint64(0x0101010101010101)) >> np.uint64(56)


@compiled
def candidates(words, left, right, first, last, same, limit):
    """Pairs whose hashes differ in at most so many bits of their first half.

    Args:
        words: (n, 4) uint64.
        left, right: (m,) uint64, the first and second word of each of the others.
        first, last: rows of `words` that are looked at.
        same: whether the others are `words` themselves; only those after a row are looked at then.
        limit: bits, uint64.

    Returns:
        (pairs, 2) int64: row of `words`, row of the others.
    """
    found, count = np.empty((64, 2), np.int64), 0
    for tile in range(first // TILE * TILE if same else 0, len(left), TILE):
        stop = min(tile + TILE, len(left))
        for row in range(first, last):
            start = max(tile, row + 1) if same else tile
            least = np.uint64(128)
            for other in range(start, stop):  # without a branch, so that it is vectorised
                differ = ones(left[other] ^ words[row, 0]) + ones(right[other] ^ words[row, 1])
                least = min(least, differ)
            if least > limit:
                continue
            for other in range(start, stop):
                if ones(left[other] ^ words[row, 0]) + ones(right[other] ^ words[row, 1]) > limit:
                    continue
                if count == len(found):
                    longer = np.empty((2 * count, 2), np.int64)
                    longer[:count] = found
                    found = longer
                found[count, 0], found[count, 1] = row, other
                count += 1
    return found[:count]
