"""One chain, looked at before it is used: the right one, with ENS where it should be, and a parent name that can be written below."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec
from eth_keys.datatypes import PrivateKey

from mesh_core.chain.ens import evm_keys, justaname
from mesh_core.chain.ens.book import Book
from mesh_core.chain.ens.calls import W3
from mesh_core.chain.ens.directory import Directory
from mesh_core.chain.ens.errors import Misconfigured
from mesh_core.chain.ens.justaname import JustaName
from mesh_core.chain.ens.names import Name
from mesh_core.chain.ens.networks import MAINNET, Deployment, is_address, network_of
from mesh_core.chain.ens.registration import Registration
from mesh_core.chain.ens.rpc import connect, number
from mesh_core.chain.ens.sending import Limits
from mesh_core.chain.ens.settings import URL_VARIABLE, RegistrarSettings

MAINNET_VARIABLE = "WHISPER_ENS_MAINNET"
"""1: names may be written to mainnet, where they cost money."""

SERVICE_VARIABLE = "JUSTANAME_URL"
COST_VARIABLE = "WHISPER_ENS_COST_CAP"
ADDRESS_VARIABLES = {
    "registry": "WHISPER_ENS_REGISTRY",
    "resolver": "WHISPER_ENS_RESOLVER",
    "wrapper": "WHISPER_ENS_WRAPPER",
    "universal_resolver": "WHISPER_ENS_UNIVERSAL_RESOLVER",
}
"""Of ENS's addresses those that are given replace the known ones."""

COST_ETHER = Decimal("0.01")
WEI_PER_ETHER = 10**18


class Link:
    """A chain and what is done there. `readonly` says in one line why nothing is written, empty when all is."""

    def __init__(
        self, settings: RegistrarSettings, folder: Path, parent: Name, environment: Mapping[str, str]
    ) -> None:
        """Raises Misconfigured for what cannot be meant."""
        self.url = settings.rpc_url or environment.get(URL_VARIABLE, "").strip()
        if not self.url:
            raise Misconfigured(f"{URL_VARIABLE} names no node")
        self.chain_id = settings.chain_id
        self._parent = parent
        self._environment = environment
        self._payer_key = folder / settings.payer_key if settings.payer_key else None
        deployment = _deployment(settings.chain_id, environment)
        self.w3: W3 = connect(self.url)
        self.directory = Directory(self.w3, deployment)
        limits = Limits(_cost_wei_max(environment), confirmations=settings.confirmations)
        self.registration = Registration(self.w3, self.directory, self.chain_id, parent, limits)
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
        told = await number("asking for the chain", self.w3.eth.chain_id)
        if told != self.chain_id:
            raise Misconfigured(f"the node is on chain {told}, expected {self.chain_id}")
        if self._checked:
            return
        await self.directory.check()
        self.registration.pay_from(self._payer())
        self.readonly = await self._why_readonly()
        self._checked = True

    def _payer(self) -> PrivateKey | None:
        """The key that owns the parent name; a local chain has made its own by the time it answers."""
        if self._payer_key is not None:
            return evm_keys.account_key(self._payer_key)
        return evm_keys.key_from_environment(self._environment)

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


def _deployment(chain_id: int, environment: Mapping[str, str]) -> Deployment:
    """Where ENS is. Raises Misconfigured for what is no address."""
    given = {field: environment.get(name, "").strip() for field, name in ADDRESS_VARIABLES.items()}
    for field, address in given.items():
        if address and not is_address(address):
            raise Misconfigured(f"{ADDRESS_VARIABLES[field]}: expected 0x and 40 hexadecimal digits")
    known = network_of(chain_id).deployment
    return msgspec.structs.replace(known, **{field: address for field, address in given.items() if address})


def _cost_wei_max(environment: Mapping[str, str]) -> int:
    """What a transaction may cost. Raises Misconfigured."""
    text = environment.get(COST_VARIABLE, "").strip()
    try:
        ether = Decimal(text or COST_ETHER)
    except InvalidOperation:
        ether = Decimal(-1)
    if not (ether.is_finite() and 0 <= ether <= 1000):
        raise Misconfigured(f"{COST_VARIABLE}={text[:40]}: expected an amount of ether such as {COST_ETHER}")
    return int(ether * WEI_PER_ETHER)
