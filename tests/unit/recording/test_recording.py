"""What was recorded is what happened: at every moment, after every tear, in every segment."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from mesh_core.api.schema import Event
from tests.unit.recording.runs import ABOUT, Taped, folded, story
from whisper_tui.errors import BadInput
from whisper_tui.model.state import State
from whisper_tui.recording import frames, tape
from whisper_tui.recording.folder import Folder, runs_in
from whisper_tui.recording.opening import about_run, open_recording
from whisper_tui.recording.tape import Tape


@pytest.fixture
def short_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "GROUP_EVENTS", 100)
    monkeypatch.setattr(tape, "SEGMENT_BYTES", 24 << 10)


def timeless(state: State) -> State:
    """States are compared without the time: events that only tell it are not kept."""
    return replace(state, now_ms=0.0)


def test_a_recording_ends_in_the_state_of_the_live_reducer(tmp_path: Path) -> None:
    taped = Taped(tmp_path)
    taped.play(story())
    recording = open_recording(tmp_path)
    assert timeless(recording.timeline.at(recording.timeline.last)) == timeless(folded(story()))
    assert recording.about == ABOUT
    assert taped.tape.count < len(story())


@pytest.mark.usefixtures("short_groups")
def test_every_moment_is_the_fold_from_the_beginning(tmp_path: Path) -> None:
    taped = Taped(tmp_path)
    taped.play(story())
    assert len(taped.segments) > 2
    timeline = open_recording(tmp_path).timeline
    assert (timeline.first, timeline.last) == (0, taped.tape.count)
    for position in (*range(0, timeline.last, 37), timeline.last):
        assert timeless(timeline.at(position)) == timeless(taped.states[position]), position


@pytest.mark.usefixtures("short_groups")
def test_each_segment_opens_by_itself_and_begins_with_all_that_was_known(tmp_path: Path) -> None:
    taped = Taped(tmp_path)
    taped.play(story())
    for segment in taped.segments[1:]:
        timeline = open_recording(segment).timeline
        assert timeline.first > 0
        assert timeless(timeline.at(timeline.first)) == timeless(taped.states[timeline.first])
        assert timeless(timeline.at(timeline.last)) == timeless(taped.states[timeline.last])


mangled = some.lists(
    some.one_of(
        some.integers(0, 10**6).map(lambda at: story()[at % len(story())]),
        some.builds(
            Event,
            some.integers(0, 2**40),
            some.floats(0, 2e12),
            some.sampled_from(["ab" * 32, "cd" * 32, "supervisor"]),
            some.sampled_from(["job", "member", "node", "replica", "query", "process", "alarm", "strange"]),
            some.dictionaries(
                some.sampled_from(["peer", "job", "text", "heads", "job", "state"]),
                some.one_of(
                    some.text(max_size=5),
                    some.integers(0, 9),
                    some.dictionaries(some.text(max_size=2), some.integers(0, 9), max_size=3),
                ),
                max_size=4,
            ),
        ),
    ),
    max_size=60,
)


@given(events=mangled)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_was_told_is_folded_again_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    taped = Taped(tmp_path_factory.mktemp("run"), flush_every=7)
    taped.play(events)
    if taped.tape.count == 0:
        return
    timeline = open_recording(taped.store.folder).timeline
    for position in range(timeline.last + 1):
        assert timeless(timeline.at(position)) == timeless(taped.states[position])


def test_every_truncation_is_readable_up_to_the_tear(tmp_path: Path) -> None:
    taped = Taped(tmp_path, flush_every=20)
    taped.play(story()[:600])
    (segment,) = taped.segments
    whole = segment.read_bytes()
    torn = tmp_path / "torn.rec"
    last = -1
    begins = len(frames.start())
    for size in (*range(begins, 400, 7), *range(400, len(whole), max(1, len(whole) // 150)), len(whole)):
        torn.write_bytes(whole[:size])
        try:
            timeline = open_recording(torn).timeline
        except BadInput:
            assert last < 0
            continue
        assert timeline.last >= last
        last = timeline.last
        assert timeless(timeline.at(last)) == timeless(taped.states[last])
    assert last == taped.tape.count


def test_a_damaged_byte_ends_what_is_read_and_nothing_else(tmp_path: Path) -> None:
    taped = Taped(tmp_path, flush_every=20)
    taped.play(story()[:600])
    (segment,) = taped.segments
    whole = bytearray(segment.read_bytes())
    whole[len(whole) * 3 // 4] ^= 0x40
    bad = tmp_path / "bad.rec"
    bad.write_bytes(whole)
    timeline = open_recording(bad).timeline
    assert 0 < timeline.last < taped.tape.count
    assert timeless(timeline.at(timeline.last)) == timeless(taped.states[timeline.last])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "shorter than the beginning"),
        (b"hello", "shorter than the beginning"),
        (b"{}" * 100, "does not begin like one"),
        (frames.MARK + b"\x09\x00\x00\x00" + b"x" * 100, "of version 9, this program reads version 1"),
        (frames.start(), "nothing was recorded"),
        (frames.start() + b"\xff" * 200, "nothing was recorded"),
    ],
)
def test_what_is_no_recording_is_said_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "strange.rec"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said) as refused:
        open_recording(path)
    assert str(path) in refused.value.message and "\n" not in refused.value.message


def test_a_forged_frame_that_fits_its_checksum_is_said_in_one_line(tmp_path: Path) -> None:
    taped = Taped(tmp_path)
    taped.play(story()[:300])
    (segment,) = taped.segments
    forged = [
        frame._replace(payload=b"no zlib at all") if frame.kind is frames.Kind.EVENTS else frame
        for frame in frames.read(memoryview(segment.read_bytes()))
    ]
    path = tmp_path / "forged.rec"
    path.write_bytes(frames.start() + b"".join(map(frames.encode, forged)))
    with pytest.raises(BadInput, match="cannot be read"):
        open_recording(path)


def test_places_without_a_recording_are_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file or folder"):
        open_recording(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="there is no recording in it"):
        open_recording(tmp_path)


@pytest.mark.usefixtures("short_groups")
def test_the_oldest_segments_make_room_and_the_rest_is_read(tmp_path: Path) -> None:
    bound = 150 << 10
    taped = Taped(tmp_path, bytes_max=bound)
    taped.play(story())
    kept = sum(path.stat().st_size for path in taped.segments)
    assert kept <= bound
    assert taped.segments[0].name != "0001.rec"
    timeline = open_recording(tmp_path).timeline
    assert 0 < timeline.first < timeline.last == taped.tape.count
    assert timeless(timeline.at(timeline.first)) == timeless(taped.states[timeline.first])


def test_an_older_run_goes_before_anything_of_this_one(tmp_path: Path) -> None:
    old = Taped(tmp_path)
    old.play(story()[:500])
    size = sum(path.stat().st_size for path in old.segments)
    store = Folder(tmp_path, ABOUT.run + 5_000, size + 4_000)
    new = Tape(store, ABOUT, folded([]))
    for event in story()[:500]:
        new.take(event, folded([event], new.state))
    new.flush()
    assert not old.store.folder.exists()
    assert [run.folder for run in runs_in(tmp_path)] == [store.folder]


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    taped = Taped(tmp_path / "recordings")
    taped.play(story()[:50])
    assert stat.S_IMODE(taped.segments[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(taped.store.folder.stat().st_mode) == 0o700


class Breaking:
    """A store whose disk is full for a while."""

    def __init__(self, store: Folder) -> None:
        self._store = store
        self.full = False

    def begin(self) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self._store.begin()

    def append(self, data: bytes) -> None:
        if self.full:
            self._store.append(data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        self._store.append(data)


def test_after_a_full_disk_it_goes_on_with_what_is_known_then(tmp_path: Path) -> None:
    store = Breaking(Folder(tmp_path, ABOUT.run))
    kept = Tape(store, ABOUT, folded([]))
    refused = 0
    for number, event in enumerate(story()):
        store.full = 300 <= number < 600
        try:
            kept.take(event, folded([event], kept.state))
            kept.flush()
        except OSError:
            refused += 1
    assert refused
    timeline = open_recording(tmp_path).timeline
    assert timeless(timeline.at(timeline.last)) == timeless(folded(story()))


def test_a_recorder_that_starts_again_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    first = Taped(tmp_path)
    first.play(story()[:700])
    before = open_recording(first.store.folder).timeline
    again = Tape(Folder(tmp_path, ABOUT.run), ABOUT, before.at(before.last), before.last)
    for event in story()[700:]:
        again.take(event, folded([event], again.state))
    again.flush()
    timeline = open_recording(tmp_path).timeline
    assert timeless(timeline.at(timeline.last)) == timeless(folded(story()))
    assert len(list(first.store.folder.iterdir())) == 2


def test_a_run_says_what_it_is(tmp_path: Path) -> None:
    Taped(tmp_path).play(story()[:50])
    (run,) = runs_in(tmp_path)
    assert about_run(run) == ABOUT
