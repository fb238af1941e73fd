"""What strangers put on a chain or claim in the mesh: it is bounded, judged, shown inert, and keeps nobody else's names waiting."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eth_abi import encode

from axl.keys import make
from mesh_core.api.schema import MemberView
from mesh_core.chain.ens import calls
from mesh_core.chain.ens.binding import read_binding
from mesh_core.chain.ens.directory import Found
from mesh_core.chain.ens.errors import Misconfigured, Refused
from mesh_core.chain.ens.networks import LOCAL
from mesh_core.chain.ens.records import BINDING, PEER_ID
from mesh_core.chain.ens.registrar import Registrar
from mesh_core.chain.ens.schema import RECORD_CHARS_MAX, NameView
from mesh_core.chain.ens.settings import Own, RegistrarSettings
from mesh_core.chain.ens.verdict import judge
from tests.unit.chain.local import ROOT, Ask, Names, local_names, sit_between, wanted
from whisper_tui.model.names import binding, spelled
from whisper_tui.model.views.ens import records_on_a_line

ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\r\nnode1 verified"


@pytest.fixture
async def names(tmp_path: Path) -> AsyncIterator[Names]:
    async with local_names(tmp_path) as made:
        yield made


async def answering(names: Names, text: str, *, whole: bool) -> Found:
    """A registered name whose resolver answers `text` for every record: all in one call, or only one by one."""
    await names.register(wanted())
    single = encode(["string"], [text])

    async def lying(method: str, params: Any, real: Ask) -> Any:
        if method == "eth_call":
            called = bytes.fromhex(params[0]["data"][2:10])
            if called == calls.MULTICALL.data([])[:4]:
                if not whole:
                    return {"jsonrpc": "2.0", "id": 1, "error": {"code": 3, "message": "execution reverted"}}
                answers = [b"", *[single] * 10]
                return {"jsonrpc": "2.0", "id": 1, "result": "0x" + encode(["bytes[]"], [answers]).hex()}
            if called == calls.TEXT.data(b"", "")[:4]:
                return {"jsonrpc": "2.0", "id": 1, "result": "0x" + single.hex()}
        return await real()

    sit_between(names.w3, lying)
    return await names.find("node1.axl.eth")


@pytest.mark.parametrize("whole", [True, False])
async def test_records_of_a_megabyte_are_cut_and_never_verified(names: Names, whole: bool) -> None:
    found = await answering(names, "x" * 20_000, whole=whole)
    assert {len(text) for text in found.records.values()} == {RECORD_CHARS_MAX}
    assert PEER_ID in found.long and BINDING in found.long
    assert not judge(found, "", LOCAL, time.time()).verified


async def test_a_resolver_that_answers_a_megabyte_at_once_is_asked_for_one_record_at_a_time(
    names: Names,
) -> None:
    """Ten records in one answer are too much for one; each by itself is cut."""
    found = await answering(names, "y" * 100_000, whole=False)
    assert all(len(text) == RECORD_CHARS_MAX for text in found.records.values())


async def test_terminal_escapes_in_records_are_shown_inert(names: Names) -> None:
    one = wanted()
    await names.register(one)
    sender = names.registration.sender(one.owner)
    changes = [calls.SET_TEXT.data(one.name.node, key, ESCAPES) for key in ("description", "capabilities")]
    await names.registration.change(one.name, sender, changes)
    found = await names.find("node1.axl.eth")
    assert found.records["description"] == ESCAPES
    view = NameView(
        "x\x1b[31m.eth",
        "\x1b[32m",
        "foreign",
        False,
        f"its binding {ESCAPES}",
        "local",
        records=found.records,
    )
    for line in (records_on_a_line(view), binding(view), spelled(view.name)):
        assert not any(ord(char) < 32 or char == "\u202e" for char in line), line


async def test_a_peer_id_in_a_record_is_no_peer_id_unless_it_is_one(names: Names) -> None:
    one = wanted()
    await names.register(one)
    sender = names.registration.sender(one.owner)
    for text in ("AB" * 31, "../../etc/passwd", "x" * 64, "\u0661" * 64):
        await names.registration.change(one.name, sender, [calls.SET_TEXT.data(one.name.node, PEER_ID, text)])
        assert (await names.verdict("node1.axl.eth")).why == "its records name something that is no peer"


async def test_nobody_but_its_owner_writes_a_name(names: Names) -> None:
    one, thief = wanted(), wanted("node2.axl.eth", 2)
    await names.register(one)
    sender = names.registration.sender(thief.owner)
    for to, data in (
        (await names.directory.resolver(one.name), calls.SET_TEXT.data(one.name.node, PEER_ID, "mine")),
        (
            calls.to_bytes(names.directory.deployment.registry),
            calls.SET_OWNER.data(one.name.node, thief.account),
        ),
    ):
        with pytest.raises(Refused, match="not the owner of the name"):
            await sender.rehearse("taking it", to, data)


def member(peer: str, claims: str) -> dict[str, object]:
    """A member's view, as its control API tells it."""
    view = MemberView(
        peer, "m", "provider", "alive", 1, 0.0, [], ["answer"], 1, [0], [], claims, True, True, 0, 0, 0, 0
    )
    return {name: getattr(view, name) for name in view.__struct_fields__}


@pytest.fixture
async def registrar(names: Names, tmp_path: Path) -> AsyncIterator[tuple[Registrar, list[NameView]]]:
    """A registrar of one provider on that chain, and what it tells of names."""
    (tmp_path / "node1").mkdir()
    peer = make(tmp_path / "node1" / "key.pem").peer.hex()
    (tmp_path / "root.key").touch(0o600)
    (tmp_path / "root.key").write_text(ROOT.to_bytes().hex())
    own = Own("node1", "node1.axl.eth", peer, "node1/key.pem", "node1/evm.key")
    settings = RegistrarSettings(names.url, LOCAL, "axl.eth", "token", [], [own], payer_key="root.key")
    path = tmp_path / "registrar.json"
    path.write_bytes(msgspec.json.encode(settings))
    told: list[NameView] = []

    def tell(kind: str, view: msgspec.Struct) -> None:
        if isinstance(view, NameView):
            told.append(view)

    made = Registrar(path, "token", {}, tell)
    made.heard.hear(member(peer, "node1.axl.eth"))
    yield made, told
    await made.link.close()


async def test_a_member_that_claims_the_name_of_another_is_told_apart_from_it(
    registrar: tuple[Registrar, list[NameView]],
) -> None:
    made, _ = registrar
    thief = "77" * 32
    made.heard.hear(member(thief, "node1.axl.eth"))
    await made.round()
    own, stolen = sorted(made.views.names.values(), key=lambda view: not view.verified)
    assert own.verified and own.peer != thief
    assert not stolen.verified and stolen.peer == thief and "its records name another peer" in stolen.why


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        (
            "n\N{CYRILLIC SMALL LETTER O}de1.axl.eth",
            "it is no name: Label contains codepoints from multiple groups",
        ),
        ("Node1.axl.eth", "its normal form is node1.axl.eth"),
        ("x" * 200_000, "it is no name"),
        ("\x1b[2J", "it is no name"),
        ("ghost.axl.eth", "it is not on the chain"),
    ],
)
async def test_what_else_is_claimed_is_unverified_and_says_why(
    registrar: tuple[Registrar, list[NameView]], claim: str, why: str
) -> None:
    made, told = registrar
    peer = "88" * 32
    made.heard.hear(member(peer, claim))
    await made.round()
    (view,) = [view for view in made.views.names.values() if view.peer == peer]
    assert not view.verified and why in view.why and len(view.name) <= 255
    assert view.ascii == ("xn--nde1-55d.axl.eth" if "xn" not in claim and not claim.isascii() else "")
    made.heard.hear(member(peer, ""))
    await made.round()
    assert told[-1].state == "withdrawn" and (view.name, peer) not in made.views.names


async def test_a_round_without_news_asks_for_the_chain_and_its_newest_block_only(
    registrar: tuple[Registrar, list[NameView]],
) -> None:
    made, _ = registrar
    await made.round()
    await made.round()
    asked: list[str] = []

    async def counting(method: str, params: Any, real: Ask) -> Any:
        asked.append(method)
        return await real()

    sit_between(made.link.w3, counting)
    await made.round()
    assert asked == ["eth_chainId", "eth_blockNumber"]


async def test_a_node_that_changes_its_chain_is_not_believed(
    registrar: tuple[Registrar, list[NameView]],
) -> None:
    made, _ = registrar
    await made.round()

    async def other(method: str, params: Any, real: Ask) -> Any:
        if method == "eth_chainId":
            return {"jsonrpc": "2.0", "id": 1, "result": "0x1"}
        return await real()

    sit_between(made.link.w3, other)
    with pytest.raises(Misconfigured, match="the node is on chain 1, expected 31337"):
        await made.round()


async def test_a_binding_is_kept_as_it_is_over_restarts(names: Names) -> None:
    """Reading it again signs nothing anew: an idle registrar writes nothing."""
    await names.register(wanted())
    text = (await names.find("node1.axl.eth")).records[BINDING]
    assert read_binding(text).text() == text
    await names.register(wanted())
    assert (await names.find("node1.axl.eth")).records[BINDING] == text
