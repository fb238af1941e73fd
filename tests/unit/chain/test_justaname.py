"""Names kept at JustaName: registered, found page by page, and every refusal told in one line without the key."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mesh_core.chain.ens.book import Book
from mesh_core.chain.ens.errors import ChainUnavailable, Refused
from mesh_core.chain.ens.justaname import JustaName
from mesh_core.chain.ens.names import read_name
from mesh_core.chain.ens.networks import SEPOLIA
from mesh_core.chain.ens.records import BINDING, PEER_ID
from mesh_core.chain.ens.registration import needs
from mesh_core.chain.ens.verdict import judge
from tests.unit.chain.answering import Asked, Said, answering
from tests.unit.chain.local import PARENT, names_at, wanted

SECRET = "sk-very-secret"
NOW_S = 1_800_000_000


def envelope(data: Any = None, error: Any = None, status: int = 200) -> Said:
    return Said(json.dumps({"statusCode": status, "result": {"data": data, "error": error}}).encode(), status)


@dataclass
class Service:
    """What JustaName does, as far as it is described: `next_answer` takes the place of the next one."""

    page_names: int = 2
    names: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    next_answer: Said | None = None

    def __call__(self, asked: Asked) -> Said:
        self.asked.append(asked)
        if self.next_answer is not None:
            said, self.next_answer = self.next_answer, None
            return said
        if asked.headers.get("x-api-key") != SECRET:
            return envelope(error="unauthorized", status=401)
        parts = urlsplit(asked.target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match asked.method, parts.path:
            case "GET", "/available":
                return envelope({"isAvailable": query["subname"] not in self.names})
            case "GET", "/ens":
                first = (int(query["page"]) - 1) * self.page_names
                return envelope({"data": list(self.names.values())[first : first + self.page_names]})
            case "POST", "/add" | "/update":
                said = json.loads(asked.body)
                name = f"{said['username']}.{said['ensDomain']}"
                known = self.names.get(name, {"text": []})
                texts = {each["key"]: each["value"] for each in (*known["text"], *said["text"])}
                text = [{"key": key, "value": value} for key, value in texts.items()]
                self.names[name] = {"ens": name, "addresses": said["addresses"], "text": text}
                return envelope({"ens": name})
        return envelope(error="no such thing", status=404)


@dataclass
class Kept:
    """A book whose parent is kept at the service."""

    service: Service
    book: Book
    client: JustaName


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    service = Service()
    async with answering(service) as url:
        client = JustaName(PARENT, SEPOLIA, SECRET, url)
        chain = names_at("http://127.0.0.1:9")
        yield Kept(service, Book(PARENT, chain.directory, chain.registration, client), client)
        await client.close()
        await chain.w3.provider.aclose()


async def register(kept: Kept, number: int) -> None:
    one = wanted(f"node{number}.axl.eth", number)
    found = await kept.book.find(one.name)
    await kept.book.write(one, found, needs(one, found, SEPOLIA, NOW_S))


async def test_a_name_is_registered_once_and_bound(kept: Kept) -> None:
    one = wanted()
    await register(kept, 1)
    found = await kept.book.find(one.name)
    verdict = judge(found, one.peer.peer.hex(), SEPOLIA, NOW_S)
    assert verdict.verified and found.off_chain and found.addr == one.account
    assert needs(one, found, SEPOLIA, NOW_S).nothing


async def test_every_page_is_read_however_long_pages_are(kept: Kept) -> None:
    for number in range(1, 6):
        await register(kept, number)
    kept.book.turn_page()
    assert len(await kept.client.find_all()) == 5


async def test_a_change_is_written_to_a_name_that_is_there(kept: Kept) -> None:
    await register(kept, 1)
    kept.service.names["node1.axl.eth"]["text"] = [
        each for each in kept.service.names["node1.axl.eth"]["text"] if each["key"] != BINDING
    ]
    kept.book.turn_page()
    await register(kept, 1)
    assert [urlsplit(asked.target).path for asked in kept.service.asked if asked.method == "POST"] == [
        "/add",
        "/update",
    ]
    assert judge(await kept.book.find(wanted().name), "", SEPOLIA, NOW_S).verified


async def test_a_name_that_is_taken_is_refused(kept: Kept) -> None:
    kept.service.names["node1.axl.eth"] = {"ens": "node1.axl.eth", "addresses": [], "text": []}
    with pytest.raises(Refused, match=r"JustaName: node1\.axl\.eth is taken"):
        await kept.client.add(wanted().name, wanted().account, {})


async def test_names_right_below_the_parent_only_are_kept_there(kept: Kept) -> None:
    with pytest.raises(Refused, match=r"right below axl\.eth"):
        await kept.client.add(read_name("a.node1.axl.eth"), wanted().account, {})


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (envelope(error="forbidden", status=403), Refused, "refuses the key in JUSTANAME_API_KEY"),
        (envelope(error={"message": "too many\nnames"}, status=400), Refused, "JustaName: too many names"),
        (envelope(error="not for you"), Refused, "JustaName: not for you"),
        (envelope(error="broken", status=500), ChainUnavailable, "answers 500: broken"),
        (Said(b"<html>", 502), ChainUnavailable, "answers 502 with something that cannot be read"),
        (Said(b"", 429, (("Retry-After", "3"),)), ChainUnavailable, "is busy: it answers 429"),
        (envelope({"data": 7}), ChainUnavailable, "something else than was asked for"),
        (Said(b"[" * 50_000), ChainUnavailable, "cannot be read"),
        (Said(b" " * 600_000), ChainUnavailable, "more than 512 KiB"),
    ],
)
async def test_whatever_it_answers_is_told_in_one_line(
    kept: Kept, said: Said, kind: type[Exception], words: str
) -> None:
    kept.service.next_answer = said
    with pytest.raises(kind, match=words) as caught:
        await kept.client.find_all()
    assert "\n" not in str(caught.value) and SECRET not in str(caught.value)


async def test_what_it_says_of_others_is_bounded_and_strange_names_are_passed_over(kept: Kept) -> None:
    text = [{"key": PEER_ID, "value": "x" * 100_000}, {"key": "strange", "value": "y"}]
    kept.service.names = {
        "a": {"ens": "huge.axl.eth", "addresses": [{"coinType": 60, "address": "0xno"}], "text": text},
        "b": {"ens": "n\N{CYRILLIC SMALL LETTER O}de1.axl.eth", "addresses": [], "text": []},
    }
    (found,) = (await kept.client.find_all()).values()
    assert len(found.records[PEER_ID]) == 1024 and found.long == {PEER_ID} and "strange" not in found.records
    assert not judge(found, "", SEPOLIA, NOW_S).verified


async def test_the_key_is_shown_to_the_service_and_stands_in_no_address(kept: Kept) -> None:
    await register(kept, 1)
    assert all(
        asked.headers["x-api-key"] == SECRET and SECRET not in asked.target for asked in kept.service.asked
    )
