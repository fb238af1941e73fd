"""The audit: what stores prove, whoever wrote them and whether or not their owner still runs."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from axl.keys import from_seed
from mesh_core.api.reports import Audit, JobProof
from mesh_core.api.schema import Counters
from mesh_core.checkpoint.newest import Newest
from mesh_core.checkpoint.snapshot import Cut, encoded
from mesh_core.checkpoint.taking import snapshot_at
from mesh_core.effects import PutBlob, PutMeta, PutStatement, Write
from mesh_core.identity.statement import digest
from mesh_core.io.audit import AuditError, audit, main
from mesh_core.io.crypto import KeyCrypto
from mesh_core.io.store import Store
from mesh_core.ledger.chain import Base
from mesh_core.ledger.record import Entry
from mesh_core.secrecy.envelope import Envelope, seal_work
from mesh_core.wire import statements as st
from mesh_core.wire.messages import Work
from mesh_core.work.result import CitedPassage, encode_answer, make_answer
from tests.unit.core.people import NETWORK, People, Person
from tests.unit.core.test_blobs import Desk

QUESTION = "what is attention?"


class Listener:
    def durable(self, ticket: int) -> None: ...

    def problem(self, text: str) -> None: ...

    def damaged(self, text: str) -> None: ...

    def failed(self, error: Exception) -> None: ...


def seed_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


class RealPeople(People):
    """A submitter and six providers with real keys."""

    def person(self, name: str) -> Person:
        crypto = KeyCrypto(seed_of(name))
        return Person(name, crypto, crypto.peer)  # type: ignore[arg-type]


@dataclass
class Mesh:
    """Participants' directories, written as their processes would."""

    folder: Path
    people: RealPeople = field(default_factory=RealPeople)
    credit_micro: int = 1_000_000

    def keep(self, person: Person, *kept: Entry | bytes | PutMeta) -> Path:
        """Write the directory of `person` with these on its disk, records and blobs; returns provider.toml."""
        home = self.folder / person.name
        home.mkdir(exist_ok=True)
        (home / "key.pem").write_bytes(from_seed(seed_of(person.name)).pem())
        settings = home / "provider.toml"
        settings.write_text(
            f'name = "{person.name}"\nrole = "provider"\nnetwork = "{NETWORK}"\nkey = "key.pem"\nstore = "store.db"\n'
            'axl_url = "http://127.0.0.1:9"\ncontrol_port = 0\ntoken_file = "token"\nlog = "log"\n'
            f'[credit]\n"{self.people.submitter.peer.hex()}" = {self.credit_micro}\n'
        )
        writes: list[Write] = []
        for item in kept:
            if isinstance(item, bytes):
                writes.append(PutBlob(digest(item), item))
            elif isinstance(item, Entry):
                writes.append(PutStatement(item.author, item.seq, item.hash, item.signed))
            else:
                writes.append(item)
        store = Store.open(home / "store.db", person.peer)
        store.start(Listener())
        store.submit(writes)
        assert store.close()
        return settings


@dataclass
class Submitted:
    """A job of the submitter with its sealed payload."""

    entry: Entry
    envelope: Envelope
    result: bytes

    @property
    def id(self) -> bytes:
        return self.entry.hash


def submit(people: RealPeople) -> Submitted:
    submitter = people.submitter
    work = Work("answer", QUESTION, "corpus", 1)
    envelope = seal_work(submitter.crypto, work, [one.peer for one in people.providers], 4)
    job = people.job(
        payload_hash=digest(envelope.payload),
        payload_bytes=len(envelope.payload),
        shares=envelope.shares,
        threshold=envelope.threshold,
    )
    result = submitter.crypto.seal(submitter.peer, b"an answer")
    return Submitted(submitter.record("job", job), envelope, result)


def settle(people: RealPeople, job: Submitted, holder: Person, epoch: int = 1, result: bytes = b"") -> Entry:
    voters = [*people.providers[3:], people.submitter]
    value = people.value(holder, result or job.result)
    return holder.record("settle", people.settlement(job.id, value, voters, epoch))


@pytest.fixture
def mesh(tmp_path: Path) -> Mesh:
    return Mesh(tmp_path)


def only_job(found: Audit) -> JobProof:
    assert len(found.jobs) == 1
    return found.jobs[0]


def test_a_settled_job_is_counted_once_however_many_stores_know_it(mesh: Mesh) -> None:
    people = mesh.people
    job = submit(people)
    holder = people.providers[0]
    lease = holder.record("lease", people.lease(job.id, holder, people.providers[:4]))
    settled = settle(people, job, holder)
    homes = [
        mesh.keep(one, job.entry, lease, settled, job.envelope.payload, job.result)
        for one in [*people.providers, people.submitter]
    ]
    found = audit(homes, [])
    counters = found.counters
    assert (counters.jobs_submitted, counters.jobs_settled, counters.executions) == (1, 1, 1)
    assert (counters.jobs_settled_twice, counters.jobs_lost, counters.rescued) == (0, 0, 0)
    assert found.balance_micro == 0
    assert len({replica.root for replica in found.replicas}) == 1
    assert [replica.settled for replica in found.replicas] == [1] * 7


def test_two_certificates_for_different_values_are_found_though_one_lies_on_a_dead_disk(mesh: Mesh) -> None:
    people = mesh.people
    job = submit(people)
    first, second = people.providers[:2]
    one = settle(people, job, first)
    other = settle(people, job, second, epoch=2)
    alive = mesh.keep(people.submitter, job.entry, one, job.envelope.payload, job.result)
    dead = mesh.keep(second, job.entry, other)
    found = audit([alive], [dead])
    assert found.counters.jobs_settled_twice == 1
    assert (only_job(found).values, only_job(found).contradiction) == (2, "settled twice")


def test_a_job_is_counted_although_a_checkpoint_on_a_dead_disk_covers_it(mesh: Mesh) -> None:
    """Whoever is gone may have come to a checkpoint first."""
    people = mesh.people
    job = submit(people)
    settled = settle(people, job, people.providers[0])
    ledger = people.ledger()
    for entry in (job.entry, settled):
        ledger.add(entry)
    bases = {entry.author: Base(entry.seq, entry.hash) for entry in (job.entry, settled)}
    snapshot = snapshot_at(ledger, None, Cut.of(bases, (people.submitter.peer,)))
    assert snapshot is not None
    newest = Newest(Desk().blobs, ())
    newest.snapshot = digest(encoded(snapshot))
    alive = mesh.keep(people.submitter, job.entry, settled, job.envelope.payload, job.result)
    dead = mesh.keep(people.providers[1], encoded(snapshot), newest.stored(()))
    found = audit([alive], [dead])
    assert only_job(found).state == "settled" and found.counters.jobs_settled == 1
    assert [replica.settled for replica in found.replicas] == [1, 1]


def test_a_job_of_a_submitter_without_credit_is_its_own_business(mesh: Mesh) -> None:
    mesh.credit_micro = 0
    people = mesh.people
    job = submit(people)
    first, second = people.providers[:2]
    one, other = settle(people, job, first), settle(people, job, second, epoch=2)
    found = audit([mesh.keep(people.providers[2], job.entry, one, other)], [])
    assert (only_job(found).values, only_job(found).contradiction) == (2, "forged by its own submitter")
    assert found.counters == Counters(0, 0, 0, 0, 0, 0)


def test_the_same_value_certified_at_two_epochs_is_settled_once(mesh: Mesh) -> None:
    people = mesh.people
    job = submit(people)
    holder = people.providers[0]
    once, again = settle(people, job, holder), settle(people, job, holder, epoch=2)
    homes = [mesh.keep(one, job.entry, once, again, job.result) for one in (people.submitter, holder)]
    assert audit(homes, []).counters.jobs_settled_twice == 0


def test_an_accepted_job_that_is_not_final_though_its_quorum_lives_is_open(mesh: Mesh) -> None:
    people = mesh.people
    job = submit(people)
    storing = [*people.providers[:3], people.submitter]
    live = [mesh.keep(one, job.entry, job.envelope.payload) for one in storing]
    gone = [mesh.keep(one) for one in people.providers[3:]]
    found = audit(live, gone)
    assert (only_job(found).open, only_job(found).lost) == (True, False)
    assert (found.open, found.counters.jobs_lost) == (1, 0)


def test_a_job_whose_quorum_is_dead_waits_and_is_not_lost(mesh: Mesh) -> None:
    people = mesh.people
    job = submit(people)
    homes = [mesh.keep(one, job.entry, job.envelope.payload) for one in [*people.providers, people.submitter]]
    proof = only_job(audit(homes[4:], homes[:4]))
    assert (proof.live_weight, proof.quorum, proof.accepted) == (3, 4, True)
    assert not proof.open
    assert not proof.lost


def test_a_job_that_never_reached_a_quorum_of_disks_was_never_accepted(mesh: Mesh) -> None:
    people = mesh.people
    job = submit(people)
    live = [mesh.keep(people.submitter, job.entry, job.envelope.payload)]
    live += [mesh.keep(one) for one in people.providers]
    proof = only_job(audit(live, []))
    assert not proof.accepted
    assert not proof.lost


@pytest.mark.parametrize("altered", [False, True])
def test_a_settled_result_its_submitter_cannot_open_is_lost(mesh: Mesh, altered: bool) -> None:
    people = mesh.people
    job = submit(people)
    stranger = people.providers[5]
    sealed = stranger.crypto.seal(stranger.peer, b"an answer") if altered else job.result
    settled = settle(people, job, people.providers[0], result=sealed)
    kept = [sealed] if altered else []
    homes = [mesh.keep(one, job.entry, settled, *kept) for one in [*people.providers, people.submitter]]
    found = audit(homes, [])
    assert found.counters.jobs_settled == 1
    assert found.counters.jobs_lost == 1


def test_a_result_on_one_live_disk_is_not_lost(mesh: Mesh) -> None:
    people = mesh.people
    job = submit(people)
    settled = settle(people, job, people.providers[0])
    homes = [mesh.keep(one, job.entry, settled) for one in [*people.providers[1:], people.submitter]]
    homes.append(mesh.keep(people.providers[0], job.entry, settled, job.result))
    assert audit(homes, []).counters.jobs_lost == 0


def test_a_rescuer_that_adopts_a_value_executes_nothing(mesh: Mesh) -> None:
    people = mesh.people
    job = submit(people)
    dead, rescuer = people.providers[:2]
    first = dead.record("lease", people.lease(job.id, dead, people.providers[:4]))
    value = people.value(dead, job.result)
    promises = [
        one.sign(st.Promise(NETWORK, one.peer, job.id, 2, rescuer.peer, st.Accepted(1, value), ()))
        for one in people.providers[2:]
    ]
    certificate = st.LeaseCertificate(job.id, 2, rescuer.peer, tuple(promises))
    second = rescuer.record("lease", certificate)
    votes = people.settlement(job.id, value, people.providers[1:], epoch=2)
    settled = rescuer.record("settle", votes)
    home = mesh.keep(people.submitter, job.entry, first, second, settled, job.result)
    proof = only_job(audit([home], []))
    assert (proof.leases, proof.executions, proof.rescued) == (2, 1, True)


def test_who_wrote_a_result_is_told_unless_it_cites_nothing(mesh: Mesh) -> None:
    people = mesh.people
    submitter = people.submitter
    kept: list[Entry | bytes] = []
    for holder, cited in zip(people.providers, ([CitedPassage(1, "a.md", "verbatim")], []), strict=False):
        job = submit(people)
        answer = encode_answer(make_answer("because", "search", cited, []))
        sealed = submitter.crypto.seal(submitter.peer, answer)
        kept += [job.entry, settle(people, job, holder, result=sealed), sealed]
    found = audit([mesh.keep(submitter, *kept)], [])
    assert found.counters.jobs_settled == 2
    assert found.writers == {"search": 1}


def test_a_record_nobody_signed_proves_nothing(mesh: Mesh) -> None:
    people = mesh.people
    job = submit(people)
    holder = people.providers[0]
    settled = settle(people, job, holder)
    forged = Entry(settled.hash, settled.signed[:-1] + b"x", settled.head, settled.body)
    home = mesh.keep(people.submitter, job.entry, forged, job.result)
    assert audit([home], []).counters.jobs_settled == 0


def test_a_payload_opens_to_a_quorum_of_shares_and_to_no_single_participant(mesh: Mesh) -> None:
    people = mesh.people
    job = submit(people)
    homes = [mesh.keep(one, job.entry, job.envelope.payload) for one in people.providers]
    secrecy = audit(homes, []).secrecy
    assert (secrecy.payloads, secrecy.exposed, secrecy.to_quorum) == (1, 0, 1)
    fewer = audit(homes[:3], []).secrecy
    assert (fewer.payloads, fewer.exposed, fewer.to_quorum) == (1, 0, 0)


def test_a_payload_that_one_share_opens_is_exposed(mesh: Mesh) -> None:
    people = mesh.people
    submitter = people.submitter
    work = Work("answer", QUESTION, "corpus", 1)
    envelope = seal_work(submitter.crypto, work, [one.peer for one in people.providers], threshold=1)
    job = people.job(
        payload_hash=digest(envelope.payload),
        payload_bytes=len(envelope.payload),
        shares=envelope.shares,
        threshold=4,
    )
    entry = submitter.record("job", job)
    homes = [mesh.keep(one, entry, envelope.payload) for one in people.providers]
    assert audit(homes, []).secrecy.exposed == 1


def test_a_store_that_is_written_to_meanwhile_can_be_read(mesh: Mesh) -> None:
    people = mesh.people
    job = submit(people)
    home = mesh.keep(people.submitter, job.entry)
    store = Store.open(home.parent / "store.db", people.submitter.peer)
    store.start(Listener())
    try:
        store.submit([PutBlob(digest(job.envelope.payload), job.envelope.payload)])
        assert audit([home], []).counters.jobs_submitted == 1
    finally:
        assert store.close()


@pytest.mark.parametrize("damage", ["no store", "not a store", "no key", "no settings"])
def test_what_cannot_be_read_is_one_line(mesh: Mesh, damage: str) -> None:
    home = mesh.keep(mesh.people.submitter)
    if damage == "no store":
        (home.parent / "store.db").unlink()
    elif damage == "not a store":
        (home.parent / "store.db").write_bytes(b"something else entirely, and long enough" * 40)
    elif damage == "no key":
        (home.parent / "key.pem").unlink()
    else:
        home.unlink()
    with pytest.raises(AuditError) as caught:
        audit([home], [])
    assert "\n" not in str(caught.value)


def test_the_command_prints_json_or_one_line(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    home = mesh.keep(mesh.people.submitter)
    assert main(["--live", str(home)]) == 0
    assert json.loads(capsys.readouterr().out)["counters"]["jobs_submitted"] == 0
    assert main(["--live", str(home.parent / "missing.toml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
