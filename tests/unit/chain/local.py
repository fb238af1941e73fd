"""A local chain for tests of names: served in this process, with the key that owns `axl.eth`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_keys.datatypes import PrivateKey

from axl.keys import from_seed
from mesh_core.chain.ens.calls import W3
from mesh_core.chain.ens.directory import Directory, Found
from mesh_core.chain.ens.names import read_name
from mesh_core.chain.ens.networks import LOCAL, Deployment, network_of
from mesh_core.chain.ens.records import READ, Announced
from mesh_core.chain.ens.registration import Needs, Registration, Wanted, needs
from mesh_core.chain.ens.rpc import connect
from mesh_core.chain.ens.sending import Limits
from mesh_core.chain.ens.verdict import Verdict, judge
from mesh_core.chain.local.chain import LocalChain
from mesh_core.chain.local.rpc import RpcServer

ROOT = PrivateKey(b"\7" * 32)
PARENT = read_name("axl.eth")
ANNOUNCED = Announced(("answer", "combine"), 10_000, (0,))


def wanted(name: str = "node1.axl.eth", number: int = 1, announced: Announced | None = ANNOUNCED) -> Wanted:
    """The name of a provider with keys of its own."""
    peer, owner = from_seed(bytes([number]) * 32), PrivateKey(bytes([100 + number]) * 32)
    return Wanted(read_name(name), peer, owner, announced)


@dataclass
class Names:
    """A registration over one chain, with short words for what tests do."""

    url: str
    w3: W3
    directory: Directory
    registration: Registration

    async def find(self, name: str, keys: Sequence[str] = READ) -> Found:
        return await self.directory.find(read_name(name), keys)

    async def needs(self, one: Wanted) -> Needs:
        return needs(one, await self.directory.find(one.name), LOCAL, time.time())

    async def register(self, one: Wanted) -> Needs:
        missing = await self.needs(one)
        await self.registration.write(one, missing)
        return missing

    async def verdict(self, name: str, claimed_by: str = "") -> Verdict:
        return judge(await self.find(name), claimed_by, LOCAL, time.time())

    async def height(self) -> int:
        return await self.directory.block()


def names_at(
    url: str,
    payer: PrivateKey | None = ROOT,
    limits: Limits | None = None,
    parent: str = "axl.eth",
    deployment: Deployment | None = None,
) -> Names:
    """Names at an RPC that is there already."""
    w3 = connect(url)
    directory = Directory(w3, deployment or network_of(LOCAL).deployment)
    registration = Registration(w3, directory, LOCAL, read_name(parent), limits or Limits())
    registration.pay_from(payer)
    return Names(url, w3, directory, registration)


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[str]:
    """The URL of a local chain."""
    failures: list[BaseException] = []
    chain = LocalChain(path, ROOT.public_key.to_canonical_address())
    server = RpcServer(chain, failures.append)
    await server.start(0)
    try:
        yield server.url
    finally:
        await server.close()
        chain.close()
    assert not failures


@asynccontextmanager
async def local_names(tmp_path: Path) -> AsyncIterator[Names]:
    """Names on a fresh chain."""
    async with served(tmp_path / "chain.db") as url:
        names = names_at(url)
        try:
            yield names
        finally:
            await names.w3.provider.aclose()


Ask = Callable[[], Awaitable[Any]]
Between = Callable[[str, Any, Ask], Awaitable[Any]]
"""Gets a call's method, its parameters and a way to ask the real node; what it returns is the answer."""


def sit_between(w3: W3, between: Between) -> None:
    """Have all further calls go through `between`."""
    real = w3.provider.make_request

    async def make_request(method: Any, params: Any) -> Any:
        return await between(str(method), params, lambda: real(method, params))

    w3.provider.make_request = make_request  # type: ignore[method-assign]
    w3.provider._request_func_cache = (None, None)  # what was made for earlier calls knows the real one
