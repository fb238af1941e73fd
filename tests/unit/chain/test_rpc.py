"""A node that hangs, lies, sends without end or wants to be left alone costs a bounded time and is told in one line."""

from __future__ import annotations

import gzip
import json
import time

import pytest

from mesh_core.chain.ens import rpc
from mesh_core.chain.ens.directory import Directory
from mesh_core.chain.ens.errors import ChainError, ChainUnavailable, Refused
from mesh_core.chain.ens.names import read_name
from mesh_core.chain.ens.networks import LOCAL, network_of
from tests.unit.chain.answering import Answer, Asked, Said, answering

NAME = read_name("node1.axl.eth")


async def read_from(answer: Answer, answer_s: float = 5.0) -> str:
    """What comes of reading a name from a node that answers so: the line of the error."""
    async with answering(answer) as url:
        w3 = rpc.connect(url, answer_s)
        try:
            with pytest.raises(ChainError) as caught:
                await Directory(w3, network_of(LOCAL).deployment).find(NAME)
        finally:
            await w3.provider.aclose()
        assert isinstance(caught.value, ChainUnavailable)
        line = str(caught.value)
        assert "\n" not in line and len(line) < 300
        return line


def result(value: object) -> Answer:
    def say(asked: Asked) -> Said:
        return Said(
            json.dumps({"jsonrpc": "2.0", "id": json.loads(asked.body)["id"], "result": value}).encode()
        )

    return say


async def test_a_node_that_hangs_is_given_up_in_time() -> None:
    began = time.monotonic()
    assert "did not answer in 0.2 s" in await read_from(lambda _: Said(hang=True), 0.2)
    assert time.monotonic() - began < 3


async def test_a_node_that_drips_for_ever_is_given_up_in_time() -> None:
    assert "did not answer in 0.2 s" in await read_from(lambda _: Said(b" ", endless=True), 0.2)


async def test_a_node_that_sends_without_end_is_cut_off() -> None:
    assert "answers more than 512 KiB" in await read_from(lambda _: Said(b" " * 65_536, endless=True))


async def test_an_answer_that_would_unfold_is_not_unfolded() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    said = Said(bomb, headers=(("Content-Encoding", "gzip"),))
    assert "an encoding that nobody asked for" in await read_from(lambda _: said)


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"[]", b"7", b"{}", b'"x"', b"\xff\xfe", b'{"result":', b"[" * 100_000, b'{"id":1}'],
)
async def test_what_is_no_json_rpc_is_no_answer(body: bytes) -> None:
    assert "does not speak JSON-RPC" in await read_from(lambda _: Said(body))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "0x",
        "0xzz",
        "nonsense",
        -1,
        [],
        {},
        {"a": "b"},
        "0x" + "ff" * 31,
        True,
        1.5,
        "0x" + "ff" * 100_000,
    ],
)
async def test_results_that_are_none_are_no_answer(value: object) -> None:
    await read_from(result(value))


async def test_a_node_that_wants_to_be_left_alone_is_left_alone_for_so_long() -> None:
    async with answering(lambda _: Said(b"", 429, (("Retry-After", "17"),))) as url:
        w3 = rpc.connect(url)
        with pytest.raises(ChainUnavailable, match="is busy: it answers 429") as caught:
            await w3.eth.block_number
        assert caught.value.wait_s == 17
        await w3.provider.aclose()


async def test_a_node_that_answers_an_error_refuses_in_its_own_words_on_one_line() -> None:
    words = "no\n\nbread\x1b[31m today " + "x" * 5_000
    body = json.dumps({"jsonrpc": "2.0", "id": 0, "error": {"code": -32_000, "message": words}}).encode()
    async with answering(lambda _: Said(body)) as url:
        w3 = rpc.connect(url)
        with pytest.raises(Refused, match="asking: no bread") as caught:
            await rpc.ask("asking", w3.eth.block_number)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
        await w3.provider.aclose()


async def test_a_redirect_is_not_followed() -> None:
    asked: list[str] = []

    def elsewhere(request: Asked) -> Said:
        asked.append(request.target)
        return Said(b"", 307, (("Location", "/elsewhere"),))

    assert "does not speak JSON-RPC: it answers 307" in await read_from(elsewhere)
    assert set(asked) == {"/"}


def test_an_address_is_shown_without_what_may_be_secret_in_it() -> None:
    assert (
        rpc.shown_url("https://user:secret@node.example:8443/v3/secret?key=secret#secret")
        == "https://node.example:8443"
    )
    assert rpc.shown_url("http://[::1]:8545/secret") == "http://[::1]:8545"
    assert rpc.is_here("http://127.0.0.1:1") and not rpc.is_here("https://127.0.0.1.example")
