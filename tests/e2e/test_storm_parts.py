"""What a storm is made of: its schedule repeats and is survivable, its counters see what they are there to see."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mesh_core.identity.statement import body_hash, digest, sign
from mesh_core.io.crypto import KeyCrypto
from mesh_core.ledger.record import FIRST_PREV, make_record
from mesh_core.wire import statements as st
from tests.e2e.processes import limit_files
from tests.e2e.storm.memory import JUDGED_S, LEDGER_BYTES_PER_JOB, SLACK_BYTES, Growth, Sample, growth
from tests.e2e.storm.observer import Count, Observer, Store
from tests.e2e.storm.schedule import OUT_MAX, SPARING, Blow, Step, blows, steps
from tests.e2e.storm.victims import Victims
from tests.e2e.test_storm import SEED, SHORT_S

NAMES = ["node1", "node2", "node3", "node4", "node5", "node6", "operator"]
NETWORK = "local"


# ------------------------------------------------------------------------------------------- the schedule


def test_a_seed_is_a_storm() -> None:
    assert blows(7, NAMES, 60) == blows(7, NAMES, 60) != blows(8, NAMES, 60)


@pytest.mark.parametrize("seed", range(20))
def test_hardly_ever_more_than_three_are_out_and_everybody_comes_back(seed: int) -> None:
    dealt = blows(seed, NAMES, 120)
    out: set[str] = set()
    beyond = 0
    for step in steps(dealt):
        assert out.isdisjoint(step.blow.names) == step.falls
        out ^= set(step.blow.names)
        assert len(out) <= OUT_MAX + 1 or (step.blow.kind == "blackout" and len(out) == len(NAMES))
        beyond += step.falls and len(out) > OUT_MAX
    assert not out
    assert beyond < len(dealt) / 3
    assert max(blow.ends_s for blow in dealt) <= 120


def test_a_short_storm_has_of_everything() -> None:
    dealt = blows(SEED, NAMES, SHORT_S)
    assert {blow.kind for blow in dealt} == {
        "kill", "terminate", "stop", "cut", "full", "full and killed", "full at start", "blackout"
    }  # fmt: skip
    assert "operator" in {name for blow in dealt for name in blow.names}


def test_who_is_watched_for_memory_lives_through_most_of_a_storm() -> None:
    dealt = blows(3, NAMES, 600, spared=["node2", "operator"])
    late = [blow for blow in dealt if blow.begins_s > 150 and {"node2", "operator"} & set(blow.names)]
    assert late
    assert {blow.kind for blow in late} <= SPARING


class Witness(Victims):
    """Remembers what would be done to a mesh; doing it takes a while."""

    def __init__(self) -> None:
        self.seen: list[Step] = []

    async def perform(self, step: Step) -> None:
        self.seen.append(step)
        await asyncio.sleep(0.02)


async def test_when_time_is_over_nothing_falls_and_everything_is_mended() -> None:
    dealt = [Blow(0.01 * n, 0.01 * n + 0.05, "kill", "both", (f"node{n}",)) for n in range(10)]
    whole, cut_short = Witness(), Witness()
    await whole.suffer(steps(dealt), math.inf)
    assert whole.seen == list(steps(dealt))
    await cut_short.suffer(steps(dealt), 0.06)
    fallen = {step.blow for step in cut_short.seen if step.falls}
    assert 0 < len(fallen) < len(dealt)
    assert {step.blow for step in cut_short.seen if not step.falls} == fallen


# --------------------------------------------------------------------------------------------- the memory


def taken(bytes_of: Callable[[int], int], files_of: Callable[[int], int] = lambda _: 10) -> list[Sample]:
    return [Sample(second, bytes_of(second), files_of(second), second) for second in range(300)]


@pytest.mark.parametrize(
    ("who", "samples", "bounded"),
    [
        ("node1 provider", taken(lambda s: LEDGER_BYTES_PER_JOB * s), True),
        ("node1 provider", taken(lambda s: LEDGER_BYTES_PER_JOB * s + SLACK_BYTES * s // 90), False),
        ("node1 axl", taken(lambda _: 1 << 25), True),
        ("node1 axl", taken(lambda s: SLACK_BYTES * s // 90), False),
        ("supervisor", taken(lambda _: 1 << 25, lambda s: s), False),
    ],
)
def test_memory_may_grow_with_the_ledger_and_with_nothing_else(
    who: str, samples: Sequence[Sample], bounded: bool
) -> None:
    (grown,) = growth({(who, 1): samples})
    assert isinstance(grown, Growth)
    assert grown.is_bounded is bounded


def test_a_process_that_has_not_lived_long_enough_is_not_judged() -> None:
    assert not growth({("node1 provider", 1): taken(lambda s: s << 30)[: round(JUDGED_S)]})


# ----------------------------------------------------------------------------------------- the full disk


def test_a_process_without_room_cannot_write(tmp_path: Path) -> None:
    code = "import sys; f = open(sys.argv[1], 'wb', 0); print(flush=True); sys.stdin.readline(); f.write(b'more')"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "file")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        limit_files(process.pid, 0)
        _, errors = process.communicate(b"\n")
    assert b"File too large" in errors


# ------------------------------------------------------------------------------------------- the observer


class Given:
    """Three participants and one job, offered by the first, leased and settled by the second; all their stores."""

    def __init__(self) -> None:
        self.keys = [KeyCrypto(bytes([number]) * 32) for number in (1, 2, 3)]
        self.submitter, self.holder, self.other = self.keys
        self.result = digest(b"result")
        self.stores = [
            Store(name, key.peer, set(), {}, {self.result})
            for name, key in zip(("a", "b", "c"), self.keys, strict=True)
        ]
        self.job_record = self._record(self.submitter, 1, FIRST_PREV, "job", self._job())
        self.job = body_hash(self.job_record)
        promises = tuple(self.vote(key, st.Promise(NETWORK, key.peer, self.job, 1, self.holder.peer, None, ()))
                         for key in self.keys[:2])  # fmt: skip
        lease = st.LeaseCertificate(self.job, 1, self.holder.peer, promises)
        self.lease = self.last = self._record(self.holder, 1, FIRST_PREV, "lease", lease)
        self.settle(self.value())

    def _job(self) -> st.Job:
        seats = tuple(st.Seat(key.peer, 1) for key in self.keys)
        return st.Job(
            "q1.1", bytes(16), 1, "answer", "answer", 0, bytes(32), 10, 1, (), 100, 1, 1, 1, 1, 0, seats
        )

    def value(self, price_micro: int = 70, outcome: str = "result") -> st.Value:
        return st.Value(outcome, self.result, 6, "", self.holder.peer, price_micro)

    def settle(self, value: st.Value, epoch: int = 1, voters: int = 2) -> bytes:
        votes = tuple(
            self.vote(key, st.AcceptVote(NETWORK, key.peer, self.job, epoch, value))
            for key in self.keys[:voters]
        )
        certificate = st.SettleCertificate(self.job, epoch, value, votes)
        seq = sum(1 for signed in self.stores[0].statements if signed != self.job_record) + 1
        self.last = self._record(self.holder, seq, body_hash(self.last), "settle", certificate)
        return self.last

    def vote(self, key: KeyCrypto, vote: st.Promise | st.AcceptVote) -> bytes:
        signed = sign(key, vote)
        phase = "promise" if isinstance(vote, st.Promise) else "accept"
        store = next(store for store in self.stores if store.key == key.peer)
        store.votes.setdefault((vote.job, vote.epoch, phase), signed)
        return signed

    def _record(self, key: KeyCrypto, seq: int, prev: bytes, kind: str, body: object) -> bytes:
        signed = make_record(key, NETWORK, key.peer, seq, prev, 0, kind, body)
        for store in self.stores:
            store.statements.add(signed)
        return signed

    def count(self, *, cancelled: Sequence[str] = ()) -> Count:
        return Observer(self.stores).judge([self.job.hex()], {}, cancelled)


def test_a_good_mesh_has_nothing_wrong() -> None:
    given = Given()
    count = given.count()
    assert not count.wrong
    assert count.outcomes == {"result": 1}
    assert set(count.balances) == {"a", "b", "c"}
    assert all(held == {given.submitter.peer: -70, given.holder.peer: 70} for held in count.balances.values())


def _tamper(given: Given) -> None:
    for store in given.stores:
        store.statements.remove(given.last)
        store.statements.add(given.last[:-1] + bytes([given.last[-1] ^ 1]))


def _forget_job(given: Given) -> None:
    for store in given.stores:
        store.statements.clear()


def _undo(given: Given) -> None:
    for store in given.stores:
        store.statements.remove(given.last)
    given.last = given.lease


def _lose_result(given: Given) -> None:
    given.stores[0].blobs.clear()


def _settle_again(given: Given) -> None:
    given.settle(given.value(60), epoch=2)


def _fail(given: Given) -> None:
    _undo(given)
    given.stores[0].votes.clear()
    given.stores[1].votes.clear()
    given.settle(given.value(0, "failed"))


def _vote_twice(given: Given) -> None:
    given.settle(given.value(60))


def _forget_a_vote(given: Given) -> None:
    given.stores[1].votes.clear()


def _one_vote(given: Given) -> None:
    _undo(given)
    given.settle(given.value(), voters=1)


def _lag(given: Given) -> None:
    given.stores[2].statements.remove(given.last)


def _gap(given: Given) -> None:
    for store in given.stores:
        store.statements.remove(given.job_record)


@pytest.mark.parametrize(
    ("harm", "kinds"),
    [
        (_tamper, {"unsigned", "lost"}),
        (_forget_job, {"lost"}),
        (_undo, {"lost"}),
        (_lose_result, {"lost"}),
        (_settle_again, {"settled_twice"}),
        (_fail, {"unwanted"}),
        (_vote_twice, {"contradictions", "forgotten", "settled_twice"}),
        (_forget_a_vote, {"forgotten"}),
        (_one_vote, {"unsigned", "lost"}),
        (_lag, {"differing", "unbalanced"}),
        (_gap, {"unbalanced", "lost", "unsigned"}),
    ],
    ids=lambda value: value.__name__.strip("_").replace("_", " ") if callable(value) else "",
)
def test_what_must_not_be_is_seen(harm: Callable[[Given], None], kinds: set[str]) -> None:
    given = Given()
    harm(given)
    assert set(given.count().wrong) == kinds
