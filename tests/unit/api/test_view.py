"""Views tell the truth about a real mesh, simulated: built from scratch or kept up by moments, they are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from mesh_core.api import view
from mesh_core.api.hub import Entity
from mesh_core.api.memories import ATTEMPTS_MAX, MEMORIES_MAX, TEXT_CHARS_MAX, Memories
from mesh_core.api.schema import (
    VIEWS,
    AuctionView,
    BidView,
    Counters,
    JobView,
    MemberView,
    QueryView,
    RecordView,
    State,
    ToleranceView,
)
from mesh_core.api.times import AHEAD_MS, told_ms
from mesh_core.api.view import About, NodeViews
from mesh_core.effects import JobOptions, Notify, Partition, Write
from mesh_core.ledger.record import BODIES
from mesh_core.node import Node
from mesh_core.simulation.host import Host
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import statements as st
from mesh_core.work.result import Answer, CitedPassage, encode_answer
from tests.unit.core.people import People

PERIOD_S = 0.05
PASSING = {
    "job": ("lease_left_ms", "attempts"),
    "member": ("since_ms",),
    "record": (),
    "replica": (),
    "query": (),
    "node": (),
    "answer": (),
}
"""Fields that change with time itself, or that an attempt's end changes without anybody's doing."""


class Console:
    """What somebody sees who watches one host: views kept up by moments alone."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.host = world, world.hosts[name]
        self._views: NodeViews | None = None
        self._viewed: Node | None = None
        self.shown: dict[Entity, Struct] = {}
        self.marked: set[Entity] = set()
        world.watch(self)

    @property
    def node(self) -> Node:
        assert self.host.node is not None
        return self.host.node

    @property
    def views(self) -> NodeViews:
        """Those of the node that runs now; a restart begins new ones."""
        if self._views is None or self._viewed is not self.node:
            host, self._viewed = self.host, self.node
            about = About(host.name, "provider", "local", "0", True, True, 6, "corpus", True)
            self._views = NodeViews(self.node, about, self.now, self.wall_ms, lambda: "", lambda: "search")
        return self._views

    def writing(self, host: Host, writes: Sequence[Write]) -> None:
        pass

    def durable(self, host: Host, writes: Sequence[Write]) -> None:
        pass

    def notified(self, host: Host, notify: Notify) -> None:
        if host is self.host:
            self.views.observe(notify.kind, notify.fields, self.wall_ms())
            self.marked.update(self.views.affected(notify.kind, notify.fields))

    def now(self) -> float:
        return self.host.clock.monotonic(self.world.now)

    def wall_ms(self) -> float:
        return float(self.host.clock.wall_ms(self.world.now))

    def look(self) -> None:
        """Build what is marked, as the hub does every 50 ms."""
        while self.marked:
            entity = self.marked.pop()
            view = self.views.view(entity)
            if isinstance(view, tuple):
                self.marked.update(view)
            elif view is not None:
                self.shown[entity] = view

    def state(self) -> State:
        return self.views.state(1, {})

    def job(self, label: str) -> JobView:
        return next(job for job in self.state().jobs if job.label == label)

    def member(self, name: str) -> MemberView:
        return next(member for member in self.state().members if member.name == name)

    def query(self) -> QueryView:
        return self.state().queries[0]


def run(world: World, consoles: Sequence[Console], seconds: float) -> None:
    for _ in range(round(seconds / PERIOD_S)):
        world.run_for(PERIOD_S)
        for console in consoles:
            if console.host.up:
                console.look()


def started(seed: str, **setup: Any) -> tuple[World, Console, Console]:
    world = World(Setup(seed, **setup))
    operator, provider = Console(world, OPERATOR), Console(world, "node1")
    world.start()
    run(world, [operator, provider], 2.0)
    return world, operator, provider


def submit(world: World, shards: int = 6) -> bytes:
    query = world.submit(OPERATOR, "why?", range(shards), JobOptions(), "q1")
    assert query is not None
    return query


def as_expected(kind: str, view: Struct) -> dict[str, Any]:
    fields = msgspec.to_builtins(view)
    return {name: value for name, value in fields.items() if name not in PASSING[kind]}


def test_what_moments_keep_up_is_what_a_fresh_look_shows() -> None:
    world, operator, provider = started("moments")
    submit(world)
    run(world, [operator, provider], 0.3)
    for name in ("node3", "node4", "node5"):
        world.crash(name)
    run(world, [operator, provider], 4.0)
    world.start("node3")
    run(world, [operator, provider], 4.0)
    for console in (operator, provider):
        for kind, key in list(console.views.entities()):
            fresh = console.views.view((kind, key))
            if fresh is None or (kind, key) not in console.shown:
                assert kind == "node", f"nobody was told of {kind} {key.hex()[:8]}"
                continue
            assert as_expected(kind, console.shown[kind, key]) == as_expected(kind, fresh)


def test_a_state_survives_the_wire_and_every_view_is_of_its_kind() -> None:
    world, operator, _ = started("wire")
    submit(world, shards=2)
    run(world, [operator], 3.0)
    state = operator.state()
    assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state
    for kind, key in operator.views.entities():
        assert isinstance(operator.views.view((kind, key)), VIEWS[kind])


def test_a_settled_job_shows_its_auction_its_attempt_and_its_certificate() -> None:
    world, operator, provider = started("settled")
    submit(world, shards=2)
    run(world, [operator, provider], 4.0)
    for console in (operator, provider):
        job = console.job("q1.1")
        assert (job.state, job.epoch, job.executions, job.rescued) == ("settled", 1, 1, False)
        assert len(job.votes) >= job.quorum == 4
        assert job.holder == job.attempts[0].holder == job.auction.ranking[0]
        assert [attempt.outcome for attempt in job.attempts] == ["settled"]
        assert job.submitted_ms <= job.auction.closed_ms <= job.attempts[0].leased_ms <= job.settled_ms
        bids = {bid.peer: bid for bid in job.auction.bids}
        assert [bids[peer].rank for peer in job.auction.ranking] == list(range(1, 7))
        scores = [bids[peer].score for peer in job.auction.ranking]
        assert scores == sorted(scores)
        assert bids[job.holder].price_micro == job.price_micro
        assert abs(sum(bids[job.holder].parts.values()) - bids[job.holder].score) < 1e-9
    assert operator.job("q1.1").accepted_ms > 0
    assert operator.job("q1.1").text.startswith("words ")


def test_the_ranking_of_an_open_job_is_the_same_after_a_restart_of_its_submitter() -> None:
    world, operator, provider = started("reopened", appetite=Appetite(shortest_s=60.0, longest_s=60.0))
    submit(world, shards=2)
    run(world, [operator, provider], 1.0)
    before = operator.job("q1.1").auction
    world.crash(OPERATOR)
    run(world, [provider], 1.0)
    world.start(OPERATOR)
    run(world, [operator, provider], 3.0)
    job = operator.job("q1.1")
    assert job.state == "leased"
    assert len(before.bids) == 6 and not any(bid.refused for bid in before.bids)
    assert ranked(job.auction) == ranked(before)


def ranked(auction: AuctionView) -> list[BidView]:
    return sorted(auction.bids, key=lambda bid: bid.rank)


def test_a_job_shows_what_it_tolerates() -> None:
    world, operator, _ = started("tolerance")
    world.submit(OPERATOR, "why?", [1], JobOptions(fault_bound=1, submitter_weight=2), "byzantine")
    world.submit(OPERATOR, "why?", [1], JobOptions(), "plain")
    shown = {job.label: job.tolerance for job in operator.state().jobs}
    assert shown["plain.1"] == ToleranceView(
        6, 3, 2, 0, [seat.hex() for seat in members_of(operator, "plain.1")]
    )
    assert shown["byzantine.1"] == ToleranceView(6, 3, 1, 1, [world.hosts[OPERATOR].peer.hex()])


def test_a_time_that_cannot_be_is_not_told() -> None:
    world, operator, _ = started("times")
    submit(world, shards=1)
    run(world, [operator], 4.0)
    about = About("node", "provider", "local", "0", True, True, 6, "corpus", True)
    at = operator.wall_ms()
    for wall_ms, known in ((at, True), (at - AHEAD_MS - 60_000, False)):
        views = NodeViews(
            operator.node, about, operator.now, lambda wall_ms=wall_ms: wall_ms, lambda: "", lambda: ""
        )
        views.restored()
        state = views.state(1, {})
        job = next(job for job in state.jobs if job.label == "q1.1")
        times = [job.submitted_ms, job.settled_ms, job.auction.opened_ms, job.auction.closed_ms]
        times += [job.attempts[0].leased_ms, job.attempts[0].started_ms]
        times += [record.at_ms for record in state.records]
        assert len(times) > 6
        assert all((0 < time <= at) == known for time in times)
        assert known or not any(times)


def test_whatever_a_record_says_its_time_is_a_date() -> None:
    for written in (-(2**63), -1, 2**53, 2**63 - 1):
        assert told_ms(written, 1_767_268_800_000.0) == 0.0
    assert told_ms(1_767_268_800_000, 1_767_268_799_000.0) == 1_767_268_800_000.0


def test_a_record_of_every_kind_says_what_it_is() -> None:
    people = People()
    alice, bob = people.providers[:2]
    job = people.submitter.record("job", people.job())
    finding = st.Finding(bytes(32), bytes(32), bytes(32), (alice.peer,))
    records = {
        "job": job,
        "award": people.submitter.record("award", st.Award(job.hash, (), (bob.peer,))),
        "lease": bob.record("lease", people.lease(job.hash, bob, people.providers)),
        "settle": bob.record("settle", people.settlement(job.hash, people.value(bob), people.providers)),
        "equivocation": alice.record("equivocation", st.Equivocation("promise", b"", b"")),
        "checkpoint": alice.record("checkpoint", st.Checkpoint(3, 1, True, finding)),
    }
    assert set(records) == set(BODIES)
    world = World(Setup(seed="kinds", keys=people.vault))
    console = Console(world, "node1")
    world.start()
    world.run_for(0.5)
    records["tomorrow"] = alice.record("a kind of tomorrow", "")
    summaries = {}
    for kind, record in records.items():
        console.node.ledger.add(record)
        shown = console.views.view(("record", record.hash))
        assert isinstance(shown, RecordView)
        summaries[kind] = shown.summary
    assert summaries.pop("tomorrow") == "of a kind that this version does not know"
    assert "of a kind that this version does not know" not in summaries.values()
    assert summaries["checkpoint"] == "precommits height 3 in round 1"


def members_of(console: Console, label: str) -> list[bytes]:
    job = next(job.job for job in console.node.ledger.jobs.values() if job.job.label == label)
    return [seat.peer for seat in job.committee]


def test_a_running_job_counts_down_its_lease_and_its_member_holds_it() -> None:
    world, operator, _ = started("running", appetite=Appetite(30.0, 30.0))
    submit(world, shards=1)
    run(world, [operator], 1.0)
    job = operator.job("q1.1")
    assert job.state == "leased"
    assert 0 < job.lease_left_ms <= job.lease_ms == 2000
    assert [attempt.outcome for attempt in job.attempts] == ["running"]
    holder = next(member for member in operator.state().members if member.peer == job.holder)
    assert holder.leases == 1
    assert operator.query().running == 1


def test_a_rescued_job_tells_both_attempts() -> None:
    world, operator, provider = started("rescue", appetite=Appetite(1.0, 1.0))
    submit(world, shards=6)
    run(world, [operator], 0.4)
    victim = next(job for job in operator.state().jobs if job.holder != provider.node.peer.hex())
    name = next(member.name for member in operator.state().members if member.peer == victim.holder)
    world.kill(name)
    run(world, [operator], 6.0)
    job = operator.job(victim.label)
    assert job.state == "settled"
    assert job.rescued
    assert [attempt.outcome for attempt in job.attempts] == ["lost", "settled"]
    assert job.attempts[0].holder == victim.holder != job.holder
    assert operator.member(name).state == "dead"
    assert operator.member(name).accusers
    assert operator.state().counters.rescued >= 1


def test_no_more_opened_answers_are_kept_than_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "ANSWERS_KEPT", 3)
    _, operator, _ = started("answers")
    monkeypatch.setattr(operator.node.queries, "opened", lambda _: b"none")
    for number in range(10):
        job = bytes([number])
        assert operator.views._answer_of(job) is operator.views._answer_of(job) is not None
    assert list(operator.views._answers) == [b"\x07", b"\x08", b"\x09"]


def test_what_is_remembered_of_jobs_is_bounded() -> None:
    memories = Memories()
    for epoch in range(1, 10_000):
        progress = {"job": b"j", "epoch": epoch, "tokens": 1, "text": "x" * 100}
        memories.observe("execution_progress", progress, 1.0)
    memory = memories.of(b"j")
    assert list(memory.attempts) == list(range(10_000 - ATTEMPTS_MAX, 10_000))
    for _ in range(100):
        memories.observe("execution_progress", progress, 1.0)
    assert len(memories.of(b"j").text) == TEXT_CHARS_MAX
    for number in range(MEMORIES_MAX + 5):
        memories.observe("job_accepted", {"job": b"%d" % number}, 1.0)
    assert memories.of(b"j").attempts == {}
    assert memories.of(b"5").accepted_ms == 1.0


def test_a_query_runs_and_is_answered_and_the_counters_say_so() -> None:
    world, operator, provider = started("query")
    submit(world)
    run(world, [operator, provider], 0.2)
    assert (operator.query().state, operator.query().total) == ("running", 6)
    run(world, [operator, provider], 6.0)
    query = operator.query()
    assert (query.state, query.settled, query.running) == ("answered", 6, 0)
    assert query.combine
    assert query.finished_ms > query.submitted_ms
    for console in (operator, provider):
        assert console.state().counters == Counters(7, 7, 0, 0, 7, 0)
    assert provider.state().queries == []


def test_an_answer_is_shown_with_its_passages_and_garbage_with_a_reason() -> None:
    world, operator, _ = started("answer")
    query_id = submit(world, shards=1)
    run(world, [operator], 5.0)
    query = operator.node.queries.queries[query_id]
    assert operator.query().answer is not None
    assert operator.query().answer.notes  # the simulated result is not an answer
    operator.views._answers.clear()
    answer = Answer(1, "because", "search", (CitedPassage(0, "a.txt", "a span"),), ("one note",))
    query.results[query.state.combine] = encode_answer(answer)
    shown = operator.query().answer
    assert shown is not None
    assert (shown.text, shown.backend, shown.notes) == ("because", "search", ["one note"])
    assert [(one.shard, one.source, one.text) for one in shown.passages] == [(0, "a.txt", "a span")]


def test_every_opened_result_is_shown_with_its_maker_also_after_a_restart() -> None:
    world, operator, provider = started("opened")
    submit(world, shards=2)
    run(world, [operator, provider], 5.0)
    before = operator.state().answers
    query, jobs = operator.query(), operator.state().jobs
    assert {one.job for one in before} == {*query.jobs, query.combine}
    assert {(one.job, one.maker) for one in before} == {(job.job, job.holder) for job in jobs}
    assert provider.state().answers == []
    world.crash(OPERATOR)
    run(world, [provider], 1.0)
    world.start(OPERATOR)
    world.run_while(lambda: operator.host.node is None, limit_s=5.0)
    assert operator.state().answers == before


def test_replicas_that_agree_show_equal_roots() -> None:
    world, operator, provider = started("replicas")
    submit(world)
    run(world, [operator, provider], 8.0)
    mine, theirs = operator.state().replica, provider.state().replica
    assert mine.root == theirs.root
    assert mine.heads == theirs.heads
    assert mine.missing == 0
    assert mine.others[provider.node.peer.hex()] == mine.root


def test_the_ledger_tail_is_there_again_after_a_restart() -> None:
    world, operator, provider = started("restart")
    submit(world, shards=2)
    run(world, [operator, provider], 4.0)
    before = [record.hash for record in provider.state().records]
    world.crash("node1")
    run(world, [operator], 1.0)
    world.start("node1")
    world.run_while(lambda: provider.host.node is None, limit_s=5.0)
    provider.views.restored()
    assert set(before) <= {record.hash for record in provider.state().records}
    assert any("epoch 1 to" in record.summary for record in provider.state().records)


def test_a_statement_of_a_later_start_of_its_own_key_is_named() -> None:
    world, operator, _ = started("copy")
    assert operator.views.node().problem == ""
    later = world.hosts[OPERATOR].node.membership._own
    later.outbid(7 << 20)
    assert operator.views.node().problem.startswith(
        "start 7 of this key has been seen, this is start 1: another participant"
    )


def test_a_node_shows_from_whom_it_is_cut_off() -> None:
    world, operator, _ = started("cut")
    hidden = world.hosts["node2"].peer
    world.step(OPERATOR, Partition(frozenset({hidden})))
    run(world, [operator], 0.2)
    assert operator.state().node.partitioned_from == [hidden.hex()]


def test_what_a_death_may_change_is_listed_only_for_whoever_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    world, operator, _ = started("unwatched", appetite=Appetite(30.0, 30.0))
    submit(world, shards=2)
    run(world, [operator], 1.0)
    walked: list[str] = []
    shown_jobs = operator.views._shown_jobs
    monkeypatch.setattr(operator.views, "_shown_jobs", lambda: walked.append("jobs") or shown_jobs())
    affected = list(operator.views.affected("member_dead", {"peer": world.hosts["node1"].peer}))
    assert not walked
    members = [member for entity in affected if isinstance(member := operator.views.view(entity), tuple)]
    open_jobs = operator.node.ledger.open_jobs
    assert members == [tuple(("job", job) for job in open_jobs)] and len(open_jobs) == 2


@pytest.mark.parametrize("kind", sorted(set(VIEWS)))
def test_an_entity_nobody_knows_has_no_view(kind: str) -> None:
    _, operator, _ = started("nobody", providers=1)
    view = operator.views.view((kind, b"\xff" * 32))
    assert (view is None) == (kind not in {"node", "replica"})


def test_of_strangers_jobs_a_few_are_shown_however_many_they_sign() -> None:
    people = People()
    world = World(Setup(seed="crowd", keys=people.vault))
    console = Console(world, "node1")
    world.start()
    world.run_for(1.0)
    world.submit(OPERATOR, "why?", [1, 2], JobOptions(), "q1")
    stranger = people.person("stranger")
    committee = tuple(st.Seat(one.peer, 1) for one in [*people.providers, stranger])
    for number in range(3 * view.STRANGERS_JOBS_SHOWN):
        console.node.ledger.add(stranger.record("job", people.job(label=f"s{number}", committee=committee)))
    world.run_for(3.0)
    labels = [job.label for job in console.views.state(0, {}).jobs]
    assert sum(label.startswith("s") for label in labels) == view.STRANGERS_JOBS_SHOWN
    assert {"q1.1", "q1.2", "q1.c"} <= set(labels)
