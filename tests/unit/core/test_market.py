"""Bids, ranks, credit, and what a submitter is refused."""

import math
from dataclasses import replace

import pytest

from mesh_core.effects import JobOptions, SubmitQuery
from mesh_core.identity.statement import SIGNATURE_BYTES, sign
from mesh_core.market.bid import LOCALITY_MICRO, rank, score
from mesh_core.market.intake import Refusal
from mesh_core.market.pace import Pace
from mesh_core.quorum.committee import quorum, total_weight
from mesh_core.simulation.host import HostSpec
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import statements as st
from mesh_core.wire.messages import JobStored, StoreJob
from tests.unit.core.people import NETWORK, People, Person
from tests.unit.core.seat import Seat

AT_HOME = st.Announcement("node1", "provider", ("answer",), 10_000, (1,), (), "")
ELSEWHERE = st.Announcement("node2", "provider", ("answer",), 10_000, (2,), (), "")


def bid(person: Person, **changes: object) -> st.Bid:
    fields: dict[str, object] = {
        "network": NETWORK,
        "author": person.peer,
        "job": b"j" * 32,
        "price_micro": 10_000,
        "load": 0.0,
        "expected_ms": 0,
        "model": "m",
    }
    return st.Bid(**(fields | changes))  # type: ignore[arg-type]


def test_a_bidder_away_from_the_shards_home_pays_a_penalty() -> None:
    people = People()
    home = score(bid(people.providers[0]), people.job(), AT_HOME)
    away = score(bid(people.providers[0]), people.job(), ELSEWHERE)
    assert away.score - home.score == LOCALITY_MICRO


def test_every_part_of_a_score_is_shown_and_they_add_up() -> None:
    people = People()
    scored = score(bid(people.providers[0], load=1.5, expected_ms=2_000), people.job(), ELSEWHERE)
    assert scored.parts == {"price": 10_000, "locality": 5_000, "load": 3_000, "time": 200}
    assert scored.score == sum(scored.parts.values())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price_micro": -99}, "price below zero"),
        ({"price_micro": 50_001}, "over the maximum price"),
        ({"load": math.nan}, "impossible load"),
        ({"load": math.inf}, "impossible load"),
        ({"load": -1.0}, "impossible load"),
        ({"expected_ms": -1}, "impossible expected time"),
        ({"model": "x" * 300}, "model name too long"),
    ],
)
def test_a_bid_that_breaks_a_rule_is_refused_with_its_reason(changes: dict[str, object], reason: str) -> None:
    people = People()
    assert score(bid(people.providers[0], **changes), people.job(), AT_HOME).refused == reason


def test_ranks_are_by_score_then_by_jobs_settled_then_by_key() -> None:
    people = People()
    first, second, third = people.providers[:3]
    scored = [
        score(bid(first), people.job(), AT_HOME),
        score(bid(second), people.job(), AT_HOME),
        score(bid(third, price_micro=9_000), people.job(), AT_HOME),
        score(bid(people.providers[3], price_micro=-1), people.job(), AT_HOME),
    ]
    ranked = rank(scored, lambda peer: 5 if peer == second.peer else 0)
    assert [one.bid.author for one in ranked] == [third.peer, second.peer, first.peer]


def running_world() -> World:
    world = World(Setup(seed="market"))
    world.start()
    world.run_for(0.5)
    return world


def refusal(world: World, request: SubmitQuery) -> str:
    node = world.hosts["operator"].node
    assert node is not None
    with pytest.raises(Refusal) as caught:
        node.submit(world.now, request)
    return str(caught.value)


def test_a_submitter_is_told_in_one_line_what_is_wrong_with_its_question() -> None:
    world = running_world()
    options = JobOptions()
    assert refusal(world, SubmitQuery("  ", "", "c", (1,), options)) == "the question is empty"
    assert "4000 characters" in refusal(world, SubmitQuery("x" * 5000, "", "c", (1,), options))
    assert "no corpus" in refusal(world, SubmitQuery("why?", "", "c", (), options))
    heavy = JobOptions(submitter_weight=9)
    assert "quorum by itself" in refusal(world, SubmitQuery("why?", "", "c", (1,), heavy))
    assert "2001 shards are more" in refusal(
        world, SubmitQuery("why?", "", "c", tuple(range(2_001)), options)
    )


def test_who_asks_for_more_than_a_node_keeps_open_is_told_when_to_come_back() -> None:
    world = World(Setup(seed="burst", credit_micro=10**10))
    world.start()
    world.run_for(1.0)
    world.submit("operator", "why?", list(range(1, 1_001)), JobOptions(), "q1")
    more = SubmitQuery("why?", "", "c", tuple(range(1, 1_101)), JobOptions())
    assert refusal(world, more) == "busy: 1000 jobs are open here, try again when some are done"


def test_a_pace_tells_how_long_so_many_more_jobs_will_take_also_when_they_stand_still() -> None:
    pace = Pace()
    assert pace.wait_s(0.0, 10) is None
    for tenth in range(100):
        pace.ended(tenth / 10)
    assert pace.wait_s(9.9, 100) == 10
    assert pace.wait_s(60.0, 100) == 89, "the rate of the newest 64 until now"


def test_a_question_beyond_ones_own_credit_is_refused_before_it_becomes_jobs() -> None:
    world = running_world()
    poor = SubmitQuery("why?", "", "c", (1,), JobOptions(max_price_micro=60_000_000))
    assert refusal(world, poor).startswith(
        "this may cost 120 AXL and 100 AXL of credit are free: ask with a lower"
    )
    dear = SubmitQuery("why?", "", "c", (1, 2), JobOptions(max_price_micro=2_400_000_500_000))
    assert refusal(world, dear).startswith("this may cost 7200001.5 AXL and 100 AXL of credit")
    world.submit("operator", "how?", [1], JobOptions(max_price_micro=20_000_000), "q1")
    refused = refusal(world, SubmitQuery("why?", "", "c", (1, 2), JobOptions(max_price_micro=21_000_000)))
    assert refused.startswith("busy: this may cost 63 AXL and 60 AXL of credit are free; 40 AXL are reserved")
    world.submit("operator", "why?", [1, 2], JobOptions(max_price_micro=20_000_000), "q2")
    world.run_for(8.0)
    assert "reserved" not in refusal(world, poor)


def test_two_queries_cannot_have_one_name() -> None:
    world = running_world()
    world.submit("operator", "why?", [1], JobOptions(), "mine")
    assert "called mine already" in refusal(world, SubmitQuery("how?", "mine", "c", (1,), JobOptions()))


def test_a_submitter_without_credit_is_refused_by_every_provider_and_its_job_stays_pending() -> None:
    world = World(Setup(seed="market"))
    operator = world.hosts["operator"]
    operator.config = replace(operator.config, credit={})  # it does not know what the providers think of it
    world.start()
    world.run_for(0.5)
    world.submit("operator", "why?", [1], JobOptions(max_price_micro=1_000_000_000), "q1")
    world.run_for(1.0)
    node = world.hosts["operator"].node
    assert node is not None
    (auction,) = node.auctioneer.auctions.values()
    assert not auction.accepted
    assert set(auction.refusals.values()) == {"its submitter's credit does not cover it"}
    assert len(auction.refusals) == 6


def test_nothing_is_lost_or_created_when_jobs_are_paid() -> None:
    world = running_world()
    world.submit("operator", "why?", [1, 2, 3], JobOptions(), "q1")
    world.run_for(8.0)
    assert len(world.live()) == 7
    for host in world.live():
        assert host.node is not None
        accounts = host.node.ledger.accounts
        assert sum(account.balance_micro for account in accounts.values()) == 0
        assert accounts[world.hosts["operator"].peer].balance_micro < 0


def test_who_asks_to_tolerate_more_lies_than_there_are_providers_is_told_so() -> None:
    world = running_world()
    asked = SubmitQuery("why?", "", "c", (1,), JobOptions(fault_bound=3))
    assert refusal(world, asked).startswith("lies of weight 3 need votes of weight 10 in all, 6 providers")
    assert "out of range" in refusal(world, SubmitQuery("why?", "", "c", (1,), JobOptions(fault_bound=-1)))


def test_a_job_has_the_weights_and_the_threshold_that_its_submitter_chose() -> None:
    world = running_world()
    world.submit("operator", "why?", [1], JobOptions(fault_bound=1, submitter_weight=3), "q1")
    node = world.hosts["operator"].node
    assert node is not None
    (auction,) = node.auctioneer.auctions.values()
    job = auction.job.job
    weights = {seat.peer: seat.weight for seat in job.committee}
    assert (weights.pop(node.peer), set(weights.values())) == (3, {1})
    assert (job.fault_bound, quorum(job), job.threshold) == (1, 6, 6)


def test_a_question_goes_on_with_a_heavier_submitter_when_too_few_providers_are_left() -> None:
    world = World(Setup(seed="few", providers=3, appetite=Appetite(4.0, 4.0)))
    world.start()
    world.run_for(1.0)
    world.submit("operator", "why?", [0], JobOptions(fault_bound=1), "q1")
    world.run_for(0.5)
    world.kill("node3")
    node = world.hosts["operator"].node
    assert node is not None
    assert world.run_while(lambda: not all(q.finished for q in node.queries.queries.values()), 30.0)
    combine = next(job.job for job in node.ledger.jobs.values() if job.job.kind == "combine")
    assert (total_weight(combine), quorum(combine), len(combine.committee)) == (4, 3, 3)


def test_a_bidder_that_is_held_for_dead_is_not_ranked() -> None:
    world = World(Setup(seed="dead bidder"))
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", [1], JobOptions(auction_ms=5_000), "q1")
    operator, bidder = world.hosts[OPERATOR].node, world.hosts["node1"]
    assert operator is not None
    (auction,) = operator.auctioneer.auctions.values()
    operator.membership.members[bidder.peer].state = "dead"
    bid = sign(
        world.keys.crypto("node1"),
        st.Bid(NETWORK, bidder.peer, auction.job.id, 9_000, 0.0, 0, ""),
    )
    operator.auctioneer.on_stored(world.now, bidder.peer, JobStored(auction.job.id, bid, ""))
    assert auction.bids[bidder.peer][0].refused == "not from a live member"


def test_a_padded_bid_does_not_keep_an_award_from_being_recorded() -> None:
    world = World(Setup(seed="padded"))
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", [1], JobOptions(auction_ms=5_000), "q1")
    operator, bidder = world.hosts[OPERATOR].node, world.hosts["node1"]
    assert operator is not None
    (auction,) = operator.auctioneer.auctions.values()
    bid = sign(
        world.keys.crypto("node1"), st.Bid(NETWORK, bidder.peer, auction.job.id, 9_000, 0.0, 0, "m" * 256)
    )
    body = bytes([bid[0] + 1]) + bid[1:-SIGNATURE_BYTES] + b"\xc5\xff\x00" + bytes(0xFF00)
    padded = body + world.keys.crypto("node1").sign(b"whisper:bid\0" + body)
    operator.auctioneer.on_stored(world.now, bidder.peer, JobStored(auction.job.id, padded, ""))
    assert bidder.peer not in auction.bids
    operator.auctioneer.on_stored(world.now, bidder.peer, JobStored(auction.job.id, bid, ""))
    assert not auction.bids[bidder.peer][0].refused, "the longest name of a model has room"


def test_jobs_of_a_submitter_that_has_contradicted_itself_are_refused() -> None:
    people = People()
    submitter = people.submitter
    seat = Seat(people, people.providers[0], submitter.record("job", people.job()))
    for tell in ("one", "other"):
        seat.hold(submitter.record("note", tell, seq=5, prev=bytes(32)))
    (answer,) = seat.tell(submitter, StoreJob(seat.job.entry.signed, b"payload"))
    assert isinstance(answer, JobStored) and "contradicting" in answer.refused


def test_a_job_is_taken_in_from_its_submitter_only() -> None:
    people = People()
    seat = Seat(people, people.providers[0], people.submitter.record("job", people.job()))
    assert seat.tell(people.providers[1], StoreJob(seat.job.entry.signed, b"payload")) == []
    assert seat.job.job.payload_hash not in seat.node.blobs
    (answer,) = seat.tell(people.submitter, StoreJob(seat.job.entry.signed, b"payload"))
    assert isinstance(answer, JobStored) and not answer.refused


def test_whoever_has_refused_a_job_is_not_sent_it_again_at_once() -> None:
    def without_credit(spec: HostSpec) -> HostSpec:
        config = replace(spec.config, credit={}) if spec.name == "node1" else spec.config
        return replace(spec, config=config)

    world = World(Setup(seed="refuser", appetite=Appetite(12.0, 12.0), alter=without_credit))
    refused: list[float] = []
    world.listen(
        lambda host, message: (
            refused.append(world.now) if isinstance(message, JobStored) and message.refused else None
        )
    )
    world.start()
    world.run_for(2.0)
    world.submit(OPERATOR, "why?", [1], JobOptions(), "q1")
    world.run_for(11.0)
    assert len(refused) == 3
    assert refused[1] - refused[0] > 5.0


@pytest.mark.parametrize("padding", [(16 << 20) // 3, (16 << 20) - 300])
def test_results_that_fit_into_no_payload_together_are_left_out_and_the_question_ends(padding: int) -> None:
    world = World(Setup(seed="large", appetite=Appetite(0.05, 0.05, padding_bytes=padding)))
    world.start()
    world.run_for(1.0)
    world.submit(OPERATOR, "why?", [1, 2, 3], JobOptions(), "q1")
    node = world.hosts[OPERATOR].node
    assert node is not None
    (query,) = node.queries.queries.values()
    assert world.run_while(lambda: not query.finished, 60.0)
    assert query.failed
    assert node.context.dropped["oversized_result"] == 3
