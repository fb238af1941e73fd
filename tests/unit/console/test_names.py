"""What the console shows of names: verified or not and why, on which chain, how old, in its views, the log and on node pages."""

from __future__ import annotations

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from mesh_core.chain.ens.schema import ChainView, NameView
from tests.unit.console.feeder import START_MS, Feeder, peer_of, rescue_story
from tests.unit.console.harness import Bench
from tests.unit.console.test_work_views import frame_of, text_of
from whisper_tui.model import sentences
from whisper_tui.model.glyphs import UNICODE
from whisper_tui.model.selectors import NotFound, find_node
from whisper_tui.model.state import ENS_KEPT, SUPERVISOR, State
from whisper_tui.model.views import ens, nodes
from whisper_tui.model.views.arrange import told
from whisper_tui.model.views.node_page import node_detail
from whisper_tui.recording import snapshot

CHAIN = ChainView("local", 31_337, "http://127.0.0.1:8885", "axl.eth", 24, START_MS)
BOUND = "owner and peer have signed for each other"


def name_of(number: int, **changes: object) -> NameView:
    name = NameView(
        f"node{number}.axl.eth",
        peer_of(f"node{number}"),
        "registered",
        True,
        BOUND,
        "local",
        "",
        "0x12C170AB30049e2F42a9f1C016e2DfFc184bABC7",
        records={"axl.peer_id": peer_of(f"node{number}"), "price_axl": "0.01", "shard_id": "0"},
        checked_ms=START_MS,
    )
    return replace(name, **changes)  # type: ignore[arg-type]


def told_of(mesh: Feeder, *views: NameView | ChainView) -> Feeder:
    for view in views:
        mesh.tell(SUPERVISOR, "chain" if isinstance(view, ChainView) else "ens", to_builtins(view))
    return mesh


def claiming(mesh: Feeder, node: str, claim: str) -> None:
    mesh.members[node] = replace(mesh.members[node], ens_name=claim)
    mesh.tell("operator", "member", to_builtins(mesh.members[node]))


def state_of(mesh: Feeder) -> State:
    return mesh.state(primary=peer_of("operator"))


def log_of(mesh: Feeder) -> list[str]:
    state = state_of(mesh)
    return [
        sentences.sentence(state, entry, UNICODE) for entry in state.log if entry.kind in ("chain", "ens")
    ]


def test_six_verified_names_are_counted_and_shown_with_their_records() -> None:
    mesh = told_of(rescue_story(), CHAIN, *map(name_of, range(1, 7)))
    frame = frame_of(mesh)
    assert (
        text_of((ens.ens_note(frame),))
        == " local chain, block 24, names below axl.eth: 6 of 6 names verified"
    )
    row = told(ens.ens_table(frame), peer_of("node1"))
    assert row["name"] == "node1.axl.eth" and row["binding"] == "verified" and row["network"] == "local"
    assert row["address"].startswith("0x12C1") and row["text records"] == "price_axl=0.01  shard_id=0"


def test_what_is_not_verified_says_why_and_is_not_counted() -> None:
    why = "its records name another peer, 0123456789ab…"
    mesh = told_of(rescue_story(), CHAIN, name_of(1), name_of(2, verified=False, why=why))
    frame = frame_of(mesh)
    assert "1 of 2 names verified" in text_of((ens.ens_note(frame),))
    assert told(ens.ens_table(frame), peer_of("node2"))["binding"] == f"unverified: {why}"


def test_a_chain_that_is_away_is_said_to_be_and_names_grow_old() -> None:
    mesh = told_of(rescue_story(), CHAIN, name_of(1))
    mesh.wait(120_000)
    told_of(mesh, replace(CHAIN, problem="http://127.0.0.1:8885 cannot be asked"))
    frame = frame_of(mesh)
    assert "cannot be asked" in text_of((ens.ens_note(frame),))
    assert told(ens.ens_table(frame), peer_of("node1"))["age"] == "2m"


def test_a_claim_is_marked_until_it_is_verified() -> None:
    mesh = told_of(rescue_story(), CHAIN, name_of(1))
    claiming(mesh, "node1", "node1.axl.eth")
    claiming(mesh, "node2", "node1.axl.eth")
    rows = nodes.nodes_in_full(frame_of(mesh))
    assert told(rows, peer_of("node1"))["ens name"] == "node1.axl.eth"
    assert told(rows, peer_of("node2"))["ens name"] == "node1.axl.eth ?"
    assert "not looked at yet" in told(ens.ens_table(frame_of(mesh)), peer_of("node2"))["binding"]


def test_a_homograph_is_shown_in_ascii_too() -> None:
    looks = "n\N{CYRILLIC SMALL LETTER O}de1.axl.eth"
    mesh = told_of(
        rescue_story(), CHAIN, name_of(3, name=looks, verified=False, why="it is no name", state="absent")
    )
    assert "(xn--nde1-55d.axl.eth)" in told(ens.ens_table(frame_of(mesh)), peer_of("node3"))["name"]


def test_a_nodes_page_has_all_its_names() -> None:
    mesh = told_of(
        rescue_story(),
        CHAIN,
        name_of(1),
        name_of(1, name="agent1.node1.axl.eth", verified=False, why="nobody owns it"),
    )
    claiming(mesh, "node1", "node1.axl.eth")
    shown = text_of(node_detail(frame_of(mesh), peer_of("node1"), 120))
    assert "node1.axl.eth  verified" in shown
    assert "agent1.node1.axl.eth  unverified: nobody owns it" in shown


def test_the_log_tells_registrations_as_they_happen_and_each_once() -> None:
    waiting = name_of(1, state="registering", verified=False, why="it is being registered")
    mesh = told_of(
        rescue_story(), CHAIN, waiting, name_of(1), name_of(1), name_of(1, checked_ms=START_MS + 1)
    )
    told_of(
        mesh,
        replace(CHAIN, problem="gone"),
        CHAIN,
        name_of(1, state="retired", why="its provider has left", checked_ms=START_MS + 2),
    )
    assert log_of(mesh) == [
        "node1.axl.eth is being registered on local",
        "node1.axl.eth verified: it is bound to node1",
        "names: gone",
        "names: the chain is well again",
        "node1.axl.eth retired: its provider has left",
    ]


def test_a_console_that_comes_later_hears_no_old_news() -> None:
    assert log_of(told_of(rescue_story(), CHAIN, *map(name_of, range(1, 7)))) == []


def test_members_cannot_speak_of_names_and_old_views_replace_no_newer_ones() -> None:
    mesh = told_of(rescue_story(), CHAIN, name_of(1))
    rejected = state_of(mesh).rejected
    mesh.tell("node2", "ens", to_builtins(name_of(2)))
    told_of(mesh, name_of(1, verified=False, why="older", checked_ms=START_MS - 1))
    state = state_of(mesh)
    assert state.rejected == rejected + 1
    assert [view.verified for view in state.ens.values()] == [True]


def test_names_are_bounded_and_those_that_are_withdrawn_are_forgotten() -> None:
    mesh = told_of(rescue_story(), *(name_of(1, name=f"a{number}.eth") for number in range(ENS_KEPT + 5)))
    assert len(state_of(mesh).ens) == ENS_KEPT
    told_of(
        mesh,
        name_of(
            1, name=f"a{ENS_KEPT}.eth", state="withdrawn", verified=False, why="nobody claims it any more"
        ),
    )
    assert len(state_of(mesh).ens) == ENS_KEPT - 1


def test_a_peer_is_meant_by_its_verified_name_only() -> None:
    state = state_of(
        told_of(rescue_story(), CHAIN, name_of(1), name_of(2, verified=False, why="it is stale"))
    )
    assert find_node(state, "Node1.axl.eth").peer == peer_of("node1")
    with pytest.raises(NotFound, match=r"node2\.axl\.eth is not verified: it is stale"):
        find_node(state, "node2.axl.eth")
    with pytest.raises(NotFound, match=r"means nobody: nobody who is known here claims it"):
        find_node(state, "node9.axl.eth")


def test_names_are_in_a_recordings_snapshots() -> None:
    before = state_of(rescue_story())
    after = state_of(told_of(rescue_story(), CHAIN, name_of(1)))
    assert snapshot.decode(snapshot.encode(after)).ens == after.ens
    assert snapshot.decode_changes(before, snapshot.encode_changes(before, after)).chain == CHAIN


async def test_the_ens_view_shows_them_on_its_key() -> None:
    bench = Bench(told_of(rescue_story(), CHAIN, *map(name_of, range(1, 7))))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "6")
        shown = bench.text()
        assert "6 of 6 names verified" in shown and "node6.axl.eth" in shown
