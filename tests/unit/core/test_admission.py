"""Admission: who may have jobs done here, and that a job that was taken in stays in, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

import mesh_core.market.auction as auctions
from mesh_core import config
from mesh_core.config import limit
from mesh_core.crypto import Crypto
from mesh_core.effects import JobOptions, PeerId, Persist, PutMeta
from mesh_core.identity.statement import digest
from mesh_core.ledger.fold import Account
from mesh_core.secrecy.envelope import Envelope, seal_work
from mesh_core.simulation.workload import Appetite
from mesh_core.simulation.world import OPERATOR, Setup, World
from mesh_core.wire import messages as ms
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People
from tests.unit.core.seat import Seat

LIMIT_MICRO = 100_000


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def seat(people: People) -> Seat:
    """A provider that has taken in a job of the submitter, with its payload."""
    seat = Seat(people, people.providers[0], people.submitter.record("job", people.job()))
    (stored,) = seat.tell(people.submitter, ms.StoreJob(seat.job.entry.signed, b"payload"))
    assert isinstance(stored, ms.JobStored) and not stored.refused
    return seat


def refusal(seat: Seat, people: People, of: str, **terms: object) -> str:
    """What a provider says to a job of somebody that names the payload it has already."""
    person = people.submitter if of == "submitter" else people.person(of)
    committee = tuple(st.Seat(one.peer, 1) for one in [*people.providers, person])
    record = person.record("job", people.job(committee=committee, **terms))
    (answer,) = seat.tell(person, ms.StoreJob(record.signed, b""))
    assert isinstance(answer, ms.JobStored)
    return answer.refused


def test_who_names_the_payload_of_another_job_is_not_let_in_by_it(seat: Seat, people: People) -> None:
    assert "credit" in refusal(seat, people, "stranger")
    assert refusal(seat, people, "submitter") == ""
    assert "credit" in refusal(seat, people, "submitter", max_price_micro=10**12)


def test_of_who_pays_with_its_earnings_no_more_jobs_are_taken_in_than_a_checkpoint_would_keep(
    seat: Seat, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(config._LIMIT, "earner_jobs_max", 2)
    earner = people.person("earner")
    seat.node.ledger.accounts[earner.peer] = Account(earned_micro={people.submitter.peer: LIMIT_MICRO})
    committee = tuple(st.Seat(one.peer, 1) for one in [*people.providers, earner])
    answers = []
    for name in "abc":
        record = earner.record("job", people.job(committee=committee, label=name, max_price_micro=1))
        answers += seat.tell(earner, ms.StoreJob(record.signed, b""))
    refused = [answer.refused for answer in answers if isinstance(answer, ms.JobStored)]
    assert refused[:2] == ["", ""] and "too many open jobs" in refused[2]
    assert refusal(seat, people, "submitter", label="d", max_price_micro=1) == ""


def test_a_stranger_with_a_copied_payload_gets_no_more_favours_than_any_other(
    seat: Seat, people: People
) -> None:
    stranger = people.person("stranger")
    committee = tuple(st.Seat(one.peer, 1) for one in [*people.providers, stranger])
    copy = stranger.record("job", people.job(committee=committee))
    seat.tell(stranger, ms.StoreJob(copy.signed, b""))
    seat.tell(stranger, ms.CancelRequest(stranger.sign(st.Cancel(NETWORK, stranger.peer, copy.hash, "go"))))
    asked = [seat.tell(stranger, ms.PromiseRequest(copy.hash, epoch, ())) for epoch in range(1, 60)]
    given = sum(isinstance(answer, ms.Promised) for answers in asked for answer in answers)
    assert 0 < given <= 16


def test_one_sealed_payload_for_many_jobs_buys_no_more_than_its_submitters_credit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sealed: dict[object, Envelope] = {}

    def seal_once(crypto: Crypto, work: ms.Work, providers: Sequence[PeerId], threshold: int) -> Envelope:
        key = (work.kind, work.text, work.shard, work.inputs, tuple(providers))
        return sealed.setdefault(key, seal_work(crypto, work, providers, threshold))

    monkeypatch.setattr(auctions, "seal_work", seal_once)
    world = World(Setup("thrifty", credit_micro=LIMIT_MICRO, appetite=Appetite(0.02, 0.05)))
    operator = world.hosts[OPERATOR]
    operator.config = replace(operator.config, credit={})  # it does not know its limit
    world.start()
    world.run_for(2.0)
    for number in range(15):
        world.submit(OPERATOR, "why?", [1], JobOptions(), f"q{number}")
        world.run_for(1.5)
    node = world.hosts["node1"].node
    assert node is not None
    assert -LIMIT_MICRO <= node.ledger.account(operator.peer).balance_micro < 0


def test_what_was_taken_in_is_remembered_until_it_is_decided(seat: Seat, people: People) -> None:
    ours, decided = seat.job.id, digest(b"decided long ago")
    node = seat.node
    assert len(node.admission) == 1
    node.admission.restore({f"taken:{job.hex()}": b"" for job in (ours, decided)})
    node.admission.on_settled(ours)
    persisted = [one for one in node.context.outbox.take() if isinstance(one, Persist)]
    assert [write for one in persisted for write in one.writes] == [
        PutMeta(f"taken:{job.hex()}", None) for job in (decided, ours)
    ]
    assert len(node.admission) == 0


def test_what_was_taken_in_stays_in_when_its_submitter_turns_out_to_contradict_itself(
    seat: Seat, people: People
) -> None:
    for text in ("this", "that"):
        seat.hold(people.submitter.record("note", text, seq=2))
    assert people.submitter.peer in seat.node.ledger.equivocators
    assert seat.node.admission.problem(seat.job) == ""
    assert "contradicting" in refusal(seat, people, "submitter", label="q1.2")


def test_one_submitter_has_its_share_of_a_providers_room_and_no_more(seat: Seat, people: People) -> None:
    huge, small = limit("blob_bytes_max"), limit("own_jobs_max")
    told = [
        refusal(seat, people, "submitter", payload_bytes=huge, max_price_micro=0, label=f"{number}")
        for number in range(18)
    ]
    assert told[:15] == [""] * 15
    assert set(told[16:]) == {"too many open jobs here, try again later"}
    while len(seat.node.admission) < small:
        refusal(seat, people, "submitter", max_price_micro=0, label=f"s{len(seat.node.admission)}")
    assert refusal(seat, people, "submitter", max_price_micro=0, label="last").startswith(
        "too many open jobs"
    )


def test_a_limit_of_nothing_is_no_credit_whoever_asks() -> None:
    world = World(Setup("granted"))
    world.start()
    world.run_for(2.0)
    node = world.hosts["node1"].node
    assert node is not None
    named, trusted = world.keys.key("named"), world.keys.key("trusted")
    node.config = node.context.config = replace(node.config, credit={named: 0, trusted: 1})
    assert node.config.trusting == {node.peer, trusted}
    for peer, is_trusted in ((named, False), (trusted, True)):
        assert node.credit.is_granted(peer) is is_trusted
        assert node.checkpoints.findings.is_trusted_at_cut(peer) is is_trusted
        assert node._is_trusted(peer) is is_trusted
        assert node._is_known(peer) is is_trusted
