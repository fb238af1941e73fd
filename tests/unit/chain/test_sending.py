"""Transactions are rehearsed, kept below a cap, in order, offered again when they are stuck, and followed until they stand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_keys.datatypes import PrivateKey

from mesh_core.chain import addresses
from mesh_core.chain.ens import calls
from mesh_core.chain.ens.calls import to_bytes
from mesh_core.chain.ens.errors import ChainUnavailable, Refused, TooDear
from mesh_core.chain.ens.names import read_name
from mesh_core.chain.ens.sending import Limits, Reverted
from tests.unit.chain.local import ROOT, Ask, Names, local_names, names_at, served, sit_between, wanted

SOMEBODY = b"\x55" * 20
Tamper = Callable[[dict[str, Any], Callable[[], Any]], Any]


@pytest.fixture
async def names(tmp_path: Path) -> AsyncIterator[Names]:
    async with local_names(tmp_path) as made:
        yield made


@asynccontextmanager
async def tampered(tmp_path: Path, tamper: Tamper, limits: Limits) -> AsyncIterator[Names]:
    """Names at a node between which and us somebody sits: it gets each call and a way to ask the real one."""
    async with served(tmp_path / "chain.db") as url:
        made = names_at(url, limits=limits)

        async def between(method: str, params: Any, real: Ask) -> Any:
            answer = tamper({"method": method, "params": params}, real)
            return await answer if asyncio.iscoroutine(answer) else answer

        sit_between(made.w3, between)
        try:
            yield made
        finally:
            await made.w3.provider.aclose()


async def transfer(names: Names, wei: int = 1) -> Any:
    payer = names.registration.sender(ROOT)
    return await payer.send(await payer.rehearse("sending ether", SOMEBODY, b"", wei))


async def test_transactions_of_one_account_that_are_sent_at_once_are_taken_in_order(names: Names) -> None:
    sent = await asyncio.gather(*(transfer(names, wei) for wei in range(1, 8)))
    assert sorted(one.block for one in sent) == list(range(1, 8))
    assert await names.w3.eth.get_balance(calls.to_text(SOMEBODY)) == sum(range(1, 8))  # type: ignore[arg-type]


async def test_what_would_come_to_nothing_is_refused_before_it_costs_anything(names: Names) -> None:
    stranger = names.registration.sender(PrivateKey(b"\x09" * 32))
    data = calls.SET_OWNER.data(read_name("axl.eth").node, SOMEBODY)
    with pytest.raises(Refused, match="not the owner of the name"):
        await stranger.rehearse("taking axl.eth", to_bytes(addresses.REGISTRY), data)
    assert await names.height() == 0


async def test_nothing_is_sent_above_the_cap(tmp_path: Path) -> None:
    async with served(tmp_path / "chain.db") as url:
        names = names_at(url, limits=Limits(cost_wei_max=10**9))
        with pytest.raises(
            TooDear, match=r"may cost 0\.0.* ether, more than the 0\.000000001 that may be spent"
        ):
            await names.register(wanted())
        assert await names.height() == 0
        await names.w3.provider.aclose()


async def test_an_account_without_ether_is_sent_what_it_needs_and_not_more_often(names: Names) -> None:
    await names.register(wanted())
    assert await names.height() == 3  # the name, the ether, the records
    assert await names.w3.eth.get_balance(calls.to_text(wanted().account)) > 0  # type: ignore[arg-type]


async def test_a_transaction_that_the_node_forgot_is_offered_again_for_more(tmp_path: Path) -> None:
    offered: list[int] = []

    def forgetful(call: dict[str, Any], ask: Callable[[], Any]) -> Any:
        if call["method"] == "eth_sendRawTransaction":
            offered.append(_most_offered(call["params"][0]))
            if len(offered) < 3:
                return {"jsonrpc": "2.0", "id": 1, "result": "0x" + "00" * 32}
        return ask()

    async with tampered(tmp_path, forgetful, Limits(stuck_after_s=0.05)) as names:
        sent = await transfer(names)
        assert sent.block == 1 and len(offered) == 3
        assert offered[0] * 110 <= offered[1] * 100 and offered[1] * 110 <= offered[2] * 100
        assert await names.w3.eth.get_transaction_count(names.registration.sender(ROOT).address) == 1  # type: ignore[arg-type]


def _most_offered(raw: Any) -> int:
    import rlp
    from eth_utils import to_bytes as as_bytes

    data = raw if isinstance(raw, bytes) else as_bytes(hexstr=str(raw))
    return int.from_bytes(rlp.decode(data[1:])[3])


async def test_one_that_stays_stuck_is_given_up_and_its_slot_is_found_again(tmp_path: Path) -> None:
    swallowing = [True]

    def swallow(call: dict[str, Any], ask: Callable[[], Any]) -> Any:
        if call["method"] == "eth_sendRawTransaction" and swallowing[0]:
            return {"jsonrpc": "2.0", "id": 1, "result": "0x" + "00" * 32}
        return ask()

    async with tampered(tmp_path, swallow, Limits(stuck_after_s=0.05, give_up_s=0.2)) as names:
        with pytest.raises(ChainUnavailable, match="not taken in"):
            await transfer(names)
        swallowing[0] = False
        assert (await transfer(names)).block == 1


async def test_a_block_that_is_taken_back_does_not_count(tmp_path: Path) -> None:
    """A receipt from a block that the chain no longer has: it stands only once the node shows it in one that it has."""
    looks = [0]

    async def reorganised(call: dict[str, Any], ask: Callable[[], Any]) -> Any:
        answer = await ask()
        if call["method"] == "eth_getTransactionReceipt" and answer.get("result"):
            looks[0] += 1
            if looks[0] <= 2:
                return {**answer, "result": {**answer["result"], "blockHash": "0x" + "ee" * 32}}
        if call["method"] == "eth_blockNumber":
            return {**answer, "result": hex(int(answer["result"], 16) + 5)}
        return answer

    async with tampered(tmp_path, reorganised, Limits(confirmations=3)) as names:
        assert (await transfer(names)).block == 1
        assert looks[0] == 3


async def test_one_that_is_taken_and_comes_to_nothing_says_so(tmp_path: Path) -> None:
    async def failing(call: dict[str, Any], ask: Callable[[], Any]) -> Any:
        answer = await ask()
        if call["method"] == "eth_getTransactionReceipt" and answer.get("result"):
            return {**answer, "result": {**answer["result"], "status": "0x0"}}
        return answer

    async with tampered(tmp_path, failing, Limits()) as names:
        with pytest.raises(Reverted, match="came to nothing"):
            await transfer(names)


async def test_what_another_process_sent_for_the_account_is_noticed(tmp_path: Path) -> None:
    async with served(tmp_path / "chain.db") as url:
        one, other = names_at(url), names_at(url)
        await transfer(one)
        await transfer(other)
        with pytest.raises(ChainUnavailable, match=r"another transaction of 0x.* was faster"):
            await transfer(one)
        assert (await transfer(one)).block == 3
        for made in (one, other):
            await made.w3.provider.aclose()


def test_nothing_of_a_key_is_in_what_is_printed() -> None:
    made, one = names_at("http://127.0.0.1:9"), wanted()
    shown = repr([made.registration, made.registration.sender(ROOT), one])
    secrets = (ROOT.to_bytes(), one.owner.to_bytes(), one.peer.seed)
    assert not any(secret.hex() in shown or repr(secret) in shown for secret in secrets)
