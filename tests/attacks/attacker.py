"""Somebody who speaks the protocol over a real AXL node and keeps only the rules it likes.

A *voice* is a key and what it signs; an *attacker* is a voice with an AXL node of its own, through which other voices
may speak as well: the mesh believes frames, not nodes.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Raw

from axl.client import AxlClient
from axl.errors import AxlError, AxlUnavailable
from axl.keys import PrivateKey, from_seed, generate
from mesh_core.config import PROTOCOL_VERSION
from mesh_core.identity.statement import body_hash, peek, sign
from mesh_core.io.crypto import KeyCrypto
from mesh_core.ledger.record import FIRST_PREV, make_record
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from mesh_core.wire.codec import Frame, FrameCodec, FrameError
from tests.e2e.mesh import PATIENCE_S, Participant
from tests.ports import free_ports

NETWORK = "local"
FRAME_DOMAIN = b"whisper:frame\0"
"""Written down once more: an attacker has read the documentation, not our private names."""

QUESTIONS_FROM = 1 << 20
"""Number of the first question that waits for its answer: attacks number theirs from 0, and theirs are answered too."""

M = TypeVar("M")
Reaction = Callable[[bytes, Any], ms.Message | None]


class Voice:
    """A key, and whatever its owner cares to sign."""

    def __init__(self, key: PrivateKey | None = None, *, boot: int = 1) -> None:
        self.key = key or generate()
        self.crypto = KeyCrypto(self.key.seed)
        self.boot = boot
        self.codec = FrameCodec(me=self.key.peer, network=NETWORK, boot=boot, crypto=self.crypto)
        self.clock_ms = 1
        """What its records give as their time: nobody should care."""
        self._seq, self._head = 0, FIRST_PREV

    @property
    def id(self) -> bytes:
        """Its key, as the protocol names it."""
        return self.key.peer

    @property
    def peer(self) -> str:
        """Its key, as settings and views name it."""
        return self.key.peer.hex()

    def frame(self, to: bytes, *messages: ms.Message) -> bytes:
        """An impeccable frame."""
        sealed, taken = self.codec.seal(to, messages)
        assert taken == len(messages), "more than one frame holds"
        return sealed

    def odd_frame(self, to: bytes, messages: Sequence[object], **changes: Any) -> bytes:
        """A well signed frame with whatever fields."""
        raws = [one if isinstance(one, Raw) else Raw(msgspec.msgpack.encode(one)) for one in messages]
        frame = Frame(PROTOCOL_VERSION, NETWORK, self.id, self.boot, 1, to, 0, raws)
        return self.signed(msgspec.msgpack.encode(msgspec.structs.replace(frame, **changes)))

    def signed(self, body: bytes) -> bytes:
        """Any bytes, signed as a frame."""
        return body + self.crypto.sign(FRAME_DOMAIN + body)

    def sign(self, statement: object) -> bytes:
        """A signed statement."""
        return sign(self.crypto, statement)

    def record(self, kind: str, body: object) -> bytes:
        """The next record of its chain."""
        signed = self.record_at(self._seq + 1, self._head, kind, body, written_ms=self.clock_ms)
        self._seq, self._head = self._seq + 1, body_hash(signed)
        return signed

    def record_at(self, seq: int, prev: bytes, kind: str, body: object, *, written_ms: int = 1) -> bytes:
        """A record at any place."""
        return make_record(self.crypto, NETWORK, self.id, seq, prev, written_ms, kind, body)

    def alive(
        self, *, incarnation: int | None = None, left: bool = False, network: str = NETWORK, **announced: Any
    ) -> ms.Update:
        """Its own word that it lives, by default as a cheap provider of everything."""
        incarnation = self.boot << 20 if incarnation is None else incarnation
        return ms.Update(
            "alive",
            self.sign(st.Alive(network, self.id, incarnation, announcement(**announced), left)),
        )

    def accuse(self, subject: bytes, incarnation: int, *, dead: bool = True) -> ms.Update:
        """Its word that somebody else is dead."""
        return ms.Update("accusation", self.sign(st.Accusation(NETWORK, self.id, subject, incarnation, dead)))


def announcement(**changes: Any) -> st.Announcement:
    """What a tempting provider says of itself."""
    tempting = st.Announcement("mallory", "provider", ("answer", "combine"), 1, (0,), ("m",), "")
    return msgspec.structs.replace(tempting, **changes)


class Attacker(Voice):
    """A voice with a running AXL node that is linked with every participant."""

    def __init__(self, client: AxlClient, key: PrivateKey) -> None:
        super().__init__(key)
        self.client = client
        self.received: list[tuple[bytes, ms.Message]] = []
        """Everything that came for its own key: who sent it, and what."""
        self._came = asyncio.Event()
        self._reactions: dict[type[Any], Reaction] = {}
        self._numbers = itertools.count(QUESTIONS_FROM)
        self._is_member_of: list[Participant] = []
        self._announced: dict[str, Any] = {}
        self._incarnation = self.boot << 20

    # ---------------------------------------------------------------------------------------- speaking

    async def send(self, to: Participant, *messages: ms.Message, by: Voice | None = None) -> None:
        """Send messages in one frame, signed by itself or by another of its voices."""
        await self.throw(to, (by or self).frame(to.key.peer, *messages))

    async def throw(self, to: Participant, data: bytes) -> None:
        """Send any bytes."""
        await self.client.send(to.key.peer, data)

    async def is_heard(self, *by: Participant) -> None:
        """Wait until these have dealt with all that was sent to them: an answer to a question comes after that."""
        for participant in by:
            number = next(self._numbers)
            await self.send(participant, ms.SelfQuery(number))
            await self.answer(ms.SelfAnswer, participant, lambda one, number=number: one.number == number)

    # --------------------------------------------------------------------------------------- listening

    async def answer(
        self, kind: type[M], by: Participant | None = None, wanted: Callable[[M], bool] = lambda _: True
    ) -> M:
        """The first message of a kind that came, or comes now."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for message in self.got(kind, by):
                    if wanted(message):
                        return message
                self._came.clear()
                await self._came.wait()

    def got(self, kind: type[M], by: Participant | None = None) -> list[M]:
        """All messages of a kind that have come."""
        return [
            cast(M, message)
            for sender, message in self.received
            if isinstance(message, kind) and (by is None or sender == by.key.peer)
        ]

    def reacts(self, kind: type[Any], reaction: Reaction) -> None:
        """Answer each message of a kind with what `reaction` makes of (sender, message), if anything."""
        self._reactions[kind] = reaction

    async def listen(self) -> None:
        """Take what comes, answer what is to be answered; runs until it is cancelled."""
        while True:
            for one in await self.client.receive(wait_s=60.0):
                try:
                    frame = self.codec.open(one.body)
                except FrameError:
                    continue  # meant for another of its voices
                for message in self.codec.messages(frame):
                    if message is not None:
                        self.received.append((frame.sender, message))
                        with suppress(AxlError):  # whoever asked may be gone or overrun
                            await self._refute(message)
                            await self._react(frame.sender, message)
            self._came.set()

    async def _react(self, sender: bytes, message: ms.Message) -> None:
        reaction = self._reactions.get(type(message))
        answer = reaction(sender, message) if reaction is not None else None
        if answer is not None:
            await self.client.send(sender, self.frame(sender, answer))

    # -------------------------------------------------------------------------------------- membership

    async def _refute(self, message: ms.Message) -> None:
        """Outbid an accusation of itself, as any member does that was too slow to answer a probe."""
        if not self._is_member_of:
            return
        accused = [
            peek(update.signed, st.Accusation)
            for update in getattr(message, "updates", ())
            if update.kind == "accusation"
        ]
        highest = max((one.incarnation for one in accused if one.subject == self.id), default=-1)
        if highest >= self._incarnation:
            self._incarnation = highest + 1
            for participant in self._is_member_of:
                await self.send(participant, ms.Gossip((self._own(),)))

    def _own(self) -> ms.Update:
        return self.alive(incarnation=self._incarnation, **self._announced)

    async def join(self, everybody: Sequence[Participant], **announced: Any) -> None:
        """Become a member like any other: say so, and answer probes."""
        self._announced, self._is_member_of = announced, list(everybody)
        self.reacts(ms.Ping, lambda _, ping: ms.Ack(ping.number, ()) if ping.number else None)
        self.reacts(ms.Exchange, lambda _, one: ms.Exchange((self._own(),), False) if one.reply else None)
        for participant in everybody:
            await self.send(participant, ms.Exchange((self._own(),), True))
        for participant in everybody:
            await participant.state_when(
                lambda state: any(one.peer == self.peer and one.state == "alive" for one in state.members)
            )
            await self.answer(ms.Ping, participant)

    async def leave(self) -> None:
        """Say goodbye, so that nobody has to wait for it any more."""
        self._incarnation = 1 << 40
        goodbye = self.alive(incarnation=self._incarnation, left=True)
        for participant in self._is_member_of:
            try:
                await self.send(participant, ms.Gossip((goodbye,)))
            except AxlError:
                continue  # that one is down


@asynccontextmanager
async def attacker(
    folder: Path, victims: Sequence[Participant], key: PrivateKey | None = None
) -> AsyncIterator[Attacker]:
    """An attacker with an AXL process of its own, gone when the block ends."""
    key = key or generate()
    home = folder / f"attacker-{key.peer.hex()[:12]}"
    home.mkdir(exist_ok=True)
    (home / "key.pem").touch(mode=0o600)
    (home / "key.pem").write_bytes(key.pem())
    (bridge_port,) = free_ports(1)
    config = {
        "PrivateKeyPath": "key.pem",
        "Peers": [f"tls://127.0.0.1:{victim.listen_port}" for victim in victims],
        "Listen": ["tls://127.0.0.1:0"],
        "api_port": bridge_port,
    }
    (home / "node-config.json").write_text(json.dumps(config))
    process = _start_node(home)
    client = AxlClient(f"http://127.0.0.1:{bridge_port}")
    listening: asyncio.Task[None] | None = None
    mallory = Attacker(client, key)
    try:
        await _linked(client, {victim.key.peer for victim in victims})
        listening = asyncio.create_task(mallory.listen())
        yield mallory
        await mallory.leave()
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        await client.aclose()
        process.kill()
        process.wait()


def _start_node(home: Path) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "WHISPER_LIFELINE_FD"}
    argv = [sys.executable, "-m", "axl", "-config", "node-config.json"]
    with (home / "axl.log").open("ab") as log:
        return subprocess.Popen(argv, cwd=home, stderr=log, env=environment)


async def _linked(client: AxlClient, peers: set[bytes]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        version = None
        while True:
            try:
                topology = await client.topology(wait_s=5.0, version=version)
            except AxlUnavailable:
                await asyncio.sleep(0.02)  # it is still starting
                continue
            if peers <= set(topology.peers):
                return
            version = topology.version


def from_word(word: str) -> PrivateKey:
    """The key that grows from a word, for those whose credit has to be known before they appear."""
    return from_seed(word.encode().ljust(32, b"\0"))
