"""The way to a chain: JSON-RPC over HTTP, bounded in time and size, through web3.

The other side is a stranger: it may hang, drip, lie or send without end. Every answer comes whole within a deadline and below
a size, or not at all; one that cannot be understood is as good as none.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from web3 import AsyncWeb3
from web3.exceptions import ContractLogicError, OffchainLookup, Web3Exception, Web3RPCError
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from mesh_core.chain.ens.errors import ChainError, ChainUnavailable, Refused

T = TypeVar("T")

ANSWER_S = 10.0
ANSWER_BYTES_MAX = 512 << 10
LINE_CHARS_MAX = 200
WAIT_S_MAX = 300.0
_TOO_MANY = 429
_UNAVAILABLE = 503
_OK = 200

_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}|localhost|::1", re.ASCII)


def shown_url(url: str) -> str:
    """An address without what may be secret in it: providers put keys into paths, queries and user names."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host or '?'}{port}"


def is_here(url: str) -> bool:
    """Whether it names this machine."""
    return bool(_LOOPBACK.fullmatch(urlsplit(url).hostname or ""))


def one_line(text: object) -> str:
    """Somebody else's words as one bounded line."""
    return " ".join(str(text)[: 4 * LINE_CHARS_MAX].split())[:LINE_CHARS_MAX]


def http_client(url: str, answer_s: float = ANSWER_S) -> httpx.AsyncClient:
    """A client for one server: no redirects, no proxy for this machine, no compression that could unfold without end."""
    return httpx.AsyncClient(
        timeout=answer_s,
        trust_env=not is_here(url),
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
    )


async def bounded(client: httpx.AsyncClient, request: httpx.Request, answer_s: float) -> tuple[int, bytes]:
    """Status and body of the answer. Raises ChainUnavailable for one that does not come whole within `answer_s` seconds and
    `ANSWER_BYTES_MAX` bytes, and for one that asks to be left alone."""
    where, body = shown_url(str(request.url)), bytearray()
    try:
        async with asyncio.timeout(answer_s):
            answer = await client.send(request, stream=True)
            try:
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise ChainUnavailable(f"{where} answers in an encoding that nobody asked for")
                async for piece in answer.aiter_raw():
                    body += piece
                    if len(body) > ANSWER_BYTES_MAX:
                        raise ChainUnavailable(f"{where} answers more than {ANSWER_BYTES_MAX >> 10} KiB")
            finally:
                await answer.aclose()
    except TimeoutError:
        raise ChainUnavailable(f"{where} did not answer in {answer_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        raise ChainUnavailable(
            f"{where} cannot be asked: {one_line(error) or type(error).__name__}"
        ) from None
    if answer.status_code in (_TOO_MANY, _UNAVAILABLE):
        wait_s = _seconds(answer.headers.get("retry-after", ""))
        raise ChainUnavailable(f"{where} is busy: it answers {answer.status_code}", wait_s)
    return answer.status_code, bytes(body)


def _seconds(header: str) -> float:
    return (
        min(float(header), WAIT_S_MAX) if header.isascii() and header.isdigit() and len(header) < 9 else 0.0
    )


class BoundedProvider(AsyncJSONBaseProvider):
    """web3's way to the RPC at `url`."""

    def __init__(self, url: str, answer_s: float = ANSWER_S) -> None:
        super().__init__()
        self._url = url
        self._answer_s = answer_s
        self._client = http_client(url, answer_s)
        self.global_ccip_read_enabled = False  # a contract would choose whom this machine asks

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One call. Raises ChainUnavailable when there is no answer that is one."""
        body = self.encode_rpc_request(method, params)
        request = self._client.build_request(
            "POST", self._url, content=body, headers={"Content-Type": "application/json"}
        )
        status, answer = await bounded(self._client, request, self._answer_s)
        try:
            response = self.decode_rpc_response(answer)
        except (ValueError, RecursionError):
            response = None
        if not isinstance(response, dict) or not ("result" in response or "error" in response):
            told = f": it answers {status}" if status != _OK else ""
            raise ChainUnavailable(f"{shown_url(self._url)} does not speak JSON-RPC{told}")
        return response

    async def aclose(self) -> None:
        """Close what is open."""
        await self._client.aclose()


def connect(url: str, answer_s: float = ANSWER_S) -> AsyncWeb3[BoundedProvider]:
    """web3 on the RPC at `url`; nothing is asked yet."""
    w3 = AsyncWeb3(BoundedProvider(url, answer_s))
    w3.middleware_onion.clear()  # they would resolve names in calls, and ask for the chain before each
    return w3


async def ask(what: str, question: Awaitable[T]) -> T:
    """The answer to a question to a chain. Raises Refused when a contract or the node says no, ChainUnavailable when nobody
    answers or with something that is no answer: web3 tells that in many ways."""
    try:
        return await question
    except ChainError:
        raise
    except OffchainLookup:
        raise Refused(f"{what}: it is kept off the chain") from None
    except ContractLogicError as error:
        raise Refused(f"{what}: {one_line(error.message or 'reverted')}") from None
    except Web3RPCError as error:
        raise Refused(f"{what}: {one_line(_message(error))}") from None
    except (
        Web3Exception,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ChainUnavailable(f"{what}: an answer that cannot be read ({type(error).__name__})") from None


async def number(what: str, question: Awaitable[object]) -> int:
    """An answer that has to be a number that a chain knows. Raises as `ask` does."""
    told = await ask(what, question)
    if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told < 1 << 256:
        raise ChainUnavailable(f"{what}: an answer that is no number")
    return told


async def data(what: str, question: Awaitable[object]) -> bytes:
    """An answer that has to be bytes. Raises as `ask` does."""
    told = await ask(what, question)
    if not isinstance(told, bytes):
        raise ChainUnavailable(f"{what}: an answer that is no data")
    return bytes(told)


async def entry(what: str, question: Awaitable[object]) -> Mapping[str, object]:
    """An answer that has to have named parts, such as a block. Raises as `ask` does."""
    told = await ask(what, question)
    if not isinstance(told, Mapping):
        raise ChainUnavailable(f"{what}: an answer that is none")
    return told


def _message(error: Web3RPCError) -> object:
    told = (error.rpc_response or {}).get("error") if isinstance(error.rpc_response, dict) else None
    return told.get("message", "refused") if isinstance(told, dict) else error
