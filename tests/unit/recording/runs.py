"""Runs to record: what a simulated mesh tells while it works and is disturbed."""

from __future__ import annotations

import functools
from pathlib import Path

from mesh_core.api.schema import Event
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import State, initial_state
from whisper_tui.recording.folder import Folder
from whisper_tui.recording.tape import About, Tape
from whisper_tui.sources.simulation import Simulated, SimulatedMesh

ABOUT = About(1_760_000_000_000.0, "local", "", 0.0, 6, fast=True, program="test")


@functools.cache
def story() -> tuple[Event, ...]:
    """Questions, two kills, a revival, a partition and its end."""
    mesh = SimulatedMesh(Simulated(seed="story"))
    events = mesh.advance(1.0)
    mesh.submit("what is a lease")
    events += mesh.advance(0.3)
    mesh.kill(["node1", "node4"])
    events += mesh.advance(4.0)
    mesh.revive(["node1", "node4"])
    mesh.submit("what is a quorum")
    events += mesh.advance(3.0)
    mesh.partition(["node2"])
    events += mesh.advance(3.0)
    mesh.heal()
    events += mesh.advance(4.0)
    return tuple(events)


def folded(events: tuple[Event, ...] | list[Event], state: State | None = None) -> State:
    """What events come to."""
    state = initial_state() if state is None else state
    for event in events:
        state = reduce(state, event)
    return state


class Taped:
    """A recording being made, and the states that the reducer went through: `states[n]` after n events that are kept."""

    def __init__(
        self,
        recordings: Path,
        bytes_max: int = 1 << 30,
        flush_every: int = 50,
        primary: str = "",
        began_ms: float = ABOUT.run,
        about: About = ABOUT,
    ) -> None:
        self.store = Folder(recordings, began_ms, bytes_max)
        self.tape = Tape(self.store, about, initial_state(primary=primary))
        self.states = [self.tape.state]
        self._flush_every = flush_every

    @property
    def segments(self) -> list[Path]:
        return sorted(self.store.folder.glob("*.rec"))

    def play(self, events: tuple[Event, ...] | list[Event]) -> None:
        for number, event in enumerate(events):
            before = self.tape.state
            after = reduce(before, event)
            self.tape.take(event, after)
            if self.tape.count == len(self.states):
                self.states.append(after)
            else:
                self.states[-1] = after
            if number % self._flush_every == 0:
                self.tape.flush()
        self.tape.flush()
