"""Reading names: who owns one, which resolver answers for it, and what its records say.

Resolvers are contracts of strangers. What they answer is bounded; a record that is too long is cut and says so; one that
cannot be read is left out and does not keep the others from being read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mesh_core.chain.ens import calls, rpc
from mesh_core.chain.ens.calls import NOBODY, W3, to_bytes, to_text
from mesh_core.chain.ens.errors import ChainError, ChainUnavailable, Misconfigured, Refused
from mesh_core.chain.ens.names import Name, namehash
from mesh_core.chain.ens.networks import Deployment
from mesh_core.chain.ens.records import READ
from mesh_core.chain.ens.schema import RECORD_CHARS_MAX, RECORDS_MAX


@dataclass(frozen=True, slots=True)
class Found:
    """A name as it was found. Accounts have 20 bytes, those of nobody are zero. `owner` is who has the say, also when a
    wrapper holds the name (`wrapped`); `addr` is the account that the name resolves to. `long` are the keys of records that
    were cut. `off_chain`: a service keeps it, no contract."""

    name: Name
    owner: bytes = NOBODY
    wrapped: bool = False
    resolver: bytes = NOBODY
    addr: bytes = NOBODY
    records: dict[str, str] = field(default_factory=dict)
    long: frozenset[str] = frozenset()
    block: int = 0
    off_chain: bool = False

    @property
    def exists(self) -> bool:
        """Whether somebody owns it, or something resolves it."""
        return self.owner != NOBODY or self.addr != NOBODY or any(self.records.values())


class Directory:
    """Names at one deployment of ENS."""

    def __init__(self, w3: W3, deployment: Deployment) -> None:
        self._w3 = w3
        self.deployment = deployment
        self._batches: dict[bytes, bool] = {}

    async def check(self) -> None:
        """Raises Misconfigured when one of the addresses has no contract, ChainUnavailable when nobody tells."""
        needed = {"registry": self.deployment.registry, "resolver": self.deployment.resolver}
        for what, address in {**needed, "name wrapper": self.deployment.wrapper}.items():
            if address and not await calls.has_code(self._w3, address):
                raise Misconfigured(f"there is no contract at {address}, the {what}")

    async def block(self) -> int:
        """The number of the newest block."""
        return await rpc.number("asking for the newest block", self._w3.eth.block_number)

    async def owner(self, name: Name) -> tuple[bytes, bool]:
        """Who has the say over a name, and whether that is through the wrapper."""
        registered = to_bytes(
            await calls.read(
                self._w3, f"reading {name.text}", self.deployment.registry, calls.OWNER, name.node
            )
        )
        if not self.deployment.wrapper or registered != to_bytes(self.deployment.wrapper):
            return registered, False
        held = int.from_bytes(name.node)
        owner = await calls.read(
            self._w3, f"reading {name.text}", self.deployment.wrapper, calls.OWNER_OF, held
        )
        return to_bytes(owner), True

    async def resolver(self, name: Name) -> bytes:
        """The resolver that the registry names for it."""
        return to_bytes(
            await calls.read(
                self._w3, f"reading {name.text}", self.deployment.registry, calls.RESOLVER, name.node
            )
        )

    async def find(self, name: Name, keys: Sequence[str] = READ) -> Found:
        """What there is under a name. Raises ChainUnavailable when nobody tells."""
        keys = tuple(dict.fromkeys(keys))[:RECORDS_MAX]
        block = await self.block()
        owner, wrapped = await self.owner(name)
        resolver = await self.resolver(name)
        questions = [
            calls.ADDR.data(name.node),
            *(calls.TEXT.data(name.node, key) for key in keys),
        ]
        if resolver != NOBODY:
            answers = await self._asked(name, resolver, questions)
        else:
            answers = await self._universally(name, questions)
        addr, *texts = answers
        records, long = {}, set()
        for key, answer in zip(keys, texts, strict=True):
            text = _text(answer)
            if len(text) > RECORD_CHARS_MAX:
                long.add(key)
            if text:
                records[key] = text[:RECORD_CHARS_MAX]
        return Found(name, owner, wrapped, resolver, _address(addr), records, frozenset(long), block)

    async def _asked(self, name: Name, resolver: bytes, questions: Sequence[bytes]) -> list[bytes]:
        """A resolver's answers: all in one call where it takes that, else one by one; empty where it gives none."""
        what, to = f"reading the records of {name.text}", to_text(resolver)
        if self._batches.get(resolver, True):
            try:
                answers = await calls.read(self._w3, what, to, calls.MULTICALL, list(questions))
                if len(answers) == len(questions):
                    return [bytes(answer) for answer in answers]
            except ChainError:
                if len(self._batches) < 64:
                    self._batches[resolver] = False
        return [await self._one(what, to, question) for question in questions]

    async def _one(self, what: str, to: str, question: bytes) -> bytes:
        try:
            return await rpc.data(what, self._w3.eth.call({"to": to, "data": "0x" + question.hex()}))  # type: ignore[typeddict-item]
        except Refused:
            return b""
        except ChainUnavailable:
            await self.block()  # nobody is there at all: that is not this record's fault
            return b""

    async def _universally(self, name: Name, questions: Sequence[bytes]) -> list[bytes]:
        """Through a resolver of a name above, where there is one that answers for all below it (ENSIP-10)."""
        try:
            answer, _ = await calls.read(
                self._w3,
                f"resolving {name.text}",
                self.deployment.universal_resolver,
                calls.RESOLVE,
                name.dns,
                calls.MULTICALL.data(list(questions)),
            )
            answers = calls.MULTICALL.result(answer)
        except ChainError:
            await self.block()
            return [b""] * len(questions)
        return (
            [bytes(answer) for answer in answers]
            if len(answers) == len(questions)
            else [b""] * len(questions)
        )

    async def reverse(self, account: bytes) -> str:
        """The name that an account says it has, empty when it says none (EIP-181)."""
        node = _reverse_node(account)
        what = f"reading the name of {to_text(account)}"
        resolver = to_bytes(await calls.read(self._w3, what, self.deployment.registry, calls.RESOLVER, node))
        if resolver == NOBODY:
            return ""
        try:
            return str(await calls.read(self._w3, what, to_text(resolver), calls.NAME, node))[
                :RECORD_CHARS_MAX
            ]
        except Refused:
            return ""

    async def reverse_registrar(self) -> bytes:
        """Who gives accounts their names, nobody where there is no such contract."""
        node = namehash("addr.reverse")
        owner = to_bytes(
            await calls.read(
                self._w3, "looking for the reverse registrar", self.deployment.registry, calls.OWNER, node
            )
        )
        return owner if owner != NOBODY and await calls.has_code(self._w3, to_text(owner)) else NOBODY


def _reverse_node(account: bytes) -> bytes:
    return namehash(f"{account.hex()}.addr.reverse")


def _text(answer: bytes) -> str:
    try:
        return str(calls.TEXT.result(answer)) if answer else ""
    except ChainUnavailable:
        return ""


def _address(answer: bytes) -> bytes:
    try:
        return to_bytes(calls.ADDR.result(answer)) if answer else NOBODY
    except ChainUnavailable:
        return NOBODY
