"""What nodes report while a story goes on, each thing told once with all who reported it."""

from __future__ import annotations

from collections.abc import Sequence

from mesh_core.effects import Notify, Write
from mesh_core.simulation.host import Host
from mesh_core.simulation.world import World

KINDS = (
    "member_left",
    "job_accepted",
    "auction_closed",
    "lease_granted",
    "lease_ended",
    "execution_started",
    "execution_finished",
    "execution_failed",
    "execution_stopped",
    "proposed",
    "job_settled",
    "result_opened",
    "query_answered",
    "equivocation",
    "alarm",
    "problem",
    "partitioned",
    "healed",
)
"""Moments a story tells unless it says otherwise. Deaths are waited for instead: everybody's verdict comes at its own time."""


class Heard:
    """A watcher that keeps the sentences of the moments in `kinds`, in the order in which they were first said.

    Times are left out: a story is about what happens and in which order.
    """

    def __init__(self, world: World) -> None:
        self.kinds = set(KINDS)
        self._world = world
        self._said: dict[str, list[str]] = {}
        world.watch(self)

    def writing(self, host: Host, writes: Sequence[Write]) -> None:
        """What is not on disk yet is nobody's story."""

    def durable(self, host: Host, writes: Sequence[Write]) -> None:
        """Writes are shown by commands, not told."""

    def notified(self, host: Host, notify: Notify) -> None:
        """Somebody reports something."""
        if notify.kind in self.kinds:
            sentence = self._world.trace.sentence(notify.kind, _lasting(notify))
            if sentence is not None:
                tellers = self._said.setdefault(sentence, [])
                if host.name not in tellers:
                    tellers.append(host.name)

    def take(self) -> list[str]:
        """All that was said since the last call."""
        everybody = {host.name for host in self._world.hosts.values() if host.up}
        lines = []
        for sentence, tellers in self._said.items():
            who = "everybody" if set(tellers) >= everybody else " ".join(sorted(tellers))
            lines.append(f"{sentence}  [{who}]")
        self._said.clear()
        return lines


def _lasting(notify: Notify) -> dict[str, object]:
    """The fields without those that chance decides."""
    return {key: "n" if key in ("took_ms", "accusers") else value for key, value in notify.fields.items()}
