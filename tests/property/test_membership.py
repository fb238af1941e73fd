"""Membership under anything: statements in any order, any schedule of faults."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_core.config import FAST
from mesh_core.effects import PeerId
from mesh_core.wire.messages import Ack, Exchange, Gossip, Nack, Ping, PingRequest, Update
from tests.unit.membership.cluster import Cluster, key
from tests.unit.membership.solo import Solo, accusation, alive

NAMES = ("a", "b", "c", "d")
KNOWN = st.sampled_from(NAMES)
ANYBODY = st.sampled_from((*NAMES, "x", "y"))
INCARNATIONS = st.sampled_from((1, 1, 1, 2, 2, 3, 0))

ALIVE = st.builds(alive, KNOWN, INCARNATIONS)
ACCUSATION = st.builds(
    lambda by, of, number, dead: accusation(by, of, number, dead=dead),
    ANYBODY,
    KNOWN,
    INCARNATIONS,
    st.booleans(),
)
ABOUT_ME = st.builds(
    lambda by, number: accusation(by, "me", number), ANYBODY, st.integers((1 << 20) - 1, (1 << 20) + 3)
)
STRANGE = st.one_of(
    st.builds(lambda name, number: alive(name, number, left=True), ANYBODY, INCARNATIONS),
    st.builds(alive, ANYBODY),
    st.builds(Update, st.sampled_from(("alive", "accusation", "?")), st.binary(max_size=80)),
)
UPDATE: st.SearchStrategy[Update] = st.one_of(ALIVE, ACCUSATION, ACCUSATION, ABOUT_ME, STRANGE)


@given(st.lists(st.one_of(ALIVE, ACCUSATION), max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_what_members_say_of_themselves_is_the_same_in_any_order(
    updates: list[Update], random: object
) -> None:
    shuffled = list(updates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    views = []
    for order in (updates, shuffled):
        solo = Solo()
        solo.meet(*NAMES)
        for update in order:
            solo.gossip("a", update)
        views.append(
            {m.peer: (m.incarnation, m.announcement, m.signed) for m in solo.membership.members.values()}
        )
    assert views[0] == views[1]


class Watched:
    """A machine whose invariants are checked after every step."""

    def __init__(self) -> None:
        self.solo = Solo()
        self.solo.meet(*NAMES)
        self._own = 0
        self._incarnations: dict[PeerId, int] = {}
        self._suspected_at: dict[PeerId, float] = {}

    def check(self) -> None:
        membership = self.solo.membership
        assert membership.incarnation >= self._own
        self._own = membership.incarnation
        assert membership.live() == sorted(
            peer for peer in membership.members if not membership.is_dead(peer)
        )
        for peer, member in membership.members.items():
            assert member.incarnation >= self._incarnations.get(peer, -1)
            self._incarnations[peer] = member.incarnation
            assert bool(member.accusations) == (member.state in {"suspect", "dead"})
            assert (("membership", "suspicion", peer) in self.solo.timers) == (member.state == "suspect")
            if member.state == "suspect":
                self._suspected_at.setdefault(peer, member.since)
            elif member.state == "dead":
                assert member.since - self._suspected_at[peer] >= FAST.suspicion_min_s - 1e-9
            else:
                self._suspected_at.pop(peer, None)


MESSAGE = st.one_of(
    st.builds(lambda updates: Gossip(tuple(updates)), st.lists(UPDATE, max_size=4)),
    st.builds(
        lambda updates, reply: Exchange(tuple(updates), reply), st.lists(UPDATE, max_size=4), st.booleans()
    ),
    st.builds(lambda number: Ping(number, ()), st.integers(0, 200)),
    st.builds(lambda number: Ack(number, ()), st.integers(0, 200)),
    st.builds(Nack, st.integers(0, 200)),
    st.builds(lambda number, of: PingRequest(number, key(of), ()), st.integers(0, 200), ANYBODY),
)
SHORT = st.floats(0, 0.9 * FAST.suspicion_min_s)
"""Too short for a member to become suspect and dead unseen between two checks."""

STEP: st.SearchStrategy[Callable[[Solo], object]] = st.one_of(
    st.builds(lambda update: lambda solo: solo.gossip("a", update), UPDATE),
    st.builds(lambda sender, message: lambda solo: solo.deliver(sender, message), ANYBODY, MESSAGE),
    st.builds(lambda seconds: lambda solo: solo.wait(seconds, answering=NAMES[1:]), SHORT),
    st.builds(lambda seconds: lambda solo: solo.sleep(seconds), st.floats(0, 2)),
    st.builds(lambda names: lambda solo: solo.answer(*names), st.lists(ANYBODY, max_size=4)),
    st.builds(
        lambda links: (
            lambda solo: solo.membership.neighbours_changed(
                solo.now, {key(name): up for name, up in links.items()}
            )
        ),
        st.dictionaries(ANYBODY, st.booleans(), max_size=5),
    ),
    st.builds(lambda sender: lambda solo: solo.membership.heard_from(solo.now, key(sender)), ANYBODY),
    st.just(lambda solo: solo.fire_due()),
)


@given(st.lists(STEP, max_size=40))
@settings(max_examples=200, deadline=None)
def test_whatever_arrives_the_table_stays_sound(steps: list[Callable[[Solo], object]]) -> None:
    watched = Watched()
    for step in steps:
        step(watched.solo)
        watched.check()
        deadline = watched.solo.timers.next_deadline()
        if deadline is not None and deadline <= watched.solo.now:
            watched.solo.fire_due()
            watched.check()


FAULT: st.SearchStrategy[tuple[str, int]] = st.tuples(
    st.sampled_from(("kill", "restart", "stall", "partition", "heal", "lossy", "clear")), st.integers(0, 5)
)


@given(st.integers(0, 2**32), st.lists(st.tuples(FAULT, st.floats(0, 3)), max_size=12))
@settings(max_examples=40, deadline=None)
def test_after_any_faults_everybody_sees_who_is_there(
    seed: int, schedule: list[tuple[tuple[str, int], float]]
) -> None:
    cluster = Cluster(6, seed=seed)
    cluster.settle()
    for (fault, number), seconds in schedule:
        if fault == "kill" and sum(host.up for host in cluster.hosts) > 2:
            cluster.kill([number], hints=seed % 2 == 0)
        elif fault == "restart" and not cluster.hosts[number].up:
            cluster.restart(number)
        elif fault == "stall":
            cluster.stall(number, seconds)
        elif fault == "partition":
            cluster.partition(range(number), range(number, 6))
        elif fault == "heal":
            cluster.heal()
        elif fault in {"lossy", "clear"}:
            cluster.loss = 0.3 if fault == "lossy" else 0.0
        cluster.run_for(seconds)
    cluster.heal()
    cluster.loss = 0.0
    cluster.connect()
    cluster.run_for(20.0)
    assert cluster.converged()
    for host in cluster.hosts:
        assert host.up or cluster.views(host.name) <= {"dead", "unknown"}
