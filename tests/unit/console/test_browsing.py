"""From any number to the signed record behind it, and back, by keys."""

from __future__ import annotations

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from mesh_core.api.schema import Check, RecordView
from tests.unit.console.feeder import START_MS, Feeder, peer_of, rescue_story
from tests.unit.console.harness import Bench
from tests.unit.console.library import Library
from whisper_tui.model.evidence import KEPT, Answer, Ask, with_answer
from whisper_tui.model.views import pages, record_page
from whisper_tui.model.views.base import Frame, Lines, Target
from whisper_tui.screens.pager import Pager

SIZES = [(80, 24), (120, 40)]


def bench_of(mesh: Feeder) -> tuple[Bench, Library]:
    library = Library(mesh)
    return Bench(mesh, library), library


def title(bench: Bench) -> str:
    return bench.lines()[0]


async def go_to(bench: Bench, pilot: object, target: Target) -> None:
    """Move down until the cursor is on a link to `target`; never past it."""
    pager = bench.console.screen
    assert isinstance(pager, Pager)
    for _ in range(400):
        if pager.here is not None and pager.here.target == target:
            return
        await bench.press(pilot, "j")  # type: ignore[arg-type]
    raise AssertionError(f"no way to {target} in\n{bench.text()}")


@pytest.mark.parametrize("size", SIZES)
async def test_node_lease_job_attempt_record_and_raw_lead_on_and_escape_leads_back(
    size: tuple[int, int],
) -> None:
    mesh = rescue_story(until="rescued")
    bench, library = bench_of(mesh)
    job = mesh.jobs["q1.4"].job
    lease = next(view for view in library.views() if (view.job, view.kind, view.epoch) == (job, "lease", 2))
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, "2", "j", "j", "enter")
        assert "Nodes › Node node3" in title(bench)
        await go_to(bench, pilot, Target("attempt", f"{job} 2"))
        await bench.press(pilot, "enter")
        assert "Nodes › Node node3 › Lease q1.4 e2" in title(bench)
        assert "epoch 1 of node4" in bench.text() and "lost" in bench.text()
        await go_to(bench, pilot, Target("job", job))
        await bench.press(pilot, "enter")
        assert title(bench).count("›") == 3 and "Job q1.4" in title(bench)
        await go_to(bench, pilot, Target("attempt", f"{job} 2"))
        await bench.press(pilot, "enter")
        await go_to(bench, pilot, Target("record", lease.hash))
        await bench.press(pilot, "enter")
        assert f"Record {lease.seq} of operator" in title(bench)
        shown = bench.text()
        assert "Checked by operator" in shown and "✓ signature" in shown and lease.hash in shown
        await go_to(bench, pilot, Target("raw", lease.hash))
        await bench.press(pilot, "enter")
        assert title(bench).rstrip(" ─").endswith("Raw")
        assert f"lease {lease.seq} of n" in bench.text() and "signature (ed25519)" in bench.text()
        trail = []
        for _ in range(6):
            trail.append(title(bench))
            await bench.press(pilot, "escape")
        assert len(set(trail)) == 6, "every page was left by itself"
        assert "[2 Nodes]" in bench.text()


async def test_a_jobs_certificate_and_its_records_are_asked_for_when_it_is_opened() -> None:
    mesh = rescue_story()
    bench, library = bench_of(mesh)
    job = mesh.jobs["q1.1"].job
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "tab", "j", "enter")
        assert "Job q1.1" in title(bench)
        assert library.asked == [("job", job)]
        settle = next(view for view in library.views() if (view.job, view.kind) == (job, "settle"))
        await go_to(bench, pilot, Target("record", settle.hash))
        await bench.press(pilot, "enter")
        assert f"Record {settle.seq} of operator" in title(bench)


async def test_a_check_that_fails_is_said_by_sign_and_word() -> None:
    mesh = rescue_story()
    bench, library = bench_of(mesh)
    library.checks = (Check("signature", False, "record is not signed by its author"),)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "5", "enter")
        assert "✖ signature   record is not signed by its author" in bench.text()


async def test_what_is_known_of_a_record_is_shown_while_it_is_asked_for_and_when_it_is_refused() -> None:
    mesh = rescue_story()
    bench, library = bench_of(mesh)
    library.open.clear()
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "5", "enter")
        assert "asking for the record and its checks" in bench.text() and "kind        settle" in bench.text()
        library.refusal = "no record is held here: a snapshot has taken its place"
        library.open.set()
        await bench.settle(pilot)
        assert "a snapshot has taken its place" in bench.text() and "kind        settle" in bench.text()
        library.refusal = ""
        await bench.press(pilot, "escape", "enter")
        assert "✓ signature" in bench.text(), "what was refused is asked for again by opening it again"


async def test_where_nobody_can_be_asked_that_is_said() -> None:
    bench = Bench(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "5", "enter")
        assert "signed records cannot be asked for here" in bench.text()


async def test_the_cursor_stays_on_what_it_was_moved_to_when_the_page_changes_above_it() -> None:
    mesh = rescue_story(until="running")
    bench, library = bench_of(mesh)
    async with bench.console.run_test(size=(120, 40)) as pilot:
        await bench.press(pilot, "2", "j", "enter")
        record = Target("record", next(v.hash for v in library.views() if v.author == peer_of("node2")))
        await go_to(bench, pilot, record)
        mesh.kill("node6")  # its job is one more line above
        mesh.lease("q1.6", "node2")
        await bench.settle(pilot)
        pager = bench.console.screen
        assert isinstance(pager, Pager) and pager.here is not None
        assert pager.here.target == record
        assert "q1.6" in bench.text()


@pytest.mark.parametrize("size", SIZES)
async def test_two_marked_replicas_open_as_their_difference(size: tuple[int, int]) -> None:
    mesh = rescue_story()
    mesh.replicas("node3", root="cd" * 32, missing=3)
    bench, _ = bench_of(mesh)
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, "5")
        assert "REPLICA" in bench.text() and "! cdcdcd" in bench.text()
        await bench.press(pilot, "tab", "space", "j", "space", "enter")
        assert "node1 and node3" in title(bench)
        shown = bench.text()
        assert "another state" in shown and "node3 lacks 3" in shown and "node1 to 10, node3 to 7" in shown
        await bench.press(pilot, "escape", "space", "enter")
        assert "Node node5" in title(bench), "of three, none is compared: the one under the cursor opens"


async def test_equal_replicas_say_that_there_is_no_difference() -> None:
    bench, _ = bench_of(rescue_story())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "5", "tab", "space", "j", "space", "enter")
        assert "the same state from the same records" in bench.text()


@pytest.mark.parametrize("size", SIZES)
async def test_incidents_are_listed_with_every_stage_and_percentiles_of_each_kind(
    size: tuple[int, int],
) -> None:
    mesh = rescue_story()
    mesh.wait(5_000)
    mesh.action("pause", ["node5"], "whisper-tui pause node5")
    mesh.suspect("node5")
    mesh.action("partition", ["node1"], "whisper-tui partition node1")
    bench, _ = bench_of(mesh)
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, "7")
        lines = bench.lines()
        heading = next(line for line in lines if " WHAT " in line)
        named = ["SUSPECTED", "CONFIRMED", "RECLAIMED", "FINISHED", "SETTLED", "CONVERGED"]
        short = ["SUSP", "CONF", "RECL", "FIN", "SETT", "CONV"]
        assert heading.split()[3:] == (named if size == (120, 40) else short)
        killed = next(line for line in lines if "kill node2" in line)
        assert [stage for stage in killed.split() if stage.startswith("+")][:3] == [
            "+0.14s",
            "+0.75s",
            "+0.81s",
        ]
        assert any(line.startswith(" p50  kill, 1 of them") for line in lines)
        assert any(line.startswith(" p50  pause, 1 of them") for line in lines)
        assert any(line.startswith(" p50  cut off, 1 of them") for line in lines)
        columns = {
            line.rindex("+")
            for line in (killed, next(line for line in lines if line.startswith(" p95  kill")))
        }
        assert len(columns) == 1, "percentiles stand under the column they are of"
        await bench.press(pilot, "G", "enter")
        shown = bench.text()
        assert "Incidents › Incident 1" in title(bench) and "killed         +0.00s" in shown
        assert "the last live observer takes them for dead" in shown


async def test_an_incident_shows_its_evidence_and_leads_to_the_certificates() -> None:
    mesh = rescue_story()
    bench, library = bench_of(mesh)
    async with bench.console.run_test(size=(120, 60)) as pilot:
        await bench.press(pilot, "7", "enter")
        shown = bench.text()
        assert "node2 suspected, seen by 4 nodes" in shown and "confirmed dead, 3 accusers" in shown
        assert "⟳ epoch 2 of node1" in shown
        assert "lease certificate  3 promises: node1 node3 node5" in shown
        job = mesh.jobs["q1.2"].job
        lease = next(
            view for view in library.views() if (view.job, view.kind, view.epoch) == (job, "lease", 2)
        )
        await go_to(bench, pilot, Target("record", lease.hash))
        await bench.press(pilot, "enter")
        assert "Holds 3 signed promises" in bench.text()


async def test_a_partition_names_its_two_sides() -> None:
    mesh = rescue_story(until="started")
    mesh.action("partition", ["node1", "node2"], "whisper-tui partition node1 node2")
    bench, _ = bench_of(mesh)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "7", "enter")
        assert "cut off     node1 node2" in bench.text()
        assert "the others  node3 node4 node5 node6 operator" in bench.text()


async def test_empty_views_say_how_they_are_filled() -> None:
    bench, _ = bench_of(Feeder())
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "5")
        assert "no record yet: asking a question writes some" in bench.text()
        assert "no replica has reported yet" in bench.text()
        await bench.press(pilot, "7")
        assert "press X to disturb the mesh" in bench.text()
        await bench.press(pilot, "6")
        assert "no participant has reported yet" in bench.text()


@pytest.mark.parametrize("size", SIZES)
async def test_names_are_claims_that_nobody_has_checked(size: tuple[int, int]) -> None:
    mesh = Feeder()
    for name, claim in (("node1", "one.axl.eth"), ("node2", "two.axl.eth"), ("node3", "Two.axl.eth")):
        mesh.members[name] = replace(mesh.members[name], ens_name=claim)
    mesh.start()
    bench, _ = bench_of(mesh)
    async with bench.console.run_test(size=size) as pilot:
        await bench.press(pilot, "6")
        lines = bench.lines()
        assert any(
            "no chain: names are claims nobody has checked; 3 of 7 claim one" in line for line in lines
        )
        assert "one.axl.eth" in bench.text() and "verified ✓" not in bench.text()
        (one,) = [line for line in lines if "one.axl.eth" in line]
        assert "unverified: no chain" in one
        assert len([line for line in lines if "claimed by 2: no chain" in line]) == 2
        assert sum("claims none" in line for line in lines) == 4


async def test_a_balance_leads_to_the_jobs_it_comes_from() -> None:
    mesh = rescue_story()
    mesh.members["node1"] = replace(mesh.members["node1"], balance_micro=25_000)
    mesh.tell("operator", "member", to_builtins(mesh.members["node1"]))
    bench, _ = bench_of(mesh)
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "2", "enter")
        await go_to(bench, pilot, Target("account", peer_of("node1")))
        await bench.press(pilot, "enter")
        shown = bench.text()
        assert "balance     0.0250 AXL" in shown
        assert "from these  +0.0200 AXL" in shown and "from others +0.0050 AXL" in shown
        assert "q1.1    +0.0100" in shown and "q1.2    +0.0100" in shown
        await go_to(bench, pilot, Target("job", mesh.jobs["q1.2"].job))
        await bench.press(pilot, "enter")
        assert "Job q1.2" in title(bench)


async def test_copying_takes_the_id_behind_the_link() -> None:
    mesh = rescue_story()
    bench, library = bench_of(mesh)
    newest = library.views()[-1].hash
    async with bench.console.run_test(size=(80, 24)) as pilot:
        await bench.press(pilot, "5", "enter")
        await go_to(bench, pilot, Target("raw", newest))
        await bench.press(pilot, "y")
        assert bench.console.clipboard == newest
        assert f"copied {newest[:16]}" in bench.lines()[-1]


async def test_pages_fit_a_terminal_that_is_very_small() -> None:
    bench, _ = bench_of(rescue_story())
    async with bench.console.run_test(size=(40, 12)) as pilot:
        await bench.press(pilot, "5", "enter")
        assert all(len(line) <= 40 for line in bench.lines())
        assert "Record" in title(bench)
        await bench.press(pilot, "G", "g", "escape", "7", "enter")
        assert "Incident 1" in title(bench)


def lines_of(page: str, frame: Frame, key: str) -> Lines:
    return pages.PAGES[page].lines(frame, key, 80)


def test_whatever_a_record_says_is_inert() -> None:
    evil = "\x1b[31mred\u202e\x07"
    mesh = Feeder()
    mesh.start()
    view = RecordView("ab" * 32, peer_of("node1"), 1, evil, "", evil, START_MS, 100)
    mesh.tell("operator", "record", to_builtins(view))
    checked = Library(mesh).checked(view)
    checked = replace(
        checked,
        network=evil,
        prev=evil,
        says={evil: evil, "value": {evil: [evil, {"peer": evil}]}},
        statements=[
            replace(one, says={evil: evil})
            for one in Library(mesh).checked(replace(view, kind="lease")).statements
        ],
        checks=[Check(evil, False, evil)],
    )
    evidence = {Ask("record", view.hash): Answer(evil, record=checked)}
    frame = Frame(mesh.state(primary=peer_of("operator")), START_MS, evidence=evidence)
    for page, key in (("record", view.hash), ("author", peer_of("node1")), ("node", peer_of("node1"))):
        told = "".join(span.text for line in lines_of(page, frame, key) for span in line)
        told += pages.PAGES[page].title(frame, key)
        assert not set(evil[:1] + "\u202e\x07") & set(told)
        assert "red" in told


def test_pages_about_what_is_gone_say_so() -> None:
    mesh = Feeder()
    mesh.start()
    frame = Frame(mesh.state(primary=peer_of("operator")), START_MS)
    gone = "ef" * 32
    keys = {
        "node": gone,
        "question": gone,
        "job": gone,
        "attempt": f"{gone} 3",
        "author": gone,
        "account": gone,
        "record": gone,
        "raw": gone,
        "difference": f"{gone} {gone}",
        "incident": "99",
        "help": "",
    }
    assert set(keys) == set(pages.PAGES)
    for page, key in keys.items():
        assert lines_of(page, frame, key) and pages.PAGES[page].title(frame, key)
        pages.PAGES[page].asks(frame, key)


def test_the_way_back_is_shortened_at_its_beginning() -> None:
    mesh = Feeder()
    frame = Frame(mesh.state(), START_MS)
    crumbs = ["Nodes", "Node node4", "Lease q1.4 e2", "Record 12 of node4"]
    assert pages.breadcrumbs(frame, crumbs, 80) == "Nodes › Node node4 › Lease q1.4 e2 › Record 12 of node4"
    assert pages.breadcrumbs(frame, crumbs, 40) == "… › Lease q1.4 e2 › Record 12 of node4"
    assert pages.breadcrumbs(frame, crumbs, 5) == "Record 12 of node4"


def test_answers_are_bounded_and_the_oldest_go() -> None:
    evidence = with_answer({}, Ask("record", "first"), Answer("operator"))
    for number in range(KEPT):
        evidence = with_answer(evidence, Ask("record", str(number)), Answer("operator"))
    assert len(evidence) == KEPT
    assert Ask("record", "first") not in evidence and Ask("record", "0") in evidence


def test_a_dump_shows_every_byte_of_a_record_and_where_its_signature_begins() -> None:
    mesh = rescue_story()
    library = Library(mesh)
    view = library.views()[0]
    evidence = {Ask("record", view.hash): Answer("operator", record=library.checked(view))}
    frame = Frame(mesh.state(), START_MS, evidence=evidence)
    lines = ["".join(span.text for span in line) for line in record_page.raw_detail(frame, view.hash, 80)]
    dumped = "".join(line[10:58] for line in lines if line.startswith("  0"))
    assert bytes.fromhex(dumped).hex() == library.checked(view).raw
    assert lines.index("  signature (ed25519)") < len(lines) - 1
