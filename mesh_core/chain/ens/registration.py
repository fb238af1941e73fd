"""Registering a name: what is missing is found out by reading, and only that is written. So it can be done again at any time:
after a crash it goes on where it was, and when nothing has changed it does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from eth_keys.datatypes import PrivateKey

from axl.keys import PrivateKey as PeerKey
from mesh_core.chain.ens import calls
from mesh_core.chain.ens.binding import RENEW_AFTER_S, Subject, bind
from mesh_core.chain.ens.calls import NOBODY, W3, to_bytes, to_text
from mesh_core.chain.ens.directory import Directory, Found
from mesh_core.chain.ens.errors import Misconfigured, Refused
from mesh_core.chain.ens.names import Name, read_name
from mesh_core.chain.ens.records import BINDING, Announced, differing, records_of, retired
from mesh_core.chain.ens.sending import Limits, Sender
from mesh_core.chain.ens.verdict import judge

FUNDED_TIMES = 3
"""An account that cannot pay what it has to write is sent so many times that: what follows is not paid for one by one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A name as it should be: whose it is, and what its records say."""

    name: Name
    peer: PeerKey
    owner: PrivateKey = field(repr=False)
    announced: Announced | None
    """What its provider announces; None for one that has left."""

    @property
    def account(self) -> bytes:
        """Who is to own it."""
        return self.owner.public_key.to_canonical_address()


@dataclass(frozen=True, slots=True)
class Needs:
    """What is missing of a name. `texts` are records to be written; `foreign` is who owns it when that is somebody else."""

    mint: bool = False
    resolver: bool = False
    addr: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)
    foreign: bytes = NOBODY

    @property
    def nothing(self) -> bool:
        """Whether it is as it should be."""
        return not (self.mint or self.resolver or self.addr or self.texts)


def needs(wanted: Wanted, found: Found, chain_id: int, now_s: float) -> Needs:
    """What has to be written. A name that somebody else owns is left alone, and so is one that has left and is not there."""
    if found.owner not in (NOBODY, wanted.account):
        return Needs(foreign=found.owner)
    if wanted.announced is None:
        return Needs(texts=differing(retired(), found.records))
    texts = differing(records_of(wanted.peer.peer.hex(), wanted.announced), found.records)
    verdict = judge(found, wanted.peer.peer.hex(), chain_id, now_s)
    if not verdict.verified or now_s - verdict.issued_s > RENEW_AFTER_S:
        texts[BINDING] = new_binding(wanted, chain_id, int(now_s))
    return Needs(
        mint=found.owner == NOBODY,
        resolver=found.owner != NOBODY and found.resolver == NOBODY and not found.off_chain,
        addr=found.addr != wanted.account,
        texts=texts,
    )


def new_binding(wanted: Wanted, chain_id: int, issued_s: int) -> str:
    """The text record that binds the peer to the name, signed now by both keys."""
    subject = Subject(chain_id, wanted.name.text, wanted.account, wanted.peer.peer)
    return bind(subject, issued_s, wanted.owner, wanted.peer.sign).text()


class Registration:
    """Writes names to one chain, paid for by whoever owns the parent name (`pay_from`); without, they are only read."""

    def __init__(
        self,
        w3: W3,
        directory: Directory,
        chain_id: int,
        parent: Name,
        limits: Limits,
    ) -> None:
        self._w3 = w3
        self._directory = directory
        self._chain_id = chain_id
        self._parent = parent
        self._limits = limits
        self._senders: dict[bytes, Sender] = {}
        self._payer: Sender | None = None
        self._reverse_registrar: bytes | None = None

    def pay_from(self, key: PrivateKey | None) -> None:
        """The key of whoever owns the parent name, None when it is not known."""
        self._payer = self.sender(key) if key is not None else None

    def sender(self, key: PrivateKey) -> Sender:
        """Who sends for an account: one for each, so that its transactions are in order."""
        made = Sender(self._w3, self._chain_id, key, self._limits)
        return self._senders.setdefault(made.account, made)

    async def check(self) -> None:
        """Raises Misconfigured when names cannot be written below the parent."""
        if self._payer is None:
            raise Misconfigured(f"no key is set for {self._parent.text}: names are read, none is registered")
        owner, _ = await self._directory.owner(self._parent)
        if owner == NOBODY:
            raise Misconfigured(f"{self._parent.text} is not registered on this chain")
        if owner != self._payer.account:
            raise Misconfigured(
                f"{self._parent.text} belongs to {to_text(owner)}, not to {self._payer.address}, whose key is set"
            )

    async def mint(self, name: Name, owner: bytes) -> None:
        """Register a name below one that an account of this machine owns: through the wrapper where that holds the parent."""
        parent = read_name(name.parent)
        by, wrapped = await self._directory.owner(parent)
        sender = self._senders.get(by)
        if sender is None:
            told = (
                f"it belongs to {to_text(by)}, not to this machine"
                if by != NOBODY
                else "there is no such name"
            )
            raise Refused(f"{name.text} cannot be registered below {parent.text}: {told}")
        resolver = await self._resolver_for(parent)
        deployment = self._directory.deployment
        if wrapped:
            to = deployment.wrapper
            data = calls.WRAPPED_SUBNODE_RECORD.data(parent.node, name.label, owner, resolver, 0, 0, 0)
        else:
            to = deployment.registry
            data = calls.SET_SUBNODE_RECORD.data(parent.node, name.labelhash, owner, resolver, 0)
        await self._send(sender, f"registering {name.text}", to_bytes(to), data)

    async def _resolver_for(self, parent: Name) -> bytes:
        """The parent's own resolver, else the one that is configured."""
        resolver = await self._directory.resolver(parent)
        if resolver == NOBODY:
            resolver = to_bytes(self._directory.deployment.resolver) or NOBODY
        if resolver == NOBODY:
            raise Misconfigured(f"{parent.text} has no resolver, and none is configured")
        return resolver

    async def write(self, wanted: Wanted, missing: Needs) -> None:
        """Write what is missing. Raises Refused, ChainUnavailable."""
        if missing.foreign != NOBODY:
            raise Refused(f"{wanted.name.text} belongs to {to_text(missing.foreign)}, not to this machine")
        sender = self.sender(wanted.owner)
        if missing.mint:
            await self.mint(wanted.name, wanted.account)
        if missing.resolver:
            await self.set_resolver(wanted.name, sender)
        changes = [calls.SET_ADDR.data(wanted.name.node, wanted.account)] if missing.addr else []
        changes += [calls.SET_TEXT.data(wanted.name.node, key, text) for key, text in missing.texts.items()]
        await self.change(wanted.name, sender, changes)

    async def set_resolver(self, name: Name, sender: Sender) -> None:
        """Have the resolver of its parent answer for a name."""
        resolver = await self._resolver_for(read_name(name.parent))
        _, wrapped = await self._directory.owner(name)
        deployment = self._directory.deployment
        to = deployment.wrapper if wrapped else deployment.registry
        data = calls.SET_RESOLVER.data(name.node, resolver)
        await self._send(sender, f"setting the resolver of {name.text}", to_bytes(to), data)

    async def change(self, name: Name, sender: Sender, changes: list[bytes]) -> None:
        """Write records, in one transaction."""
        if not changes:
            return
        resolver = await self._directory.resolver(name)
        if resolver == NOBODY:
            raise Refused(f"{name.text} has no resolver to keep records")
        data = changes[0] if len(changes) == 1 else calls.MULTICALL.data(changes)
        await self._send(sender, f"writing the records of {name.text}", resolver, data)

    async def name_account(self, name: Name, key: PrivateKey) -> None:
        """Have an account say that this is its name (EIP-181), unless it says another one."""
        sender = self.sender(key)
        if self._reverse_registrar is None:
            self._reverse_registrar = await self._directory.reverse_registrar()
        if self._reverse_registrar != NOBODY and not await self._directory.reverse(sender.account):
            await self._send(
                sender,
                f"naming the account of {name.text}",
                self._reverse_registrar,
                calls.SET_NAME.data(name.text),
            )

    async def transfer(self, name: Name, sender: Sender, to: bytes) -> None:
        """Give a name away. Its records stay until its new owner changes them; its binding holds no more."""
        _, wrapped = await self._directory.owner(name)
        deployment = self._directory.deployment
        if wrapped:
            contract = deployment.wrapper
            data = calls.SAFE_TRANSFER.data(sender.account, to, int.from_bytes(name.node), 1, b"")
        else:
            contract, data = deployment.registry, calls.SET_OWNER.data(name.node, to)
        await self._send(sender, f"giving {name.text} to {to_text(to)}", to_bytes(contract), data)

    async def _send(self, sender: Sender, what: str, to: bytes, data: bytes) -> None:
        """Send it, and before that what the account lacks to pay for it."""
        rehearsed = await sender.rehearse(what, to, data)
        if self._payer is not None and sender is not self._payer:
            await self._fund(self._payer, sender, rehearsed.cost_wei)
        await sender.send(rehearsed)

    async def _fund(self, payer: Sender, sender: Sender, cost_wei: int) -> None:
        if await sender.balance_wei() >= cost_wei:
            return
        funds_wei = min(FUNDED_TIMES * cost_wei, self._limits.cost_wei_max)
        await payer.send(
            await payer.rehearse(f"sending {sender.address} what it needs", sender.account, b"", funds_wei)
        )
