"""Making bytes that are nearly right: by bytes and words of a grammar, and by the structure of msgpack.

Everything is drawn from the `random` that is handed in, so that hypothesis can shrink what it found and libFuzzer can
repeat it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

import msgspec

SIGNATURE_BYTES = 64
CHANGES_MAX = 3
SIZE_MAX = 1 << 16
SLOTS_MAX = 5_000
SMALL_MAX = 300
"""A tree of more values is not made many times larger at once."""

Mutation = Callable[[bytes, Random], bytes]

_SCALARS: tuple[Any, ...] = (
    *(0, 1, 2, 3, -1, 255, 1 << 31, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, (1 << 63) - 1, 1 << 63),
    *((1 << 64) - 1, -(1 << 63), b"", bytes(32), b"\xff" * 32, bytes(16), bytes(31), "", "x" * 300, "\0"),
    *(None, True, False, 0.0, -1.0, float("nan"), float("inf"), 1e300, [], [[]], {}, [None] * 20),
    *("result", "cancelled", "failed", "record", "award", "promise", "accept", "settle", "proposal", "lock"),
)


@dataclass
class _Signed:
    """A signed statement inside: what it says can be changed under the signature."""

    body: list[Any]
    tail: bytes


def by_bytes(words: Sequence[bytes]) -> Mutation:
    """Changes single bytes and stretches, and puts `words` in."""

    def mutated(data: bytes, random: Random) -> bytes:
        changed = bytearray(data)
        for _ in range(random.randint(1, CHANGES_MAX)):
            _change_bytes(changed, words, random)
        return bytes(changed[:SIZE_MAX])

    return mutated


def _change_bytes(data: bytearray, words: Sequence[bytes], random: Random) -> None:
    at = random.randint(0, len(data))
    end = min(len(data), at + random.choice((1, 2, 4, 16, 64, 1 << 12)))
    match random.randrange(7):
        case 0 if at < len(data):
            data[at] ^= 1 << random.randrange(8)
        case 1 if at < len(data):
            data[at] = random.choice((0, 1, 9, 10, 13, 32, 34, 91, 127, 128, 255, random.randrange(256)))
        case 2:
            del data[at:end]
        case 3:
            data[at:at] = data[at:end] * random.choice((1, 1, 2, 40))
        case 4 if words:
            data[at:at] = random.choice(words)
        case 5 if words:
            data[at:end] = random.choice(words)
        case _:
            piece = data[at:end]
            del data[at:end]
            there = random.randint(0, len(data))
            data[there:there] = piece


def by_structure(data: bytes, random: Random) -> bytes:
    """Changes values of a msgpack tree, also within the signed statements in it; data that is none stays as it is."""
    try:
        tree = [_opened(msgspec.msgpack.decode(data), 0)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return data
    for _ in range(random.randint(1, CHANGES_MAX)):
        _change_tree(tree, random)
    try:
        changed = msgspec.msgpack.encode(_closed(tree[0]))
    except (ValueError, OverflowError, TypeError, RecursionError):
        return data
    return changed if len(changed) <= SIZE_MAX else data


def mostly(first: Mutation, second: Mutation) -> Mutation:
    """The first way, one time in eight the second."""

    def mutated(data: bytes, random: Random) -> bytes:
        return (second if random.randrange(8) == 0 else first)(data, random)

    return mutated


def _opened(value: Any, depth: int) -> Any:
    if isinstance(value, list):
        return [_opened(item, depth) for item in value]
    if isinstance(value, bytes) and len(value) > SIGNATURE_BYTES + 1 and depth < 4:
        try:
            body = msgspec.msgpack.decode(value[:-SIGNATURE_BYTES])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            return value
        if isinstance(body, list):
            return _Signed([_opened(item, depth + 1) for item in body], value[-SIGNATURE_BYTES:])
    return value


def _closed(value: Any) -> Any:
    if isinstance(value, _Signed):
        return msgspec.msgpack.encode(_closed(value.body)) + value.tail
    return [_closed(item) for item in value] if isinstance(value, list) else value


def _slots(tree: list[Any]) -> Iterator[tuple[list[Any], int]]:
    """Every place that holds a value."""
    for index, value in enumerate(tree):
        yield tree, index
        inner = value.body if isinstance(value, _Signed) else value
        if isinstance(inner, list):
            yield from _slots(inner)


def _change_tree(tree: list[Any], random: Random) -> None:
    slots = list(islice(_slots(tree), SLOTS_MAX))
    holder, index = random.choice(slots)
    value = holder[index]
    other, there = random.choice(slots)
    match random.randrange(9):
        case 0:
            holder[index] = random.choice(_SCALARS)
        case 1 | 2:
            holder[index] = _near(value, random)
        case 3 | 4:
            holder[index] = _copied(other[there])
        case 5 if holder is not tree:
            del holder[index]
        case 6 if holder is not tree:
            is_small = not isinstance(value, list | _Signed) or len(slots) < SMALL_MAX
            holder[index:index] = [
                _copied(value) for _ in range(random.choice((1, 2, 30)) if is_small else 1)
            ]
        case 7 if holder is not tree:
            holder.insert(index, _copied(other[there]))
        case _:
            holder[index], other[there] = _copied(other[there]), _copied(value)


def _copied(value: Any) -> Any:
    """A copy, so that a tree never holds itself."""
    if isinstance(value, _Signed):
        return _Signed(_copied(value.body), value.tail)
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _near(value: Any, random: Random) -> Any:
    """A value of the same type that is a little different."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + random.choice((-1, 1, 1, 2, 16, -value))
    if isinstance(value, bytes):
        changed = bytearray(value)
        _change_bytes(changed, (), random)
        return bytes(changed)
    if isinstance(value, str):
        return random.choice((value + "x", value[1:], value * 3, ""))
    if isinstance(value, list):
        return random.sample(value, len(value)) if random.randrange(2) else value[:-1]
    return random.choice(_SCALARS)
