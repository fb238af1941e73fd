"""Nodes, Jobs and Auctions, by their keys."""

from __future__ import annotations

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from mesh_core.api.schema import BidView
from tests.unit.console.feeder import START_MS, Feeder, peer_of, rescue_story
from tests.unit.console.harness import Bench
from whisper_tui.model.views import auctions, job_figures, job_panel, nodes
from whisper_tui.model.views.arrange import told
from whisper_tui.model.views.base import Frame, Lines, wrap

SIZES = [(80, 24), (120, 40), (200, 60)]


def frame_of(mesh: Feeder) -> Frame:
    return Frame(mesh.state(primary=peer_of("operator")), START_MS + mesh.now_ms)


def text_of(lines: Lines) -> str:
    return "\n".join("".join(span.text for span in line) for line in lines)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("key", "tab", "seen"),
    [
        ("2", "[2 Nodes]", ("HEARD", "✖ dead", "◆ you")),
        ("3", "[3 Jobs]", ("TIMELINE", "⟳ running", "╌")),
        ("4", "[4 Auctions]", ("WINNER", "closed in 9 ms")),
    ],
)
async def test_each_view_has_its_key(
    size: tuple[int, int], key: str, tab: str, seen: tuple[str, ...]
) -> None:
    bench = Bench(rescue_story(until="rescued"))
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, key)
        shown = bench.text()
        assert tab in shown and all(each in shown for each in seen)
        await bench.press(pilot, "1")
        assert "[1 Overview]" in bench.text()


@pytest.mark.parametrize("key", ["1", "2", "3", "4", "5", "6", "7", "8"])
@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_every_view_of_an_empty_mesh_says_how_to_fill_it(size: tuple[int, int], key: str) -> None:
    bench = Bench(Feeder())
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, key)
        body = "\n".join(bench.lines()[2:-1])
        assert any(
            hint in body for hint in ("press s", "whisper-tui", "press X", "reported yet", "no record")
        )


# ----------------------------------------------------------------------------------------------- nodes


def test_a_nodes_row_has_every_figure() -> None:
    mesh = rescue_story()
    mesh.members["node1"] = replace(mesh.members["node1"], balance_micro=20_000, ens_name="node1.axl.eth")
    mesh.tell("operator", "member", to_builtins(mesh.members["node1"]))
    row = told(nodes.nodes_in_full(frame_of(mesh)), peer_of("node1"))
    assert row["state"] == "● alive" and row["done"] == "2" and row["resc"] == "1" and row["leases"] == "0"
    assert row["avg"] == "0.7s" or row["avg"].endswith("s")
    assert row["balance"] == "0.0200" and row["ens name"] == "node1.axl.eth" and row["heard"] == "now"
    assert row["can do"] == "answer combine" and row["lag"] == "0" and row["load"] == "0.0"


def test_a_node_that_is_not_heard_says_for_how_long() -> None:
    mesh = rescue_story(until="killed")
    mesh.wait(8_000)
    rows = nodes.nodes_in_full(frame_of(mesh))
    assert told(rows, peer_of("node2"))["heard"] == "8.0s" and told(rows, peer_of("node1"))["heard"] == "now"


async def test_silence_grows_although_nothing_else_happens() -> None:
    mesh = rescue_story()
    bench = Bench(mesh)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "2")
        mesh.wait(60_000)
        await bench.settle(pilot)
        assert "61s" in bench.text() or "62s" in bench.text()


async def test_columns_that_have_no_room_come_with_the_arrow_keys() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "2")
        heading = bench.lines()[2]
        assert "BALANCE" not in heading and heading.endswith("›")
        await bench.press(pilot, *["right"] * 5)
        heading = bench.lines()[2]
        assert "BALANCE" in heading and heading.startswith(" NODE") and "STATE" not in heading
        await bench.press(pilot, *["right"] * 20)
        assert "MODEL" in bench.lines()[2] and not bench.lines()[2].endswith("›")
        await bench.press(pilot, *["left"] * 30)
        assert "STATE" in bench.lines()[2]


# ------------------------------------------------------------------------------------------------ jobs


def test_a_jobs_row_says_what_it_waited_ran_and_bears() -> None:
    mesh = rescue_story(until="rescued")
    row = told(job_figures.jobs_in_figures(frame_of(mesh), 160), mesh.jobs["q1.2"].job)
    assert row["holder"] == "node2→node1" and row["key"] == "4-of-6" and row["bears"] == "0"
    assert row["ran"] == "1.0s" and row["total"] == "1.8s"
    whole = told(job_figures.jobs_in_figures(frame_of(mesh), 160), mesh.jobs["q1.1"].job)
    assert whole["ran"] == "1.8s" and float(whole["tok/s"]) > 100


def test_the_panel_stacks_attempts_on_one_axis_and_says_what_happened_between() -> None:
    mesh = rescue_story(until="rescued")
    lines = text_of(job_panel.panel_lines(frame_of(mesh), mesh.jobs["q1.4"].job, 12, 120)).splitlines()
    first, second = (next(line for line in lines if line.startswith(f" e{epoch}")) for epoch in (1, 2))
    assert "node4" in first and "✖╌" in first and "lost: holder is dead" in first
    assert "node3" in second and second.index("⟳") >= first.rindex("╌")
    assert "between 0.8s" in text_of(job_panel.panel_lines(frame_of(mesh), mesh.jobs["q1.4"].job, 12, 120))


def test_the_panel_of_a_settled_job_has_its_certificate_and_its_answer() -> None:
    mesh = rescue_story()
    told_lines = text_of(job_panel.panel_lines(frame_of(mesh), mesh.jobs["q1.4"].job, 12, 120))
    assert (
        "certificate of 4 of 7, 4 needed" in told_lines and "A convolution shares its weights" in told_lines
    )


async def test_the_panel_follows_the_cursor_and_its_text_grows() -> None:
    mesh = rescue_story(until="running")
    bench = Bench(mesh)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "3")
        assert "Question q1" in bench.text()
        await bench.press(pilot, "j", "j")
        assert "Job q1.2" in bench.text() and "Gradient descent follows the slope" in bench.text()
        mesh.stream("q1.2", 400)
        await bench.settle(pilot)
        assert "one batch at a time." in bench.text()
        await bench.press(pilot, "enter")
        assert "Committee" in bench.text()


@pytest.mark.parametrize("width", [-2, 0, 1, 2, 3])
def test_a_panel_that_has_no_size_yet_is_drawn_all_the_same(width: int) -> None:
    mesh = rescue_story()
    frame = frame_of(mesh)
    for key in (mesh.jobs["q1.1"].job, mesh.queries["q1"].query, None):
        assert job_panel.panel_lines(frame, key, 0, width)


@pytest.mark.parametrize("width", [-2, 0, 1])
def test_a_text_is_broken_into_single_cells_where_there_is_no_room(width: int) -> None:
    assert wrap("ab c", width) == ["a", "b", "c"]


async def test_disturbing_a_job_is_about_who_holds_it() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "3", "j", "j", "X")
        assert bench.lines()[-1].endswith("node2")
        await bench.press(pilot, "escape", "4", "tab", "tab", "j", "X")
        assert bench.lines()[-1].endswith("node5")


async def test_sorted_jobs_lose_their_headings() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "3", *["o"] * 5, "O")
        rows = [line for line in bench.lines() if " q1" in line[:6]]
        assert "TOKEN↓" in bench.text() and "q1.6" in rows[0] and "0/6" not in bench.text()


# -------------------------------------------------------------------------------------------- auctions


def bid(name: str, rank: int, refused: str = "", **parts: float) -> BidView:
    return BidView(peer_of(name), 10_000, 0.0, 400, "m", sum(parts.values()), parts, rank, refused)


def auctioned(*bids: BidView, state: str = "closed") -> tuple[Feeder, str]:
    mesh = rescue_story(until="started")
    mesh.submit()
    mesh.award("q1.1", "node1")
    job = mesh.jobs["q1.1"]
    auction = replace(job.auction, state=state, bids=list(bids))
    mesh.tell("operator", "job", to_builtins(replace(job, auction=auction)))
    return mesh, job.job


def test_bids_are_ranked_with_the_parts_of_their_scores_and_refused_ones_with_the_reason() -> None:
    mesh, job = auctioned(
        bid("node3", 2, price=0.012, locality=0.005),
        bid("node4", 0, refused="after the close"),
        bid("node2", 1, price=0.013),
    )
    table = auctions.bids_table(frame_of(mesh), job)
    assert table.keys == tuple(map(peer_of, ("node2", "node3", "node4")))
    first, second, third = (told(table, key) for key in table.keys)
    assert first["behind"] == "wins" and first["score is"] == "price 0.013"
    assert second["behind"] == "+0.004" and second["score is"] == "price 0.012 + locality 0.005"
    assert third == {"rank": "✖", "node": "node4", "price": "after the close"}


@pytest.mark.parametrize(
    ("bids", "why"),
    [
        ((), "nobody bid"),
        ((bid("node4", 0, refused="too dear"),), "all refused: too dear"),
        ((bid("node1", 1, price=0.01),), "the only bid that counts"),
        (
            (bid("node1", 1, price=0.013), bid("node2", 2, price=0.012, locality=0.005)),
            "locality +0.005, price -0.001: 0.004 ahead of node2",
        ),
        (
            (bid("node1", 1, price=0.01), bid("node2", 2, price=0.01)),
            "scores as node2 does, and has settled more or comes first by id",
        ),
    ],
)
def test_an_auction_says_why_its_winner_won(bids: tuple[BidView, ...], why: str) -> None:
    mesh, job = auctioned(*bids)
    assert told(auctions.auctions_table(frame_of(mesh)), job)["why"] == why


def test_an_open_auction_counts_down() -> None:
    mesh, job = auctioned(bid("node1", 1, price=0.01), state="open")
    mesh.wait(300)
    row = told(auctions.auctions_table(frame_of(mesh)), job)
    assert row["auction"] == "░  0.1s ██░░░░░░" and row["why"].startswith("leads so far")


def test_a_lease_with_less_than_a_quarter_left_is_marked() -> None:
    mesh = rescue_story(until="started")
    mesh.submit()
    mesh.lease("q1.1", "node1")
    mesh.wait(1_400)
    table = auctions.leases_table(frame_of(mesh))
    assert "!" not in told(table, table.keys[0])[""]
    mesh.wait(200)
    assert told(table := auctions.leases_table(frame_of(mesh)), table.keys[0])[""].endswith("!")


def test_a_lease_whose_holder_is_gone_says_so_until_somebody_takes_over() -> None:
    gone = auctions.leases_table(frame_of(rescue_story(until="confirmed")))
    assert sum("holder gone" in told(gone, key)["standing"] for key in gone.keys) == 3
    rescued = auctions.leases_table(frame_of(rescue_story(until="rescued")))
    assert sum("after node" in told(rescued, key)["standing"] for key in rescued.keys) == 3


async def test_the_bids_are_those_of_the_chosen_auction() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "4")
        assert "Bids for q1.6" in bench.text()
        await bench.press(pilot, "j")
        assert "Bids for q1.5" in bench.text()


async def test_enter_opens_jobs_bidders_and_leases() -> None:
    bench = Bench(rescue_story(until="running"))
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "4", "enter")
        assert "Job q1.6" in bench.text()
        await bench.press(pilot, "escape", "tab", "enter")
        assert "Node node6" in bench.text()
        await bench.press(pilot, "escape", "tab", "enter")
        assert "Lease q1.6" in bench.text()
