"""Sealed payloads: enough shares open them, fewer or foreign ones do not."""

import pytest

from mesh_core.crypto import SecrecyError
from mesh_core.identity.statement import digest
from mesh_core.secrecy.envelope import my_share, open_work, seal_work
from mesh_core.secrecy.shares import ShareCollector
from mesh_core.wire.messages import Work
from tests.unit.core.people import People

WORK = Work("answer", "what is attention?", "corpus", 3)


def sealed(people: People) -> tuple[bytes, bytes, object]:
    peers = [person.peer for person in people.providers]
    envelope = seal_work(people.submitter.crypto, WORK, peers, 4)
    job = people.job(
        shares=envelope.shares,
        threshold=envelope.threshold,
        payload_hash=digest(envelope.payload),
        payload_bytes=len(envelope.payload),
    )
    return envelope.payload, envelope.secret, job


def test_a_threshold_of_shares_opens_the_payload() -> None:
    people = People()
    payload, _, job = sealed(people)
    collector = ShareCollector(people.providers[0].crypto, job)
    for number, person in enumerate(people.providers[:4]):
        assert collector.open(payload) is None, f"{number} shares must not open it"
        share = my_share(person.crypto, job, person.peer)
        assert share is not None
        collector.add_share(person.peer, share)
    assert collector.open(payload) == WORK


def test_a_share_that_breaks_its_commitment_is_skipped() -> None:
    people = People()
    payload, _, job = sealed(people)
    collector = ShareCollector(people.providers[0].crypto, job)
    collector.add_share(people.providers[5].peer, b"not my share")
    for person in people.providers[:3]:
        collector.add_share(person.peer, my_share(person.crypto, job, person.peer) or b"")
    assert collector.open(payload) is None
    collector.add_share(
        people.providers[3].peer, my_share(people.providers[3].crypto, job, people.providers[3].peer) or b""
    )
    assert collector.open(payload) == WORK


def test_the_submitters_secret_opens_the_payload_alone_and_a_wrong_one_does_not() -> None:
    people = People()
    payload, secret, job = sealed(people)
    collector = ShareCollector(people.providers[0].crypto, job)
    collector.add_secret(people.submitter.peer, b"wrong" * 3)
    assert collector.open(payload) is None
    collector.add_secret(people.submitter.peer, secret)
    assert collector.open(payload) == WORK


def test_a_share_is_readable_by_its_provider_alone() -> None:
    people = People()
    _, _, job = sealed(people)
    outsider = people.person("outsider")
    assert my_share(outsider.crypto, job, outsider.peer) is None
    assert my_share(outsider.crypto, job, people.providers[0].peer) is None


def test_an_altered_payload_does_not_open() -> None:
    people = People()
    payload, secret, _ = sealed(people)
    with pytest.raises(SecrecyError):
        open_work(people.submitter.crypto, secret, payload[:-1] + bytes([payload[-1] ^ 1]))
