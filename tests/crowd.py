"""A mesh that is larger than any machine here runs: what its participants would tell, in the shapes of a simulated one.

The views are those of a simulated mesh of a few, told again under other names: five hundred participants that each tell of
all others, thousands of jobs, a ledger of a hundred thousand records.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from typing import Any

from mesh_core.api.schema import Event
from whisper_tui.model.reducer import reduce
from whisper_tui.model.state import SUPERVISOR, State, initial_state
from whisper_tui.sources.simulation import Simulated, SimulatedMesh

START_MS = 1_760_000_000_000.0


@functools.cache
def samples() -> dict[str, dict[str, Any]]:
    """A view of each kind, as a simulated mesh told it last."""
    mesh = SimulatedMesh(Simulated(seed="crowd"))
    events = mesh.advance(1.0)
    mesh.submit("what is a lease")
    events += mesh.advance(6.0)
    found = {event.kind: event.data for event in events}
    found["job"] = next(e.data for e in reversed(events) if e.kind == "job" and e.data["state"] == "settled")
    return found


def name_of(number: int) -> str:
    """`node7`; 0 is the operator."""
    return f"node{number}" if number else "operator"


@functools.cache
def peer_of(number: int) -> str:
    """Its peer id."""
    return hashlib.sha256(name_of(number).encode()).hexdigest()


def job_id(number: int) -> str:
    """A job's id."""
    return hashlib.sha256(f"job {number}".encode()).hexdigest()


class Crowd:
    """Participants 0 (the operator) to `nodes`, of whom the first `observers` are listened to."""

    def __init__(self, nodes: int = 500, observers: int = 500) -> None:
        self.nodes = nodes
        self.observers = observers
        self._seq = 0
        self.now_ms = START_MS

    @property
    def told(self) -> int:
        """Events so far."""
        return self._seq

    def event(self, node: str, kind: str, data: dict[str, Any]) -> Event:
        """One event, a tenth of a millisecond after the one before."""
        self._seq += 1
        self.now_ms += 0.1
        return Event(self._seq, self.now_ms, node, kind, data)

    def processes(self) -> Iterator[Event]:
        """Both processes of everybody, and their streams."""
        for number in range(self.nodes + 1):
            base = {"name": name_of(number), "peer": peer_of(number), "state": "running", "pid": 1}
            yield self.event(SUPERVISOR, "process", {**base, "part": "axl"})
            yield self.event(SUPERVISOR, "process", {**base, "part": "provider"})
        for number in range(self.observers):
            stream = {"node": name_of(number), "peer": peer_of(number), "state": "live", "fresh": True}
            yield self.event(SUPERVISOR, "source", stream)

    def member(self, observer: int, number: int, **changes: Any) -> Event:
        """How one sees another."""
        data = {
            **samples()["member"],
            "peer": peer_of(number),
            "name": name_of(number),
            "role": "provider" if number else "operator",
            "state": "alive",
            "shards": [number % 6],
            **changes,
        }
        return self.event(peer_of(observer), "member", data)

    def node(self, number: int) -> Event:
        """What one says of itself."""
        data = {**samples()["node"], "peer": peer_of(number), "name": name_of(number)}
        return self.event(peer_of(number), "node", {**data, "role": "provider" if number else "operator"})

    def replica(self, number: int, root: str = "ab" * 32, records: int = 100_000) -> Event:
        """One's replica."""
        heads = {peer_of(author): records // (self.nodes + 1) for author in range(self.nodes + 1)}
        data = {**samples()["replica"], "root": root, "records": records, "heads": heads, "others": {}}
        return self.event(peer_of(number), "replica", data)

    def meeting(self) -> Iterator[Event]:
        """Everybody who is listened to tells of itself, of all others and of its replica."""
        for observer in range(self.observers):
            yield self.node(observer)
            for number in range(self.nodes + 1):
                yield self.member(observer, number)
            yield self.replica(observer)

    def job(self, number: int, **changes: Any) -> Event:
        """A settled job, as the operator's node tells of it."""
        committee = [peer_of(number * 7 % self.nodes + 1 + seat) for seat in range(6)]
        data = {
            **samples()["job"],
            "job": job_id(number),
            "label": f"q{number // 7}.{number % 7}",
            "query": job_id(number // 7)[:32],
            "index": number % 7,
            "submitter": peer_of(0),
            "committee": committee,
            "holder": committee[0],
            "submitted_ms": START_MS + number,
            **changes,
        }
        return self.event(peer_of(0), "job", data)

    def record(self, number: int) -> Event:
        """A record of the ledger's tail."""
        data = {
            **samples()["record"],
            "hash": hashlib.sha256(f"record {number}".encode()).hexdigest(),
            "author": peer_of(number % (self.nodes + 1)),
            "seq": number,
            "job": job_id(number // 4),
            "at_ms": START_MS + number,
        }
        return self.event(peer_of(0), "record", data)

    def settled(self, observer: int, number: int) -> Event:
        """One has a job's certificate."""
        data = {
            "job": job_id(number),
            "epoch": 1,
            "outcome": "result",
            "holder": peer_of(number % self.nodes + 1),
            "price_micro": 10_000,
            "votes": 4,
        }
        return self.event(peer_of(observer), "job_settled", data)

    def action(self, action: str, *numbers: int) -> Event:
        """Something is done to participants."""
        names = [name_of(number) for number in numbers]
        command = f"whisper-tui {action} {' '.join(names)}"
        data = {"action": action, "targets": names, "by": "test", "at_ms": self.now_ms, "command": command}
        return self.event(SUPERVISOR, "action", data)

    def state(self, *, jobs: int = 0, records: int = 0) -> State:
        """All of it, reduced."""
        state = initial_state(primary=peer_of(0))
        for events in (
            self.processes(),
            self.meeting(),
            map(self.job, range(jobs)),
            map(self.record, range(records)),
        ):
            for event in events:
                state = reduce(state, event)
        return state
