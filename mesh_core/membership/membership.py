"""Membership: SWIM (Das et al. 2002) with Lifeguard (Dadgar et al. 2017), helped by hints from AXL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mesh_core.config import limit
from mesh_core.context import Context
from mesh_core.crypto import Rng
from mesh_core.effects import PeerId
from mesh_core.membership.arrivals import Arrivals
from mesh_core.membership.departed import UNTRACKED, Departed
from mesh_core.membership.exchange import Exchanger
from mesh_core.membership.gossip import Gossiper
from mesh_core.membership.intake import Intake
from mesh_core.membership.joins import Joins
from mesh_core.membership.local_health import LocalHealth
from mesh_core.membership.members import NEVER, Member, MemberState, OnChange, Roster
from mesh_core.membership.neighbours import Neighbours
from mesh_core.membership.own import OwnStatement
from mesh_core.membership.presence import Presence
from mesh_core.membership.probe import Prober
from mesh_core.membership.relay import Relays
from mesh_core.membership.suspects import Suspects
from mesh_core.wire.messages import Ack, Exchange, Gossip, Nack, Ping, PingRequest
from mesh_core.wire.statements import Announcement

MembershipMessage: TypeAlias = Ping | Ack | PingRequest | Nack | Gossip | Exchange

_PERIOD = ("membership", "period")

_NUMBERS = 1 << 53

PERIOD_JITTER = 1.02
"""Longest probe period, as a multiple of the configured one."""


@dataclass(eq=False)
class Membership:
    """Who is there, as far as this node can tell.

    `on_change(now, peer, old, new)` is called after a member entered (`old` None), changed its state, or — with
    `old == new` — changed in what it says of itself, who accuses it, or its link. The node calls `fire` for
    each due timer whose key begins with "membership", after it has handled everything in its inbox.
    """

    _context: Context
    _on_change: OnChange

    def __post_init__(self) -> None:
        context = self._context
        self._exchange_due = NEVER
        self._own = own = OwnStatement(context)
        self._roster = roster = Roster(limit("members_max"), context.outbox, self._changed)
        self._health = health = LocalHealth()
        self._gossiper = gossiper = Gossiper(context, roster, own)
        numbers = _numbers(context.doors.rng)
        self._prober = prober = Prober(context, roster, health, gossiper, numbers, self._on_failed)
        self._relays = Relays(context, roster, gossiper, numbers)
        self._exchanger = Exchanger(context, roster, own)
        self._joins = joins = Joins(context, self._exchanger.ask)
        self._departed = Departed(context, roster)
        self._neighbours = Neighbours(context, roster, joins, prober, self._departed)
        self._suspects = suspects = Suspects(context, roster, gossiper, prober)
        self._presence = Presence(context, roster, gossiper, health, own, suspects)
        arrivals = Arrivals(roster, self._neighbours, joins, gossiper, prober, suspects)
        self._intake = Intake(context, roster, own, prober, suspects, self._presence, arrivals)
        self._handlers: dict[type[Any], Callable[[float, PeerId, Any], None]] = {
            Ping: self._on_ping,
            Ack: self._on_ack,
            PingRequest: self._on_ping_request,
            Nack: self._on_nack,
            Gossip: self._on_gossip,
            Exchange: self._on_exchange,
        }
        self._timeouts: dict[str, Callable[..., None]] = {
            "period": self._fire_period,
            "probe": self._prober.fire,
            "relay": lambda now, number: self._relays.fire(number),
            "gossip": self._gossiper.fire,
            "suspicion": self._suspects.fire_deadline,
            "tell": self._suspects.fire_tell,
            "contact": self._departed.fire,
            "refute": self._presence.fire,
            "join": self._fire_join,
        }

    # ------------------------------------------------------------------------------------- what is known

    @property
    def members(self) -> dict[PeerId, Member]:
        """Everybody but this node. To be read only."""
        return self._roster.by_id

    @property
    def incarnation(self) -> int:
        """This node's own incarnation."""
        return self._own.incarnation

    @property
    def outlived(self) -> bool:
        """Whether others held a statement of this key that no start known to this node can have made."""
        return self._presence.outlived

    @property
    def announcement(self) -> Announcement:
        """What this node says of itself."""
        return self._own.announcement

    @property
    def probe_timeout_s(self) -> float:
        """How long the answer to a direct probe may take: it follows the round trips of late."""
        return self._prober.timeout_s

    @property
    def rejected(self) -> Counter[str]:
        """Statements that were ignored, by cause."""
        return self._intake.rejected

    @property
    def local_health(self) -> int:
        """0 while this node keeps up, up to 7 when it seems to be the slow one."""
        return self._health.score

    def live(self) -> list[PeerId]:
        """Members that are alive or suspect, without this node, in order of their keys."""
        return list(self._roster.live_peers())

    def is_dead(self, peer: PeerId) -> bool:
        """Confirmed dead by this node, or left; False for unknown peers."""
        member = self._roster.get(peer)
        return member is not None and not member.is_live

    # ---------------------------------------------------------------------------------------- what happens

    def start(self, now: float) -> None:
        """Begin to probe, at a random phase."""
        self._exchange_due = now + self._context.timing.exchange_period_s
        self._context.timers.set(
            _PERIOD, now + self._context.doors.rng.uniform(0.0, self._context.timing.probe_period_s)
        )

    def handle(self, now: float, sender: PeerId, message: MembershipMessage) -> None:
        """Handle a message of a frame whose signature has been checked; statements inside are checked here."""
        if not self._own.left:
            self._handlers[type(message)](now, sender, message)

    def fire(self, now: float, key: tuple[Any, ...]) -> None:
        """A timer of this machine is due."""
        if not self._own.left:
            self._timeouts[key[1]](now, *key[2:])

    def heard_from(self, now: float, peer: PeerId) -> None:
        """A verified frame of `peer` has arrived; what it holds is handled after this.

        It proves nothing of a member's health, but a stranger is asked who it is, unless it introduces itself
        in the same frame, and one held for dead hears of it at once, so that it can refute.
        """
        if self._own.left:
            return
        member = self._roster.get(peer)
        if member is None:
            self._joins.want(now, peer)
        elif member.state == "dead":
            self._departed.contact(now, member)

    def neighbours_changed(self, now: float, attached: Mapping[PeerId, bool]) -> None:
        """Neighbours with a live link, and whether a client reads at their node: a hint, never a verdict."""
        self._neighbours.changed(now, attached)

    def announce(self, now: float, announcement: Announcement) -> None:
        """Tell everybody a new announcement, under a new incarnation."""
        self._presence.announce(now, announcement)

    def leave(self, _now: float) -> None:
        """Tell everybody that this node goes on purpose; it neither probes nor answers from then on."""
        self._presence.leave()

    # ------------------------------------------------------------------------------------------- messages

    def _on_ping(self, now: float, sender: PeerId, ping: Ping) -> None:
        self._intake.take(now, sender, ping.updates)
        member = self._roster.get(sender)
        if member is not None:
            member.asked = now
        self._context.send_at_once(sender, Ack(ping.number, self._gossiper.carry(sender)))

    def _on_ack(self, now: float, sender: PeerId, ack: Ack) -> None:
        self._intake.take(now, sender, ack.updates)
        if not self._relays.on_ack(sender, ack.number):
            self._prober.on_ack(now, sender, ack.number)

    def _on_ping_request(self, now: float, sender: PeerId, request: PingRequest) -> None:
        self._intake.take(now, sender, request.updates)
        self._relays.accept(now, sender, request.number, request.target, self._prober.timeout_s)

    def _on_nack(self, _now: float, sender: PeerId, nack: Nack) -> None:
        self._prober.on_nack(sender, nack.number)

    def _on_gossip(self, now: float, sender: PeerId, gossip: Gossip) -> None:
        self._intake.take(now, sender, gossip.updates)

    def _on_exchange(self, now: float, sender: PeerId, exchange: Exchange) -> None:
        self._intake.take(now, sender, exchange.updates)
        member = self._roster.get(sender)
        if exchange.reply and member is not None:
            self._exchanger.answer(now, member)

    # --------------------------------------------------------------------------------------------- timers

    def _fire_period(self, now: float) -> None:
        """Probe the next in turn; now and then exchange everything instead, so that the load stays the same."""
        live = self._roster.live()
        if live and now >= self._exchange_due:
            self._exchange_due = now + self._context.timing.exchange_period_s
            self._exchanger.ask(now, self._context.doors.rng.choice(live).peer)
        else:
            self._prober.next_in_turn(now)
        # A little more than a period, by chance: nodes that were started together do not stay in step.
        period_s = self._context.timing.probe_period_s * self._context.doors.rng.uniform(1.0, PERIOD_JITTER)
        self._context.timers.set(_PERIOD, now + period_s * self._health.stretch)

    def _fire_join(self, now: float, peer: PeerId) -> None:
        self._joins.fire(now, peer, still_wanted=peer in self._neighbours)

    # --------------------------------------------------------------------------------------- consequences

    def _changed(self, now: float, peer: PeerId, old: MemberState | None, new: MemberState) -> None:
        if new in {"dead", "left"}:
            self._departed.departed(now)
        self._on_change(now, peer, old, new)

    def _on_failed(self, now: float, member: Member) -> None:
        self._suspects.accuse(now, member)


def _numbers(rng: Rng) -> Iterator[int]:
    """Numbers of probes that nobody guesses: an answer proves that its author was there to read the question."""
    while True:
        yield UNTRACKED + 1 + rng.randrange(_NUMBERS)
