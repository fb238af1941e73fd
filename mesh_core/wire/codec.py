"""Frames: what one AXL `/send` carries, signed once however many messages it holds.

`[version, network, sender, boot, counter, dest, dest_boot, [message…]] ‖ signature`. Checked on receipt in
this order: size, shape, network, destination, signature, replay; only then are messages decoded, each on its
own, so that one malformed message never costs its neighbours.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from mesh_core.config import PROTOCOL_VERSION, limit
from mesh_core.crypto import Crypto
from mesh_core.wire.malformed import MALFORMED
from mesh_core.wire.messages import Message, SelfAnswer
from mesh_core.wire.statements import PeerId

_DOMAIN = b"whisper:frame\0"
_SIGNATURE_BYTES = 64
_PEER_BYTES = 32
_HEAD_BYTES_MAX = 512
"""What a frame holds beside its messages, with the longest name of a network."""

_SENDERS_MAX = 4 * limit("members_max")

_encoder = msgspec.msgpack.Encoder()
_messages: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


class Frame(Struct, array_like=True, frozen=True):
    """The signed part of a frame. `boot` counts the sender's starts, `counter` its frames since then;
    `dest_boot` is the receiver's boot as the sender knows it, 0 when it does not or when any may read it."""

    version: int
    network: str
    sender: PeerId
    boot: int
    counter: int
    dest: PeerId
    dest_boot: int
    messages: list[Raw]


_frames: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


class FrameError(ValueError):
    """A frame is dropped. `cause` is a word to count by; `sender` is set once its signature is known good."""

    def __init__(self, cause: str, sender: PeerId | None = None, boot: int = 0) -> None:
        super().__init__(cause)
        self.cause = cause
        self.sender = sender
        self.boot = boot


@dataclass(slots=True)
class _Replay:
    """Sliding window over one sender's counters of one boot (as in RFC 4303 §3.4.3)."""

    boot: int
    highest: int
    seen: int

    def admit(self, counter: int, window: int) -> bool:
        """Whether `counter` is new; remembers it."""
        if counter > self.highest:
            ahead = counter - self.highest
            self.seen = 1 if ahead >= window else ((self.seen << ahead) | 1) & ((1 << window) - 1)
            self.highest = counter
            return True
        age = self.highest - counter
        if age >= window or self.seen >> age & 1:
            return False
        self.seen |= 1 << age
        return True


class FrameCodec:
    """Seals and opens the frames of one node. What cannot be sent is counted in `dropped`."""

    def __init__(
        self, *, me: PeerId, network: str, boot: int, crypto: Crypto, dropped: Counter[str] | None = None
    ) -> None:
        self._me = me
        self._network = network
        self._boot = boot
        self._crypto = crypto
        self._dropped: Counter[str] = Counter() if dropped is None else dropped
        self._counter = 0
        self._senders: OrderedDict[PeerId, _Replay] = OrderedDict()

    def boot_of(self, peer: PeerId) -> int:
        """The latest boot seen of `peer`, 0 when none."""
        known = self._senders.get(peer)
        return known.boot if known else 0

    def seal(self, to: PeerId, messages: Sequence[Message]) -> tuple[bytes, int]:
        """One signed frame with as many of `messages` as fit, in order, and how many were taken (at least one).
        A message that no receiver would take is taken and left out: in a frame it would cost its neighbours.

        Answers about a peer's own past travel by themselves, in frames that any of its starts takes: an old backup must
        hear of later ones.
        """
        packed: list[Raw] = []
        size = taken = 0
        of_any_start = bool(messages) and isinstance(messages[0], SelfAnswer)
        for message in messages[: limit("frame_messages_max")]:
            if isinstance(message, SelfAnswer) != of_any_start:
                break
            encoded = _encoder.encode(message)
            if packed and size + len(encoded) > limit("frame_bytes_target"):
                break
            taken += 1
            if len(encoded) > limit("frame_bytes_max") - _HEAD_BYTES_MAX:
                self._dropped["too_large_to_send"] += 1
                continue
            packed.append(Raw(encoded))
            size += len(encoded)
        self._counter += 1
        body = _encoder.encode(
            Frame(
                PROTOCOL_VERSION,
                self._network,
                self._me,
                self._boot,
                self._counter,
                to,
                0 if of_any_start else self.boot_of(to),
                packed,
            )
        )
        return body + self._crypto.sign(_DOMAIN + body), taken

    def open(self, frame: bytes) -> Frame:
        """Check a frame and return it, its messages still packed. Raises FrameError with the cause."""
        if len(frame) > limit("frame_bytes_max"):
            raise FrameError("too_large")
        body = frame[:-_SIGNATURE_BYTES]
        try:
            opened = _frames.decode(body)
        except MALFORMED:
            raise FrameError("malformed") from None
        if opened.version != PROTOCOL_VERSION:
            raise FrameError("other_version")
        if opened.network != self._network:
            raise FrameError("other_network")
        if opened.dest != self._me:
            raise FrameError("other_destination")
        if len(opened.sender) != _PEER_BYTES or opened.sender == self._me:
            raise FrameError("bad_sender")
        if len(opened.messages) > limit("frame_messages_max") or opened.counter < 1 or opened.boot < 1:
            raise FrameError("malformed")
        if not self._crypto.verify(opened.sender, _DOMAIN + body, frame[-_SIGNATURE_BYTES:]):
            raise FrameError("bad_signature")
        self._admit(opened)
        return opened

    def messages(self, frame: Frame) -> Iterator[Message | None]:
        """The frame's messages in order; None in place of one that is malformed."""
        for raw in frame.messages:
            try:
                yield _messages.decode(raw)
            except MALFORMED:
                yield None

    def _admit(self, frame: Frame) -> None:
        known = self._senders.get(frame.sender)
        if known is None or frame.boot > known.boot:
            # Also of a frame that is void itself: two that know each other's former boots only, from frames that came
            # late, would otherwise refuse each other for ever.
            known = self._meet(frame.sender, frame.boot)
        if frame.dest_boot not in (0, self._boot):
            raise FrameError("before_my_restart", frame.sender, frame.boot)
        if frame.boot < known.boot:
            raise FrameError("before_its_restart", frame.sender, frame.boot)
        self._senders.move_to_end(frame.sender)
        if not known.admit(frame.counter, limit("replay_window")):
            raise FrameError("replayed", frame.sender, frame.boot)

    def _meet(self, sender: PeerId, boot: int) -> _Replay:
        """Remember the newest boot that a sender has signed; none of its frames has been seen yet."""
        known = self._senders[sender] = _Replay(boot, 0, 0)
        self._senders.move_to_end(sender)
        if len(self._senders) > _SENDERS_MAX:
            self._senders.popitem(last=False)
        return known
