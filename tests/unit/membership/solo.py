"""One `Membership` machine under a microscope; everybody else is played by the test."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any, TypeVar

import msgspec

from mesh_core.config import FAST, Timing
from mesh_core.effects import Notify, PeerId, Send
from mesh_core.identity.statement import sign
from mesh_core.membership import Membership
from mesh_core.wire.messages import Ack, Exchange, Gossip, Ping, Update
from mesh_core.wire.statements import Accusation, Alive
from tests.unit.membership.cluster import NETWORK, Signer, announcement, context, key

ME = key("me")
OTHERS = ("b", "c", "d")
"""As many accusers as it takes to end a suspicion early."""

M = TypeVar("M")


def alive(
    name: str,
    incarnation: int = 1,
    *,
    left: bool = False,
    network: str = NETWORK,
    by: str = "",
    price: int = 1,
    models: tuple[str, ...] = (),
) -> Update:
    """A statement of `name` about itself; signed by somebody else when `by` is given."""
    said = msgspec.structs.replace(announcement(name, price), models=models)
    statement = Alive(network, key(name), incarnation, said, left)
    return Update("alive", sign(Signer(key(by or name)), statement))


def accusation(
    accuser: str,
    subject: str,
    incarnation: int = 1,
    *,
    dead: bool = False,
    network: str = NETWORK,
    by: str = "",
) -> Update:
    """`accuser` says that `subject` does not answer; signed by somebody else when `by` is given."""
    statement = Accusation(network, key(accuser), key(subject), incarnation, dead)
    return Update("accusation", sign(Signer(key(by or accuser)), statement))


class Solo:
    """The machine of "me". What it sends is collected until it is taken."""

    def __init__(self, *, timing: Timing = FAST, boot: int = 1, seed: int = 0) -> None:
        self.now = 100.0
        self.timing = timing
        self.signer = Signer(ME)
        shared = context("me", ME, self.signer, random.Random(seed), timing, boot)
        self.timers, self.outbox = shared.timers, shared.outbox
        self.changes: list[tuple[PeerId, str | None, str]] = []
        self._moments: list[tuple[str, dict[str, Any]]] = []
        self._sends: list[Send] = []
        self.membership = Membership(
            shared, lambda _now, peer, old, new: self.changes.append((peer, old, new))
        )
        self.membership.start(self.now)

    # ----------------------------------------------------------------------------------------- driving

    def deliver(self, sender: str, message: Any) -> None:
        """A verified frame with one message arrives."""
        self.membership.heard_from(self.now, key(sender))
        self.membership.handle(self.now, key(sender), message)

    def gossip(self, sender: str, *updates: Update) -> None:
        """Updates arrive."""
        self.deliver(sender, Gossip(updates))

    def wait(self, seconds: float, *, answering: tuple[str, ...] = ()) -> None:
        """Let time pass and timers fire, each at its deadline; pings to those `answering` are acked at once."""
        end = self.now + seconds
        while (deadline := self.timers.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.fire_due()
            self.answer(*answering)
        self.now = end

    def fire_due(self) -> None:
        """Fire what is due now, however late."""
        for timer in self.timers.due(self.now):
            assert isinstance(timer, tuple)
            self.membership.fire(self.now, timer)

    def sleep(self, seconds: float) -> None:
        """This node is stalled: time passes, nothing fires."""
        self.now += seconds

    def answer(self, *names: str) -> None:
        """Ack every ping to these that has not been taken yet, and those that follow from it."""
        peers = {key(name): name for name in names}
        while pings := self._take_pings(peers):
            for to, number in pings:
                self.deliver(peers[to], Ack(number, ()))

    def _take_pings(self, peers: Collection[PeerId]) -> list[tuple[PeerId, int]]:
        self._collect()
        pings = [send for send in self._sends if isinstance(send.message, Ping) and send.to in peers]
        self._sends = [send for send in self._sends if send not in pings]
        return [(send.to, send.message.number) for send in pings if isinstance(send.message, Ping)]

    # ------------------------------------------------------------------------------------------ members

    def meet(self, *names: str) -> None:
        """Members that introduce themselves, answer probes, and have done so for long enough to be believed."""
        for name in names:
            self.deliver(name, Exchange((alive(name),), False))
        self.answer(*names)
        self.wait(10 * self.timing.probe_period_s + 0.001, answering=names)
        self.take()

    def kill(self, name: str) -> None:
        """The others accuse a member, and it does not answer."""
        self.gossip(OTHERS[0], *(accusation(other, name) for other in OTHERS))
        self.wait(self.timing.suspicion_min_s, answering=OTHERS)
        assert self.state(name) == "dead"
        self.take()

    def state(self, name: str) -> str:
        """The state of a member, or "unknown"."""
        member = self.membership.members.get(key(name))
        return member.state if member else "unknown"

    def accusers(self, name: str) -> set[PeerId]:
        """Who accuses a member."""
        return set(self.membership.members[key(name)].accusers)

    # --------------------------------------------------------------------------------------------- sent

    def take(self) -> list[Send]:
        """Everything sent since the last call."""
        self._collect()
        sends, self._sends = self._sends, []
        return sends

    def sent(self, kind: type[M], to: str = "") -> list[M]:
        """Messages of one kind sent since `take`, to everybody or to one."""
        self._collect()
        return [s.message for s in self._sends if isinstance(s.message, kind) and (not to or s.to == key(to))]

    def moments(self, kind: str) -> list[dict[str, Any]]:
        """The fields of every moment of this kind."""
        self._collect()
        return [fields for found, fields in self._moments if found == kind]

    def told(self, to: str) -> set[bytes]:
        """The statements sent to one since `take`."""
        self._collect()
        return {
            update.signed
            for send in self._sends
            if send.to == key(to)
            for update in getattr(send.message, "updates", ())
        }

    def _collect(self) -> None:
        for effect in self.outbox.take():
            if isinstance(effect, Send):
                assert not effect.after_disk, "membership never waits for a disk"
                self._sends.append(effect)
            elif isinstance(effect, Notify):
                self._moments.append((effect.kind, effect.fields))
