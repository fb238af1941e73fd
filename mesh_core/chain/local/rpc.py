"""JSON-RPC over HTTP on loopback: requests are answered one after the other, by one thread."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mesh_core.api.http import Answer, HttpError, Request, Server
from mesh_core.chain.local.chain import LocalChain
from mesh_core.chain.local.dispatch import Dispatch, too_many

WAITING_MAX = 64
"""Requests that wait for their turn; more are told to come again."""


class RpcServer:
    """Serves `chain` to programs of this machine and to no web page.

    Whoever reaches the port may read, as on every chain; what they write they have to sign. `failed` is called with what
    went wrong when the chain itself does: it is not to be gone on with.
    """

    def __init__(self, chain: LocalChain, failed: Callable[[BaseException], None]) -> None:
        self._dispatch = Dispatch(chain, failed)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="chain")
        self._waiting = 0
        # There is no token to show: the clients that are to work here know none.
        self._server = Server(self._handle, secrets.token_hex(32), open_to_all=frozenset({"/"}))

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.port}"

    async def start(self, port: int) -> None:
        """Listen on `port` of 127.0.0.1, 0 takes a free one. Raises OSError when it is taken."""
        await self._server.start("127.0.0.1", port)

    async def close(self) -> None:
        """Answer no more; what is being computed is finished first."""
        await self._server.close()
        self._worker.shutdown(cancel_futures=True)

    async def _handle(self, request: Request) -> Answer:
        if request.path != "/":
            raise HttpError(404, "JSON-RPC is at /")
        if request.method != "POST":
            raise HttpError(405, "JSON-RPC is POSTed")
        if self._waiting >= WAITING_MAX:
            return Answer(too_many())
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return Answer(await loop.run_in_executor(self._worker, self._dispatch.answer, request.body))
        finally:
            self._waiting -= 1
