"""A name is registered once, goes on after a crash, follows what its provider announces, and is left alone otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from ens import ENS
from eth_keys.datatypes import PrivateKey
from web3 import HTTPProvider, Web3

from mesh_core.chain import addresses
from mesh_core.chain.ens import calls
from mesh_core.chain.ens.binding import RENEW_AFTER_S
from mesh_core.chain.ens.calls import NOBODY, to_bytes, to_text
from mesh_core.chain.ens.errors import Misconfigured, Refused
from mesh_core.chain.ens.names import read_name
from mesh_core.chain.ens.networks import LOCAL, Deployment, network_of
from mesh_core.chain.ens.records import BINDING, PEER_ID, Announced
from mesh_core.chain.ens.registration import Needs, needs, new_binding
from tests.unit.chain.local import PARENT, ROOT, Names, local_names, names_at, wanted

NAME = "node1.axl.eth"
OTHER = PrivateKey(b"\x0b" * 32)


@pytest.fixture
async def names(tmp_path: Path) -> AsyncIterator[Names]:
    async with local_names(tmp_path) as made:
        yield made


async def test_a_registered_name_is_bound_to_its_peer_and_needs_nothing_more(names: Names) -> None:
    one = wanted()
    await names.register(one)
    verdict = await names.verdict(NAME, one.peer.peer.hex())
    assert (verdict.verified, verdict.peer) == (True, one.peer.peer.hex())
    height = await names.height()
    assert (await names.register(one)).nothing
    assert await names.height() == height


async def test_stock_web3_reads_it_with_the_rpc_url_alone(names: Names) -> None:
    one = wanted()
    await names.register(one)
    await names.registration.name_account(one.name, one.owner)

    def read() -> tuple[object, ...]:
        ns = ENS.from_web3(Web3(HTTPProvider(names.url)))
        return ns.address(NAME), ns.owner(NAME), ns.get_text(NAME, PEER_ID), ns.name(to_text(one.account))

    account = to_text(one.account)
    assert await asyncio.to_thread(read) == (account, account, one.peer.peer.hex(), NAME)


async def test_what_is_announced_anew_is_written_and_nothing_else(names: Names) -> None:
    await names.register(wanted())
    missing = await names.register(wanted(announced=Announced(("answer", "combine"), 12_500, (0, 3))))
    assert missing.texts == {"price_axl": "0.0125", "shard_id": "0,3"}
    assert (await names.find(NAME)).records["price_axl"] == "0.0125"


async def test_a_registration_that_broke_off_goes_on_where_it_was(names: Names) -> None:
    one = wanted()
    await names.registration.mint(one.name, one.account)
    missing = await names.needs(one)
    assert not missing.mint and missing.addr and BINDING in missing.texts
    await names.registration.write(one, missing)
    assert (await names.needs(one)).nothing


async def test_a_provider_that_leaves_retires_its_name_and_may_come_back(names: Names) -> None:
    await names.register(wanted())
    await names.register(replace(wanted(), announced=None))
    found = await names.find(NAME)
    assert found.records == {} and found.owner == wanted().account
    assert (await names.needs(replace(wanted(), announced=None))).nothing
    await names.register(wanted())
    assert (await names.verdict(NAME)).verified


async def test_a_name_that_nobody_registered_is_not_registered_in_order_to_retire_it(names: Names) -> None:
    assert (await names.needs(replace(wanted(), announced=None))).nothing


async def test_a_name_of_somebody_else_is_left_alone(names: Names) -> None:
    await names.registration.mint(read_name(NAME), OTHER.public_key.to_canonical_address())
    missing = await names.needs(wanted())
    assert missing == Needs(foreign=OTHER.public_key.to_canonical_address())
    with pytest.raises(Refused, match=r"belongs to 0x.*, not to this machine"):
        await names.registration.write(wanted(), missing)


async def test_a_name_below_a_providers_name_is_minted_by_that_provider(names: Names) -> None:
    await names.register(wanted())
    nested = wanted("agent1.node1.axl.eth")
    await names.register(nested)
    assert (await names.verdict("agent1.node1.axl.eth", nested.peer.peer.hex())).verified


async def test_nothing_is_minted_below_a_name_of_somebody_else(names: Names) -> None:
    with pytest.raises(Refused, match="there is no such name"):
        await names.registration.mint(read_name("a.nobody.eth"), wanted().account)
    await names.registration.mint(read_name("theirs.axl.eth"), OTHER.public_key.to_canonical_address())
    with pytest.raises(Refused, match="not to this machine"):
        await names.registration.mint(read_name("a.theirs.axl.eth"), wanted().account)


async def test_a_name_that_was_given_away_is_verified_no_more(names: Names) -> None:
    one = wanted()
    await names.register(one)
    sender = names.registration.sender(one.owner)
    await names.registration.transfer(one.name, sender, OTHER.public_key.to_canonical_address())
    verdict = await names.verdict(NAME, one.peer.peer.hex())
    assert (verdict.verified, verdict.why) == (
        False,
        "its binding was not signed by the account that owns it, for this peer and name",
    )
    assert (await names.needs(one)).foreign == OTHER.public_key.to_canonical_address()


async def test_below_a_wrapped_parent_names_go_through_the_wrapper(names: Names) -> None:
    """As for most names on mainnet: the registry knows the wrapper as the owner, which refuses who goes past it."""
    payer = names.registration.sender(ROOT)
    wrapper, registry = to_bytes(addresses.NAME_WRAPPER), to_bytes(addresses.REGISTRY)
    approve = calls.Function("setApprovalForAll(address,bool)")
    wrap = calls.Function("wrap(bytes,address,address)")
    resolver = to_bytes(addresses.RESOLVER)
    for to, data in (
        (registry, approve.data(wrapper, True)),
        (wrapper, wrap.data(PARENT.dns, payer.account, resolver)),
    ):
        await payer.send(await payer.rehearse("wrapping", to, data))
    assert await names.directory.owner(PARENT) == (payer.account, True)
    await names.registration.check()
    one = wanted()
    await names.register(one)
    found = await names.find(NAME)
    assert (found.owner, found.wrapped) == (one.account, True)
    assert (await names.verdict(NAME, one.peer.peer.hex())).verified
    await names.registration.transfer(one.name, names.registration.sender(one.owner), payer.account)
    assert (await names.find(NAME)).owner == payer.account
    unknowing = names_at(names.url, deployment=Deployment(resolver=addresses.RESOLVER))
    with pytest.raises(Misconfigured, match=f"belongs to {addresses.NAME_WRAPPER}"):
        await unknowing.registration.check()
    await unknowing.w3.provider.aclose()


async def test_a_binding_is_renewed_long_before_it_is_stale(names: Names) -> None:
    one = wanted()
    await names.register(one)
    found = await names.find(NAME)
    issued_s = (await names.verdict(NAME)).issued_s
    assert needs(one, found, LOCAL, issued_s + RENEW_AFTER_S).nothing
    assert set(needs(one, found, LOCAL, issued_s + RENEW_AFTER_S + 1).texts) == {BINDING}


async def test_a_binding_that_was_copied_or_names_another_peer_is_unverified(names: Names) -> None:
    thief, victim = wanted("node2.axl.eth", 2), wanted()
    await names.register(victim)
    await names.register(thief)
    stolen = (await names.find(NAME)).records
    sender = names.registration.sender(thief.owner)
    for keys, why in (
        ((BINDING,), "not signed by the account that owns it"),
        ((BINDING, PEER_ID), "not signed by the account that owns it"),
    ):
        changes = [calls.SET_TEXT.data(thief.name.node, key, stolen[key]) for key in keys]
        await names.registration.change(thief.name, sender, changes)
        verdict = await names.verdict("node2.axl.eth")
        assert not verdict.verified and why in verdict.why
    claimed = await names.verdict("node2.axl.eth", thief.peer.peer.hex())
    assert not claimed.verified and "its records name another peer" in claimed.why


async def test_a_name_whose_owner_signs_for_a_peer_that_never_agreed_is_unverified(names: Names) -> None:
    one, stranger = wanted(), wanted("node1.axl.eth", 3)
    await names.register(one)
    forged = new_binding(replace(one, peer=stranger.peer), LOCAL, 1_700_000_000)
    taken = forged[: -2 * 64] + "00" * 64
    sender = names.registration.sender(one.owner)
    changes = [
        calls.SET_TEXT.data(one.name.node, PEER_ID, stranger.peer.peer.hex()),
        calls.SET_TEXT.data(one.name.node, BINDING, taken),
    ]
    await names.registration.change(one.name, sender, changes)
    assert not (await names.verdict(NAME, stranger.peer.peer.hex())).verified


async def test_without_the_key_of_the_parents_owner_names_are_read_and_not_written(names: Names) -> None:
    reader = names_at(names.url, payer=None)
    with pytest.raises(Misconfigured, match=r"no key is set for axl\.eth"):
        await reader.registration.check()
    stranger = names_at(names.url, payer=OTHER)
    with pytest.raises(Misconfigured, match=r"belongs to 0x.*, not to 0x.*, whose key is set"):
        await stranger.registration.check()
    elsewhere = names_at(names.url, parent="nobody.eth")
    with pytest.raises(Misconfigured, match=r"nobody\.eth is not registered on this chain"):
        await elsewhere.registration.check()
    for made in (reader, stranger, elsewhere):
        await made.w3.provider.aclose()


async def test_an_address_without_a_contract_is_noticed_before_it_is_used(names: Names) -> None:
    empty = "0x" + "11" * 20
    wrong = names_at(names.url, deployment=replace_deployment(resolver=empty))
    with pytest.raises(Misconfigured, match=f"there is no contract at {empty}, the resolver"):
        await wrong.directory.check()
    await wrong.w3.provider.aclose()


def replace_deployment(**changes: str) -> Deployment:
    import msgspec

    return msgspec.structs.replace(network_of(LOCAL).deployment, **changes)


async def test_what_is_not_there_is_said_to_be_so(names: Names) -> None:
    assert (await names.verdict("nobody.axl.eth")).why == "it is not on the chain"
    assert (await names.find("nobody.axl.eth")).owner == NOBODY
    await names.registration.mint(read_name(NAME), wanted().account)
    assert (await names.verdict(NAME)).why == "its records name no peer"
