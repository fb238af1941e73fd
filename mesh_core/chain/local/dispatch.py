"""JSON-RPC 2.0: from the bytes of a request, or a batch of them, to what is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from mesh_core.chain.local.chain import LocalChain, Refused, Reverted, Unknown
from mesh_core.chain.local.logs import TooMany
from mesh_core.chain.local.methods import Methods
from mesh_core.chain.local.words import WordError, data

BATCH_MAX = 100

_PARSE, _INVALID, _NO_METHOD, _PARAMS, _INTERNAL = -32700, -32600, -32601, -32602, -32603
_SERVER, _LIMIT = -32000, -32005
_REVERTED = 3


class Dispatch:
    """Answers for `chain`, for one thread at a time. `failed` is called with what went wrong when the chain itself does, a
    bug or a damaged file: it is not to be gone on with."""

    def __init__(self, chain: LocalChain, failed: Callable[[BaseException], None]) -> None:
        self._chain = chain
        self._methods = Methods(chain)
        self._failed = failed

    def answer(self, body: bytes) -> bytes:
        """JSON, or nothing when only notifications came."""
        answer = self._answer(body)
        return msgspec.json.encode(answer) + b"\n" if answer else b""

    def _answer(self, body: bytes) -> dict[str, Any] | list[dict[str, Any]] | None:
        try:
            asked = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _error(None, _PARSE, "that is not JSON")
        if not isinstance(asked, list):
            return self._one(asked)
        if not 0 < len(asked) <= BATCH_MAX:
            return _error(None, _INVALID, f"a batch has 1…{BATCH_MAX} requests")
        return [answer for answer in map(self._one, asked) if answer is not None]

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
        except Exception as error:  # not of the client's making: the server's owner decides
            self._failed(error)
            return _error(identity, _INTERNAL, f"internal error: {type(error).__name__}")


def too_many() -> bytes:
    """Said to whoever comes when too many wait already."""
    return msgspec.json.encode(_error(None, _LIMIT, "too many requests wait: come again")) + b"\n"


def _error(identity: Any, code: int, message: str, details: str | None = None) -> dict[str, Any]:
    error = {"code": code, "message": message, **({"data": details} if details is not None else {})}
    return {"jsonrpc": "2.0", "id": identity, "error": error}
