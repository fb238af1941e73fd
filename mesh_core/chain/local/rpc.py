"""JSON-RPC 2.0 over HTTP: one request or a batch, answered one after the other by one thread."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from mesh_core.api.http import Answer, HttpError, Request, Server
from mesh_core.chain.local.chain import LocalChain, Refused, Reverted, Unknown
from mesh_core.chain.local.logs import TooMany
from mesh_core.chain.local.methods import Methods
from mesh_core.chain.local.words import WordError, data

BATCH_MAX = 100
WAITING_MAX = 64
"""Requests that wait for their turn; more are told to come again."""

_PARSE, _INVALID, _NO_METHOD, _PARAMS, _INTERNAL = -32700, -32600, -32601, -32602, -32603
_SERVER, _LIMIT = -32000, -32005
_REVERTED = 3


class RpcServer:
    """Serves `chain` on loopback, to programs of this machine and to no web page.

    Whoever reaches the port may read, as on every chain; what they write they have to sign. `failed` is called with what
    went wrong when the chain itself does, a bug or a damaged file: it is not to be gone on with.
    """

    def __init__(self, chain: LocalChain, failed: Callable[[BaseException], None]) -> None:
        self._chain = chain
        self._methods = Methods(chain)
        self._failed = failed
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="chain")
        self._waiting = 0
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
            return _answer(_error(None, _LIMIT, "too many requests wait: come again"))
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._worker, self._answered, request.body
            )
        finally:
            self._waiting -= 1

    def _answered(self, body: bytes) -> Answer:
        try:
            asked = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _answer(_error(None, _PARSE, "that is not JSON"))
        if not isinstance(asked, list):
            return _answer(self._one(asked))
        if not 0 < len(asked) <= BATCH_MAX:
            return _answer(_error(None, _INVALID, f"a batch has 1…{BATCH_MAX} requests"))
        return _answer([answer for answer in map(self._one, asked) if answer is not None])

    def _one(self, asked: Any) -> dict[str, Any] | None:
        if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
            return _error(None, _INVALID, "a request is an object with a method")
        identity = asked.get("id")
        if not isinstance(identity, str | int | float | None):
            return _error(None, _INVALID, "an id is text or a number")
        answer = self._called(identity, asked["method"], asked.get("params", []))
        return answer if "id" in asked else None

    def _called(self, identity: Any, name: str, params: Any) -> dict[str, Any]:
        method = self._methods.table.get(name)
        if method is None:
            return _error(identity, _NO_METHOD, f"the method {name[:80]} does not exist or is not available")
        if not isinstance(params, list):
            return _error(identity, _PARAMS, "params: expected a list")
        try:
            self._chain.freshen()
            return {"jsonrpc": "2.0", "id": identity, "result": method(params)}
        except WordError as error:
            return _error(identity, _PARAMS, str(error))
        except Reverted as error:
            return _error(identity, _REVERTED, str(error), data(error.output))
        except (Refused, Unknown) as error:
            return _error(identity, _SERVER, str(error))
        except TooMany as error:
            return _error(identity, _LIMIT, str(error))
        except Exception as error:
            self._failed(error)
            return _error(identity, _INTERNAL, f"internal error: {type(error).__name__}")


def _error(identity: Any, code: int, message: str, details: str | None = None) -> dict[str, Any]:
    error = {"code": code, "message": message, **({"data": details} if details is not None else {})}
    return {"jsonrpc": "2.0", "id": identity, "error": error}


def _answer(content: Any) -> Answer:
    """Of notifications alone nothing is answered."""
    return Answer(msgspec.json.encode(content) + b"\n" if content else b"")
