"""What is too long for one message is told in portions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from mesh_core.config import limit

T = TypeVar("T")

_BYTES = limit("frame_bytes_target") // 2


def portions(items: Iterable[T], size_of: Callable[[T], int], most: int) -> Iterator[tuple[T, ...]]:
    """Cut `items` into stretches of at most `most`, none of them empty. A stretch ends with the item that brings it to
    half of what a frame should hold, so that it fits even if that one is as large as a record may be."""
    portion: list[T] = []
    size = 0
    for item in items:
        portion.append(item)
        size += size_of(item)
        if len(portion) == most or size > _BYTES:
            yield tuple(portion)
            portion, size = [], 0
    if portion:
        yield tuple(portion)
