"""What people ask of a registrar: a name checked now, registered, changed, made or given away. Each answers the name as it is then.

Raises Refused for what is not done, BadName for what is no name, ChainUnavailable when nobody tells.
"""

from __future__ import annotations

import re

from mesh_core.chain.ens import calls
from mesh_core.chain.ens.calls import NOBODY, to_bytes, to_text
from mesh_core.chain.ens.errors import Refused
from mesh_core.chain.ens.names import BadName, Name, read_name
from mesh_core.chain.ens.networks import is_address
from mesh_core.chain.ens.records import KEPT
from mesh_core.chain.ens.registrar import Registrar
from mesh_core.chain.ens.schema import RECORD_CHARS_MAX, Directory, NameView
from mesh_core.chain.ens.settings import Own
from mesh_core.chain.ens.spelling import other_spelling

_KEY = re.compile(r"[\x21-\x7e]{1,64}", re.ASCII)


class Desk:
    """Serves people; one at a time, and not while the registrar goes its round."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar

    def everything(self) -> Directory:
        """All that is known, without asking anybody."""
        views = self._registrar.views
        names = sorted(views.names.values(), key=lambda view: (view.state == "foreign", view.name, view.peer))
        return Directory(views.chain, names)

    async def verify(self, word: str) -> NameView:
        """Any name, read and judged now; what it is worth for whoever claims it, else for the peer in its records."""
        async with self._registrar.turn:
            await self._registrar.link.check()
            self._registrar.link.book.turn_page()
            mine = self._mine(word)
            if mine is not None:
                return await self._registrar.look_after(*mine)
            name = _named(word).text
            claimants = [
                peer for peer, member in self._registrar.heard.members.items() if member.claims == name
            ]
            return await self._registrar.checked(name, claimants[0] if len(claimants) == 1 else "")

    async def register(self) -> Directory:
        """Everything that is missing of this machine's names, now: also what was refused before."""
        async with self._registrar.turn:
            self._registrar.forget_refusals()
            await self._registrar.round()
        return self.everything()

    async def set_record(self, word: str, key: str, text: str) -> NameView:
        """A text record of a name of this machine."""
        if key in KEPT:
            raise Refused(f"{key} follows from what the provider announces: it is not set by hand")
        if not _KEY.fullmatch(key):
            raise Refused("the key of a text record has 1 to 64 characters of ASCII and no blanks")
        if len(text) > RECORD_CHARS_MAX:
            raise Refused(f"a text record has at most {RECORD_CHARS_MAX} characters")
        async with self._registrar.turn:
            own, name = await self._writable(word)
            sender = self._registrar.link.registration.sender(self._registrar.keys_of(own)[1])
            data = calls.SET_TEXT.data(name.node, key, text)
            await self._registrar.link.registration.change(name, sender, [data])
            return await self._registrar.look_after(own, name)

    async def mint(self, word: str, owner: str) -> NameView:
        """A name below the parent or below one of this machine: for a participant of this machine, who is bound to it, or for
        an account (0x…); without either for whoever owns the name above."""
        async with self._registrar.turn:
            await self._ready()
            name = _named(word)
            if (await self._registrar.link.book.find(name)).owner != NOBODY:
                raise Refused(f"{name.text} is registered already")
            if is_address(owner):
                await self._registrar.link.registration.mint(name, to_bytes(owner))
                return await self._registrar.checked(name.text, "")
            own = self._participant(owner) if owner else self._owner_above(name)
            self._registrar.keys_of(own)
            wanted = self._registrar.wanted(own, name)
            if wanted is None or wanted.announced is None:
                raise Refused(f"{own.participant} is not there: nothing is known that its name could say")
            await self._registrar.link.registration.mint(name, wanted.account)
            self._registrar.minted.add(name.text, own.participant)
            return await self._registrar.look_after(own, name)

    async def transfer(self, word: str, to: str) -> NameView:
        """Give a name of this machine to an account; it is not registered again."""
        if not is_address(to) or to_bytes(to) == NOBODY:
            raise Refused(f"{to[:60]} is no account: expected 0x and 40 hexadecimal digits")
        async with self._registrar.turn:
            own, name = await self._writable(word)
            sender = self._registrar.link.registration.sender(self._registrar.keys_of(own)[1])
            await self._registrar.link.registration.transfer(name, sender, to_bytes(to))
            return await self._registrar.look_after(own, name)

    async def _ready(self) -> None:
        """Raises Refused unless names can be written."""
        await self._registrar.link.check()
        self._registrar.link.book.turn_page()
        if self._registrar.link.readonly:
            raise Refused(self._registrar.link.readonly)

    async def _writable(self, word: str) -> tuple[Own, Name]:
        """A name of this machine that its account owns."""
        await self._ready()
        mine = self._mine(word)
        if mine is None:
            raise Refused(f"{word[:80]} is not a name of this machine")
        own, name = mine
        found = await self._registrar.link.book.find(name)
        account = self._registrar.keys_of(own)[1].public_key.to_canonical_address()
        if found.off_chain:
            raise Refused(f"{name.text} is kept at JustaName: change it there")
        if found.owner != account:
            owner = f"belongs to {to_text(found.owner)}" if found.owner != NOBODY else "is not registered yet"
            raise Refused(f"{name.text} {owner}")
        return own, name

    def _mine(self, word: str) -> tuple[Own, Name] | None:
        """The name of this machine that is meant: by itself, or by the participant whose it is."""
        names = self._registrar.own_names()
        for own, name in names:
            if own.participant == word:
                return own, name
        meant = _named(word)
        return next(((own, name) for own, name in names if name == meant), None)

    def _participant(self, word: str) -> Own:
        for own in self._registrar.settings.own:
            if own.participant == word:
                return own
        known = ", ".join(own.participant for own in self._registrar.settings.own)
        raise Refused(f"{word[:80]} is neither a provider of this machine ({known}) nor an account (0x…)")

    def _owner_above(self, name: Name) -> Own:
        for own, other in self._registrar.own_names():
            if other.text == name.parent:
                return own
        raise Refused(f"{name.text}: say for whom, with --owner PROVIDER or --owner 0x…")


def _named(word: str) -> Name:
    """The name that was typed. Raises BadName, which says how it is written in ASCII: it may look like another one."""
    try:
        return read_name(word)
    except BadName as error:
        other = other_spelling(word)
        raise BadName(f"{word[:80]}{f' ({other})' if other else ''} is no name: {error}") from None
