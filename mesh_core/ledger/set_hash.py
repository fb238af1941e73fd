"""A hash over a set that follows additions and removals one by one.

LtHash (Bellare & Micciancio 1997; Lewi et al. 2019, with 1,024 lanes of 16 bits): the sum of the elements' own hashes,
lane by lane. Equal sets give equal sums in whatever order they came about, and nobody finds two sets with the same sum.
A replica's root therefore costs what has changed since the last one, not what it holds.
"""

from __future__ import annotations

import hashlib

_LANES = 1024
SUM_BYTES = 4 * _LANES
"""A sum as bytes: each lane has twice its width, so that one addition of large integers never carries over."""

_MASK = int.from_bytes(b"\xff\xff\x00\x00" * _LANES, "little")
_ONE_OVER = int.from_bytes(b"\x00\x00\x01\x00" * _LANES, "little")


class SetHash:
    """The sum over a set of byte strings. Whoever adds an element twice has a multiset."""

    __slots__ = ("_digest", "_sum")

    def __init__(self, packed: bytes = b"") -> None:
        """The sum of the empty set, or one that `packed` gave."""
        self._sum = int.from_bytes(packed, "little") & _MASK
        self._digest: bytes | None = None

    def add(self, element: bytes) -> None:
        """Take an element in."""
        self._sum = (self._sum + _lanes(element)) & _MASK
        self._digest = None

    def remove(self, element: bytes) -> None:
        """Take an element out that is in."""
        self._sum = (self._sum + _ONE_OVER - _lanes(element)) & _MASK
        self._digest = None

    def packed(self) -> bytes:
        """The sum itself: `SUM_BYTES` bytes from which another can go on."""
        return self._sum.to_bytes(SUM_BYTES, "little")

    def digest(self) -> bytes:
        """32 bytes that stand for the set."""
        if self._digest is None:
            self._digest = hashlib.blake2b(self.packed(), digest_size=32).digest()
        return self._digest


def _lanes(element: bytes) -> int:
    return int.from_bytes(hashlib.shake_128(element).digest(SUM_BYTES), "little") & _MASK
