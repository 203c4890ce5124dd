"""Damaged copies of good files, always the same ones: each is named by what was done to it."""

import random
from collections.abc import Iterator


def truncated(content: bytes, shares: tuple[float, ...]) -> Iterator[tuple[str, bytes]]:
    """The first part of a file."""
    for share in shares:
        yield f"first {share:.0%}", content[: int(len(content) * share)]


def flipped(
    content: bytes, seeds: range, bits: int = 1, start: int = 0, end: int | None = None
) -> Iterator[tuple[str, bytes]]:
    """Copies with some bits turned over between two bytes, `bits` in each."""
    for seed in seeds:
        damaged = bytearray(content)
        generator = random.Random(seed)
        for _ in range(bits):
            damaged[generator.randrange(start, end or len(damaged))] ^= 1 << generator.randrange(8)
        yield f"{bits} bit(s) flipped, seed {seed}", bytes(damaged)
