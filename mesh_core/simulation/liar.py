"""A participant that lies: the real node inside, and somebody who alters, doubles and withholds what it says.

The liar signs with its own key and cannot sign with another; everything else it may do. Its node goes on by the rules
and knows nothing of it, so that a liar is as well informed as an honest participant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import ClassVar

import msgspec

from mesh_core.context import Doors, NodeConfig
from mesh_core.effects import Effect, FrameReceived, Input, PeerId, Persist, Send, Stored, SubmitQuery
from mesh_core.identity.statement import sign
from mesh_core.lease.past import RETIRED
from mesh_core.node import Node
from mesh_core.wire.codec import Frame
from mesh_core.wire.malformed import MALFORMED
from mesh_core.wire.messages import Message

IDLE_S = 0.1
"""Mean time between two lies that nobody asked for."""

_frames = msgspec.msgpack.Decoder(Frame)


class Vice:
    """One way of lying. Subclasses override what they need; everything they send leaves at once."""

    about: ClassVar[str] = "lies"
    keeps_waiting: ClassVar[bool] = False
    """Whether somebody may wait in vain for what it ought to say."""

    def __init__(self, node: Node, rng: Random) -> None:
        self.node = node
        self.rng = rng

    @property
    def me(self) -> PeerId:
        """The liar's key."""
        return self.node.peer

    @property
    def network(self) -> str:
        """The network it is in."""
        return self.node.config.network

    def signed(self, statement: object) -> bytes:
        """A statement with the liar's signature."""
        return sign(self.node.context.crypto, statement)

    def others(self) -> list[PeerId]:
        """Members it may talk to."""
        return self.node.membership.live()

    def doing(self, effect: Effect) -> Iterable[Effect]:
        """What happens in place of something the node does; writes are not asked about."""
        return (effect,)

    def hearing(self, sender: PeerId, message: Message) -> Iterable[Send]:
        """What else is said when a message arrives."""
        return ()

    def idling(self) -> Iterable[Send]:
        """What is said unasked."""
        return ()


class Liar(Node):
    """A real node with vices."""

    def __init__(
        self,
        config: NodeConfig,
        doors: Doors,
        stored: Stored,
        boot: int,
        *,
        vices: Sequence[type[Vice]],
        rng: Random,
    ) -> None:
        stored.meta.pop(RETIRED, None)
        super().__init__(config, doors, stored, boot)
        self._vices = [vice(self, rng) for vice in vices]
        self._rng = rng
        self._idle_at = 0.0

    def start(self, now: float) -> list[Effect]:
        """Begin as any node does."""
        self._idle_at = now
        return self._instead(super().start(now))

    def next_deadline(self) -> float | None:
        """The node's own, or the next lie."""
        deadline = super().next_deadline()
        return self._idle_at if deadline is None else min(deadline, self._idle_at)

    def step(self, now: float, event: Input) -> list[Effect]:
        """Do what the node does, and what vice makes of it."""
        effects = self._instead(super().step(now, event))
        if self.past.retired:
            # A liar that has been found out does not give up its key.
            self.past.retired = ""
            self.context.pen.open()
        if isinstance(event, FrameReceived):
            effects.extend(self._answers(event.frame))
        if now >= self._idle_at:
            self._idle_at = now + self._rng.expovariate(1.0) * IDLE_S
            effects.extend(lie for vice in self._vices for lie in vice.idling())
        return effects

    def submit(self, now: float, request: SubmitQuery) -> tuple[bytes, list[Effect]]:
        """Submit as any node does."""
        query, effects = super().submit(now, request)
        return query, self._instead(effects)

    def _instead(self, effects: Iterable[Effect]) -> list[Effect]:
        done: list[Effect] = []
        for effect in effects:
            done.extend([effect] if isinstance(effect, Persist) else self._twisted(effect))
        return done

    def _twisted(self, effect: Effect) -> Sequence[Effect]:
        twisted: Sequence[Effect] = (effect,)
        for vice in self._vices:
            twisted = [instead for one in twisted for instead in vice.doing(one)]
        return twisted

    def _answers(self, data: bytes) -> Iterator[Send]:
        try:
            frame = _frames.decode(data[:-64])
        except MALFORMED:
            return
        for message in self.codec.messages(frame):
            if message is not None:
                for vice in self._vices:
                    yield from vice.hearing(frame.sender, message)
