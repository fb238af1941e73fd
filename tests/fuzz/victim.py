"""One node in the middle of its work to whom anything can be said, and what must be true of it afterwards.

Its door to cryptography takes every signature but those in its own name: what a fuzzer makes up is as good as what
all others together could sign, and gets past the first check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import msgspec
from msgspec import Raw

from mesh_core.api.hub import Entity
from mesh_core.api.view import About, NodeViews
from mesh_core.config import PROTOCOL_VERSION, limit
from mesh_core.crypto import Crypto
from mesh_core.effects import Effect, Execute, Executed, FrameReceived, Notify, Persist, Send, Tick
from mesh_core.node import Doors, Node
from mesh_core.simulation.disk import Disk
from mesh_core.wire import messages as ms
from mesh_core.wire.codec import Frame
from mesh_core.work.result import encode_answer, make_answer
from tests.fuzz.honest import Honest, Place

TICKS_MAX = 60
EFFECTS_MAX = 20_000
"""More than one short conversation can honestly cause."""

_decoder: msgspec.msgpack.Decoder[ms.Message] = msgspec.msgpack.Decoder(ms.Message)
ANSWER = encode_answer(make_answer("an answer", "search", [], []))


class Gullible:
    """A node's own cryptography that believes every signature of others."""

    def __init__(self, crypto: Crypto, me: bytes) -> None:
        self._crypto = crypto
        self._me = me

    def verify(self, peer: bytes, data: bytes, signature: bytes) -> bool:
        """True unless it pretends to be this node."""
        return peer != self._me or self._crypto.verify(peer, data, signature)

    def __getattr__(self, name: str) -> object:
        return getattr(self._crypto, name)


class Victim:
    """A node that has just been started again in its place, and knows who is there."""

    def __init__(self, place: Place, honest: Honest, *, gullible: bool) -> None:
        self.place = place
        self.now = 100.0
        self.disk = Disk()
        self.disk.restore(place.disk)
        self._gullible = gullible
        self._counters: dict[bytes, int] = {}
        self._effects = 0
        self._changed: set[Entity] = set()
        self.node = self._made(boot=2)
        self.views = NodeViews(
            self.node,
            About("victim", "provider", place.config.network, "0", True, True, 3, ""),
            lambda: self.now,
            lambda: 1000.0 * self.now,
            lambda: "",
            lambda: "search",
        )
        self._carry_out(self.node.start(self.now))
        for peer in honest.peers[:-1]:
            if peer != place.config.peer:
                self._carry_out(self.node.step(self.now, FrameReceived(self.frame(peer, [_alive(honest)]))))
        self.wait(1.5)

    def frame(self, sender: bytes, messages: Sequence[Raw]) -> bytes:
        """A frame that nobody has signed."""
        counter = self._counters[sender] = self._counters.get(sender, 0) + 1
        config = self.place.config
        frame = Frame(PROTOCOL_VERSION, config.network, sender, 9, counter, config.peer, 0, list(messages))
        return msgspec.msgpack.encode(frame) + bytes(64)

    def hear(self, frame: bytes) -> None:
        """A frame arrives."""
        self._carry_out(self.node.step(self.now, FrameReceived(frame)))

    def do(self, act: Callable[[], Sequence[Effect]]) -> None:
        """Something else is asked of the node."""
        self._carry_out(act())

    def wait(self, seconds: float) -> None:
        """Time passes; no more timers fire than a conversation needs."""
        end = self.now + seconds
        for _ in range(TICKS_MAX):
            deadline = self.node.next_deadline()
            if deadline is None or deadline > end:
                break
            self.now = max(self.now, deadline)
            self._carry_out(self.node.step(self.now, Tick()))
        self.now = max(self.now, end)

    def check(self) -> None:
        """What it has come to can be shown, and is found again after a crash."""
        self.views.restored()
        for entity in {*self._changed, *self.views.entities()}:
            msgspec.json.encode(self.views.view(entity))
        msgspec.json.encode(self.views.state(1, {}))
        ledger = self.node.ledger
        assert sum(account.balance_micro for account in ledger.accounts.values()) == 0
        again = self._made(boot=3)
        again.start(0.0)
        assert again.ledger.state_root() == ledger.state_root(), "a restart comes to another state"
        assert again.ledger.chains.vector_hash() == ledger.chains.vector_hash(), "a restart lacks records"

    def _made(self, boot: int) -> Node:
        config = self.place.config
        crypto = Gullible(self.place.crypto, config.peer) if self._gullible else self.place.crypto
        return Node(config, Doors(crypto, Random(boot), lambda: 0), self.disk.load(), boot)  # type: ignore[arg-type]

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        self._effects += len(effects)
        assert self._effects < EFFECTS_MAX, "a few messages cause effects without end"
        for effect in effects:
            if isinstance(effect, Persist):
                self.disk.append(effect.writes)
                self.disk.begin_sync()
                self.disk.end_sync()
            elif isinstance(effect, Send):
                packed = msgspec.msgpack.encode(effect.message)
                assert len(packed) < limit("frame_bytes_max") - 256, "a message fits into no frame"
                assert _decoder.decode(packed) == effect.message
            elif isinstance(effect, Notify):
                self.views.observe(effect.kind, effect.fields, 1000.0 * self.now)
                self._changed.update(self.views.affected(effect.kind, effect.fields))
            elif isinstance(effect, Execute):
                done = Executed(effect.job, effect.epoch, ANSWER, None)
                self._carry_out(self.node.step(self.now, done))


def _alive(honest: Honest) -> Raw:
    updates = tuple(ms.Update("alive", signed) for signed in honest.alive)
    return Raw(msgspec.msgpack.encode(ms.Gossip(updates)))
