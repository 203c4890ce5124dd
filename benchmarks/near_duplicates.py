"""Time of looking for near-duplicates among random hashes, beside a plain search.

The plain search compares all bits of an image with those of all that follow. Both take turns; a
pair's time does not depend on the number of images, so that of a million is told from it.

    python benchmarks/near_duplicates.py --images 100000
"""

import argparse
import time

import numpy as np

from dpam.imaging.perceptual_hash import NEAR, close_pairs
from dpam.utils.progress import track


def plain(words: np.ndarray) -> np.ndarray:
    """What `close_pairs` gives, one row after the other."""
    found = [np.empty((0, 3), np.int64)]
    for row in track(range(len(words)), "plain search"):
        differ = np.bitwise_count(words[row + 1 :] ^ words[row]).sum(axis=1, dtype=np.int64)
        near = np.flatnonzero(differ <= NEAR)
        found.append(np.column_stack([np.full_like(near, row), row + 1 + near, differ[near]]))
    return np.concatenate(found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=40_000)
    images = parser.parse_args().images
    words = np.random.default_rng(20).integers(0, 2**64, (images, 4), np.uint64)
    copies = images // 200
    words[-copies:] = words[:copies]
    print("| form | ns per pair | a million images | times as fast |\n| --- | --- | --- | --- |")
    seconds, found = {}, {}
    close_pairs(words[:2], words[:2])  # compiles
    forms = {
        "plain": plain,
        "ours": lambda words: close_pairs(words, words),
        "ours, two threads": lambda words: close_pairs(words, words, workers=2),
    }
    for name, form in forms.items():
        start = time.perf_counter()
        found[name] = form(words)
        seconds[name] = time.perf_counter() - start
        assert np.array_equal(found[name], found["plain"])
        assert len(found[name]) == copies
        pair = seconds[name] / (images * (images - 1) / 2)
        print(
            f"| {name} | {pair * 1e9:.1f} | {pair * 5e11 / 60:.0f} min "
            f"| {seconds['plain'] / seconds[name]:.1f} |"
        )


if __name__ == "__main__":
    main()
