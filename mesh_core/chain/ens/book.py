"""Where the names of this machine are kept, whichever way: on a chain, and below a parent at JustaName."""

from __future__ import annotations

from mesh_core.chain.ens.directory import Directory, Found
from mesh_core.chain.ens.justaname import JustaName
from mesh_core.chain.ens.names import Name
from mesh_core.chain.ens.registration import Needs, Registration, Wanted


class Book:
    """Reads and writes names: those right below the parent at `service`, if there is one, all others on the chain."""

    def __init__(
        self, parent: Name, directory: Directory, registration: Registration, service: JustaName | None
    ) -> None:
        self._parent = parent
        self._directory = directory
        self._registration = registration
        self._service = service
        self._kept: dict[str, Found] | None = None

    def turn_page(self) -> None:
        """What the service keeps is read anew when it is asked for next."""
        self._kept = None

    async def find(self, name: Name) -> Found:
        """What there is under a name. Raises Refused, ChainUnavailable."""
        if self._service is None or name.parent != self._parent.text:
            return await self._directory.find(name)
        if self._kept is None:
            self._kept = await self._service.find_all()
        return self._kept.get(name.text, Found(name, off_chain=True))

    async def write(self, wanted: Wanted, found: Found, missing: Needs) -> None:
        """Write what is missing. Raises Refused, ChainUnavailable."""
        if self._service is None or not found.off_chain:
            await self._registration.write(wanted, missing)
            return
        act = self._service.add if missing.mint else self._service.update
        await act(wanted.name, wanted.account, missing.texts)
        self.turn_page()

    async def name_account(self, wanted: Wanted, found: Found) -> None:
        """Have the account of a name say that it is called so, where a chain keeps it."""
        if not found.off_chain:
            await self._registration.name_account(wanted.name, wanted.owner)
