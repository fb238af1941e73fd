"""Certificates and receipts: anyone can check them, nobody can stretch them."""

import msgspec
import pytest

from mesh_core.api.receipt import Receipt, ReceiptError, make_receipt, verify_receipt
from mesh_core.config import limit
from mesh_core.identity.statement import KINDS, SIGNATURE_BYTES, encode
from mesh_core.ledger.record import job_is_sound
from mesh_core.quorum.certificate import CertificateError, check_lease, check_settlement, deciding_vote
from mesh_core.quorum.committee import quorum, total_weight, weight_of
from mesh_core.wire import statements as st
from tests.unit.core.people import NETWORK, People

JOB = b"j" * 32


@pytest.mark.parametrize(
    ("providers", "weight", "fault_bound", "needed"),
    [(6, 1, 0, 4), (6, 3, 1, 6), (3, 1, 0, 3), (1, 1, 0, 2), (4, 1, 1, 4)],
)
def test_quorum_is_more_than_half_of_the_weight_and_the_lies(
    providers: int, weight: int, fault_bound: int, needed: int
) -> None:
    people = People()
    seats = [st.Seat(person.peer, 1) for person in people.providers[:providers]]
    seats.append(st.Seat(people.submitter.peer, weight))
    assert quorum(people.job(committee=tuple(seats), fault_bound=fault_bound)) == needed


def test_two_quorums_always_share_more_than_the_fault_bound() -> None:
    people = People()
    for fault_bound in (0, 1, 2):
        job = people.job(fault_bound=fault_bound)
        assert 2 * quorum(job) - total_weight(job) > fault_bound


def test_a_peer_counts_once_and_strangers_do_not_count() -> None:
    people = People()
    peers = [people.providers[0].peer] * 3 + [people.person("stranger").peer]
    assert weight_of(people.job(), peers) == 1


def test_a_quorum_of_promises_is_a_lease() -> None:
    people = People()
    lease = people.lease(JOB, people.providers[0], people.providers[:4])
    assert len(check_lease(people.submitter.crypto, NETWORK, people.job(), lease)) == 4


def test_a_lease_without_a_quorum_is_refused() -> None:
    people = People()
    lease = people.lease(JOB, people.providers[0], people.providers[:3])
    with pytest.raises(CertificateError, match="weight 3 where 4 of 7"):
        check_lease(people.submitter.crypto, NETWORK, people.job(), lease)


def test_one_promise_repeated_is_no_quorum() -> None:
    people = People()
    lease = people.lease(JOB, people.providers[0], [people.providers[0]] * 4)
    with pytest.raises(CertificateError):
        check_lease(people.submitter.crypto, NETWORK, people.job(), lease)


def test_votes_for_different_values_do_not_add_up() -> None:
    people = People()
    one = people.settlement(JOB, people.value(people.providers[0]), people.providers[:2])
    other = people.settlement(JOB, people.value(people.providers[1]), people.providers[2:4])
    mixed = st.SettleCertificate(JOB, 1, one.value, one.votes + other.votes)
    with pytest.raises(CertificateError, match="different values"):
        check_settlement(people.submitter.crypto, NETWORK, people.job(), mixed)


def test_an_altered_vote_is_refused() -> None:
    people = People()
    good = people.settlement(JOB, people.value(people.providers[0]), people.providers[:4])
    bad = st.SettleCertificate(JOB, 1, good.value, (good.votes[0][:-1] + b"\0", *good.votes[1:]))
    with pytest.raises(CertificateError, match="not signed by its author"):
        check_settlement(people.submitter.crypto, NETWORK, people.job(), bad)


@pytest.mark.parametrize("fault_bound", [0, 1])
def test_a_settlement_is_no_larger_than_honest_ones_are(fault_bound: int) -> None:
    people = People()
    job = people.job(fault_bound=fault_bound)
    holder, voters, kind = people.providers[0], people.providers[:5], deciding_vote(job)

    def settled(reason: str) -> st.SettleCertificate:
        value = st.Value("cancelled", b"", 0, reason, holder.peer, 0)
        votes = tuple(one.sign(kind(NETWORK, one.peer, JOB, 1, value)) for one in voters)
        return st.SettleCertificate(JOB, 1, value, votes)

    longest = settled("x" * limit("reason_bytes_max"))
    check_settlement(people.submitter.crypto, NETWORK, job, longest)
    assert len(encode(longest)) < limit("record_bytes_max") // 8
    with pytest.raises(CertificateError, match="reason is too long"):
        too_long = settled("x" * (limit("reason_bytes_max") + 1))
        check_settlement(people.submitter.crypto, NETWORK, job, too_long)
    vote = longest.votes[0]
    body = bytes([vote[0] + 1]) + vote[1:-SIGNATURE_BYTES] + b"\xc5\x01\x00" + bytes(0x100)
    padded = body + voters[0].crypto.sign(f"whisper:{KINDS[kind]}\0".encode() + body)
    with pytest.raises(CertificateError, match="vote is too large"):
        heavy = st.SettleCertificate(JOB, 1, longest.value, (padded, *longest.votes[1:]))
        check_settlement(people.submitter.crypto, NETWORK, job, heavy)


def receipt(people: People) -> bytes:
    job = people.submitter.record("job", people.job())
    value = people.value(people.providers[0])
    settle = people.providers[0].record("settle", people.settlement(job.hash, value, people.providers[:4]))
    return make_receipt(NETWORK, job.signed, settle.signed)


def test_a_receipt_proves_who_did_what_for_how_much() -> None:
    people = People()
    report = verify_receipt(people.submitter.crypto, receipt(people))
    assert (report.label, report.outcome, report.price_micro) == ("q1.1", "result", 10_000)
    assert report.holder == people.providers[0].peer
    assert (report.weight, report.quorum, report.total_weight) == (4, 4, 7)


def test_a_receipt_for_another_job_is_refused() -> None:
    people = People()
    decoded = msgspec.msgpack.decode(receipt(people), type=Receipt)
    other = people.submitter.record("job", people.job(label="q1.2"))
    with pytest.raises(ReceiptError, match="another job"):
        verify_receipt(people.submitter.crypto, make_receipt(NETWORK, other.signed, decoded.settle))


@pytest.mark.parametrize("data", [b"", b"\x00", b"garbage", msgspec.msgpack.encode(["local", b"", b""])])
def test_what_is_no_receipt_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(ReceiptError) as caught:
        verify_receipt(People().submitter.crypto, data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"committee": ()},
        {"fault_bound": 3},
        {"payload_hash": b"short"},
        {"threshold": 0},
        {"max_price_micro": -1},
        {"retries": 0},
        {"query": b""},
        {"total_ms": 0},
        {"label": "x" * 300},
    ],
)
def test_a_job_that_breaks_a_rule_means_nothing(changes: dict[str, object]) -> None:
    people = People()
    assert job_is_sound(people.job(), people.submitter.peer)
    assert not job_is_sound(people.job(**changes), people.submitter.peer)


def test_a_submitter_that_would_be_a_quorum_by_itself_is_refused() -> None:
    people = People()
    seats = (st.Seat(people.providers[0].peer, 1), st.Seat(people.submitter.peer, 2))
    assert not job_is_sound(people.job(committee=seats), people.submitter.peer)
