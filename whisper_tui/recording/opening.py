"""Opening what was recorded: a segment, a run's folder, or a run directory; also on a machine that never saw the mesh."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from mesh_core.api.schema import Event
from whisper_tui.errors import BadInput
from whisper_tui.model.state import State
from whisper_tui.model.times import is_time
from whisper_tui.recording import frames, snapshot
from whisper_tui.recording.entries import GROUP_EVENTS
from whisper_tui.recording.folder import Run, runs_in, segments_in
from whisper_tui.recording.frames import SNAPSHOTS_BYTES_MAX, Frame, Kind, NotARecording
from whisper_tui.recording.tape import About
from whisper_tui.recording.timeline import Damaged, Group, Timeline

RECORDINGS = "recordings"
"""Where a run directory keeps them."""

HINT = "`whisper-tui recordings` lists what there is"


class Recording:
    """A run that can be looked at. `about` is what it says of itself."""

    def __init__(self, path: Path, about: About, timeline: Timeline) -> None:
        self.path = path
        self.about = about
        self.timeline = timeline

    @property
    def initial(self) -> State:
        """The state at its beginning."""
        return self.timeline.at(self.timeline.first)

    def events(self) -> Iterator[Event]:
        """All events in order. BadInput with one line where they cannot be read."""
        try:
            yield from self.timeline.events()
        except Damaged as error:
            raise unreadable(self.path, error) from error


def open_recording(path: Path) -> Recording:
    """What is at `path`: of a folder with several runs, the newest. BadInput with one line for anything else."""
    segments = _segments_at(path)
    about: About | None = None
    groups: list[Group] = []
    for segment in segments:
        try:
            about, found = _read(segment)
        except FileNotFoundError:
            continue  # it was the oldest, and made room
        except OSError as error:
            raise BadInput(f"{segment}: {error.strerror}", HINT) from error
        except NotARecording as error:
            if len(segments) > 1:
                continue
            raise BadInput(f"{segment} is no recording: {error}", HINT) from error
        groups += found
    if about is None or not groups:
        raise BadInput(f"{path}: nothing was recorded before it ends", HINT)
    recording = Recording(path, about, Timeline(groups))
    try:
        recording.timeline.at(recording.timeline.first)
        recording.timeline.at(recording.timeline.last)
    except Damaged as error:
        raise unreadable(path, error) from error
    return recording


def unreadable(path: Path, error: Damaged) -> BadInput:
    """A part of the recording at `path` means nothing, which is found when that part is looked at."""
    return BadInput(f"{path} cannot be read: {error}", HINT)


def about_run(run: Run) -> About | None:
    """What a run's newest readable segment says of it; None when none does."""
    for segment in reversed(run.segments):
        try:
            with segment.open("rb") as file:
                frame = next(frames.read(memoryview(file.read(ABOUT_BYTES_MAX))), None)
            if frame is not None and frame.kind is Kind.ABOUT:
                about = msgspec.json.decode(frame.payload, type=About)
                if is_time(about.run):
                    return about
        except (OSError, NotARecording, msgspec.MsgspecError):
            continue
    return None


ABOUT_BYTES_MAX = 64 << 10


def _segments_at(path: Path) -> Sequence[Path]:
    try:
        if path.is_file():
            return [path]
        if not path.is_dir():
            raise BadInput(f"{path}: no such file or folder", HINT)
        if own := segments_in(path):
            return own
        runs = runs_in(path) or runs_in(path / RECORDINGS)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}", HINT) from error
    if not runs:
        raise BadInput(f"{path}: there is no recording in it", HINT)
    return runs[-1].segments


def _read(segment: Path) -> tuple[About | None, list[Group]]:
    with segment.open("rb") as file:
        if segment.stat().st_size < frames.START_BYTES:
            raise NotARecording("it is shorter than the beginning of one")
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    about: About | None = None
    snapshots: list[Frame] = []
    groups: list[Group] = []
    for frame in frames.read(content):
        if not math.isfinite(frame.now_ms):
            raise NotARecording("a time in it is infinite or none")
        if frame.kind is Kind.ABOUT:
            try:
                about = msgspec.json.decode(frame.payload, type=About)
            except msgspec.MsgspecError as error:
                raise NotARecording(f"it says nothing of itself ({error})") from error
        elif frame.kind is Kind.EVENTS:
            if groups:
                if not 0 < frame.events <= GROUP_EVENTS - groups[-1].count:
                    raise NotARecording(
                        f"it says that 0 or more than {GROUP_EVENTS} events follow each other"
                    )
                groups[-1].add(frame.payload, frame.events)
        elif snapshots or frame.kind is Kind.BASE:
            snapshots.append(frame)
            base = partial(_state_of, snapshots, len(snapshots))
            groups.append(Group(frame.first, frame.now_ms, frame.incident, base))
    return about, groups


def _state_of(snapshots: Sequence[Frame], count: int) -> State:
    """The state of the last of so many snapshots, of which each says what has changed since the one before."""
    data = frames.inflated(snapshots[0].payload, SNAPSHOTS_BYTES_MAX)
    state, room = snapshot.decode(data), SNAPSHOTS_BYTES_MAX - len(data)
    for frame in snapshots[1:count]:
        data = frames.inflated(frame.payload, room)
        state, room = snapshot.decode_changes(state, data), room - len(data)
    return state
