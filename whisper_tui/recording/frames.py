"""A segment of a recording, as bytes: a mark, then frames, each with its length and a checksum.

A file that ends in the middle of a frame, or holds one that does not fit its checksum, is read up to there: whoever wrote it
was killed, or its disk was full.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

MARK = b"WHISPER-REC\x00"
VERSION = 1

_START = struct.Struct("<12sHxx")
_LENGTH = struct.Struct("<II")
_HEAD = struct.Struct("<BxxxIQdQQ")

SNAPSHOTS_BYTES_MAX = 64 << 20
"""The snapshots of a segment, inflated, together."""

START_BYTES = _START.size


class Kind(IntEnum):
    """What a frame holds."""

    ABOUT = 1
    BASE = 2
    CHANGES = 3
    EVENTS = 4


class Frame(NamedTuple):
    """`first` counts the events before it, `events` those in it; `now_ms`, `log` and `incident` are the state's time and the
    numbers of its newest log entry and incident before them."""

    kind: Kind
    events: int
    first: int
    now_ms: float
    log: int
    incident: int
    payload: bytes | memoryview

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return _LENGTH.size + _HEAD.size + len(self.payload)


class NotARecording(ValueError):
    """Bytes of something else. The text says of what."""


def start() -> bytes:
    """What a segment begins with."""
    return _START.pack(MARK, VERSION)


def encode(frame: Frame) -> bytes:
    """A frame as bytes."""
    body = _HEAD.pack(*frame[:-1]) + frame.payload
    return _LENGTH.pack(len(body), zlib.crc32(body)) + body


def read(segment: memoryview) -> Iterator[Frame]:
    """The whole frames of a segment, in order. NotARecording when it does not begin like one."""
    if len(segment) < _START.size:
        raise NotARecording("it is shorter than the beginning of one")
    mark, version = _START.unpack_from(segment)
    if mark != MARK:
        raise NotARecording("it does not begin like one")
    if version != VERSION:
        raise NotARecording(f"it is of version {version}, this program reads version {VERSION}")
    at = _START.size
    while at + _LENGTH.size <= len(segment):
        length, checksum = _LENGTH.unpack_from(segment, at)
        at += _LENGTH.size
        body = segment[at : at + length]
        if not _HEAD.size <= length == len(body) or zlib.crc32(body) != checksum:
            return
        kind, events, first, now_ms, log, incident = _HEAD.unpack_from(body)
        if kind not in _KINDS:
            return
        yield Frame(Kind(kind), events, first, now_ms, log, incident, body[_HEAD.size :])
        at += length


_KINDS = frozenset(map(int, Kind))


def deflated(data: bytes) -> bytes:
    """Compressed."""
    return zlib.compress(data)


def inflated(data: bytes | memoryview, bytes_max: int) -> bytes:
    """What `deflated` was given. zlib.error for anything else, and for more than `bytes_max`."""
    inflater = zlib.decompressobj()
    whole = inflater.decompress(data, bytes_max + 1)  # 0 would mean no bound
    if not inflater.eof or len(whole) > bytes_max:
        raise zlib.error("it is cut off, or too large")
    return whole
