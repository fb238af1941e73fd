"""How deep msgpack nests.

A decoder skips what it does not know, such as a newer version's fields, by recursion, and how deep that may go
depends on how deep its caller's stack is already. Replicas that disagree on whether a statement can be read never
converge, so that a bound far below any stack's decides instead.
"""

from __future__ import annotations

_ARRAY_16, _ARRAY_32, _MAP_16, _MAP_32 = 0xDC, 0xDD, 0xDE, 0xDF
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Bytes of the length that follows the first byte of a string, of bytes, or of an extension."""
_TYPED = frozenset({0xC7, 0xC8, 0xC9})
"""Extensions have a type behind their length."""
_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FIXED |= {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
"""Bytes that follow the first byte of numbers and short extensions."""


def nests_deeper(packed: bytes | memoryview, depth_max: int) -> bool:
    """Whether a value that has been decoded already holds arrays and maps more than `depth_max` deep."""
    left = [1]  # values still to come, by level
    at = 0
    while left:
        if not left[-1]:
            left.pop()
            continue
        left[-1] -= 1
        at, values = _step(packed, at)
        if values:
            left.append(values)
            if len(left) > depth_max + 1:
                return True
    return False


def _step(packed: bytes | memoryview, at: int) -> tuple[int, int]:
    """Where the value after the one at `at` begins, or its first own value; and how many values it holds itself."""
    first = packed[at]
    at += 1
    if 0x80 <= first <= 0x8F:
        return at, 2 * (first & 0x0F)
    if 0x90 <= first <= 0x9F:
        return at, first & 0x0F
    if 0xA0 <= first <= 0xBF:
        return at + (first & 0x1F), 0
    if first in _SIZED:
        start = at + _SIZED[first]
        return start + int.from_bytes(packed[at:start]) + (first in _TYPED), 0
    if first in (_ARRAY_16, _ARRAY_32, _MAP_16, _MAP_32):
        start = at + (2 if first in (_ARRAY_16, _MAP_16) else 4)
        count = int.from_bytes(packed[at:start])
        return start, 2 * count if first in (_MAP_16, _MAP_32) else count
    return at + _FIXED.get(first, 0), 0
