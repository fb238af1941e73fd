"""The local chain: what it takes, what it keeps, and how it is asked."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from ens import ENS
from web3 import Web3
from web3.exceptions import Web3RPCError
from web3.providers import HTTPProvider

from mesh_core.chain import addresses
from mesh_core.chain.local import chain as chains
from mesh_core.chain.local import logs, rpc
from mesh_core.chain.local.__main__ import SET_ASIDE, opened
from mesh_core.chain.local.chain import Call, LocalChain, Refused
from mesh_core.chain.local.dispatch import BATCH_MAX, Dispatch
from mesh_core.chain.local.genesis import genesis_accounts
from mesh_core.chain.local.methods import Methods
from mesh_core.chain.local.root import RootKeyError, root_key
from mesh_core.chain.local.rpc import RpcServer
from mesh_core.chain.local.store import Damaged
from tests.unit.chain.inside import ALICE, MALLORY, ROOT, World, raised

ROOT_ADDRESS = bytes.fromhex(ROOT.address[2:])
SENDER = bytes.fromhex(ALICE.address[2:])
FOR_EVER = bytes.fromhex("5b600056")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.chain.close()


class Clock:
    """Seconds since 1970, as somebody sets them."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


# ------------------------------------------------------------------------------------------ transactions


def transfer(world: World, **fields: Any) -> bytes:
    whole = {
        "chainId": 31337,
        "nonce": world.w3.eth.get_transaction_count(ALICE.address),
        "to": MALLORY.address,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
    }
    return bytes(ALICE.sign_transaction({**whole, **fields}).raw_transaction)


def test_money_that_is_sent_arrives_once_however_often_it_is_sent(world: World) -> None:
    before = world.w3.eth.get_balance(MALLORY.address)
    raw = transfer(world, value=5)
    first = world.w3.eth.send_raw_transaction(raw)
    assert world.w3.eth.send_raw_transaction(raw) == first
    assert world.w3.eth.get_balance(MALLORY.address) == before + 5
    assert world.w3.eth.get_transaction_receipt(first)["status"] == 1
    assert world.w3.eth.get_transaction(first)["from"] == ALICE.address


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"nonce": 7}, "nonce too high: next nonce 0, tx nonce 7"),
        ({"chainId": 1}, "invalid chain id for signer: have 1 want 31337"),
        ({"value": 10**30}, "insufficient funds for gas * price + value"),
        ({"gas": 20_000}, "gas"),
        ({"maxFeePerGas": 1, "maxPriorityFeePerGas": 1}, "fee"),
        ({"gas": 40_000_000}, "gas"),
    ],
)
def test_a_transaction_that_cannot_be_is_refused_and_nothing_changes(
    world: World, fields: dict[str, int], said: str
) -> None:
    before = world.chain.head
    with pytest.raises(Web3RPCError, match=re.escape(said)):
        world.w3.eth.send_raw_transaction(transfer(world, **fields))
    assert world.chain.head == before
    world.w3.eth.send_raw_transaction(transfer(world))  # and the next one goes through


def test_a_used_nonce_is_too_low(world: World) -> None:
    world.w3.eth.send_raw_transaction(transfer(world))
    with pytest.raises(Web3RPCError, match="nonce too low: next nonce 1, tx nonce 0"):
        world.w3.eth.send_raw_transaction(transfer(world, nonce=0, value=2))


@pytest.mark.parametrize(
    "raw", [b"", b"\0", b"\xc0", b"\2\xc0", b"\3\xc0", b"\x90", b"\xff" * 40, b"\x02" + bytes(99)]
)
def test_bytes_that_are_no_transaction_are_refused(world: World, raw: bytes) -> None:
    with pytest.raises(Refused):
        world.chain.send(raw)


def test_transactions_of_the_older_kinds_are_taken_too(world: World) -> None:
    old = {"gasPrice": 10**10, "nonce": 0, "to": MALLORY.address, "value": 1, "gas": 30_000, "chainId": 31337}
    raw = ALICE.sign_transaction(old).raw_transaction
    shown = world.w3.eth.get_transaction(world.w3.eth.send_raw_transaction(raw))
    assert (shown["type"], shown["gasPrice"]) == (0, 10**10)
    listed = [{"address": MALLORY.address, "storageKeys": ["0x" + "01" * 32]}]
    raw = ALICE.sign_transaction({**old, "nonce": 1, "accessList": listed}).raw_transaction
    shown = world.w3.eth.get_transaction(world.w3.eth.send_raw_transaction(raw))
    assert (shown["type"], shown["accessList"][0]["storageKeys"]) == (1, ["0x" + "01" * 32])


def test_what_is_estimated_is_enough_and_hardly_more(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    call = world.resolver.functions.setText(node, "a", "x" * 200)
    gas = call.estimate_gas({"from": ALICE.address})
    receipt = world.signed(ALICE, {"to": call.address, "data": call._encode_transaction_data(), "gas": gas})
    assert receipt["status"] == 1
    assert receipt["gasUsed"] <= gas <= receipt["gasUsed"] * 1.1


def test_a_computation_without_end_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "CALL_GAS_MAX", 500_000)
    with pytest.raises(Refused, match="out of gas"):
        world.chain.call(Call(SENDER, b"", FOR_EVER, gas=10**9), world.chain.head)
    with pytest.raises(Refused, match="out of gas"):
        world.chain.estimate(Call(SENDER, b"", FOR_EVER), world.chain.head)


def test_contracts_that_take_long_for_little_gas_are_not_there(world: World) -> None:
    rounds = b"\x00\x40\x00\x00" + bytes(208) + b"\1"  # of BLAKE2: four million, some thirty seconds
    assert world.chain.call(Call(SENDER, bytes(19) + b"\x09", rounds, gas=5_000_000), world.chain.head) == b""


def test_a_contract_that_makes_itself_again_and_again_ends_well(world: World) -> None:
    again = bytes.fromhex("383d3d39383d3df0")
    assert world.chain.call(Call(SENDER, b"", again), world.chain.head) == b""


def test_the_past_can_be_asked(world: World) -> None:
    world.w3.eth.send_raw_transaction(transfer(world))
    then = world.chain.head.block_number
    world.w3.eth.send_raw_transaction(transfer(world))
    assert world.w3.eth.get_transaction_count(ALICE.address, then) == 1
    assert world.w3.eth.get_transaction_count(ALICE.address) == 2
    assert world.w3.eth.get_block(then, full_transactions=True)["transactions"][0]["from"] == ALICE.address


# ---------------------------------------------------------------------------------------------- the clock


def test_a_chain_that_stood_still_is_not_taken_for_one_out_of_sync(tmp_path: Path) -> None:
    clock = Clock()
    chain = LocalChain(tmp_path / "chain.db", ROOT_ADDRESS, clock)
    asked = Dispatch(chain, raised)
    clock.seconds += 3 * 86_400
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest",false]}'
    block = json.loads(asked.answer(body))["result"]
    assert int(block["timestamp"], 16) == int(clock.seconds)
    assert (block["number"], block["transactions"]) == ("0x1", [])
    assert json.loads(asked.answer(body))["result"]["number"] == "0x1"
    chain.close()


def test_a_clock_that_is_put_back_does_not_stop_the_chain(tmp_path: Path) -> None:
    clock = Clock()
    chain = LocalChain(tmp_path / "chain.db", ROOT_ADDRESS, clock)
    began = chain.head.timestamp
    clock.seconds -= 10_000
    raw = ROOT.sign_transaction(
        {"to": ALICE.address, "value": 1, "gas": 21_000, "gasPrice": 10**10, "nonce": 0, "chainId": 31337}
    ).raw_transaction
    chain.send(bytes(raw))
    assert chain.head.timestamp == began + 1
    chain.close()


# ------------------------------------------------------------------------------------------------ keeping


def test_what_was_written_is_there_when_the_chain_is_opened_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    node = world.give("node1.axl.eth", ALICE)
    assert world.does(ALICE, world.resolver.functions.setText(node, "a", "b"))
    head = world.chain.head
    world.chain.close()
    again = LocalChain(tmp_path / "chain.db", ROOT_ADDRESS)
    assert again.head == head
    data = world.resolver.encode_abi("text", args=[node, "a"])
    answer = again.call(
        Call(SENDER, bytes.fromhex(addresses.RESOLVER[2:]), bytes.fromhex(data[2:])), again.head
    )
    assert answer[64:65] == b"b"
    again.close()


def test_a_block_is_kept_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    head, rows = world.chain.head, _rows(world.chain)
    raw = transfer(world)
    persist = chains._Chain.persist_block

    def broken(self: Any, *args: Any) -> Any:
        persist(self, *args)
        raise OSError("no space left")

    with monkeypatch.context() as during:
        during.setattr(chains._Chain, "persist_block", broken)
        with pytest.raises(OSError, match="no space"):
            world.chain.send(raw)
    assert (world.chain.head, _rows(world.chain)) == (head, rows)
    world.chain.send(raw)
    assert world.chain.head.block_number == head.block_number + 1
    world.chain.close()


def _rows(chain: LocalChain) -> int:
    rows: int = chain._store._connection.execute("SELECT count(*) FROM kv").fetchone()[0]
    return rows


def test_one_file_is_one_chains(tmp_path: Path) -> None:
    chain = LocalChain(tmp_path / "chain.db", ROOT_ADDRESS)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        LocalChain(tmp_path / "chain.db", ROOT_ADDRESS)
    chain.close()


def test_a_chain_with_another_root_is_not_gone_on_with(tmp_path: Path) -> None:
    LocalChain(tmp_path / "chain.db", ROOT_ADDRESS).close()
    with pytest.raises(Damaged, match="another root"):
        LocalChain(tmp_path / "chain.db", SENDER)


@pytest.mark.parametrize("damage", ["noise", "empty", "short", "headless", "contractless"])
def test_a_damaged_chain_is_set_aside_and_a_new_one_begins(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chain.db"
    world = World(tmp_path)
    world.give("node1.axl.eth", ALICE)
    code = genesis_accounts(ROOT_ADDRESS)[bytes.fromhex(addresses.REGISTRY[2:])].code
    world.chain.close()
    _damage(path, damage, code)
    again = opened(path, ROOT_ADDRESS)
    assert again.head.block_number == 0
    again.close()
    assert "set aside, a new one begins" in capsys.readouterr().err or damage == "empty"
    assert path.with_name(path.name + SET_ASIDE).exists() or damage == "empty"


def _damage(path: Path, how: str, code: bytes) -> None:
    content = path.read_bytes()
    if how == "noise":
        path.write_bytes(bytes(reversed(content)))
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "short":
        path.write_bytes(content[: len(content) // 2])
    else:
        with sqlite3.connect(path) as connection:
            if how == "headless":
                connection.execute("DELETE FROM kv WHERE length(key) = 32 AND length(value) > 500")
            else:
                connection.execute("DELETE FROM kv WHERE value = ?", (code,))
        connection.close()


# ------------------------------------------------------------------------------------------------ root key


def test_the_root_key_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    first = root_key(path)
    assert root_key(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "zz" * 32, "00" * 32, "ff" * 32, "11" * 31])
def test_a_root_key_that_is_none_is_refused_with_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "root.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(RootKeyError, match="move it away, and a new one is made"):
        root_key(path)


def test_a_root_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    root_key(path)
    path.chmod(0o640)
    with pytest.raises(RootKeyError, match="others can read it"):
        root_key(path)


# ------------------------------------------------------------------------------------------------ JSON-RPC


def asked(world: World, body: bytes) -> Any:
    answer = Dispatch(world.chain, raised).answer(body)
    return json.loads(answer) if answer else None


@pytest.mark.parametrize(
    "body, code",
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b"[" * 2_000, -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'{"id":1}', -32600),
        (b'{"id":{},"method":"eth_chainId"}', -32600),
        (b'{"id":1,"method":"eth_sendTransaction","params":[{}]}', -32601),
        (b'{"id":1,"method":"anvil_setCode","params":[]}', -32601),
        (b'{"id":1,"method":"eth_chainId","params":{}}', -32602),
        (b'{"id":1,"method":"eth_getBalance","params":[]}', -32602),
        (b'{"id":1,"method":"eth_getBalance","params":["0x12","latest"]}', -32602),
        (b'{"id":1,"method":"eth_getBlockByNumber","params":["newest",false]}', -32602),
        (b'{"id":1,"method":"eth_getBlockByNumber","params":[1,false]}', -32602),
        (b'{"id":1,"method":"eth_getCode","params":["0x' + b"11" * 20 + b'","0xffff"]}', -32000),
        (b'{"id":1,"method":"eth_call","params":["x","latest"]}', -32602),
        (b'{"id":1,"method":"eth_call","params":[{"to":"0x1"},"latest"]}', -32602),
        (b'{"id":1,"method":"eth_call","params":[{"value":"0x' + b"f" * 65 + b'"},"latest"]}', -32602),
        (b'{"id":1,"method":"eth_getLogs","params":[]}', -32602),
        (b'{"id":1,"method":"eth_getLogs","params":[{"topics":[["0x1"]]}]}', -32602),
        (b'{"id":1,"method":"eth_feeHistory","params":["0x2","latest",7]}', -32602),
        (b'{"id":1,"method":"eth_getStorageAt","params":["0x' + b"11" * 20 + b'","0x","latest"]}', -32602),
        (b'{"id":1,"method":"eth_sendRawTransaction","params":["0x0"]}', -32602),
    ],
    ids=lambda word: str(word)[:60],
)
def test_what_cannot_be_answered_is_refused_with_the_code_that_says_why(
    world: World, body: bytes, code: int
) -> None:
    assert asked(world, body)["error"]["code"] == code


def test_a_call_that_the_contract_refuses_tells_its_reason_and_data(world: World) -> None:
    data = world.registry.encode_abi("setOwner", args=[bytes(32), ALICE.address])
    call = {"from": ALICE.address, "to": addresses.REGISTRY, "data": data}
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call, "latest"]}
    error = asked(world, json.dumps(body).encode())["error"]
    assert (error["code"], error["message"]) == (3, "execution reverted: not the owner of the name")
    assert error["data"].startswith("0x08c379a0")


def test_a_batch_is_answered_in_order_and_notifications_not_at_all(world: World) -> None:
    one = b'{"id":%d,"method":"eth_chainId"}'
    batch = b"[" + one % 1 + b',{"method":"eth_chainId"},' + one % 2 + b"]"
    assert [answer["id"] for answer in asked(world, batch)] == [1, 2]
    assert asked(world, b'{"method":"eth_chainId"}') is None
    assert asked(world, b"[" + b",".join([one % 1] * (BATCH_MAX + 1)) + b"]")["error"]["code"] == -32600


def test_no_account_is_unlocked(world: World) -> None:
    assert world.w3.eth.accounts == []


def test_logs_of_too_many_blocks_are_not_looked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BLOCKS_MAX", 2)
    body = b'{"id":1,"method":"eth_getLogs","params":[{"fromBlock":"earliest"}]}'
    assert asked(world, body)["error"]["code"] == -32005


def test_what_fails_inside_is_told_to_the_owner_and_in_one_line_to_the_client(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[BaseException] = []
    dispatch = Dispatch(world.chain, failures.append)
    world.chain.close()
    answer = json.loads(dispatch.answer(b'{"id":1,"method":"eth_blockNumber"}'))
    assert answer["error"]["message"] == "internal error: ProgrammingError"
    assert len(failures) == 1


# ---------------------------------------------------------------------------------------------------- HTTP


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    server = RpcServer(world.chain, raised)
    await server.start(0)
    yield server.url
    await server.close()


async def test_stock_ens_resolves_with_the_url_alone(world: World, url: str) -> None:
    node = world.give("node1.axl.eth", ALICE)
    assert world.does(ALICE, world.resolver.functions.setText(node, "capabilities", "answer"))
    assert world.does(ALICE, world.resolver.functions.setAddr(node, ALICE.address))

    def outside() -> tuple[Any, ...]:
        ns = ENS.from_web3(Web3(HTTPProvider(url)))
        return ns.address("node1.axl.eth"), ns.get_text("node1.axl.eth", "capabilities"), ns.address("x.eth")

    assert await asyncio.to_thread(outside) == (ALICE.address, "answer", None)


@pytest.mark.parametrize(
    "headers, method, status",
    [
        ({"Origin": "http://evil.example"}, "POST", 403),
        ({"Origin": "null"}, "POST", 403),
        ({"Origin": "http://evil.example"}, "OPTIONS", 403),
        ({"Host": "evil.example"}, "POST", 403),
        ({}, "GET", 405),
        ({}, "POST", 200),
    ],
)
async def test_web_pages_are_not_answered(
    url: str, headers: dict[str, str], method: str, status: int
) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        body = {"id": 1, "method": "eth_chainId"}
        assert (await client.request(method, url, headers=headers, json=body)).status_code == status


async def test_a_request_without_measure_is_refused(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(url, content=b" " * 300_000)).status_code == 413
        assert (await client.post(url + "/else", content=b"{}")).status_code == 401


async def test_a_contract_that_calls_itself_without_end_ends_in_a_receipt(world: World, url: str) -> None:
    """Deeper than its own stack, were it only for Python's: requests are answered by a thread."""
    own = world.signed(MALLORY, {"data": "0x675f5f5f5f5f305af15f5260086018f3"})["contractAddress"]
    assert bytes(world.w3.eth.get_code(own)) == bytes.fromhex("5f5f5f5f5f305af1")
    fields = {"chainId": 31337, "nonce": 1, "to": own, "gas": 29_000_000, "gasPrice": 10**10, "value": 0}
    raw = "0x" + bytes(MALLORY.sign_transaction(fields).raw_transaction).hex()
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        send = {"id": 1, "method": "eth_sendRawTransaction", "params": [raw]}
        digest = (await client.post(url, json=send)).json()["result"]
        look = {"id": 2, "method": "eth_getTransactionReceipt", "params": [digest]}
        assert (await client.post(url, json=look)).json()["result"]["status"] == "0x1"


async def test_when_too_many_wait_the_next_is_told_to_come_again(
    world: World, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, asked_for, go_on = Dispatch.answer, threading.Event(), threading.Event()

    def slow(self: Dispatch, body: bytes) -> bytes:
        asked_for.set()
        assert go_on.wait(10)
        return answer(self, body)

    monkeypatch.setattr(rpc, "WAITING_MAX", 1)
    monkeypatch.setattr(Dispatch, "answer", slow)
    call = {"id": 1, "method": "eth_chainId"}
    async with httpx.AsyncClient(trust_env=False) as client:
        first = asyncio.create_task(client.post(url, json=call))
        await asyncio.to_thread(asked_for.wait, 10)
        assert (await client.post(url, json=call)).json()["error"]["code"] == -32005
        go_on.set()
        assert (await first).json()["result"] == "0x7a69"
        assert (await client.post(url, json=call)).json()["result"] == "0x7a69"


ADDRESS, HASH = "0x" + "11" * 20, "0x" + "22" * 32
STRANGE: list[Any] = [
    None, True, 0, -1, 1.5, 2**70, "", "0x", "0x0", "0xffffffffffffffffffff", "latest", "earliest", ADDRESS, HASH,
    "0x" + "f" * 64, [], [[]], [None], {}, {"blockHash": HASH}, {"blockNumber": "0x1"}, {"blockNumber": None},
    {"to": ADDRESS, "gas": "0x" + "f" * 64}, {"to": ADDRESS, "value": "0x" + "f" * 64}, {"data": "0xfe"}, {"input": 7},
    {"from": ADDRESS, "to": ADDRESS, "gas": "0x0"}, {"gas": "0x1"}, {"fromBlock": "0x5", "toBlock": "0x1"},
    {"address": [ADDRESS] * 100}, {"topics": [None, [HASH], [], HASH]}, {"topics": [[None]]}, {"blockHash": None},
]  # fmt: skip


def test_no_parameters_whatever_make_the_chain_fail(world: World) -> None:
    dispatch = Dispatch(world.chain, raised)  # a failure inside is raised, and fails the test
    for method in Methods(world.chain).table:
        for first in STRANGE:
            for others in ([], *([second, "latest"] for second in STRANGE), [[], 7]):
                body = {"id": 1, "method": method, "params": [first, *others]}
                answer = json.loads(dispatch.answer(msgspec.json.encode(body)))
                assert ("result" in answer) != ("error" in answer)
