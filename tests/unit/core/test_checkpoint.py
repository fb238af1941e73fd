"""Who may make a replica forget: nobody against its own records, and of strangers to it nobody at all."""

import pytest
from msgspec import structs

from mesh_core import config
from mesh_core.checkpoint.look import look_at
from mesh_core.checkpoint.marks import Marks
from mesh_core.checkpoint.snapshot import Cut, encoded
from mesh_core.checkpoint.taking import snapshot_at
from mesh_core.config import limit
from mesh_core.effects import Effect, JobOptions, Notify, Send, Tick
from mesh_core.identity.statement import digest, sign
from mesh_core.ledger.chain import AuthorChain, Base
from mesh_core.ledger.record import make_record, read_record
from mesh_core.node import Node
from mesh_core.simulation.workload import QUICK, Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import statements as st
from mesh_core.wire.messages import AcceptRequest, BlobChunk, FetchRecords, LockRequest, Prevoted, Truncated
from tests.unit.core.electing import RETAINED, ask, earners, node_of, refuse_record
from tests.unit.core.people import People


def mesh(queries: int, retained: int = RETAINED) -> World:
    """Six providers that have answered some questions."""
    world = World(Setup("checkpoints", retained_records=retained))
    world.start()
    world.run_for(2.0)
    for number in range(queries):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    return world


def signed_by(world: World, names: list[str], body: st.Checkpoint) -> tuple[bytes, ...]:
    """What these keys would say next, whether they hold it for true or not."""
    records = []
    for name in names:
        host = world.hosts[name]
        chain = node_of(world, "node1").ledger.chains.authors.get(host.peer, AuthorChain())
        place = (chain.head_seq + 1, chain.head_hash, 0, "checkpoint", body)
        records.append(make_record(world.keys.crypto(name), "local", host.peer, *place))
    return tuple(records)


def told(effects: list[Effect], kind: str) -> bool:
    return any(isinstance(effect, Notify) and effect.kind == kind for effect in effects)


def sends(effects: list[Effect], to: bytes) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send) and effect.to == to]


def offers(effects: list[Effect], to: bytes) -> list[Send]:
    return [send for send in sends(effects, to) if isinstance(send.message, Truncated)]


def offered(node: Node, to: bytes) -> list[Send]:
    """What a node tells a peer that lacks what is dropped here."""
    node.checkpoints.catch_up.offer(node.context.now + 10.0, to)
    return offers(node.step(node.context.now, Tick()), to)


def a_cut(node: Node) -> Cut:
    """Everything that a node holds."""
    chains = node.ledger.chains.authors
    return Cut.of({author: type(held.base)(held.head_seq, held.head_hash) for author, held in chains.items()})


def test_records_of_decided_jobs_are_dropped_everywhere_and_the_root_stays() -> None:
    world = mesh(12)
    nodes = [node_of(world, name) for name in world.hosts]
    assert len({node.ledger.state_root() for node in nodes}) == 1
    for host in world.hosts.values():
        assert host.node is not None
        assert host.node.ledger.collapsed >= 36
        assert len(host.disk.statements) < 4 * RETAINED
        assert len(host.node.ledger.jobs) < 4 * RETAINED / 4
        assert {job for job, _, _ in host.disk.votes} <= host.node.ledger.jobs.keys()
    assert all(
        query.finished and not query.failed for query in node_of(world, OPERATOR).queries.queries.values()
    )


def test_a_mesh_that_is_asked_nothing_checkpoints_nothing() -> None:
    world = mesh(8)
    world.run_for(10.0)
    records = len(node_of(world, "node1").ledger.chains)
    world.run_for(60.0)
    assert len(node_of(world, "node1").ledger.chains) == records


def a_finding(node: Node, cut: bytes = digest(b"cut")) -> st.Finding:
    """What is not so."""
    return st.Finding(cut, digest(b"snapshot"), bytes(32), node.checkpoints.electors)


def precommits(node: Node, height: int = 1) -> st.Checkpoint:
    return st.Checkpoint(height, 0, True, a_finding(node))


def hear(victim: Node, world: World, records: tuple[bytes, ...]) -> list[Effect]:
    """Let records come, and what follows of it."""
    effects: list[Effect] = []
    for signed in records:
        victim.replication.ingest(victim.context.now, world.hosts["node2"].peer, signed)
        effects += victim.step(victim.context.now, Tick())
    return effects


def test_the_word_of_keys_that_are_no_electors_is_worth_nothing() -> None:
    world = mesh(1, retained=4096)
    for name in ("node7", "node8", "node9", "node10"):
        world.join(name)
    world.run_for(3.0)
    names = ["node7", "node8", "node9", "node10"]
    for number, name in enumerate(names):
        world.submit(name, "why?", [1], JobOptions(), f"s{number}")
    world.run_for(2.0)
    victim = node_of(world, "node1")
    records = signed_by(world, names, precommits(victim, 5))
    victim.checkpoints.catch_up.on_truncated(
        victim.context.now, world.hosts["node7"].peer, Truncated(records)
    )
    assert victim.context.dropped["bad_checkpoint"] == 1 and len(victim.blobs) == 0


def test_the_word_of_few_electors_is_not_enough() -> None:
    world = mesh(1, retained=4096)
    victim = node_of(world, "node1")
    records = signed_by(world, ["node2", "node3", "node4"], precommits(victim, 5))
    victim.checkpoints.catch_up.on_truncated(
        victim.context.now, world.hosts["node2"].peer, Truncated(records)
    )
    assert victim.context.dropped["bad_checkpoint"] == 1


def test_what_electors_only_prevote_for_is_no_checkpoint() -> None:
    world = mesh(1, retained=4096)
    victim = node_of(world, "node1")
    prevoted = st.Checkpoint(5, 0, False, a_finding(victim))
    records = signed_by(world, ["node2", "node3", "node4", "node5"], prevoted)
    victim.checkpoints.catch_up.on_truncated(
        victim.context.now, world.hosts["node2"].peer, Truncated(records)
    )
    assert victim.context.dropped["bad_checkpoint"] == 1


def test_a_certificate_that_carries_anything_else_beside_its_votes_is_none() -> None:
    """Whoever took it would hand it on, and everybody would read records that nobody has looked at."""
    world = mesh(0)
    world.crash("node1")
    for number in range(12):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    teller = node_of(world, "node2")
    (truncated,) = [one.message for one in offered(teller, world.hosts["node1"].peer)]
    world.split([["node1"], [name for name in world.hosts if name != "node1"]])
    world.start("node1")
    world.run_for(2.0)
    victim, key = node_of(world, "node1"), world.keys.key("stranger")
    foreign = make_record(world.keys.crypto("stranger"), "local", key, 1, bytes(32), 0, "note", "x")
    for extra in (foreign, truncated.checkpoints[0]):
        altered = structs.replace(truncated, checkpoints=(*truncated.checkpoints, extra))
        victim.checkpoints.catch_up.on_truncated(victim.context.now, teller.peer, altered)
    assert victim.context.dropped["bad_checkpoint"] == 2 and len(victim.blobs) == 0
    victim.checkpoints.catch_up.on_truncated(victim.context.now, teller.peer, truncated)
    assert len(victim.blobs) == 1


def test_a_node_believes_its_own_records_more_than_all_electors() -> None:
    world = mesh(1, retained=4096)
    victim = node_of(world, "node1")
    cut = victim.blobs.put(encoded(a_cut(victim)))
    body = st.Checkpoint(1, 0, True, a_finding(victim, cut))
    root, held = victim.ledger.state_root(), len(victim.ledger.chains)
    effects = hear(victim, world, signed_by(world, ["node2", "node3", "node4", "node5"], body))
    assert told(effects, "alarm")
    assert victim.ledger.state_root() == root and len(victim.ledger.chains) == held + 4
    assert victim.ledger.collapsed == 0 and victim.checkpoints.height == 0


def test_one_vote_before_anything_is_due_postpones_nothing() -> None:
    """Rounds would pass in a mesh that is asked nothing, each longer than the one before."""
    assert questions_until_a_checkpoint(early=True) <= questions_until_a_checkpoint(early=False) + 1


def questions_until_a_checkpoint(*, early: bool) -> int:
    world = mesh(1)
    if early:
        for name in world.hosts:
            node = node_of(world, name)
            hear(node, world, signed_by(world, ["node6"], st.Checkpoint(1, 0, False, a_finding(node))))
    world.run_for(2_000.0)
    for number in range(1, 100):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"n{number}")
        world.run_for(3.0)
        if node_of(world, "node1").checkpoints.height:
            return number
    raise AssertionError("no checkpoint")


def test_an_elector_that_is_the_first_to_whom_a_checkpoint_is_due_does_not_go_through_rounds_alone() -> None:
    world = mesh(4)
    first = node_of(world, "node1")
    first.checkpoints._marks._added += 2 * RETAINED
    first.checkpoints._marks.mark()
    look_at(first.context.timers, first.context.now)
    world.run_for(1_000.0)
    votes = [
        entry.body
        for entry in first.ledger.chains.authors[first.peer].entries()
        if isinstance(entry.body, st.Checkpoint)
    ]
    assert votes and max(vote.round for vote in votes) <= 1


def test_what_binds_one_elector_is_shown_to_the_others_when_a_round_was_in_vain() -> None:
    """A liar has shown one of them its vote, and something else to the others."""
    world = mesh(1, retained=4096)
    bound, other = node_of(world, "node1"), node_of(world, "node3")
    body = st.Checkpoint(1, 0, False, a_finding(bound))
    votes = signed_by(world, ["node2", "node3", "node4", "node6"], body)
    effects = hear(bound, world, votes)
    for _ in range(10):
        effects += bound.step(bound.context.now + 1.0, Tick())
    (shown,) = {one.message for one in sends(effects, other.peer) if isinstance(one.message, Prevoted)}
    stranger = world.keys.key("stranger")
    for sender, message in (
        (stranger, shown),
        (bound.peer, Prevoted(shown.checkpoints[:3])),
        (bound.peer, Prevoted(signed_by(world, ["node2", "node4", "node5", "node6"], precommits(other)))),
    ):
        other.checkpoints.on_prevoted(other.context.now, sender, message)
        assert other.checkpoints._elector.rounds.last_prevoted(1) is None
    other.checkpoints.on_prevoted(other.context.now, bound.peer, shown)
    prevoted = other.checkpoints._elector.rounds.last_prevoted(1)
    assert prevoted is not None and prevoted.finding == body.finding


def test_whoever_votes_on_a_height_that_is_decided_is_shown_the_decision() -> None:
    """A liar's precommit may have come to one elector only: the others would vote for ever, one too few."""
    world = mesh(12)
    node, late = node_of(world, "node1"), world.hosts["node3"].peer
    height = node.checkpoints.height
    world.run_for(5.0)
    again = st.Checkpoint(height, node.checkpoints._newest.round, False, a_finding(node))
    assert height and not offers(hear(node, world, signed_by(world, ["node3"], again)), late)
    on = st.Checkpoint(height, again.round + 1, False, a_finding(node))
    assert offers(hear(node, world, signed_by(world, ["node3"], on)), late)


def test_an_elector_signs_only_what_it_finds_itself() -> None:
    world = mesh(1, retained=4096)
    elector = node_of(world, "node1")
    cut = elector.blobs.put(encoded(a_cut(elector)))
    seq = elector.ledger.chains.authors[elector.peer].head_seq
    body = st.Checkpoint(1, 0, False, a_finding(elector, cut))
    hear(elector, world, signed_by(world, ["node2", "node3", "node4", "node5"], body))
    for _ in range(100):
        elector.step(elector.context.now + 1.0, Tick())
    assert elector.ledger.chains.authors[elector.peer].head_seq == seq


def test_a_payload_that_a_lying_elector_calls_a_cut_stays() -> None:
    world = World(Setup("checkpoints", retained_records=RETAINED))
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", range(3), JobOptions(), "long")
    world.run_for(0.02)
    payload = next(iter(node_of(world, "node1").ledger.open_jobs.values())).job.payload_hash
    victims = [node_of(world, name) for name in world.hosts if name != "node6"]
    body = st.Checkpoint(1, 0, False, a_finding(victims[0], payload))
    for signed in signed_by(world, ["node6"], body):
        for victim in victims:
            victim.replication.ingest(victim.context.now, world.hosts["node6"].peer, signed)
    for number in range(8):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    world.run_for(10.0)
    assert all(victim.checkpoints.height > 0 for victim in victims)
    queries = node_of(world, OPERATOR).queries.queries.values()
    assert all(query.finished and not query.failed for query in queries)


def calls_a_cut(world: World, node: Node, data: bytes, round_: int = 0) -> str:
    """A lying elector names these bytes, which it has, as its cut; what has become of them when all has been said."""
    name = digest(data)
    body = st.Checkpoint(1, round_, False, a_finding(node, name))
    hear(node, world, signed_by(world, ["node2", "node3"], body))
    node.step(node.context.now + 10.0, Tick())
    wanted = "fetched" if len(node.blobs) else "not fetched"
    liar = world.hosts["node2"].peer
    for offset in range(0, len(data), limit("blob_chunk_bytes")):
        chunk = data[offset : offset + limit("blob_chunk_bytes")]
        node.blobs.on_chunk(node.context.now, liar, BlobChunk(name, offset, len(data), chunk))
    node.step(node.context.now + 1.0, Tick())
    kept = "kept" if name in node.blobs else "dropped"
    return f"{wanted}, {kept}"


def test_junk_that_electors_call_a_cut_does_not_stay_and_is_not_fetched_again() -> None:
    world = mesh(1, retained=4096)
    node = node_of(world, "node1")
    assert calls_a_cut(world, node, b"junk") == "fetched, dropped"
    assert calls_a_cut(world, node, b"junk", 7) == "not fetched, dropped"


def test_what_is_larger_than_any_cut_is_not_fetched_to_its_end() -> None:
    world = mesh(1, retained=4096)
    node = node_of(world, "node1")
    assert calls_a_cut(world, node, bytes(limit("cut_bytes_max") + 1)) == "fetched, dropped"
    assert node.context.dropped["blob_too_large"] == 1


@pytest.mark.parametrize("where", ["electors", "names", "elsewhere"])
def test_a_vote_that_is_too_large_to_be_proven_a_lie_is_no_vote(where: str) -> None:
    world = mesh(0)
    node, finding = node_of(world, "node1"), a_finding(node_of(world, "node1"))
    if where == "electors":
        finding = structs.replace(finding, electors=(*finding.electors, bytes(17_000)))
    elif where == "names":
        finding = structs.replace(finding, snapshot=bytes(33))
    body: object = st.Checkpoint(1, 0, False, finding)
    if where == "elsewhere":
        body = [*structs.astuple(st.Checkpoint(1, 0, False, finding)), bytes(17_000)]
    place = (1, bytes(32), 0, "checkpoint", body)
    vote = read_record(make_record(world.keys.crypto("node6"), "local", world.hosts["node6"].peer, *place))
    assert vote.body is None
    sound = st.Checkpoint(1, 0, False, a_finding(node))
    assert read_record(signed_by(world, ["node6"], sound)[0]).body == sound


def test_a_blob_that_was_here_before_is_not_dropped_although_it_is_a_cut() -> None:
    world = mesh(0)
    node = node_of(world, "node1")
    mine = node.blobs.put(encoded(a_cut(node)))
    hear(node, world, signed_by(world, ["node2"], st.Checkpoint(1, 0, False, a_finding(node, mine))))
    for number in range(9):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    assert node.checkpoints.height > 0 and mine in node.blobs


@pytest.mark.parametrize("number", [(1 << 52), (1 << 53) - 1, 1 << 62])
def test_absurd_heights_and_rounds_of_one_elector_stop_nobody(number: int) -> None:
    world = mesh(0)
    for name in ("node1", "node2", "node3"):
        node = node_of(world, name)
        votes = [
            st.Checkpoint(number, 0, True, a_finding(node)),
            st.Checkpoint(1, number, False, a_finding(node)),
            st.Checkpoint(1, number, True, a_finding(node)),
        ]
        for body in votes:
            hear(node, world, signed_by(world, ["node6"], body))
    for index in range(8):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{index}")
        world.run_for(2.0)
    assert all(node_of(world, name).checkpoints.height > 0 for name in world.hosts)


def test_jobs_of_strangers_end_with_the_cut_that_covers_them() -> None:
    """They could stay open for ever: nobody runs them, and their submitter may be gone."""
    world = mesh(0)
    world.join("guest")
    world.run_for(2.0)
    world.submit("guest", "why?", [1, 2], JobOptions(), "s1")
    world.run_for(1.0)
    world.kill("guest")
    nodes = [node_of(world, name) for name in world.hosts if name != "guest"]
    assert all(len(node.ledger.open_jobs) == 2 for node in nodes)
    for number in range(12):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    guest = world.hosts["guest"].peer
    for node in nodes:
        assert not node.ledger.open_jobs and guest not in node.ledger.accounts
        assert node.ledger.chains.is_closed(guest, 1)
    assert len({node.ledger.state_root() for node in nodes}) == 1


def earning_mesh(appetite: Appetite = QUICK) -> tuple[World, str]:
    """Six providers without credit that have answered some questions, and the one that has earned most."""
    world = earners("earning", appetite)
    ask(world, 14)
    node = node_of(world, OPERATOR)
    providers = [name for name in world.hosts if name != OPERATOR]
    return world, max(providers, key=lambda name: node.credit.funds_micro(world.hosts[name].peer))


def test_what_a_provider_has_spent_of_its_earnings_stays_spent_and_stays_earned() -> None:
    world, name = earning_mesh()
    peer, node = world.hosts[name].peer, node_of(world, OPERATOR)
    world.submit(name, "why?", range(2), JobOptions(max_price_micro=12_000), "own")
    world.run_for(4.0)
    spent, funds = node.ledger.account(peer).spent_micro, node.credit.funds_micro(peer)
    earned = {one: account.earned_micro.get(peer, 0) for one, account in node.ledger.accounts.items()}
    assert spent > 0 and sum(earned.values()) == spent
    height = node.checkpoints.height
    ask(world, 12)
    assert node.checkpoints.height >= height + 2
    for host in world.hosts:
        ledger = node_of(world, host).ledger
        assert ledger.account(peer).spent_micro == spent
        assert {one: ledger.account(one).earned_micro.get(peer, 0) for one in earned} == earned
    assert 0 <= node.credit.funds_micro(peer) - funds < 12 * 3 * 12_000


def test_a_question_that_a_provider_pays_with_its_earnings_is_not_ended_by_a_cut_while_it_runs() -> None:
    world, name = earning_mesh(Appetite(6.0, 8.0))
    world.run_for(20.0)
    height = node_of(world, OPERATOR).checkpoints.height
    world.submit(name, "why?", [0], JobOptions(max_price_micro=12_000), "own")
    world.run_for(1.0)
    (auction,) = node_of(world, name).auctioneer.auctions.values()
    assert auction.accepted
    ask(world, 25, 0.3)
    world.run_for(40.0)
    assert node_of(world, OPERATOR).checkpoints.height >= height + 2
    (query,) = node_of(world, name).queries.queries.values()
    assert query.finished and not query.failed


def test_an_elector_agrees_to_no_cut_that_would_forget_a_job_it_has_taken_in_or_that_was_paid() -> None:
    """The payment that lets its submitter spend may stand above the cut."""
    world, name = earning_mesh(Appetite(6.0, 8.0))
    world.run_for(20.0)
    world.submit(name, "why?", [0], JobOptions(max_price_micro=12_000), "own")
    world.run_for(1.0)
    elector, key = node_of(world, "node2" if name == "node1" else "node1"), world.hosts[name].peer

    def forgotten(*trusted: bytes) -> list[str]:
        cut = structs.replace(a_cut(elector), trusted=trusted)
        found = elector.checkpoints.findings.compute(cut)
        assert found is not None
        jobs = map(elector.ledger.jobs.__getitem__, elector.checkpoints._proposals._forgotten(found))
        return sorted(job.job.label for job in jobs if job.submitter == key)

    assert forgotten() == ["own.1"] and forgotten(world.hosts[OPERATOR].peer) == []
    world.run_for(40.0)
    assert node_of(world, name).queries.queries.popitem()[1].finished
    assert forgotten() == ["own.1", "own.c"] and forgotten(world.hosts[OPERATOR].peer) == []


def test_what_a_provider_owes_for_a_job_is_not_forgotten_although_it_has_too_many_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was open at the cut and is decided above it: a snapshot that did not keep it would let it go unpaid."""
    monkeypatch.setitem(config._LIMIT, "earner_jobs_max", 0)
    people = People()
    ledger = people.ledger()
    earner, holder = people.providers[:2]
    work = people.submitter.record("job", people.job())
    paid = earner.record("settle", people.settlement(work.hash, people.value(earner), people.providers[:4]))
    own = earner.record("job", people.job(label="own"))
    settle = holder.record("settle", people.settlement(own.hash, people.value(holder), people.providers[:4]))
    for entry in (work, paid, own, settle):
        ledger.add(entry)
    trusted = (people.submitter.peer,)
    marks = Marks(ledger, 4, lambda peer: True, lambda peer: peer in trusted)
    bases = {work.author: Base(1, work.hash), own.author: Base(2, own.hash)}
    assert marks.beyond(bases) == (settle.hash,)
    forgetful = snapshot_at(ledger, None, Cut.of(bases, trusted))
    snapshot = snapshot_at(ledger, None, Cut.of(bases, trusted, marks.beyond(bases)))
    assert forgetful is not None and snapshot is not None
    assert forgetful.opened_accounts()[earner.peer].spent_micro == 0 and not forgetful.open_jobs()
    assert snapshot.opened_accounts()[earner.peer].spent_micro == 10_000


# ----------------------------------------------------------------------- what cannot be covered for long


def held_open_for_nothing(node: Node) -> int:
    """Jobs that are decided, and of which the snapshot keeps the records because it does not know."""
    snapshot = node.checkpoints._newest.read()
    assert snapshot is not None
    kept = [read_record(signed).hash for signed in snapshot.records]
    return sum(name in node.ledger.jobs and node.ledger.jobs[name].final for name in kept)


def goes_on_without(world: World, name: str, count: int = 30) -> int:
    """After many more questions nothing is held back, and all come to the same, also who starts again and who is new;
    returns how many decided jobs were apart at most."""
    apart = 0
    for _ in range(count):
        ask(world, 1)
        apart = max(apart, len(node_of(world, OPERATOR).ledger.apart))
    world.join("late")
    world.crash("node1" if name != "node1" else "node2")
    world.run_for(1.0)
    world.start()
    world.run_for(6.0)
    nodes = [node_of(world, other) for other in world.hosts if world.hosts[other].up]
    assert len({node.ledger.state_root() for node in nodes}) == 1
    for node in nodes:
        assert node.checkpoints.height >= 10 and held_open_for_nothing(node) <= 8
        assert sum(len(held.chain) for held in node.ledger.chains.authors.values()) < 4 * RETAINED
        assert not node.ledger.apart & node.ledger.jobs.keys()
    return apart


def own_jobs(world: World, name: str, count: int) -> int:
    """Let a provider ask something, paid with what it has earned, and the others work on it; what it has spent then."""
    for number in range(count):
        world.submit(name, "why?", [number], JobOptions(max_price_micro=12_000), f"own {number}")
        world.run_for(0.6)
    return node_of(world, OPERATOR).ledger.account(world.hosts[name].peer).spent_micro


def test_a_provider_that_forks_its_chain_below_its_jobs_holds_nobody_back() -> None:
    """What others have written about these jobs would stay for ever, then what was written about others' jobs behind that."""
    world, name = earning_mesh()
    key, crypto = world.hosts[name].peer, world.keys.crypto(name)
    chain = node_of(world, OPERATOR).ledger.chains.authors[key]
    place = (chain.head_seq + 1, chain.head_hash)
    spent = own_jobs(world, name, 4)
    forged = make_record(crypto, "local", key, *place, 0, "note", "other")
    for other in world.hosts:
        if other != name:
            node = node_of(world, other)
            node.replication.ingest(node.context.now, node.peer, forged)
    world.run_for(1.0)
    world.kill(name)
    assert goes_on_without(world, name) > 1
    assert node_of(world, "late").ledger.account(key).spent_micro >= spent > 0


def test_a_provider_that_keeps_a_record_to_itself_holds_nobody_back() -> None:
    """What it writes then stands behind a gap, and nobody can prove anything."""
    world, name = earning_mesh()
    key = world.hosts[name].peer
    hidden = node_of(world, name).replication.make("note", "hidden")
    for other in world.hosts:
        if other != name:
            node = node_of(world, other)
            refuse_record(node, hidden.hash)
    spent = own_jobs(world, name, 4)
    chain = node_of(world, OPERATOR).ledger.chains.authors[key]
    assert chain.extras and chain.forked_at is None
    world.kill(name)
    assert goes_on_without(world, name) > 1
    assert node_of(world, "late").ledger.account(key).spent_micro >= spent > 0


def test_a_record_that_a_cut_names_is_fetched_from_those_who_vote_for_it() -> None:
    """Its author may be one of whom nobody compares what stands beyond a fork."""
    world = mesh(1, retained=4096)
    node = node_of(world, "node1")
    cut = structs.replace(a_cut(node), beyond=(digest(b"some record"),))
    body = st.Checkpoint(1, 0, False, a_finding(node, node.blobs.put(encoded(cut))))
    effects = hear(node, world, signed_by(world, ["node2", "node3"], body))
    for _ in range(4):
        effects += node.step(node.context.now + 1.0, Tick())
    asked = {send.to for send in effects if isinstance(send, Send) and isinstance(send.message, FetchRecords)}
    assert asked and asked <= {world.hosts["node2"].peer, world.hosts["node3"].peer}


def test_open_jobs_of_a_provider_beyond_what_a_snapshot_keeps_end_and_hold_nobody_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They would stay open for ever, and what it does for others stands behind them."""
    monkeypatch.setitem(config._LIMIT, "earner_jobs_max", 1)
    world, name = earning_mesh()
    node, key = node_of(world, name), world.hosts[name].peer
    seats = tuple(st.Seat(world.keys.key(f"nobody{number}"), 1) for number in range(6))
    own = next(job.job for job in node.ledger.jobs.values())
    for number in range(3):
        sham = structs.replace(own, label=f"sham {number}", committee=(*seats, st.Seat(key, 1)))
        node.replication.append(node.context.now, "job", sham)
    world.run_for(1.0)
    assert len(node_of(world, OPERATOR).ledger.open_jobs) == 3
    for _ in range(20):
        ask(world, 1)
    for other in world.hosts:
        held = node_of(world, other)
        assert held.checkpoints.height >= 10 and held_open_for_nothing(held) <= 8
        assert [job.job.label for job in held.ledger.open_jobs.values()] == ["sham 0"]
        assert held.ledger.chains.is_closed(key, held.ledger.chains.authors[key].head_seq - RETAINED)


def test_a_job_that_an_elector_has_taken_in_is_left_out_of_a_cut_that_would_end_it_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a committee that its submitter has invented but for one seat nobody ever decides it."""
    world, name = earning_mesh()
    monkeypatch.setitem(config._LIMIT, "earner_jobs_max", 0)
    node, key = node_of(world, name), world.hosts[name].peer
    seats = tuple(st.Seat(world.keys.key(f"nobody{number}"), 1) for number in range(6))
    own = next(job.job for job in node.ledger.jobs.values())
    sham = structs.replace(own, label="sham", committee=(*seats, st.Seat(key, 1)))
    name_of_it = node.replication.append(node.context.now, "job", sham).hash
    world.run_for(1.0)
    nodes = [node_of(world, host) for host in world.hosts]
    for one in nodes:
        one.admission.take(one.ledger.jobs[name_of_it])
    height = nodes[0].checkpoints.height
    ask(world, 3)
    assert all(one.checkpoints.height > height and name_of_it in one.ledger.open_jobs for one in nodes)
    ask(world, 20)
    assert all(name_of_it not in one.ledger.jobs and name_of_it not in one.admission for one in nodes)


def test_newcomers_that_have_worked_become_electors_and_who_is_gone_ceases_to_be_one() -> None:
    world = World(Setup("growing", providers=4, retained_records=RETAINED))
    world.start()
    world.run_for(2.0)
    names = ["node5", "node6", "node7", "node8"]
    for name in names:
        world.join(name)
    world.run_for(1.0)

    def ask(first: int, count: int) -> None:
        for number in range(first, first + count):
            world.submit(OPERATOR, "why?", range(6), JobOptions(), f"q{number}")
            world.run_for(2.0)

    ask(0, 14)
    electors = set(node_of(world, OPERATOR).checkpoints.electors)
    assert len(electors) > 4 and electors & {world.hosts[name].peer for name in names}
    gone = [name for name in ("node1", "node2") if world.hosts[name].peer in electors]
    for name in gone:
        world.kill(name)
        ask(20 + 20 * gone.index(name), 14)
    left = node_of(world, OPERATOR).checkpoints
    assert not {world.hosts[name].peer for name in gone} & set(left.electors)
    held = {len(node_of(world, name).ledger.chains) for name in world.hosts if name not in gone}
    assert max(held) < 6 * RETAINED


def test_who_knows_only_the_first_electors_follows_them_to_those_of_today() -> None:
    """A newcomer's configuration names electors of long ago, of whom none is left."""
    world = World(Setup("growing", providers=4, retained_records=RETAINED))
    world.start()
    world.run_for(2.0)
    for number in range(5, 9):
        world.join(f"node{number}")
    world.run_for(1.0)
    number = 0
    for name in ("", "node1", "node2", "node3", "node4"):
        if name:
            world.kill(name)
        for _ in range(14):
            number += 1
            world.submit(OPERATOR, "why?", range(6), JobOptions(), f"q{number}")
            world.run_for(2.0)
    first = {world.hosts[f"node{number}"].peer for number in range(1, 5)}
    assert not first & set(node_of(world, OPERATOR).checkpoints.electors)
    world.join("late")
    world.run_for(5.0)
    late, operator = node_of(world, "late"), node_of(world, OPERATOR)
    assert late.checkpoints.height == operator.checkpoints.height
    assert late.ledger.state_root() == operator.ledger.state_root()
    world.crash("late")
    world.run_for(1.0)
    world.start("late")
    world.run_for(5.0)
    assert node_of(world, "late").checkpoints.electors == operator.checkpoints.electors


def test_a_job_of_long_ago_that_is_shown_again_is_neither_stored_nor_promised() -> None:
    world = mesh(1, retained=RETAINED)
    node = node_of(world, "node1")
    first = next(iter(node.ledger.jobs.values())).entry
    for number in range(1, 10):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    assert first.hash not in node.ledger.jobs and node.ledger.chains.is_closed(first.author, first.seq)
    held, paid = len(node.ledger.jobs), node.ledger.state_root()
    node.replication.ingest(node.context.now, world.hosts["node2"].peer, first.signed)
    assert node.context.dropped["record_covered"] == 1
    assert (len(node.ledger.jobs), node.ledger.state_root()) == (held, paid)


def test_a_submitter_that_was_away_gets_answers_that_the_others_have_collapsed() -> None:
    world = mesh(2)
    world.submit(OPERATOR, "why?", range(3), JobOptions(), "late")
    world.run_for(0.05)
    world.crash(OPERATOR)
    world.run_for(3.0)
    for number in range(20):
        world.submit("node1", "why?", range(3), JobOptions(), f"n{number}")
        world.run_for(2.0)
    others = node_of(world, "node2").ledger
    late = [
        job
        for job in world.hosts[OPERATOR].disk.statements.values()
        if others.chains.is_closed(job.author, job.seq)
    ]
    assert late, "the others have collapsed records that the submitter still has"
    world.start(OPERATOR)
    world.run_for(8.0)
    operator = node_of(world, OPERATOR)
    assert all(query.finished and not query.failed for query in operator.queries.queries.values())
    assert operator.ledger.state_root() == node_of(world, "node2").ledger.state_root()


def test_a_submitter_that_starts_alone_asks_for_what_is_decided_and_forgotten_when_others_are_there() -> None:
    """It has heard in a former life what its job has come to, and has not got the result; who was in the committee nobody
    knows any more."""
    world = mesh(2)
    world.submit(OPERATOR, "why?", range(3), JobOptions(), "late")
    world.run_for(0.05)
    world.crash(OPERATOR)
    world.run_for(3.0)
    for number in range(20):
        world.submit("node1", "why?", range(3), JobOptions(), f"n{number}")
        world.run_for(2.0)
    world.start(OPERATOR)
    assert world.run_while(lambda: world.hosts[OPERATOR].node is None, 5.0, 0.001)
    operator = node_of(world, OPERATOR)
    operator.queries.on_settled = lambda now, job: None  # type: ignore[method-assign]
    operator.queries.resume = lambda now: None  # type: ignore[method-assign]
    world.run_for(8.0)
    (late,) = [query for query in operator.queries.queries.values() if not query.finished]
    assert set(late.values).difference(late.results, operator.ledger.jobs)
    world.crash(OPERATOR)
    world.split([[OPERATOR], [name for name in world.hosts if name != OPERATOR]])
    world.start(OPERATOR)
    world.run_for(4.0)
    world.heal()
    world.run_for(8.0)
    queries = node_of(world, OPERATOR).queries.queries.values()
    assert all(query.finished and not query.failed for query in queries)


def test_a_result_that_has_the_name_of_the_snapshot_does_not_take_it_along() -> None:
    """A lying holder may give its result any name that all witnesses have a blob for."""
    world = mesh(12)
    node = node_of(world, "node1")
    snapshot = node.checkpoints.base
    assert snapshot in node.blobs
    node.blobs.drop([snapshot])
    assert snapshot in node.blobs
    world.crash("node1")
    world.start("node1")
    world.run_for(3.0)
    assert node_of(world, "node1").checkpoints.base == snapshot
    node_of(world, "node1").blobs.drop([snapshot])
    assert snapshot in node_of(world, "node1").blobs


def locks_in_the_name_of_its_holder(world: World, job_id: bytes, result: bytes) -> None:
    """The holder of a job that tolerates a liar is one: it gives its result the name of something that all witnesses have,
    has it locked, and says nothing more."""
    job = node_of(world, OPERATOR).ledger.jobs[job_id]
    assert job.tolerates_lies and job.holder is not None
    holder = next(host for host in world.hosts.values() if host.peer == job.holder)
    assert holder.node is not None
    network, price = "local", holder.node.membership.announcement.price_micro
    size = len(node_of(world, OPERATOR).blobs.get(result) or b"")
    value = st.Value("result", result, size, "", holder.peer, price)
    crypto = world.keys.crypto(holder.name)
    proposal = sign(crypto, st.Proposal(network, holder.peer, job.id, job.epoch, value))
    promises = job.leases[job.epoch][1].body.promises
    witnesses = [host.node for host in world.hosts.values() if host is not holder and host.node is not None]
    for node in witnesses:
        request = AcceptRequest(job.id, job.epoch, proposal, promises, b"")
        node.voter.on_accept(node.context.now, holder.peer, request)
    said = [node.context.pen.said(job.id, job.epoch, st.AcceptVote) for node in witnesses]
    votes = tuple(vote for vote in said if vote is not None)
    assert len(votes) == len(witnesses)
    for node in witnesses:
        node.voter.on_lock(node.context.now, holder.peer, LockRequest(job.id, job.epoch, votes))


def test_a_snapshot_that_a_liar_has_had_locked_as_its_result_stays_until_that_is_settled() -> None:
    world = mesh(12)
    snapshot = node_of(world, OPERATOR).checkpoints.base
    world.workload.appetite = Appetite(hanging=1.0)
    world.submit(OPERATOR, "why?", [1], JobOptions(fault_bound=1, submitter_weight=3), "hangs")
    world.run_for(1.0)
    world.workload.appetite = QUICK
    [job] = node_of(world, OPERATOR).ledger.open_jobs.values()
    locks_in_the_name_of_its_holder(world, job.id, snapshot)
    for number in range(12):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"n{number}")
        world.run_for(2.0)
    nodes = [node_of(world, name) for name in world.hosts]
    assert all(node.checkpoints.base != snapshot for node in nodes)
    liar = next(host.name for host in world.hosts.values() if host.peer == job.holder)
    assert job.id in nodes[0].ledger.open_jobs
    world.kill(liar)
    world.run_for(10.0)
    survivors = [node for name, node in zip(world.hosts, nodes, strict=True) if name != liar]
    for node in survivors:
        settled = node.ledger.jobs[job.id].value
        assert settled is not None and settled.result_hash == snapshot


def test_strangers_that_show_everybody_something_else_stop_no_checkpoint() -> None:
    """Each forks until there is no room for what it has shown to others, so that no two replicas hold the same of it."""
    world = mesh(0)
    for number, name in enumerate(["node1", "node2", "node3", "node4", "node5", "node6"]):
        node = node_of(world, name)
        for index in range(3):
            stranger = f"stranger{number}.{index}"
            key, crypto = world.keys.key(stranger), world.keys.crypto(stranger)
            prev = bytes(32)
            for seq in range(1, 4):
                signed = make_record(crypto, "local", key, seq, prev, 0, "note", name)
                node.replication.ingest(node.context.now, node.peer, signed)
                prev = digest(signed[:-64])
        node.ledger.budget.size += 64 << 20
    for number in range(14):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"q{number}")
        world.run_for(2.0)
    world.run_for(20.0)
    assert min(node_of(world, name).checkpoints.height for name in world.hosts) >= 2


# ------------------------------------------------------------------------------------ snapshots under way


class Behind:
    """A node that electors tell of checkpoints it has not come to, whose snapshots are named by their height."""

    def __init__(self) -> None:
        self.world = mesh(1, retained=4096)
        self.node = node_of(self.world, "node1")
        self.teller = self.world.hosts["node2"].peer

    def hears_of(self, height: int) -> None:
        node = self.node
        finding = st.Finding(digest(b"cut"), digest(b"%d" % height), bytes(32), node.checkpoints.electors)
        body = st.Checkpoint(height, 0, True, finding)
        records = signed_by(self.world, ["node2", "node3", "node4", "node5"], body)
        node.checkpoints.catch_up.on_truncated(node.context.now, self.teller, Truncated(records))

    def takes(self, height: int) -> bool:
        """Whether a snapshot is still waited for when it comes. None of them is one."""
        node, data = self.node, b"%d" % height
        before = node.context.dropped["bad_snapshot"]
        node.blobs.on_chunk(node.context.now, self.teller, BlobChunk(digest(data), 0, len(data), data))
        node.step(node.context.now, Tick())
        return node.context.dropped["bad_snapshot"] > before


def test_a_snapshot_that_is_overtaken_is_not_fetched_any_more() -> None:
    behind = Behind()
    behind.hears_of(5)
    behind.hears_of(6)
    assert len(behind.node.blobs) == 1
    assert not behind.takes(5) and behind.takes(6)


def test_an_older_snapshot_does_not_interrupt_the_fetch_of_a_newer_one_unless_that_stands_still() -> None:
    behind = Behind()
    behind.hears_of(6)
    behind.hears_of(5)
    assert not behind.takes(5)
    behind.node.context.now += 6.0
    behind.hears_of(5)
    assert len(behind.node.blobs) == 1 and behind.takes(5)


def test_a_decision_that_was_certified_in_two_rounds_is_one_and_what_has_come_of_its_snapshot_stays() -> None:
    behind = Behind()
    node, data = behind.node, bytes(2 * limit("blob_chunk_bytes"))
    finding = st.Finding(digest(b"cut"), digest(data), bytes(32), node.checkpoints.electors)
    now = node.context.now

    def hear_of(round_: int) -> None:
        body = st.Checkpoint(5, round_, True, finding)
        records = signed_by(behind.world, ["node2", "node3", "node4", "node5"], body)
        node.checkpoints.catch_up.on_truncated(now, behind.teller, Truncated(records))

    hear_of(0)
    part = data[: limit("blob_chunk_bytes")]
    node.blobs.on_chunk(now, behind.teller, BlobChunk(digest(data), 0, len(data), part))
    hear_of(3)
    assert node.blobs.received(digest(data)) == len(part)
    hear_of(0)
    assert node.blobs.received(digest(data)) == len(part)


def test_a_snapshot_that_is_not_taken_does_not_stay_on_the_disk() -> None:
    behind = Behind()
    behind.hears_of(5)
    assert behind.takes(5)
    assert digest(b"5") not in behind.node.blobs and len(behind.node.blobs) == 0


def test_a_payload_that_electors_call_a_snapshot_stays() -> None:
    behind = Behind()
    payload = next(iter(behind.node.ledger.jobs.values())).job.payload_hash
    finding = st.Finding(digest(b"cut"), payload, bytes(32), behind.node.checkpoints.electors)
    records = signed_by(
        behind.world, ["node2", "node3", "node4", "node5"], st.Checkpoint(5, 0, True, finding)
    )
    now = behind.node.context.now
    behind.node.checkpoints.catch_up.on_truncated(now, behind.teller, Truncated(records))
    behind.node.step(now, Tick())
    assert behind.node.context.dropped["bad_snapshot"] == 1 and payload in behind.node.blobs


def test_a_snapshot_is_given_up_when_this_node_has_gone_on_by_itself() -> None:
    world = mesh(4)
    node = node_of(world, "node1")
    finding = st.Finding(digest(b"cut"), digest(b"far"), bytes(32), node.checkpoints.electors)
    body = st.Checkpoint(99, 0, True, finding)
    records = signed_by(world, ["node2", "node3", "node4", "node5"], body)
    height = node.checkpoints.height
    node.checkpoints.catch_up.on_truncated(node.context.now, world.hosts["node2"].peer, Truncated(records))
    assert len(node.blobs) == 1
    for number in range(8):
        world.submit(OPERATOR, "why?", range(3), JobOptions(), f"n{number}")
        world.run_for(2.0)
    assert node.checkpoints.height > height and len(node.blobs) == 0
