"""A recording that somebody made up costs a bounded amount of memory and is said to be bad in one line."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from mesh_core.api.schema import Event
from tests.unit.recording.runs import ABOUT, Taped, story
from whisper_tui.commands.plain import Lines
from whisper_tui.commands.replay import tell
from whisper_tui.errors import BadInput
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import State, initial_state
from whisper_tui.recording import entries, finite, frames, opening, snapshot, tape
from whisper_tui.recording.frames import Frame, Kind
from whisper_tui.recording.history import History
from whisper_tui.recording.opening import open_recording

NOW = ABOUT.run


def row(at_ms: float = NOW, data: dict[str, Any] | None = None) -> tuple[Any, ...]:
    return (at_ms, 1, "ab" * 32, "member_alive", NOW, data or {"peer": "aa" * 32, "incarnation": 1})


def forged(folder: Path, pieces: Sequence[tuple[int, bytes]], state: State | None = None) -> Path:
    """A segment with pieces of entries: how many each says that it holds, and what it holds."""
    whole = snapshot.encode(state or initial_state())
    stream = zlib.compressobj()
    made = [
        Frame(Kind.ABOUT, 0, 0, 0.0, 0, 0, msgspec.json.encode(ABOUT)),
        Frame(Kind.BASE, 0, 0, NOW, 0, 0, frames.deflated(whole)),
    ]
    for said, piece in pieces:
        payload = stream.compress(piece) + stream.flush(zlib.Z_SYNC_FLUSH)
        made.append(Frame(Kind.EVENTS, said, 0, NOW, 0, 0, payload))
    path = folder / "0001.rec"
    path.write_bytes(frames.start() + b"".join(map(frames.encode, made)))
    return path


def packed(*rows: tuple[Any, ...]) -> bytes:
    return msgspec.msgpack.encode(rows)


def padding(size: int) -> bytes:
    """One entry of that size or a little more."""
    return packed(row(data={"text": "x" * size}))


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([(1, padding(entries.PIECE_BYTES_MAX))], "a piece of it is larger than"),
        ([(1, padding(1 << 20))] * 8, "it is larger than"),
        ([(4096, b"\xdc\x13\x88" + packed(row())[1:] * 5_000)], "length <= 4096"),
        ([(4096, packed(row())), (1, packed(row()))], "more than 4096 events"),
        ([(0, packed())], "0 or more than"),
        ([(5, packed(row(), row()))], "says that it holds 5 events and holds 2"),
        ([(1, packed(row(at_ms=math.inf)))], "infinite or none"),
        ([(1, packed(row(data={"peer": [{"since_ms": math.nan}]})))], "infinite or none"),
    ],
    ids=["piece", "group", "rows", "events", "nothing", "count", "time", "data"],
)
def test_events_that_nobody_recorded_are_refused_with_the_files_name(
    tmp_path: Path, pieces: list[tuple[int, bytes]], said: str
) -> None:
    path = forged(tmp_path, pieces)
    with pytest.raises(BadInput, match=said) as refused:
        open_recording(path)
    assert str(path) in refused.value.message and "\n" not in refused.value.message


def test_a_state_with_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    path = forged(tmp_path, [], initial_state(exec_delay_ms=-math.inf))
    with pytest.raises(BadInput, match="infinite or none") as refused:
        open_recording(path)
    assert str(path) in refused.value.message


def test_bytes_that_only_look_like_infinity_are_a_number() -> None:
    integer = int.from_bytes(b"\xcb\x7f\xf0\x00\x00\x00\x00\x00")
    assert not finite.has_infinity(msgspec.msgpack.encode([integer]), [integer])
    assert finite.has_infinity(msgspec.msgpack.encode([math.inf]), [math.inf])


def test_snapshots_are_inflated_up_to_a_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "GROUP_EVENTS", 20)
    taped = Taped(tmp_path)
    taped.play(story()[:300])
    (segment,) = taped.segments
    kinds = (Kind.BASE, Kind.CHANGES)
    held = [frame for frame in frames.read(memoryview(segment.read_bytes())) if frame.kind in kinds]
    total = sum(len(frames.inflated(frame.payload, 1 << 30)) for frame in held)
    assert len(held) > 2
    monkeypatch.setattr(opening, "SNAPSHOTS_BYTES_MAX", total)
    open_recording(segment)
    monkeypatch.setattr(opening, "SNAPSHOTS_BYTES_MAX", total - 1)
    with pytest.raises(BadInput, match="too large"):
        open_recording(segment)


def test_the_recorder_begins_a_segment_where_a_reader_would_have_too_many_snapshots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape, "GROUP_EVENTS", 20)
    for module in (tape, opening):
        monkeypatch.setattr(module, "SNAPSHOTS_BYTES_MAX", 256 << 10)
    taped = Taped(tmp_path)
    taped.play(story()[:600])
    assert len(taped.segments) > 1
    timeline = open_recording(tmp_path).timeline
    for position in range(0, timeline.last + 1, 20):
        assert replace(timeline.at(position), now_ms=0.0) == replace(taped.states[position], now_ms=0.0)


def test_a_middle_that_cannot_be_read_is_one_line_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape, "GROUP_EVENTS", 50)
    taped = Taped(tmp_path)
    taped.play(story()[:400])
    (segment,) = taped.segments
    made = list(frames.read(memoryview(segment.read_bytes())))
    of_events = [index for index, frame in enumerate(made) if frame.kind is Kind.EVENTS]
    middle = of_events[len(of_events) // 2]
    made[middle] = made[middle]._replace(events=made[middle].events + 1)
    segment.write_bytes(frames.start() + b"".join(map(frames.encode, made)))
    recording = open_recording(segment)
    with pytest.raises(BadInput, match="cannot be read") as refused:
        tell(recording, 0.0, Lines(as_json=True, ascii_only=True))
    assert str(segment) in refused.value.message


def large(number: int, size: int) -> Event:
    data = {"peer": "ab" * 32, "job": "cd" * 32, "text": f"{number}" + "x" * size}
    return Event(number, NOW + number, "ab" * 32, "job_posted", data)


def remembered(events: list[Event]) -> History:
    state = initial_state()
    history = History(state)
    for event in events:
        before, state = state, reduce(state, event)
        history.take(event, before, state)
    return history


@pytest.mark.parametrize("size", [100 << 10, entries.ENTRY_BYTES_MAX])
def test_whatever_a_member_tells_what_was_written_and_remembered_can_be_read(
    tmp_path: Path, size: int
) -> None:
    events = [large(number, size if number % 2 else 10) for number in range(1, 121)]
    taped = Taped(tmp_path)
    taped.play(events)
    timelines = open_recording(tmp_path).timeline, remembered(events).timeline
    assert len(taped.states) > 60
    for read in timelines:
        last = list(read.events())[-1]
        assert last == events[-1]
        assert read.at(read.last).log_number == taped.states[-1].log_number
