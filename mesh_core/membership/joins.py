"""Getting to know peers that are no members yet: ask, and ask again less and less often."""

from __future__ import annotations

from collections.abc import Callable

from mesh_core.config import Timing, limit
from mesh_core.effects import PeerId
from mesh_core.timers import Timers


class Joins:
    """Peers that were asked for all they know. `ask` sends the question.

    A neighbour is asked until it answers or is no neighbour any more, since its mesh node may start later than
    its AXL node; a stranger that was only heard of is asked once per wait.
    """

    def __init__(self, *, timing: Timing, timers: Timers, ask: Callable[[float, PeerId], None]) -> None:
        self._timing = timing
        self._timers = timers
        self._ask = ask
        self._wait_s: dict[PeerId, float] = {}

    def want(self, now: float, peer: PeerId) -> None:
        """Ask `peer` now, unless it was asked and its wait is not over."""
        if peer not in self._wait_s and len(self._wait_s) < limit("members_max"):
            self._wait_s[peer] = self._timing.probe_period_s
            self._send(now, peer)

    def again(self, now: float, peer: PeerId) -> None:
        """Ask `peer` now, whatever was asked before: it has just become reachable."""
        self.done(peer)
        self.want(now, peer)

    def done(self, peer: PeerId) -> None:
        """Stop asking: it is a member now."""
        if self._wait_s.pop(peer, None) is not None:
            self._timers.clear(("membership", "join", peer))

    def fire(self, now: float, peer: PeerId, *, still_wanted: bool) -> None:
        """The wait is over: ask again after twice as long, or forget about it."""
        wait_s = self._wait_s.get(peer)
        if wait_s is None:
            return
        if not still_wanted:
            del self._wait_s[peer]
            return
        self._wait_s[peer] = min(2 * wait_s, self._timing.exchange_period_s)
        self._send(now, peer)

    def _send(self, now: float, peer: PeerId) -> None:
        self._ask(now, peer)
        self._timers.set(("membership", "join", peer), now + self._wait_s[peer])
