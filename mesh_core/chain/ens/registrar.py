"""The registrar: registers the names of this machine's providers, and checks every name that is heard of.

It goes round: what the mesh says, what the chain says, and what has to be written so that they agree. Each round begins from what
is there, so that nothing is lost with this process, and writes nothing when nothing has changed. A chain that is away, lies or
hangs delays names and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from eth_keys.datatypes import PrivateKey
from msgspec.structs import replace

from axl.keys import KeyFileError
from axl.keys import PrivateKey as PeerKey
from axl.keys import load as load_peer_key
from mesh_core.chain.ens import evm_keys
from mesh_core.chain.ens.calls import NOBODY, to_text
from mesh_core.chain.ens.directory import Found
from mesh_core.chain.ens.errors import ChainUnavailable, Misconfigured, Refused
from mesh_core.chain.ens.heard import Heard
from mesh_core.chain.ens.link import Link
from mesh_core.chain.ens.minted import Minted
from mesh_core.chain.ens.names import BadName, Name, normal_name, read_name
from mesh_core.chain.ens.networks import network_of
from mesh_core.chain.ens.registration import Wanted, needs
from mesh_core.chain.ens.rpc import shown_url
from mesh_core.chain.ens.schema import ChainView, NameState, NameView
from mesh_core.chain.ens.settings import Own, RegistrarSettings, load
from mesh_core.chain.ens.spelling import CHARS_MAX, other_spelling
from mesh_core.chain.ens.verdict import Verdict, judge
from mesh_core.chain.ens.views import Tell, Views

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 60.0

REFUSED_AGAIN_S = 60.0
"""What was refused is tried again after so long: somebody may have mended it."""

STRANGERS_AGAIN_S = 30.0
"""Names that others claim are read again after so long, while the chain grows."""

NOT_YET = "it is not registered yet"


class Registrar:
    """Runs on the settings in the file `path`, which are read again when the file changes. `tell` gets every view."""

    def __init__(self, path: Path, token: str, environment: Mapping[str, str], tell: Tell) -> None:
        """Raises Misconfigured for settings or keys that cannot be used."""
        self._path = path
        self._stamp = path.stat().st_mtime_ns
        self.settings = load(path)
        self.parent = read_parent(self.settings)
        self.link = Link(self.settings, path.parent, self.parent, environment)
        self.turn = asyncio.Lock()
        self.minted = Minted(path.parent / self.settings.minted)
        self.heard = Heard(self.settings.controls, token, self.look_soon)
        network = network_of(self.settings.chain_id).name
        chain = ChainView(network, self.settings.chain_id, shown_url(self.link.url), self.parent.text)
        self.views = Views(chain, tell)
        self._soon = asyncio.Event()
        self._pending = True
        self._block = -1
        self._refused: dict[str, tuple[float, str]] = {}
        self._read_at: dict[tuple[str, str], float] = {}
        self._keys: dict[str, tuple[PeerKey, PrivateKey]] = {}
        self._unnamed: list[tuple[Wanted, Found]] = []

    # --------------------------------------------------------------------------------------------- rounds

    async def run(self) -> None:
        """Go round until cancelled."""
        following = asyncio.create_task(self.heard.follow())
        backoff_s = BACKOFF_FIRST_S
        try:
            while True:
                self._soon.clear()
                pause_s, problem = self.settings.poll_s, ""
                try:
                    async with self.turn:
                        await self.round()
                    backoff_s, problem = BACKOFF_FIRST_S, self.link.readonly
                except ChainUnavailable as error:
                    pause_s, problem = max(backoff_s, error.wait_s), str(error)
                    backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
                except Refused as error:
                    pause_s, problem = REFUSED_AGAIN_S, str(error)
                self._say_chain(problem)
                await self._rest(pause_s, wakeable=problem in ("", self.link.readonly))
        finally:
            following.cancel()
            await self.link.close()

    def look_soon(self) -> None:
        """Something has changed that names depend on."""
        self._pending = True
        self._soon.set()

    async def _rest(self, pause_s: float, *, wakeable: bool) -> None:
        """Until the next round; nobody shortens the pause of a chain that wants to be left alone."""
        if not wakeable:
            await asyncio.sleep(pause_s)
            return
        try:
            async with asyncio.timeout(pause_s):
                await self._soon.wait()
        except TimeoutError:
            return

    def _say_chain(self, problem: str) -> None:
        checked_ms = self.views.chain.checked_ms
        fine = problem in ("", self.link.readonly)
        self.views.set_chain(
            replace(
                self.views.chain,
                block=max(self._block, 0),
                problem=problem,
                checked_ms=time.time() * 1000 if fine else checked_ms,
            )
        )

    async def round(self) -> None:
        """Look at everything once, unless nothing has moved. Raises Refused, ChainUnavailable."""
        self._read_settings()
        await self.link.check()
        block = await self.link.directory.block()
        if block == self._block and not self._pending and not self._is_time():
            return
        self._pending = False
        try:
            await self._look_at_all()
            self._block = await self.link.directory.block()
        except BaseException:
            self._pending = True
            raise

    def _is_time(self) -> bool:
        oldest_ms = min((view.checked_ms for view in self.views.names.values()), default=0.0)
        return time.time() * 1000 - oldest_ms > 1000 * STRANGERS_AGAIN_S

    def _read_settings(self) -> None:
        """The providers of this machine may have become more."""
        try:
            stamp = self._path.stat().st_mtime_ns
        except OSError:
            return
        if stamp != self._stamp:
            self._stamp = stamp
            self.settings = replace(self.settings, own=load(self._path).own)
            self._pending = True

    async def _look_at_all(self) -> None:
        self.link.book.turn_page()
        kept: set[tuple[str, str]] = set()
        for own, name in self.own_names():
            kept.add((name.text, own.peer))
            await self.look_after(own, name)
        while self._unnamed:
            wanted, found = self._unnamed.pop()
            await self._name_account(wanted, found)
        for peer, member in list(self.heard.members.items()):
            key = member.claims[:CHARS_MAX], peer
            if member.claims and key not in kept:
                kept.add(key)
                await self._look_at_claim(*key)
        self.views.keep_only(kept)

    async def _name_account(self, wanted: Wanted, found: Found) -> None:
        try:
            await self.link.book.name_account(wanted, found)
        except Refused:
            return  # stock tools find the name by itself; that the account says it too is a courtesy

    # ------------------------------------------------------------------------------------- names of one's own

    def own_names(self) -> list[tuple[Own, Name]]:
        """Every name that is looked after here, and for whom."""
        by_participant = {own.participant: own for own in self.settings.own}
        names = [(own, read_own_name(own.name)) for own in self.settings.own]
        for text, participant in self.minted.names.items():
            if participant in by_participant:
                names.append((by_participant[participant], read_own_name(text)))
        return names

    def keys_of(self, own: Own) -> tuple[PeerKey, PrivateKey]:
        """The keys of a provider: its peer's, and its account's, which is made when it is missing. Raises Misconfigured."""
        if own.participant not in self._keys:
            folder = self._path.parent
            try:
                peer = load_peer_key(folder / own.peer_key)
            except KeyFileError as error:
                raise Misconfigured(str(error)) from None
            if peer.peer.hex() != own.peer:
                raise Misconfigured(f"{own.peer_key} is not the key of {own.participant}")
            account = evm_keys.account_key(folder / own.account_key)
            self.link.registration.sender(account)
            self._keys[own.participant] = peer, account
        return self._keys[own.participant]

    def wanted(self, own: Own, name: Name) -> Wanted | None:
        """A name as it should be; None as long as nothing was heard of its provider."""
        member = self.heard.members.get(own.peer)
        if member is None:
            return None
        peer, account = self.keys_of(own)
        return Wanted(name, peer, account, None if member.left else member.announced)

    async def look_after(self, own: Own, name: Name) -> NameView:
        """Have a name of this machine be as it should be, and tell how it is. Raises ChainUnavailable."""
        found = await self.link.book.find(name)
        trouble = ""
        wanted = self.wanted(own, name)
        if wanted is not None and not self.link.readonly:
            found, trouble = await self._written(own, wanted, found)
        account = self.keys_of(own)[1].public_key.to_canonical_address()
        verdict = judge(found, own.peer, self.link.chain_id, time.time())
        left = wanted is not None and wanted.announced is None
        view = self.view(found, verdict, _state(found, account, left=left), trouble)
        self.views.set_name(view)
        return view

    async def _written(self, own: Own, wanted: Wanted, found: Found) -> tuple[Found, str]:
        """The name after what is missing was written, and what kept that from being done."""
        name = wanted.name
        missing = needs(wanted, found, self.link.chain_id, time.time())
        if missing.nothing or missing.foreign != NOBODY:
            self._refused.pop(name.text, None)
            return found, ""
        until, why = self._refused.get(name.text, (0.0, ""))
        if time.monotonic() < until:
            return found, why
        if missing.mint:
            verdict = Verdict(own.peer, False, "it is being registered")
            self.views.set_name(self.view(found, verdict, "registering"))
        try:
            await self.link.book.write(wanted, found, missing)
        except Refused as error:
            self._refused[name.text] = time.monotonic() + REFUSED_AGAIN_S, str(error)
            return found, str(error)
        self._refused.pop(name.text, None)
        found = await self.link.book.find(name)
        if missing.mint:
            self._unnamed.append((wanted, found))
        return found, ""

    def forget_refusals(self) -> None:
        """Try what was refused again in the next round."""
        self._refused.clear()
        self.link.look_again()
        self._pending = True

    # ------------------------------------------------------------------------------------- names of others

    async def _look_at_claim(self, claim: str, peer: str) -> None:
        """A name that a member says it has: read now and then, and told either way."""
        before = self.views.names.get((claim, peer))
        last = self._read_at.get((claim, peer), 0.0)
        if before is not None and time.monotonic() - last < STRANGERS_AGAIN_S:
            return
        self._read_at[claim, peer] = time.monotonic()
        self.views.set_name(await self.checked(claim, peer))
        self._read_at = {key: at for key, at in self._read_at.items() if key in self.views.names}

    async def checked(self, claim: str, peer: str) -> NameView:
        """A name that `peer` claims, read and judged now; empty for the peer that its records name."""
        try:
            found = await self.link.book.find(normal_name(claim))
        except BadName as error:
            return self._unread(claim, peer, f"it is no name: {error}")
        except Refused as error:
            return self._unread(claim, peer, str(error))
        verdict = judge(found, peer, self.link.chain_id, time.time())
        return self.view(found, verdict, "foreign" if found.exists else "absent")

    def _unread(self, claim: str, peer: str, why: str) -> NameView:
        return NameView(
            claim,
            peer,
            "absent",
            False,
            why,
            self.views.chain.network,
            other_spelling(claim),
            checked_ms=time.time() * 1000,
        )

    def view(self, found: Found, verdict: Verdict, state: NameState, trouble: str = "") -> NameView:
        """What is told of a name that was read just now. `trouble` is what kept it from being written."""
        why = f"{verdict.why}; {trouble}" if trouble and verdict.verified else trouble or verdict.why
        if state == "retired":
            why = "its provider has left"
        return NameView(
            found.name.text,
            verdict.peer,
            state,
            verdict.verified,
            NOT_YET if state == "waiting" and not trouble else why,
            self.views.chain.network,
            other_spelling(found.name.text),
            to_text(found.owner if found.owner != NOBODY else found.addr),
            to_text(found.resolver),
            found.records,
            verdict.issued_s,
            found.block,
            time.time() * 1000,
        )


def read_parent(settings: RegistrarSettings) -> Name:
    """The name below which providers are registered. Raises Misconfigured."""
    try:
        return read_name(settings.parent)
    except BadName as error:
        raise Misconfigured(f"the parent name {settings.parent[:80]}: {error}") from None


def read_own_name(text: str) -> Name:
    """A name of this machine. Raises Misconfigured."""
    try:
        return read_name(text)
    except BadName as error:
        raise Misconfigured(f"the name {text[:80]}: {error}") from None


def _state(found: Found, account: bytes, *, left: bool) -> NameState:
    if found.owner == NOBODY:
        return "waiting"
    if found.owner != account:
        return "foreign"
    return "retired" if left else "registered"
