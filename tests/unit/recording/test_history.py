"""What a console remembers of what it has seen: every moment of it, and not more than there is room for."""

from __future__ import annotations

import pytest

from mesh_core.api.schema import Event
from tests.unit.recording.runs import story
from tests.unit.recording.test_recording import timeless
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import State, initial_state
from whisper_tui.recording import history as module
from whisper_tui.recording.entries import says_something
from whisper_tui.recording.history import History


def remembered(events: tuple[Event, ...], history: History, state: State) -> list[State]:
    """Play events; the states after each that changed something."""
    states = [state]
    for event in events:
        before, state = state, reduce(state, event)
        history.take(event, before, state)
        if says_something(before, state):
            states.append(state)
    return states


def test_every_moment_can_be_gone_back_to() -> None:
    history = History(initial_state())
    states = remembered(story(), history, initial_state())
    timeline = history.timeline
    assert (timeline.first, timeline.last) == (0, len(states) - 1)
    for position in range(0, len(states), 61):
        assert timeless(timeline.at(position)) == timeless(states[position])


def test_what_comes_after_somebody_looked_is_there_too() -> None:
    history = History(initial_state())
    first = remembered(story()[:500], history, initial_state())
    timeline = history.timeline
    assert timeless(timeline.at(timeline.last)) == timeless(first[-1])
    rest = remembered(story()[500:], history, first[-1])
    assert history.timeline is timeline
    assert timeline.last == len(first) + len(rest) - 2
    assert timeless(timeline.at(timeline.last)) == timeless(rest[-1])
    assert timeless(timeline.at(len(first) - 1)) == timeless(first[-1])


@pytest.mark.parametrize(("groups", "size"), [(3, 1 << 30), (64, 20_000)])
def test_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch, groups: int, size: int) -> None:
    monkeypatch.setattr(module, "GROUP_EVENTS", 100)
    monkeypatch.setattr(module, "GROUPS_MAX", groups)
    monkeypatch.setattr(module, "BYTES_MAX", size)
    history = History(initial_state())
    states = remembered(story(), history, initial_state())
    timeline = history.timeline
    assert 0 < timeline.first < timeline.last == len(states) - 1
    assert timeless(timeline.at(0)) == timeless(states[timeline.first])
    assert timeless(timeline.at(timeline.last)) == timeless(states[-1])
    assert timeline.told_before(timeline.first) == timeline.first


def test_incidents_are_found_across_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP_EVENTS", 50)
    history = History(initial_state())
    remembered(story(), history, initial_state())
    timeline = history.timeline
    found: list[int] = []
    position: int | None = timeline.last
    while position is not None:
        position = timeline.incident_before(position)
        if position is not None:
            found.append(position)
    numbers = [timeline.at(each).incidents[-1].number for each in found]
    assert numbers == [3, 2, 1]
    assert [timeline.incident_after(each) for each in found[1:]] == found[:-1]
    assert timeline.incident_after(found[0]) is None
