"""View models: what is drawn, before it is drawn."""

from __future__ import annotations

import re

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from tests.unit.console.feeder import START_MS, Feeder, peer_of, rescue_story
from whisper_tui import keymap
from whisper_tui.keymap import DEFAULT_KEYMAP, KEYS, Bound, Keymap
from whisper_tui.model.glyphs import ASCII, UNICODE, Glyphs
from whisper_tui.model.impact import describe, impact_of_silencing, seat_weight, tolerance, voted_weight
from whisper_tui.model.sentences import sentence
from whisper_tui.model.state import SUPERVISOR
from whisper_tui.model.views import (
    auctions,
    events,
    header,
    incidents,
    job_figures,
    job_page,
    jobs,
    ledger,
    market,
    nodes,
    topology,
    waterfall,
)
from whisper_tui.model.views.base import Frame, Line, Span, line_cells
from whisper_tui.model.views.help import help_lines
from whisper_tui.model.views.log import LogReader


def frame_of(mesh: Feeder, glyphs: Glyphs = UNICODE) -> Frame:
    return Frame(mesh.state(primary=peer_of("operator")), START_MS + mesh.now_ms, glyphs)


def text_of(line: Line) -> str:
    return "".join(span.text for span in line)


def bar_of(mesh: Feeder, label: str, width: int = 30) -> str:
    frame = frame_of(mesh)
    job = mesh.jobs[label]
    axis = waterfall.axis_of(frame, list(mesh.jobs.values()))
    line = waterfall.waterfall(frame, job, axis, width)
    assert line_cells(line) == width
    return text_of(line).rstrip()


def signs(bar: str) -> str:
    """A bar without its lengths."""
    return "".join(sign for at, sign in enumerate(bar) if at == 0 or bar[at - 1] != sign)


@pytest.mark.parametrize("told_ms", [1.7e308, -1.7e308])
def test_a_waterfall_is_drawn_whatever_was_told_as_a_time(told_ms: float) -> None:
    mesh = rescue_story()
    frame = frame_of(mesh)
    job = mesh.jobs["q1.2"]
    strange = replace(job, attempts=[replace(one, leased_ms=told_ms) for one in job.attempts])
    axis = waterfall.axis_of(frame, [job])
    assert line_cells(waterfall.waterfall(frame, strange, (axis[0], 1.0), 30)) == 30


def test_a_waterfall_shows_every_phase_however_short() -> None:
    assert signs(bar_of(rescue_story(until="running"), "q1.2")) == "░▒▓"
    assert signs(bar_of(rescue_story(until="confirmed"), "q1.2")) == "░▒▓✖╌"
    assert signs(bar_of(rescue_story(until="rescued"), "q1.2")) == "░▒▓✖╌⟳▒▓"
    assert signs(bar_of(rescue_story(), "q1.2")) == "░▒▓✖╌⟳▒▓✓"
    assert signs(bar_of(rescue_story(), "q1.1")) == "░▒▓✓"


def test_the_gap_begins_when_the_holder_was_killed_not_when_it_was_missed() -> None:
    before, after = (
        bar_of(rescue_story(until="killed"), "q1.2"),
        bar_of(rescue_story(until="confirmed"), "q1.2"),
    )
    assert before.index("✖") == after.index("✖") and after.count("╌") > 5


def test_a_job_that_was_submitted_later_starts_later_on_the_shared_axis() -> None:
    mesh = rescue_story()
    mesh.wait(800)
    mesh._submit_job(mesh.queries["q1"].query, "q1", 0)
    assert bar_of(mesh, "q1.c").startswith("     ")


def test_an_orphan_is_named_as_one_until_somebody_takes_it_over() -> None:
    def state(until: str) -> str:
        mesh = rescue_story(until=until)
        frame = frame_of(mesh)
        return text_of(jobs.state_of(frame.state, mesh.jobs["q1.4"], UNICODE))

    assert [state(until) for until in ("running", "killed", "rescued", "end")] == [
        "▓ running",
        "✖ orphaned",
        "⟳ running",
        "✓ settled",
    ]


def test_a_lease_runs_down_between_reports_and_is_marked_when_little_is_left() -> None:
    mesh = rescue_story(until="running")
    mesh.wait(600)
    assert all("1.4s " in text_of(line) for line in market.lease_lines(frame_of(mesh), 6))
    mesh.wait(1_000)
    assert all(
        "0.4s!" in text_of(line) or "0.2s!" in text_of(line) for line in market.lease_lines(frame_of(mesh), 6)
    )


def test_the_winner_of_an_auction_comes_first_and_refused_bids_say_why() -> None:
    mesh = rescue_story(until="running")
    job = mesh.jobs["q1.6"]
    refused = replace(job.auction.bids[1], refused="over the highest price")
    auction = replace(job.auction, bids=[job.auction.bids[0], refused])
    mesh._tell_job(replace(job, auction=auction))
    (line,) = market.auction_lines(frame_of(mesh), 1, 78)
    assert "q1.6   closed in 9 ms  1 node6 0.0150  ✖ node1 over the highest price" in text_of(line)


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (112, "1 node6 0.0150  2 node1 0.0100  3 node2 0.0110  4 node3 0.0120  5 node4 0.0130  +1"),
        (75, "1 node6 0.0150  2 node1 0.0100  3 node2 0.0110  +3"),
        (60, "1 node6 0.0150  2 node1 0.0100  +4"),
        (30, "closed in 9 ms  +6"),
    ],
)
def test_an_auction_shows_whole_bids_and_counts_those_it_has_no_room_for(width: int, told: str) -> None:
    (line,) = market.auction_lines(frame_of(rescue_story(until="running")), 1, width)
    assert text_of(line).rstrip().endswith(told)
    assert line_cells(line) <= width


def empty_panes(frame: Frame) -> list[str]:
    """What is said where there is nothing to show and a key would change that."""
    strips = [
        incidents.incident_strip(frame, 70),
        *incidents.incident_lines(frame),
        *incidents.history_lines(frame, 5),
        *events.event_lines(frame, 5, 78),
        jobs.live_line(frame, 78),
    ]
    tables = [
        jobs.jobs_table(frame, 78),
        job_figures.jobs_in_figures(frame, 140),
        auctions.auctions_table(frame),
        auctions.leases_table(frame),
        incidents.incidents_table(frame, 78),
    ]
    return [*map(text_of, strips), *(table.empty for table in tables)]


def test_no_pane_without_content_offers_keys_that_are_refused() -> None:
    frame = frame_of(Feeder())
    assert all(re.search(": press [sX] to ", told) for told in empty_panes(frame))
    assert all(re.search(": W, then [sX] to ", told) for told in empty_panes(frame._replace(acting="locked")))
    for told in empty_panes(frame._replace(acting="never")):
        assert told.strip() and not re.search("press|then|[sX] to ", told)


def test_what_is_offered_is_the_key_that_is_bound() -> None:
    other = frame_of(Feeder())._replace(keymap=Keymap({"submit": Bound("a", "a")}))
    assert "press a to ask one" in jobs.no_question(other)


def test_refused_bids_without_room_are_counted_apart() -> None:
    mesh = rescue_story(until="running")
    job = mesh.jobs["q1.6"]
    bids = [replace(bid, refused="too dear" if at > 3 else "") for at, bid in enumerate(job.auction.bids)]
    mesh._tell_job(replace(job, auction=replace(job.auction, bids=bids)))
    (line,) = market.auction_lines(frame_of(mesh), 1, 60)
    assert text_of(line).rstrip().endswith("2 node1 0.0100  +2 ✖2")


def test_every_strip_without_content_says_how_to_fill_it() -> None:
    frame = frame_of(Feeder())
    assert "a question opens one" in text_of(market.auction_lines(frame, 2, 78)[0])
    assert "nobody holds a lease" in text_of(market.lease_lines(frame, 4)[0])
    assert "asking a question writes some" in text_of(ledger.tail(frame, 5, 39)[0])
    assert "none since this console came: press X" in text_of(incidents.incident_strip(frame, 70))
    assert "none since this console came: press X" in text_of(incidents.incident_lines(frame)[0])
    assert "press s to ask" in text_of(events.event_lines(frame, 5, 78)[0])
    assert "press s" in text_of(jobs.live_line(frame, 78)) and "press s" in jobs.jobs_table(frame, 78).empty


def test_a_record_is_told_in_whole_clauses() -> None:
    mesh = rescue_story(until="running")
    mesh._record("node1", "award", "", "q1.1 to node1, 6 bids, the best of them 0.0100 AXL")
    told = [text_of(ledger.tail(frame_of(mesh), 1, width)[0])[17:] for width in (80, 45, 39, 20)]
    mesh._record("node1", "job", "", "q1.5 answer, at most 50000 micro-AXL")
    assert text_of(ledger.tail(frame_of(mesh), 1, 39)[0])[17:] == "q1.5 answer"
    mesh._record("node1", "settle", "", "q18.11 result at epoch 2, 4 votes")
    assert text_of(ledger.tail(frame_of(mesh), 1, 39)[0])[17:] == "q18.11 result"
    assert told == [
        "q1.1 to node1, 6 bids, the best of them 0.0100 AXL",
        "q1.1 to node1, 6 bids",
        "q1.1 to node1, 6 bids",
        "q1.1",
    ]


def test_an_incidents_stages_fit_one_line_of_a_small_terminal() -> None:
    def strip(until: str, width: int) -> str:
        return text_of(incidents.incident_strip(frame_of(rescue_story(until=until)), width)).rstrip()

    assert strip("killed", 70) == "susp …       conf …       recl …       sett …       conv …"
    assert strip("confirmed", 70).startswith("susp +0.14s  conf +0.75s  recl …")
    end = strip("end", 70)
    assert "recl +0.81s" in end and "sett +1." in end and "conv +1." in end and len(end) <= 70
    assert strip("end", 90).startswith("suspected +0.14s  confirmed +0.75s  reclaimed +0.81s")


def test_the_line_of_what_is_written_shows_its_newest_words() -> None:
    mesh = rescue_story(until="running")
    before = text_of(jobs.live_line(frame_of(mesh), 60))
    mesh.stream("q1.1", 400)
    after = text_of(jobs.live_line(frame_of(mesh), 60))
    assert before.startswith(" q1.1 ▓ node1  247 tok “") and after.startswith(" q1.1 ▓ node1  400 tok “…")
    assert after.endswith("when it encodes one.”") and len(after) <= 60
    chosen = text_of(jobs.live_line(frame_of(mesh), 60, mesh.jobs["q1.3"].job))
    assert chosen.startswith(" q1.3 ▓ node3")


def test_while_nothing_is_written_the_newest_question_is_shown_with_its_answer() -> None:
    assert "q1 ✓ answered  “A network learns" in text_of(jobs.live_line(frame_of(rescue_story()), 80))


def test_questions_stand_above_their_jobs_and_the_combining_one_comes_first() -> None:
    mesh = rescue_story()
    mesh.wait(1_000)
    mesh.submit(text="and why?", label="q2")
    mesh._submit_job(mesh.queries["q1"].query, "q1", 0)
    table = jobs.jobs_table(frame_of(mesh), 78)
    labels = [text_of(table.row(key)[0]).strip() for key in table.keys]
    assert labels[:3] == ["q2", "q2.1", "q2.2"]
    assert labels[7:10] == ["q1", "q1.c", "q1.1"]
    rows = [" ".join(text_of(cell) for cell in table.row(key)) for key in table.keys]
    assert "▓ 0/6 “and why?”" in rows[0] and "✓ answered “A network learns" in rows[7]


def test_questions_of_others_are_listed_and_say_that_they_are_sealed() -> None:
    mesh = rescue_story()
    mesh.queries.clear()
    state = mesh.state(primary=peer_of("operator"))
    jobs_of_another = {
        job: replace(entry, view=replace(entry.view, submitter="ab" * 32))
        for job, entry in state.jobs.items()
    }
    frame = Frame(
        replace(state, queries={}, answers={}, jobs=jobs_of_another), START_MS + mesh.now_ms, UNICODE
    )
    table = jobs.jobs_table(frame, 100)
    rows = [" ".join(text_of(cell) for cell in table.row(key)) for key in table.keys]
    assert "asked by abababab; question and answer are sealed for them" in rows[0]
    assert "sealed for abababab" in rows[1]


def test_what_a_restart_has_made_the_node_forget_is_said() -> None:
    mesh = rescue_story()
    state = mesh.state(primary=peer_of("operator"))
    job = mesh.jobs["q1.2"]
    entry = state.jobs[job.job]
    own = state.members[peer_of("operator")]
    later = replace(own, view=replace(own.view, since_ms=START_MS + mesh.now_ms + 1))
    forgotten = replace(entry, view=replace(entry.view, tokens=0, text=""))
    state = replace(
        state,
        jobs={**state.jobs, job.job: forgotten},
        members={**state.members, own.view.peer: later},
    )

    def page(answers: bool) -> str:
        shown = state if answers else replace(state, answers={})
        frame = Frame(shown, START_MS + mesh.now_ms, UNICODE)
        return "\n".join(text_of(line) for line in job_page.job_detail(frame, job.job, 100))

    assert "this node was restarted since" in page(True)
    assert "made by     node1, llama.cpp SmolLM2-135M" in page(True) and "text2.md, shard 2" in page(True)
    assert "its result is not stored here any more; the certificate is" in page(False)
    frame = Frame(replace(state, answers={}), START_MS + mesh.now_ms, UNICODE)
    cells = jobs.jobs_table(frame, 78).row(job.job)
    assert text_of(cells[-1]) == "settled before the restart"


def test_the_matrix_shows_what_each_replica_lacks() -> None:
    mesh = Feeder()
    mesh.start()
    mesh.replicas("node5", root="77" * 32, missing=2)
    lines = [text_of(line) for line in ledger.matrix(frame_of(mesh), 39)]
    assert "n5" in lines[0]
    assert lines[1].split() == ["n1", "·", "·", "·", "·", "14", "·", "·", "000000"]
    assert lines[5].split()[-1] == "777777"


def test_the_ring_has_every_participant_and_gives_way_to_a_table_when_there_are_too_many() -> None:
    ring = "\n".join(
        text_of(line) for line in topology.ring(frame_of(rescue_story(until="confirmed")), 39, 12)
    )
    assert all(name in ring for name in ("node1", "node2", "node6", "operator"))
    assert ring.count("✖") == 3 and ring.count("◆") == 1
    table = topology.ring(frame_of(_crowd(20)), 39, 12)
    assert "LINKS" in text_of(table[0]) and "11 more" in text_of(table[-1])


def _crowd(count: int) -> Feeder:
    mesh = Feeder(count)
    for name in mesh.everyone:
        mesh.tell("operator", "member", to_builtins(mesh.members[name]))
    return mesh


def test_lines_of_the_ring_are_as_wide_as_asked() -> None:
    for count in (1, 2, 3, 7, 15):
        widths = [line_cells(line) for line in topology.ring(frame_of(_crowd(count)), 39, 12)]
        assert widths == [39] * 12


def test_the_header_leaves_out_what_does_not_fit_from_the_right() -> None:
    frame = frame_of(rescue_story())
    for width in range(0, 140, 7):
        line = header.header(frame, header.Running(hz=4), width)
        assert line_cells(line) == width
    assert "MTTR" in text_of(header.header(frame, header.Running(hz=4), 120))
    small = text_of(header.header(frame, header.Running(hz=4), 50))
    assert "MTTR" not in small and "RW" in small and "3/6 up" in small


def test_a_link_that_takes_fewer_frames_than_there_are_is_called_slow() -> None:
    def told(link_hz: float) -> str:
        return text_of(header.header(frame_of(rescue_story()), header.Running(hz=4, link_hz=link_hz), 120))

    assert "slow link 0.8Hz" in told(0.8)
    assert "LIVE 4Hz" in told(3.0) and "LIVE 4Hz" in told(float("inf"))


def test_replicas_are_called_diverged_only_when_news_should_have_reached_all_of_them() -> None:
    mesh = rescue_story()
    mesh.replicas("node1", root="77" * 32, missing=1)

    def told() -> str:
        return text_of(header.header(frame_of(mesh), header.Running(hz=4), 120))

    mesh.wait(900)
    assert "conv …" in told() and header.moves(frame_of(mesh))
    mesh.wait(200)
    assert "diverged 2" in told()
    mesh.replicas()
    assert "conv ✓ 1.1s" in told()


def test_a_long_message_is_told_in_full_and_the_keys_come_after_it() -> None:
    hints = [("s", "submit"), ("q", "quit")]
    message = Span(
        "node2 has no key; make one: " + "/home/me/whisper/.venv/bin/whisper-tui keys --make x.pem"
    )
    lines = header.keys(hints, 60, message)
    assert len(lines) == 3 and all(line_cells(line) <= 60 for line in lines)
    assert "whisper-tui keys --make x.pem" in text_of(lines[1])
    assert text_of(lines[2]).split() == ["s", "submit", "q", "quit"]
    assert [text_of(line).split() for line in header.keys(hints, 60)] == [["s", "submit", "q", "quit"]]


def test_what_is_wrong_with_a_node_stands_in_its_row() -> None:
    mesh = rescue_story()
    peer = peer_of("node1")

    def last_cell() -> str:
        return text_of(nodes.nodes_table(frame_of(mesh)).row(peer)[-1])

    mesh.tell(
        "operator", "member", to_builtins(replace(mesh.members["node1"], models=["ollama llama3.2 8B"]))
    )
    assert last_cell() == "llama3.2 8B"
    mesh.tell("node1", "node", to_builtins(replace(mesh._node("node1"), problem="disk full, retrying")))
    assert last_cell() == "disk full, retrying"


def test_who_is_cut_off_from_the_operator_is_called_so_although_its_process_runs() -> None:
    mesh = rescue_story(until="started")
    own = replace(mesh._node("operator"), partitioned_from=[peer_of("node2")])
    mesh.tell("operator", "node", to_builtins(own))
    rows = nodes.nodes_table(frame_of(mesh)).row
    assert text_of(rows(peer_of("node2"))[2]) == "cut off"
    assert text_of(rows(peer_of("node1"))[2]) == "running"


def test_words_of_an_older_question_are_shown_while_the_newest_writes_none() -> None:
    mesh = rescue_story(until="running")
    mesh.wait(1_000)
    mesh.submit(label="q2")
    assert text_of(jobs.live_line(frame_of(mesh), 60)).startswith(" q1.1 ▓ node1")


def test_a_nodes_own_problem_is_told_in_the_header() -> None:
    mesh = rescue_story()
    mesh.tell("node1", "node", to_builtins(replace(mesh._node("node1"), problem="disk full, retrying")))
    assert "node1: disk full, retrying" in text_of(header.header(frame_of(mesh), header.Running(hz=4), 120))


def test_stages_stand_under_their_names_and_medians_come_with_the_second_incident() -> None:
    mesh = rescue_story()
    assert len(incidents.incident_lines(frame_of(mesh))) == 2
    mesh.wait(500)
    mesh.kill("node1")
    lines = [text_of(line) for line in incidents.incident_lines(frame_of(mesh))]
    assert len(lines) == 3 and lines[1].startswith(" now") and "p50" in lines[2]


def test_events_are_told_in_the_order_they_happened_whatever_came_first() -> None:
    mesh = Feeder()
    mesh.start()
    mesh.wait(100)
    mesh.tell("node1", "problem", {"text": "second"})
    mesh.wait(-50)
    mesh.tell("node2", "problem", {"text": "first"})
    told = [text_of(line) for line in events.event_lines(frame_of(mesh), 5, 80)]
    assert "first" in told[-2] and "second" in told[-1]


def test_a_scrolled_log_stays_where_it_is_while_entries_come() -> None:
    mesh = rescue_story(until="confirmed")
    reader = LogReader()
    frame = frame_of(mesh)
    reader.page(frame, 10, 80)
    reader.scroll(frame.state, -15, 10)
    before = reader.page(frame, 10, 80)
    mesh.settle("q1.1")
    assert reader.page(frame_of(mesh), 10, 80) == before
    reader.scroll(frame.state, 10_000, 10)
    assert "settled" in "\n".join(text_of(line) for line in reader.page(frame_of(mesh), 10, 80))


def test_a_filter_finds_entries_that_come_after_it() -> None:
    mesh = rescue_story(until="running")
    reader = LogReader()
    reader.filter("confirmed !node4")
    assert "nothing matches" in text_of(reader.page(frame_of(mesh), 10, 80)[0])
    mesh.kill("node2", "node4")
    mesh.confirm("node2", "node4")
    assert len(reader.page(frame_of(mesh), 10, 80)) == 1
    reader.filter("*(")
    reader.page(frame_of(mesh), 10, 80)


def test_what_silencing_would_cost_is_counted_in_votes() -> None:
    mesh = rescue_story(until="rescued")
    state = mesh.state(primary=peer_of("operator"))
    job = mesh.jobs["q1.1"]
    assert tolerance(state, job) == 0
    assert seat_weight(replace(job, weight=9), peer_of("operator")) == 3
    heavy = replace(job, weight=10, votes=[peer_of("operator"), peer_of("node1"), peer_of("node2")])
    assert voted_weight(heavy) == 6
    impact = impact_of_silencing(state, [peer_of("node1")])
    assert impact.grave and len(impact.stalled) == 6
    assert (
        describe(impact, ["node1"])
        == "node1 holds 2 leases · 2 of 3 providers stay · 6 jobs would lose the quorum"
    )
    dead = impact_of_silencing(state, [peer_of("node2")])
    assert not dead.grave and dead.stay == 3


def test_the_time_to_recover_stays_in_the_header_of_a_small_terminal_when_numbers_grow() -> None:
    frame = frame_of(rescue_story())
    running = header.Running(hz=4)
    told = text_of(header.header(frame, running, 80))
    assert told.rstrip().endswith("MTTR 0.8s") and "jobs 0▶ 6✓ 3⟳" in told and len(told) == 80
    for width in range(8, 120):
        assert len(text_of(header.header(frame, running, width))) == width
    narrow = text_of(header.header(frame, running, 68))
    assert narrow.startswith(" whisper ●") and narrow.rstrip().endswith("MTTR 0.8s")
    assert "MTTR" not in text_of(header.header(frame, running, 60))


def test_one_accuser_is_not_several() -> None:
    mesh = rescue_story(until="started")
    for accusers in (1, 2):
        mesh.wait(10_000)
        mesh.tell("node2", "member_dead", {"peer": peer_of("node1"), "accusers": accusers})
    state = mesh.state()
    assert [sentence(state, entry, UNICODE) for entry in state.log[-2:]] == [
        "node1 confirmed dead, 1 accuser, seen by node2",
        "node1 confirmed dead, 2 accusers, seen by node2",
    ]


def test_every_moment_has_a_sentence_in_both_sets_of_signs() -> None:
    state = rescue_story().state(primary=peer_of("operator"))
    assert state.log
    for entry in state.log:
        assert "{" not in sentence(state, entry, UNICODE)
        assert sentence(state, entry, ASCII)


def test_what_nodes_tell_of_themselves_begins_with_their_names() -> None:
    mesh = Feeder()
    mesh.start()
    for name in ("node1", "node2"):
        mesh.tell(name, "healed", {})
    mesh.tell("node3", "command", {"name": "partition", "args": {"hidden": []}})
    told = [sentence(mesh.state(), entry, UNICODE) for entry in mesh.state().log]
    assert told == ["node1 node2: partition healed", "node3: command partition hidden=[]"]


def test_what_the_end_of_a_mesh_that_was_stopped_brings_about_is_left_to_the_log() -> None:
    mesh = rescue_story()
    mesh.tell(SUPERVISOR, "source", {"node": SUPERVISOR, "state": "live"})
    mesh.action("down", mesh.everyone, "whisper-tui down")
    mesh.wait(10)
    mesh.tell("node5", "problem", {"text": "AXL node: cannot be reached"})
    mesh.tell("node6", "neighbour_lost", {"peer": peer_of("node5")})
    told = [text_of(line) for line in events.event_lines(frame_of(mesh), 9, 100)]
    assert "link lost" in "".join(told[-2:]) and "cannot be reached" in "".join(told[-2:])
    for name in (SUPERVISOR, *mesh.everyone):
        mesh.tell(SUPERVISOR, "source", {"node": name, "peer": peer_of(name), "state": "lost"})
    frame = frame_of(mesh)
    assert frame.state.stopped
    assert "the mesh was stopped by you" in text_of(events.event_lines(frame, 9, 100)[-1])
    assert any("cannot be reached" in text_of(line) for line in LogReader().page(frame, 99, 100))


def test_that_all_have_come_up_is_a_sentence() -> None:
    mesh = Feeder()
    mesh.tell(SUPERVISOR, "ready", {"up": 7, "of": 7, "took_ms": 1240})
    mesh.tell("node1", "ready", {})
    told = [sentence(mesh.state(), entry, UNICODE) for entry in mesh.state().log]
    assert told == ["7 of 7 participants have come up after 1.2 s", f"{peer_of('node1')[:8]}: ready"]


@pytest.mark.parametrize(("until", "told"), [("end", "from end to end"), ("running", "so far")])
def test_the_timeline_of_a_job_says_how_long_it_took_and_not_how_long_its_axis_is(
    until: str, told: str
) -> None:
    mesh = rescue_story(until=until)
    job = mesh.jobs["q1.4"]
    end_ms = job.settled_ms or START_MS + mesh.now_ms
    page = [text_of(line) for line in job_page.job_detail(frame_of(mesh), job.job, 120)]
    (line,) = (line for line in page if "timeline" in line)
    assert f"  {(end_ms - job.submitted_ms) / 1000:.1f}s {told}" in line


def test_links_are_drawn_where_there_are_no_special_characters_too() -> None:
    mesh = rescue_story(until="running")
    lines = topology.ring(frame_of(mesh, ASCII), 39, 12)
    assert all(text_of(line).isascii() for line in lines)
    drawn = "".join(text_of(line) for line in lines)
    assert drawn.count(".") > 20 and drawn.count("+") > 20  # quiet links, and those that carry work
    busy = [span for line in lines for span in line if span.role == "running"]
    assert busy and all(set(span.text) == {"+"} for span in busy)


def test_one_of_a_thing_is_not_several() -> None:
    mesh = rescue_story(until="running")
    job = replace(mesh.jobs["q1.6"], live_weight=3)
    mesh.wait(10_000)
    mesh.tell("operator", "auction_closed", {"job": job.job, "winner": job.holder, "bids": 1, "took_ms": 9})
    mesh.tell("operator", "job", to_builtins(job))
    state = mesh.state(primary=peer_of("operator"))
    assert "1 bid in 9 ms" in sentence(state, state.log[-1], UNICODE)
    (row,) = (text_of(cell) for cell in jobs.jobs_table(frame_of(mesh), 120).row(job.job)[-1:])
    assert row == "needs 1 more vote"


def test_keys_are_unique_where_they_work_and_all_in_the_help() -> None:
    shown = "\n".join(text_of(line) for line in help_lines(UNICODE, DEFAULT_KEYMAP, 120))
    for context in keymap.TITLES:
        here = [key for entry in keymap.keys_of(context) for key in entry.keys.split(",")]
        assert len(here) == len(set(here)), context
    assert all(key.help in shown for key in KEYS)
    assert len({key.id for key in KEYS}) == len(KEYS)


def test_an_auction_that_nobody_won_says_why() -> None:
    mesh = rescue_story(until="running")
    job = mesh.jobs["q1.6"].job
    for count in (6, 1, 0):
        mesh.wait(10_000)
        mesh.tell("operator", "auction_closed", {"job": job, "winner": "", "bids": count, "took_ms": 9})
    state = mesh.state(primary=peer_of("operator"))
    assert [sentence(state, entry, UNICODE) for entry in state.log[-3:]] == [
        "q1.6 awarded to nobody: all 6 bids refused",
        "q1.6 awarded to nobody: its only bid was refused",
        "q1.6 awarded to nobody: nobody bid",
    ]


def test_a_stage_is_as_late_as_the_events_below_it_whatever_the_width_and_the_delay() -> None:
    mesh = rescue_story()
    state = mesh.state(primary=peer_of("operator"), exec_delay_ms=2_000)
    frame = Frame(state, mesh.now_ms, UNICODE)
    lines = [text_of(line) for line in incidents.incident_lines(frame)]
    assert "SETTLED" in lines[0] and lines[-1] == " settled: with the configured delay of 2s per run"
    at_ms = state.incidents[-1].at_ms
    settled = [entry.at_ms for entry in state.log if entry.kind == "job_settled"]
    shown = f"{(max(settled) - at_ms) / 1000:+.2f}s"
    assert shown in lines[1] and f"sett {shown}" in text_of(incidents.incident_strip(frame, 70))
    idle = rescue_story(until="started")
    idle.kill("node1")
    state = idle.state(primary=peer_of("operator"), exec_delay_ms=2_000)
    told = [text_of(line) for line in incidents.incident_lines(Frame(state, idle.now_ms, UNICODE))]
    assert not any("delay" in line for line in told)


def test_prices_have_four_decimals_as_in_the_shell() -> None:
    mesh = rescue_story()
    row = nodes.nodes_table(frame_of(mesh)).row(peer_of("node1"))
    assert "0.0100" in [text_of(cell) for cell in row]
