"""One chain, looked at before it is used: the right one, with ENS where it should be, and a parent name that can be written below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mesh_core.chain.ens import evm_keys, justaname
from mesh_core.chain.ens.book import Book
from mesh_core.chain.ens.calls import W3
from mesh_core.chain.ens.directory import Directory
from mesh_core.chain.ens.errors import Misconfigured
from mesh_core.chain.ens.justaname import JustaName
from mesh_core.chain.ens.names import Name
from mesh_core.chain.ens.networks import MAINNET, Deployment, network_of
from mesh_core.chain.ens.registration import Registration
from mesh_core.chain.ens.rpc import ask, connect
from mesh_core.chain.ens.sending import Limits
from mesh_core.chain.ens.settings import URL_VARIABLE, RegistrarSettings

MAINNET_VARIABLE = "WHISPER_ENS_MAINNET"
"""1: names may be written to mainnet, where they cost money."""

SERVICE_VARIABLE = "JUSTANAME_URL"


class Link:
    """A chain and what is done there. `readonly` says in one line why nothing is written, empty when all is."""

    def __init__(
        self, settings: RegistrarSettings, folder: Path, parent: Name, environment: Mapping[str, str]
    ) -> None:
        """Raises Misconfigured for a key that cannot be used."""
        self.url = environment.get(URL_VARIABLE, "").strip() or settings.rpc_url
        self.chain_id = settings.chain_id
        self._parent = parent
        self._environment = environment
        known = network_of(settings.chain_id).deployment
        deployment = Deployment(
            settings.registry or known.registry,
            settings.universal_resolver or known.universal_resolver,
            settings.resolver or known.resolver,
            settings.wrapper or known.wrapper,
        )
        payer = (
            evm_keys.account_key(folder / settings.payer_key)
            if settings.payer_key
            else evm_keys.key_from_environment(environment)
        )
        self.w3: W3 = connect(self.url)
        self.directory = Directory(self.w3, deployment)
        limits = Limits(settings.cost_wei_max, confirmations=settings.confirmations)
        self.registration = Registration(self.w3, self.directory, self.chain_id, parent, payer, limits)
        self._service = self._justaname()
        self.book = Book(parent, self.directory, self.registration, self._service)
        self.readonly = ""
        self._checked = False

    def _justaname(self) -> JustaName | None:
        secret = self._environment.get(justaname.KEY_VARIABLE, "").strip()
        base = self._environment.get(SERVICE_VARIABLE, "").strip() or justaname.BASE
        return JustaName(self._parent, self.chain_id, secret, base) if secret else None

    async def check(self) -> None:
        """Raises Misconfigured when this is another chain than is expected, or ENS is not there, ChainUnavailable when nobody
        answers. That names cannot be written is no reason not to read them: `readonly` says so."""
        told = int(await ask("asking for the chain", self.w3.eth.chain_id))
        if told != self.chain_id:
            raise Misconfigured(f"the node is on chain {told}, expected {self.chain_id}")
        if self._checked:
            return
        await self.directory.check()
        self.readonly = await self._why_readonly()
        self._checked = True

    async def _why_readonly(self) -> str:
        if self.chain_id == MAINNET and self._environment.get(MAINNET_VARIABLE, "") != "1":
            return f"names are read, none is registered: on mainnet they cost money; {MAINNET_VARIABLE}=1 allows it"
        if self._service is not None:
            return ""
        try:
            await self.registration.check()
        except Misconfigured as error:
            return str(error)
        return ""

    def look_again(self) -> None:
        """Check everything before the next use: what was in the way may have been mended."""
        self._checked = False

    async def close(self) -> None:
        """Close what is open."""
        await self.w3.provider.aclose()
        if self._service is not None:
            await self._service.close()
