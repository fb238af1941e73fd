"""What is to be seen in the overview: links that go, work that travels, sides of a partition, bars that stop."""

from __future__ import annotations

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from tests.unit.console.feeder import START_MS, Feeder, peer_of, rescue_story
from tests.unit.console.harness import Bench, CountingDriver
from whisper_tui.model.sides import sides_of
from whisper_tui.model.views import auctions, market, topology
from whisper_tui.model.views.arrange import told
from whisper_tui.model.views.base import Frame, Lines
from whisper_tui.model.views.jobs import live_line
from whisper_tui.model.views.packets import TRAVEL_MS, Packet, any_travels, packets


def frame_of(mesh: Feeder) -> Frame:
    return Frame(mesh.state(primary=peer_of("operator")), START_MS + mesh.now_ms)


def text_of(lines: Lines) -> str:
    return "\n".join("".join(span.text for span in line) for line in lines)


def ring(mesh: Feeder, width: int = 60, height: int = 17) -> str:
    return text_of(topology.ring(frame_of(mesh), width, height))


def found(mesh: Feeder, sign: str) -> list[Packet]:
    return [packet for packet in packets(frame_of(mesh)) if packet.sign == sign]


def place(picture: str, sign: str) -> tuple[int, int]:
    """Line and column of the only such sign."""
    at = [(y, line.index(sign)) for y, line in enumerate(picture.splitlines()) if sign in line]
    assert len(at) == 1, picture
    return at[0]


def asked() -> Feeder:
    mesh = rescue_story(until="started")
    mesh.submit()
    mesh.award("q1.2", "node2")
    mesh.wait(5_000)
    return mesh


# --------------------------------------------------------------------------------------------- packets


def test_a_lease_travels_from_who_asked_to_who_holds_it() -> None:
    mesh = asked()
    mesh.lease("q1.2", "node2")
    (packet,) = found(mesh, "▒")
    assert (packet.start, packet.end) == (peer_of("operator"), peer_of("node2")) and packet.share < 0.01
    mesh.wait(TRAVEL_MS / 4)
    early = place(ring(mesh), "▒")
    mesh.wait(TRAVEL_MS / 2)
    late = place(ring(mesh), "▒")
    end = place(ring(mesh), "node2")
    assert early != late
    assert abs(late[1] - end[1]) < abs(early[1] - end[1])
    mesh.wait(TRAVEL_MS / 2)
    assert "▒" not in ring(mesh) and not any_travels(frame_of(mesh))


def test_a_rescue_travels_from_who_died_to_who_takes_over() -> None:
    mesh = rescue_story(until="rescued")
    ways = {(packet.start, packet.end) for packet in found(mesh, "⟳")}
    assert ways == {
        (peer_of(dead), peer_of(saved))
        for dead, saved in (("node2", "node1"), ("node4", "node3"), ("node6", "node5"))
    }
    assert ring(mesh).count("⟳") == 3


def test_a_result_travels_back_to_who_asked() -> None:
    mesh = asked()
    mesh.lease("q1.2", "node2")
    mesh.wait(2_000)
    mesh.settle("q1.2")
    mesh.wait(100)
    (packet,) = found(mesh, "✓")
    assert (packet.start, packet.end) == (peer_of("node2"), peer_of("operator"))


@pytest.mark.usefixtures("counting")
async def test_packets_move_although_nothing_else_is_told_and_then_nothing_is_sent() -> None:
    mesh = asked()
    mesh.lease("q1.2", "node2")
    for number in (1, 3, 4, 5, 6):
        mesh.lease(f"q1.{number}", f"node{number}")
    for number in range(1, 7):
        mesh.settle(f"q1.{number}")
    bench = Bench(mesh)
    async with bench.console.run_test(size=(120, 40), headless=False) as pilot:
        await bench.settle(pilot)
        CountingDriver.sent()
        sent = []
        for _ in range(8):
            mesh.wait(250)
            bench.console.tick()
            await pilot.pause()
            sent.append(CountingDriver.sent())
        assert sent[0] > 0 and sent[1] > 0 and sent[-3:] == [0, 0, 0]
        assert sum(sent) < 4_096


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setattr("textual.app.App.get_driver_class", lambda _: CountingDriver)


# ------------------------------------------------------------------------------------------- the ring


def test_a_ring_loses_the_links_of_whoever_is_killed() -> None:
    def dots(mesh: Feeder) -> int:
        return sum(0x2800 < ord(char) < 0x2900 for char in ring(mesh))

    before = dots(rescue_story(until="running"))
    assert dots(rescue_story(until="killed")) < before / 2
    assert "✖ node2" in ring(rescue_story(until="confirmed")) or "node2 ✖" in ring(
        rescue_story(until="confirmed")
    )


def parted(*cut: str) -> Feeder:
    mesh = rescue_story(until="started")
    rest = [name for name in mesh.everyone if name not in cut]
    for here, there in ((cut, rest), (rest, cut)):
        for name in here:
            node = next(e.data for e in mesh.events if e.kind == "node" and e.data["name"] == name)
            mesh.tell(name, "node", {**node, "partitioned_from": [peer_of(other) for other in there]})
    return mesh


def test_the_sides_of_a_partition_get_different_shapes_and_no_links_between_them() -> None:
    mesh = parted("node2", "node3")
    picture = ring(mesh)
    assert all(f"■ {name}" in picture or f"{name} ■" in picture for name in ("node2", "node3"))
    assert all(f"● {name}" in picture or f"{name} ●" in picture for name in ("node1", "node4", "node5"))
    assert topology.mesh_title(frame_of(mesh)) == "Mesh: ● 5 apart from ■ 2"
    state = frame_of(mesh).state
    sides = sides_of(state, [peer_of(name) for name in mesh.everyone])
    assert {name for name in mesh.everyone if sides[peer_of(name)] == 1} == {"node2", "node3"}


def test_a_healed_mesh_has_one_shape_again() -> None:
    mesh = parted("node2")
    for name in mesh.everyone:
        node = next(e.data for e in mesh.events if e.kind == "node" and e.data["name"] == name)
        mesh.tell(name, "node", {**node, "partitioned_from": []})
    assert "■" not in ring(mesh) and topology.mesh_title(frame_of(mesh)) == "Mesh"


def test_one_that_is_cut_off_from_one_other_only_is_on_the_same_side() -> None:
    mesh = rescue_story(until="started")
    node = next(e.data for e in mesh.events if e.kind == "node" and e.data["name"] == "node1")
    mesh.tell("node1", "node", {**node, "partitioned_from": [peer_of("node2")]})
    assert sides_of(frame_of(mesh).state, [peer_of(name) for name in mesh.everyone]) == {}


def test_a_large_mesh_is_a_table_with_those_in_trouble_first() -> None:
    mesh = Feeder(30)
    mesh.start()
    mesh.kill("node17")
    mesh.confirm("node17")
    lines = ring(mesh, 40, 12).splitlines()
    assert "node17" in lines[1] and "✖" in lines[1] and lines[1].rstrip().endswith("0")
    assert "node1 " in lines[2] and lines[2].rstrip().endswith("29")
    assert lines[-1].strip() == "21 more: 2 lists all"


# -------------------------------------------------------------------------------------------- the bars


def test_the_bar_of_a_lease_stops_when_its_holder_is_killed() -> None:
    mesh = rescue_story(until="killed")

    def left() -> str:
        table = auctions.leases_table(frame_of(mesh))
        key = next(key for key in table.keys if told(table, key)["job"] == "q1.2")
        return told(table, key)["left"] + told(table, key)[""]

    before = left()
    mesh.wait(500)
    assert left() == before
    assert text_of(market.lease_lines(frame_of(mesh), 6)).count("✖") == 3


# ----------------------------------------------------------------------------------------- the layouts


async def test_200_by_60_has_everything_at_once() -> None:
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=(200, 60)) as pilot:
        await bench.press(pilot, "tab", "j", "j")
        shown = bench.text()
        for title in (
            "Mesh",
            "Replicas",
            "Ledger",
            "Nodes",
            "Questions and jobs",
            "Auctions and leases",
            "Events",
        ):
            assert f"─ {title}" in shown
        for title in ("Job q1.2", "Bids for q1.2", "Leases", "Incidents", "Incident #1"):
            assert f"─ {title}" in shown


@pytest.mark.parametrize(
    ("size", "there", "missing"),
    [
        ((120, 40), ("─ Mesh", "─ Events", "TIMELINE"), ("─ Bids",)),
        ((119, 40), ("AUCTION", "LEASES"), ("─ Mesh",)),
        ((80, 24), ("AUCTION", "LEASES", "INCIDENT"), ("─ Mesh", "TIMELINE")),
        ((79, 24), ("NODE", "AUCTION ", "INCIDENT"), ("─ Mesh", "TIMELINE")),
        ((60, 15), ("NODE",), ("AUCTION ", "TIMELINE")),
        ((40, 10), ("NODE",), ("AUCTION ",)),
        ((39, 9), ("too small: 40x10", "3/6 up", "conv"), ("NODE",)),
        ((20, 4), ("too small",), ("NODE",)),
    ],
)
async def test_smaller_terminals_show_less_and_never_refuse(
    size: tuple[int, int], there: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=size) as pilot:
        await bench.settle(pilot)
        shown = bench.text()
        assert all(each in shown for each in there) and not any(each in shown for each in missing), shown


@pytest.mark.parametrize("key", ["2", "3", "4", "5", "6", "7", "8"])
@pytest.mark.parametrize("size", [(30, 8), (50, 14), (80, 24), (120, 40), (200, 60)])
async def test_every_view_can_be_drawn_in_every_size(size: tuple[int, int], key: str) -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, key, "tab", "j")
        assert all(len(line) <= size[0] for line in bench.lines()) and len(bench.lines()) == size[1]
        await pilot.resize_terminal(80, 24)
        await bench.settle(pilot)
        assert f"[{key} " in bench.text()


def test_the_growing_end_of_an_answer_is_shown_as_it_is_written() -> None:
    mesh = rescue_story(until="running")
    job = mesh.jobs["q1.1"]
    mesh.tell(
        "operator", "job", to_builtins(replace(job, text=job.text + " and the newest words", tokens=999))
    )
    line = live_line(frame_of(mesh), 100, job.job)
    assert text_of((line,)).rstrip().endswith("and the newest words”")


# ---------------------------------------------------------------------------------- small terminals


@pytest.mark.parametrize("size", [(79, 24), (40, 24)])
async def test_a_terminal_too_small_for_the_layouts_has_strips_and_events_in_its_free_rows(
    size: tuple[int, int],
) -> None:
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=size) as pilot:
        await bench.settle(pilot)
        shown = bench.text()
        assert "node6" in shown and "conf +0.75s" in shown and "epoch 2" in shown
        assert "q1.4  node3    e2" in shown
        rows = [line for line in shown.splitlines() if not line.strip()]
        assert len(rows) <= 1
        await bench.press(pilot, "z")
        assert "conf +0.75s" not in bench.text()
        await bench.press(pilot, "z")
        assert "conf +0.75s" in bench.text()


async def test_panes_that_appear_are_filled_though_nothing_happens_any_more() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.settle(pilot)
        await pilot.resize_terminal(79, 24)
        await pilot.pause()
        await pilot.pause()
        assert "nothing has happened" not in bench.text() and bench.text().count("─" * 79) == 2


async def test_of_few_free_rows_the_last_strips_take_all_and_of_none_nothing_is_taken() -> None:
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=(79, 14)) as pilot:
        await bench.settle(pilot)
        assert "conf +0.75s" in bench.text() and "AUCTION" not in bench.text()
        assert "operator" in bench.text() and "12:00:03" not in bench.text()
        await pilot.resize_terminal(40, 10)
        await bench.settle(pilot)
        assert "node6" in bench.text() and "conf" not in bench.text()
        await pilot.resize_terminal(80, 24)
        await bench.settle(pilot)
        assert all(word in bench.text() for word in ("operator", "AUCTION", "INCIDENT", "12:00:03"))


def test_leases_in_need_come_first_then_rescued_ones_then_the_others() -> None:
    mesh = rescue_story(until="rescued")
    labels = [line[0].text.strip() for line in market.lease_lines(frame_of(mesh), 6)]
    assert labels == ["q1.6", "q1.4", "q1.2", "q1.5", "q1.3", "q1.1"]
    mesh.kill("node5")
    labels = [line[0].text.strip() for line in market.lease_lines(frame_of(mesh), 6)]
    assert labels == ["q1.6", "q1.5", "q1.4", "q1.2", "q1.3", "q1.1"]


@pytest.mark.parametrize("size", [(80, 24), (79, 24), (40, 24)])
async def test_leases_for_which_there_is_no_room_are_counted(size: tuple[int, int]) -> None:
    told = " +2 "
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=size) as pilot:
        await bench.settle(pilot)
        (line,) = (line for line in bench.text().splitlines() if line.startswith(told))
        assert "q1." in line
    few = Bench(asked())
    async with few.console.run_test(size=size) as pilot:
        await few.settle(pilot)
        assert told not in few.text()


async def test_the_wide_layout_counts_them_in_the_title() -> None:
    mesh = rescue_story(8, until="running")
    bench = Bench(mesh)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.settle(pilot)
        assert "Auctions and leases, 2 more leases" in bench.text()
