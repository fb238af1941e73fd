"""The contracts: what they do for whom, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ens.exceptions import ResolverNotFound
from web3 import Web3

from mesh_core.chain import addresses
from mesh_core.chain.contracts import CONTRACTS, artifact
from mesh_core.chain.contracts.compiling import compiled
from mesh_core.chain.local.genesis import namehash
from tests.unit.chain.inside import ALICE, AXL, MALLORY, ROOT, World

NOT_THE_OWNER = "not the owner of the name"
NOBODY = "0x" + "00" * 20


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.chain.close()


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_is_kept_is_what_the_compiler_makes_of_the_source(name: str) -> None:
    assert artifact(name) == compiled(name)


# ----------------------------------------------------------------------------------------------- registry


def test_whoever_owns_a_name_gives_away_the_names_below_it(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    assert world.ens.owner("node1.axl.eth") == ALICE.address
    label = Web3.keccak(text="agent1")
    assert world.does(
        ALICE, world.registry.functions.setSubnodeRecord(node, label, MALLORY.address, NOBODY, 7)
    )
    below = namehash("agent1.node1.axl.eth")
    assert world.registry.functions.owner(below).call() == MALLORY.address
    assert world.registry.functions.ttl(below).call() == 7


def test_a_stranger_changes_nothing_about_a_name(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    functions = world.registry.functions
    label = Web3.keccak(text="x")
    for call in (
        functions.setOwner(node, MALLORY.address),
        functions.setResolver(node, MALLORY.address),
        functions.setTTL(node, 1),
        functions.setRecord(node, MALLORY.address, MALLORY.address, 1),
        functions.setSubnodeOwner(node, label, MALLORY.address),
        functions.setSubnodeRecord(node, label, MALLORY.address, MALLORY.address, 1),
        functions.setSubnodeOwner(AXL, Web3.keccak(text="node1"), MALLORY.address),
    ):
        assert NOT_THE_OWNER in world.why_not(MALLORY, call)
    assert functions.owner(node).call() == ALICE.address
    assert functions.resolver(node).call() == addresses.RESOLVER
    assert not functions.recordExists(namehash("x.node1.axl.eth")).call()


def test_the_owner_below_a_name_does_not_own_the_name(world: World) -> None:
    world.give("node1.axl.eth", MALLORY)
    assert NOT_THE_OWNER in world.why_not(MALLORY, world.registry.functions.setOwner(AXL, MALLORY.address))


def test_an_operator_may_do_what_the_owner_may_until_that_is_taken_back(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    approve = world.registry.functions.setApprovalForAll
    assert world.does(ALICE, approve(MALLORY.address, True))
    assert world.does(MALLORY, world.registry.functions.setTTL(node, 3))
    assert world.does(ALICE, approve(MALLORY.address, False))
    assert NOT_THE_OWNER in world.why_not(MALLORY, world.registry.functions.setTTL(node, 4))


def test_what_changed_is_told_in_logs_that_are_found_again(world: World) -> None:
    world.give("node1.axl.eth", ALICE)
    (told,) = world.registry.events.NewOwner.get_logs(
        from_block=0, argument_filters={"node": AXL, "label": Web3.keccak(text="node1")}
    )
    assert told["args"]["owner"] == ALICE.address
    assert not world.registry.events.NewOwner.get_logs(from_block=0, argument_filters={"node": bytes(32)})


# ----------------------------------------------------------------------------------------------- resolver


def test_records_are_read_by_anybody_through_stock_ens(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    assert world.does(ALICE, world.resolver.functions.setText(node, "capabilities", "answer"))
    assert world.does(ALICE, world.resolver.functions.setAddr(node, ALICE.address))
    assert world.ens.get_text("node1.axl.eth", "capabilities") == "answer"
    assert world.ens.get_text("node1.axl.eth", "unknown") == ""
    assert world.ens.address("node1.axl.eth") == ALICE.address
    assert world.ens.address("node1.axl.eth", coin_type=60) is not None


def test_nobody_but_the_owner_writes_records(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    functions = world.resolver.functions
    for call in (
        functions.setText(node, "axl.peer_id", "mine"),
        functions.setAddr(node, MALLORY.address),
        functions.setName(node, "mallory.eth"),
        functions.clearRecords(node),
        world.contract("resolver", addresses.RESOLVER).get_function_by_signature(
            "setAddr(bytes32,uint256,bytes)"
        )(node, 0, b"\1"),
    ):
        assert NOT_THE_OWNER in world.why_not(MALLORY, call)
    assert world.ens.get_text("node1.axl.eth", "axl.peer_id") == ""


def test_whoever_has_given_a_name_away_writes_its_records_no_more(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    assert world.does(ALICE, world.registry.functions.setOwner(node, MALLORY.address))
    assert NOT_THE_OWNER in world.why_not(ALICE, world.resolver.functions.setText(node, "a", "b"))
    assert world.does(MALLORY, world.resolver.functions.setText(node, "a", "c"))


def test_cleared_records_are_all_gone_and_can_be_written_anew(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    assert world.does(ALICE, world.resolver.functions.setText(node, "a", "b"))
    assert world.does(ALICE, world.resolver.functions.setAddr(node, ALICE.address))
    assert world.does(ALICE, world.resolver.functions.clearRecords(node))
    assert (world.ens.get_text("node1.axl.eth", "a"), world.ens.address("node1.axl.eth")) == ("", None)
    assert world.does(ALICE, world.resolver.functions.setText(node, "a", "c"))
    assert world.ens.get_text("node1.axl.eth", "a") == "c"


def test_several_records_are_written_at_once_or_none(world: World) -> None:
    mine, yours = world.give("node1.axl.eth", ALICE), world.give("node2.axl.eth", MALLORY)
    write = world.resolver.encode_abi
    good = [write("setText", args=[mine, "a", "1"]), write("setText", args=[mine, "b", "2"])]
    assert world.does(ALICE, world.resolver.functions.multicall(good))
    assert world.ens.get_text("node1.axl.eth", "b") == "2"
    mixed = [write("setText", args=[mine, "a", "3"]), write("setText", args=[yours, "a", "3"])]
    assert not world.does(ALICE, world.resolver.functions.multicall(mixed))
    assert world.ens.get_text("node1.axl.eth", "a") == "1"
    assert world.ens.get_text("node2.axl.eth", "a") == ""


def test_addresses_of_other_chains_have_any_length_and_ethers_has_twenty_bytes(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    write = world.resolver.get_function_by_signature("setAddr(bytes32,uint256,bytes)")
    read = world.resolver.get_function_by_signature("addr(bytes32,uint256)")
    for content in (b"", b"\1", bytes(range(32)), bytes(range(33)), bytes(range(128))):
        assert world.does(ALICE, write(node, 0, content))
        assert read(node, 0).call() == content
    assert not world.does(ALICE, write(node, 0, bytes(129)))
    assert "20 bytes" in world.why_not(ALICE, write(node, 60, bytes(19)))


def test_a_text_that_is_too_long_is_refused_whole(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    assert world.does(ALICE, world.resolver.functions.setText(node, "a", "x" * 1024))
    assert not world.does(ALICE, world.resolver.functions.setText(node, "a", "y" * 1025))
    assert world.ens.get_text("node1.axl.eth", "a") == "x" * 1024


# ------------------------------------------------------------------------------------------- reverse names


def test_an_account_names_itself_and_stock_ens_reads_it_back(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    assert world.does(ALICE, world.resolver.functions.setAddr(node, ALICE.address))
    assert world.does(ALICE, world.reverse.functions.setName("node1.axl.eth"))
    assert world.ens.name(ALICE.address) == "node1.axl.eth"


def test_the_name_of_an_account_is_found_in_one_call_if_the_name_agrees(world: World) -> None:
    universal = world.contract("universal_resolver", addresses.UNIVERSAL_RESOLVER)
    alice, mallory = (bytes.fromhex(account.address[2:]) for account in (ALICE, MALLORY))
    assert universal.functions.reverse(alice, 60).call() == ["", NOBODY, NOBODY]
    node = world.give("node1.axl.eth", ALICE)
    assert world.does(ALICE, world.resolver.functions.setAddr(node, ALICE.address))
    for account in (ALICE, MALLORY):
        assert world.does(account, world.reverse.functions.setName("node1.axl.eth"))
    both = [addresses.RESOLVER] * 2
    assert universal.functions.reverse(alice, 60).call() == ["node1.axl.eth", *both]
    assert universal.functions.reverseWithGateways(alice, 60, []).call() == ["node1.axl.eth", *both]
    mismatch = Web3.keccak(text="ReverseAddressMismatch(string,bytes)")[:4].hex()
    assert mismatch in world.why_not(MALLORY, universal.functions.reverse(mallory, 60))
    assert world.does(ALICE, world.reverse.functions.setName("a..eth"))
    assert "a label is empty" in world.why_not(ALICE, universal.functions.reverse(alice, 60))


def test_an_account_that_takes_anothers_name_is_not_called_so(world: World) -> None:
    node = world.give("node1.axl.eth", ALICE)
    assert world.does(ALICE, world.resolver.functions.setAddr(node, ALICE.address))
    assert world.does(MALLORY, world.reverse.functions.setName("node1.axl.eth"))
    assert world.ens.name(MALLORY.address) is None
    theirs = world.reverse.functions.node(ALICE.address).call()
    assert NOT_THE_OWNER in world.why_not(MALLORY, world.resolver.functions.setName(theirs, "x"))


# -------------------------------------------------------------------------------------- universal resolver


def test_names_that_nobody_has_registered_resolve_to_nothing(world: World) -> None:
    assert world.ens.address("ghost.axl.eth") is None
    assert world.ens.address("a.b.c.d") is None
    with pytest.raises(ResolverNotFound):
        world.ens.get_text("ghost.axl.eth", "a")


def test_a_resolver_that_is_no_contract_answers_nothing(world: World) -> None:
    world.give("node1.axl.eth", ALICE, MALLORY.address)
    assert world.ens.address("node1.axl.eth") is None


def test_a_resolver_that_writes_while_it_is_asked_is_stopped(world: World) -> None:
    thief = world.deploy(f"""
interface Registry:
    def setOwner(node: bytes32, owner: address): nonpayable

calls: public(uint256)

@external
def text(node: bytes32, key: String[64]) -> String[64]:
    self.calls += 1
    extcall Registry({addresses.REGISTRY}).setOwner(node, self)
    return "taken"
""")
    node = world.give("node1.axl.eth", MALLORY, thief.address)
    assert world.does(MALLORY, world.registry.functions.setApprovalForAll(thief.address, True))
    with pytest.raises(ResolverNotFound):
        world.ens.get_text("node1.axl.eth", "a")
    data = thief.encode_abi("text", args=[node, "a"])
    name = b"\5node1\3axl\3eth\0"
    universal = world.contract("universal_resolver", addresses.UNIVERSAL_RESOLVER)
    assert not world.does(MALLORY, universal.functions.resolve(name, data))  # not even as a transaction
    assert world.registry.functions.owner(node).call() == MALLORY.address
    assert thief.functions.calls().call() == 0


def test_a_resolver_that_calls_back_gets_no_further(world: World) -> None:
    loop = world.deploy(f"""
@external
@view
def __default__():
    raw_call({addresses.UNIVERSAL_RESOLVER}, b"", is_static_call=True)
    raw_call(self, b"again", is_static_call=True)
""")
    world.give("node1.axl.eth", MALLORY, loop.address)
    with pytest.raises(ResolverNotFound):
        world.ens.get_text("node1.axl.eth", "a")


def test_an_answer_beyond_all_measure_is_refused_not_cut(world: World) -> None:
    flood = world.deploy("""
@external
@view
@raw_return
def __default__() -> Bytes[9000]:
    words: uint256[280] = empty(uint256[280])
    return slice(abi_encode(words), 0, 8960)
""")
    world.give("node1.axl.eth", MALLORY, flood.address)
    with pytest.raises(ResolverNotFound):
        world.ens.get_text("node1.axl.eth", "a")


def test_a_resolver_for_all_names_below_its_own_is_asked_for_them(world: World) -> None:
    wildcard = world.deploy("""
@external
@view
def supportsInterface(interfaceID: bytes4) -> bool:
    return interfaceID == 0x9061b923

@external
@view
def resolve(name: Bytes[256], data: Bytes[512]) -> Bytes[256]:
    return abi_encode("of all below")
""")
    world.give("node1.axl.eth", ALICE, wildcard.address)
    assert world.ens.get_text("agent9.node1.axl.eth", "a") == "of all below"
    assert world.ens.get_text("node1.axl.eth", "a") == "of all below"


@pytest.mark.parametrize("name", [b"", b"\5node1", b"\5node1\3axl\3eth", b"\3eth\0\0", b"\xffeth\0"])
def test_what_is_no_name_in_wire_format_is_refused(world: World, name: bytes) -> None:
    universal = world.contract("universal_resolver", addresses.UNIVERSAL_RESOLVER)
    assert not world.does(ALICE, universal.functions.findResolver(name))


# ------------------------------------------------------------------------------------------- name wrapper


def wrapped_parent(world: World) -> None:
    assert world.does(ROOT, world.registry.functions.setApprovalForAll(addresses.NAME_WRAPPER, True))
    assert world.does(ROOT, world.wrapper.functions.wrap(b"\3axl\3eth\0", ALICE.address, NOBODY))
    assert world.ens.owner("axl.eth") == addresses.NAME_WRAPPER


def test_names_below_a_wrapped_one_are_made_by_who_it_belongs_to(world: World) -> None:
    wrapped_parent(world)
    make = world.wrapper.functions.setSubnodeRecord
    refused = make(AXL, "node1", MALLORY.address, addresses.RESOLVER, 0, 0, 0)
    assert NOT_THE_OWNER in world.why_not(MALLORY, refused)
    assert NOT_THE_OWNER in world.why_not(ROOT, refused)
    assert world.does(ALICE, make(AXL, "node1", ALICE.address, addresses.RESOLVER, 0, 0, 0))
    node = namehash("node1.axl.eth")
    assert world.wrapper.functions.ownerOf(int.from_bytes(node, "big")).call() == ALICE.address
    assert world.wrapper.functions.names(node).call() == b"\5node1\3axl\3eth\0"
    assert world.does(ALICE, world.resolver.functions.setText(node, "a", "b"))
    assert NOT_THE_OWNER in world.why_not(MALLORY, world.resolver.functions.setText(node, "a", "c"))
    assert world.ens.get_text("node1.axl.eth", "a") == "b"


def test_nobody_wraps_or_unwraps_anothers_name(world: World) -> None:
    world.give("node1.axl.eth", ALICE)
    assert world.does(ALICE, world.registry.functions.setApprovalForAll(addresses.NAME_WRAPPER, True))
    wrap = world.wrapper.functions.wrap(b"\5node1\3axl\3eth\0", MALLORY.address, NOBODY)
    assert NOT_THE_OWNER in world.why_not(MALLORY, wrap)
    wrapped_parent(world)
    unwrap = world.wrapper.functions.unwrap(namehash("eth"), Web3.keccak(text="axl"), MALLORY.address)
    assert NOT_THE_OWNER in world.why_not(MALLORY, unwrap)


def test_a_name_that_was_unwrapped_is_its_controllers_and_no_longer_the_wrappers(world: World) -> None:
    wrapped_parent(world)
    unwrap = world.wrapper.functions.unwrap(namehash("eth"), Web3.keccak(text="axl"), ALICE.address)
    assert world.does(ALICE, unwrap)
    assert world.ens.owner("axl.eth") == ALICE.address
    assert not world.wrapper.functions.isWrapped(AXL).call()
    again = world.wrapper.functions.setSubnodeRecord(AXL, "x", ALICE.address, addresses.RESOLVER, 0, 0, 0)
    assert "the name is not wrapped" in world.why_not(ALICE, again)


def test_a_wrapped_name_is_transferred_by_its_owner_only(world: World) -> None:
    wrapped_parent(world)
    token = int.from_bytes(AXL, "big")
    transfer = world.wrapper.functions.safeTransferFrom
    assert NOT_THE_OWNER in world.why_not(MALLORY, transfer(ALICE.address, MALLORY.address, token, 1, b""))
    assert world.does(ALICE, transfer(ALICE.address, MALLORY.address, token, 1, b""))
    assert world.wrapper.functions.ownerOf(token).call() == MALLORY.address
