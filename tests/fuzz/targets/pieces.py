"""How a stream of bytes may be cut on its way."""

from __future__ import annotations

from random import Random

CUT_BYTES = 2
"""Bytes of an input that say how the rest of it is cut."""

ONE_BY_ONE_MAX = 600
PIECES_MAX = 64


def ways_to_cut(cut: bytes, stream: bytes) -> list[list[bytes]]:
    """In one piece, in some drawn from `cut`, and a short stream in single bytes."""
    random = Random(cut)
    places = sorted(random.randint(0, len(stream)) for _ in range(random.randint(1, PIECES_MAX)))
    drawn = [stream[first:last] for first, last in zip([0, *places], [*places, len(stream)], strict=True)]
    ways = [[stream], [piece for piece in drawn if piece]]
    if len(stream) <= ONE_BY_ONE_MAX:
        ways.append([stream[at : at + 1] for at in range(len(stream))])
    return ways
