"""What members newly say of themselves, once it is verified: they enter, come back, leave, or say something else."""

from __future__ import annotations

from dataclasses import dataclass

from mesh_core.membership.gossip import Gossiper
from mesh_core.membership.joins import Joins
from mesh_core.membership.members import Member, Roster
from mesh_core.membership.neighbours import Neighbours
from mesh_core.membership.probe import Prober
from mesh_core.membership.suspects import Suspects
from mesh_core.wire.messages import Update
from mesh_core.wire.statements import Alive, Signed


@dataclass(eq=False)
class Arrivals:
    """Enters it into the roster. Hearsay is probed before it is repeated."""

    _roster: Roster
    _neighbours: Neighbours
    _joins: Joins
    _gossiper: Gossiper
    _prober: Prober
    _suspects: Suspects

    def introduce(self, now: float, alive: Alive, signed: Signed) -> None:
        """A newcomer, for whom there is room."""
        member = self._roster.add(now, alive, signed)
        self._neighbours.mark(member)
        self._joins.done(member.peer)
        self._prober.greet(now, member.peer)

    def renew(self, now: float, member: Member, alive: Alive, signed: Signed) -> None:
        """A newer statement of a member's own: it ends whatever others said of the older one."""
        returns = not member.is_live and not alive.left
        self._suspects.acquit(member)
        self._gossiper.retract(member.peer)
        self._roster.renew(now, member, alive, signed)
        if returns:
            self._prober.greet(now, member.peer)
        elif member.proven_since is not None:
            self._gossiper.tell(now, member.peer, member.peer, Update("alive", signed))
