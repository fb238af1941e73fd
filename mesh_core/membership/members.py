"""The table of members: what this node holds of everybody else."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mesh_core.effects import Outbox, PeerId
from mesh_core.wire.messages import Update
from mesh_core.wire.statements import Alive, Announcement, Signed

MemberState: TypeAlias = Literal["alive", "suspect", "dead", "left"]
OnChange: TypeAlias = Callable[[float, PeerId, MemberState | None, MemberState], None]

NEVER = float("-inf")


@dataclass(slots=True, eq=False)
class Member:
    """One other member. Times are seconds of this node's monotonic clock.

    `signed` is the member's own `Alive` statement of `incarnation`; `accusations` are signed statements
    against that incarnation, by accuser. `proven_since` is when this node first reached it in its present life,
    None until then. `answered` is when it last answered a probe, `asked` when it last probed this node, `contacted` when it was last told that it is
    held for dead, `exchanged` when it last got all this node knows.
    """

    peer: PeerId
    state: MemberState
    incarnation: int
    announcement: Announcement
    signed: Signed
    since: float
    neighbour: bool = False
    attached: bool = False
    proven_since: float | None = None
    answered: float = NEVER
    asked: float = NEVER
    contacted: float = NEVER
    exchanged: float = NEVER
    accusations: dict[PeerId, Signed] = field(default_factory=dict)

    @property
    def accusers(self) -> frozenset[PeerId]:
        """Who says that it does not answer; this node itself may be among them."""
        return frozenset(self.accusations)

    @property
    def is_live(self) -> bool:
        """Alive, or suspected and not yet confirmed dead."""
        return self.state in {"alive", "suspect"}

    def updates(self) -> tuple[Update, ...]:
        """Everything another member needs to see this one as this node does."""
        return (Update("alive", self.signed), *self.accusing_updates())

    def accusing_updates(self) -> tuple[Update, ...]:
        """The accusations alone: what a suspect must hear to refute them."""
        return tuple(Update("accusation", signed) for signed in self.accusations.values())


class Roster:
    """All members but this one, at most `capacity`; the only place where a member's state changes."""

    def __init__(self, capacity: int, outbox: Outbox, on_change: OnChange) -> None:
        self.by_id: dict[PeerId, Member] = {}
        self._capacity = capacity
        self._outbox = outbox
        self._on_change = on_change
        self._live: tuple[Member, ...] = ()
        self._peers: tuple[PeerId, ...] | None = ()

    def get(self, peer: PeerId) -> Member | None:
        """The member, or None when it is unknown."""
        return self.by_id.get(peer)

    def live(self) -> tuple[Member, ...]:
        """Members alive or suspect, in order of their keys: the same order on every node."""
        return self._live

    def live_peers(self) -> tuple[PeerId, ...]:
        """Their keys."""
        if self._peers is None:
            self._peers = tuple(member.peer for member in self._live)
        return self._peers

    def _rank(self, member: Member) -> None:
        """Let the live ones follow a change of one of them; sorting them all anew would cost a large mesh seconds while
        it meets."""
        place = bisect_left(self._live, member.peer, key=lambda one: one.peer)
        there = place < len(self._live) and self._live[place].peer == member.peer
        here = (member,) if member.is_live and self.by_id.get(member.peer) is member else ()
        self._live = (*self._live[:place], *here, *self._live[place + there :])
        self._peers = None

    def gone(self) -> list[Member]:
        """Members dead or left, in the order in which they became known."""
        return [member for member in self.by_id.values() if not member.is_live]

    def size(self) -> int:
        """Live members and this node: the N of SWIM's logarithms."""
        return len(self.live()) + 1

    def has_room(self, *, hearsay: bool) -> bool:
        """Whether one more member fits.

        In a full table it takes the place of one that is gone: of any, when it speaks for itself; on hearsay
        only of one that this node never reached, so that inventing members drives out invented ones alone.
        """
        if len(self.by_id) < self._capacity:
            return True
        expendable = self._expendable()
        return expendable is not None and not (hearsay and expendable.proven_since is not None)

    def add(self, now: float, alive: Alive, signed: Signed) -> Member:
        """Enter a member in state alive; there must be room."""
        if len(self.by_id) >= self._capacity:
            expendable = self._expendable()
            assert expendable is not None, "asked to add to a full table"
            self.forget(expendable)
        member = Member(alive.author, "alive", alive.incarnation, alive.announcement, signed, now)
        self.by_id[member.peer] = member
        self._rank(member)
        self._on_change(now, member.peer, None, "alive")
        self._outbox.notify(
            "member_alive", after_disk=False, peer=member.peer, incarnation=member.incarnation
        )
        return member

    def renew(self, now: float, member: Member, alive: Alive, signed: Signed) -> None:
        """Replace what the member says of itself by a newer statement of its own; it also ends an accusation."""
        was = member.state
        member.incarnation = alive.incarnation
        member.announcement = alive.announcement
        member.signed = signed
        member.accusations.clear()
        if not member.is_live:
            member.proven_since = None
        self.enter(now, member, "left" if alive.left else "alive")
        if member.state != was:
            fields = {} if alive.left else {"incarnation": member.incarnation}
            self._outbox.notify(f"member_{member.state}", after_disk=False, peer=member.peer, **fields)

    def enter(self, now: float, member: Member, state: MemberState) -> None:
        """Set the state, or tell that something else about the member has changed when it is the same."""
        was = member.state
        if state != was:
            member.state = state
            member.since = now
            self._rank(member)
        self._on_change(now, member.peer, was, state)

    def forget(self, member: Member) -> None:
        """Drop a member, whatever its state."""
        del self.by_id[member.peer]
        self._rank(member)

    def _expendable(self) -> Member | None:
        """The dead or departed member to drop first: never reached before reached, then the longest gone."""
        return min(self.gone(), key=lambda m: (m.proven_since is not None, m.since), default=None)
