"""Names below a parent that JustaName keeps off the chain: its API in place of the registry and the resolver.

Used where `JUSTANAME_API_KEY` is set. The service is believed about who owns what, as a chain would be; the binding in a record
is checked like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, field

from mesh_core.chain.ens.calls import NOBODY, to_bytes, to_text
from mesh_core.chain.ens.directory import Found
from mesh_core.chain.ens.errors import ChainUnavailable, Refused
from mesh_core.chain.ens.names import BadName, Name, normal_name
from mesh_core.chain.ens.networks import is_address
from mesh_core.chain.ens.records import READ
from mesh_core.chain.ens.rpc import ANSWER_S, bounded, http_client, one_line
from mesh_core.chain.ens.schema import RECORD_CHARS_MAX, RECORDS_MAX

KEY_VARIABLE = "JUSTANAME_API_KEY"
BASE = "https://api.justaname.id/ens/v1/subname"
PAGE_NAMES = 50
PAGES_MAX = 40
ETHER = 60
"""Coin type of Ethereum accounts (SLIP-44)."""

_FORBIDDEN = (401, 403)
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


class _Result(Struct):
    data: Any = None
    error: Any = None


class _Envelope(Struct, rename="camel"):
    status_code: int = 0
    result: _Result = field(default_factory=_Result)


class _Available(Struct, rename="camel"):
    is_available: bool


class _Address(Struct, rename="camel"):
    coin_type: int
    address: str


class _Text(Struct):
    key: str
    value: str


class _Subname(Struct):
    ens: str
    addresses: list[_Address] = []
    text: list[_Text] = []


class _Page(Struct):
    data: list[_Subname] = []


class JustaName:
    """The names below `parent` for one chain. `secret` is the API key: it goes into a header and nowhere else."""

    def __init__(self, parent: Name, chain_id: int, secret: str, base: str = BASE) -> None:
        self._parent = parent
        self._chain_id = chain_id
        self._base = base
        self._client = http_client(base)
        self._client.headers["x-api-key"] = secret

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    async def find_all(self) -> dict[str, Found]:
        """Every name below the parent, page by page. Raises Refused, ChainUnavailable."""
        found: dict[str, Found] = {}
        for page in range(1, PAGES_MAX + 1):
            query = {
                "ensDomain": self._parent.text,
                "chainId": self._chain_id,
                "page": page,
                "limit": PAGE_NAMES,
            }
            listed = await self._ask("GET", "/ens", _Page | list[_Subname], query)
            before = len(found)
            for one in listed.data if isinstance(listed, _Page) else listed:
                with suppress(BadName):
                    name = normal_name(one.ens)
                    found[name.text] = _found(name, one)
            if len(found) == before:
                return found  # pages may be shorter than was asked for: the end is one with nothing new on it
        raise ChainUnavailable(
            f"{self._parent.text} has more than {PAGES_MAX * PAGE_NAMES} names at JustaName"
        )

    async def add(self, name: Name, account: bytes, texts: Mapping[str, str]) -> None:
        """Register a name with its records. Raises Refused when it is taken."""
        free = await self._ask(
            "GET", "/available", _Available, {"subname": name.text, "chainId": self._chain_id}
        )
        if not free.is_available:
            raise Refused(f"JustaName: {name.text} is taken")
        await self._write("/add", name, account, texts)

    async def update(self, name: Name, account: bytes, texts: Mapping[str, str]) -> None:
        """Write records of a name that is there."""
        await self._write("/update", name, account, texts)

    async def _write(self, path: str, name: Name, account: bytes, texts: Mapping[str, str]) -> None:
        if name.parent != self._parent.text:
            raise Refused(f"JustaName keeps names right below {self._parent.text}, not {name.text}")
        body = {
            "username": name.label,
            "ensDomain": self._parent.text,
            "chainId": self._chain_id,
            "addresses": [{"coinType": ETHER, "address": to_text(account)}],
            "text": [{"key": key, "value": text} for key, text in texts.items()],
            "overrideSignatureCheck": True,
        }
        await self._ask("POST", path, dict, body=body)

    async def _ask(
        self,
        method: str,
        path: str,
        kind: Any,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> Any:
        """`result.data` of the answer. Raises Refused for what the service will not do, ChainUnavailable for what it cannot do
        now."""
        url = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"} if content is not None else {}
        request = self._client.build_request(method, url, content=content, headers=headers)
        status, answer = await bounded(self._client, request, ANSWER_S)
        if status in _FORBIDDEN:
            raise Refused(f"JustaName refuses the key in {KEY_VARIABLE}")
        try:
            envelope = msgspec.json.decode(answer, type=_Envelope)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ChainUnavailable(f"JustaName answers {status} with something that cannot be read") from None
        if status >= _SERVER_ERROR:
            raise ChainUnavailable(f"JustaName answers {status}: {_told(envelope.result.error)}")
        if envelope.result.error is not None or status >= _CLIENT_ERROR:
            raise Refused(f"JustaName: {_told(envelope.result.error)}")
        try:
            return msgspec.convert(envelope.result.data, kind)
        except (msgspec.MsgspecError, RecursionError):
            raise ChainUnavailable("JustaName answers with something else than was asked for") from None


def _told(error: object) -> str:
    """The service's own words."""
    told = error.get("message", error) if isinstance(error, dict) else error
    return one_line(told) if told else "it does not say why"


def _found(name: Name, one: _Subname) -> Found:
    accounts = [
        each.address for each in one.addresses if each.coin_type == ETHER and is_address(each.address)
    ]
    texts = {each.key: each.value for each in one.text[: 4 * RECORDS_MAX] if each.key in READ and each.value}
    long = frozenset(key for key, text in texts.items() if len(text) > RECORD_CHARS_MAX)
    records = {key: text[:RECORD_CHARS_MAX] for key, text in texts.items()}
    account = to_bytes(accounts[0]) if accounts else NOBODY
    return Found(name, owner=account, addr=account, records=records, long=long, off_chain=True)
