"""Getting to know peers that are no members yet: ask, and ask again less and less often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.effects import PeerId


@dataclass(eq=False)
class Joins:
    """Peers that were asked for all they know. `ask` sends the question.

    A neighbour is asked until it answers or is no neighbour any more, since its mesh node may start later than
    its AXL node; a stranger that was only heard of is asked once per wait.
    """

    _context: Context
    _ask: Callable[[float, PeerId], None]

    def __post_init__(self) -> None:
        self._wait_s: dict[PeerId, float] = {}

    def want(self, now: float, peer: PeerId) -> None:
        """Ask `peer` once the inbox is drained and it has not introduced itself by then."""
        if peer not in self._wait_s and len(self._wait_s) < limit("members_max"):
            self._wait_s[peer] = 0.0
            self._context.timers.set(("membership", "join", peer), now)

    def again(self, now: float, peer: PeerId) -> None:
        """Ask `peer` now, whatever was asked before: it has just become reachable."""
        self.done(peer)
        self.want(now, peer)

    def done(self, peer: PeerId) -> None:
        """Stop asking: it is a member now."""
        if self._wait_s.pop(peer, None) is not None:
            self._context.timers.clear(("membership", "join", peer))

    def fire(self, now: float, peer: PeerId, *, still_wanted: bool) -> None:
        """Ask; again after twice as long while it is `still_wanted`, else forget about it."""
        waited_s = self._wait_s[peer]
        if waited_s and not still_wanted:
            del self._wait_s[peer]
            return
        wait_s = (
            min(2 * waited_s, self._context.timing.exchange_period_s) or self._context.timing.probe_period_s
        )
        self._wait_s[peer] = wait_s
        self._context.timers.set(("membership", "join", peer), now + wait_s)
        self._ask(now, peer)
