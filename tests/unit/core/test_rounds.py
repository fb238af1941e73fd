"""However votes travel and whatever a liar says, electors that do not lie decide on one finding, and come to it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mesh_core.checkpoint.rounds import NextVote, Rounds
from mesh_core.wire import statements as st

HEIGHT = 1
STEPS = 400


def finding(name: int) -> st.Finding:
    return st.Finding(bytes([name]) * 32, b"", b"", ())


class Elector:
    """One that keeps to the rules, and draws what they leave open: when it goes on to a later round, and what it
    prevotes for there when it is free."""

    rounds_type = Rounds

    def __init__(self, peers: list[bytes], me: bytes) -> None:
        self.rounds = self.rounds_type(HEIGHT, tuple(peers), me)
        self.me = me
        self.round = 0

    def hear(self, author: bytes, body: st.Checkpoint) -> None:
        self.rounds.hear(author, body, repr(body).encode())

    def act(self, rng: Random) -> st.Checkpoint | None:
        vote = self.rounds.next_vote(self.round)
        if vote is not None and rng.random() < 0.7:
            said = vote.finding or finding(rng.randrange(2))
            return st.Checkpoint(HEIGHT, vote.round, vote.precommit, said)
        if rng.random() < 0.2:
            self.round += 1
        return None


class Mesh:
    """Electors whose votes reach others in any order, any number of them late; the last ones lie."""

    def __init__(self, rng: Random, honest: int, liars: int, kind: type[Elector] = Elector) -> None:
        self.rng = rng
        self.peers = [bytes([number]) * 32 for number in range(honest + liars)]
        self.electors = [kind(self.peers, peer) for peer in self.peers[:honest]]
        self.liars = self.peers[honest:]
        self.on_their_way: list[tuple[Elector, bytes, st.Checkpoint]] = []

    def send(self, author: bytes, body: st.Checkpoint) -> None:
        for elector in self.electors:
            if elector.me != author:
                self.on_their_way.append((elector, author, body))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        rng = self.rng
        what = rng.random()
        if what < 0.5 and self.on_their_way:
            elector, author, body = self.on_their_way.pop(rng.randrange(len(self.on_their_way)))
            elector.hear(author, body)
        elif what < 0.7 and self.liars:
            author, victim = rng.choice(self.liars), rng.choice(self.electors)
            round_ = rng.choice((*range(victim.round + 2), 1 << 40))
            for name in rng.sample((0, 1), rng.choice((1, 2))):
                victim.hear(author, st.Checkpoint(HEIGHT, round_, rng.random() < 0.5, finding(name)))
        else:
            elector = rng.choice(self.electors)
            body = elector.act(rng)
            if body is not None:
                elector.hear(elector.me, body)
                self.send(elector.me, body)

    def decided(self) -> set[st.Finding]:
        """All that any elector may hold for decided, with what the others have said but it has not heard."""
        for elector, author, body in self.on_their_way:
            elector.hear(author, body)
        self.on_their_way.clear()
        return {found[0] for elector in self.electors if (found := elector.rounds.decided()) is not None}


@settings(max_examples=150, deadline=None)
@given(some.integers(0, 1 << 32), some.sampled_from([(4, 0), (3, 1), (5, 1), (5, 2), (1, 0), (2, 0), (8, 3)]))
def test_electors_never_decide_twice(seed: int, size: tuple[int, int]) -> None:
    mesh = Mesh(Random(seed), *size)
    mesh.run(STEPS)
    assert len(mesh.decided()) <= 1


class Forgetful(Elector):
    """Precommits, and prevotes for what it likes in the next round."""

    def act(self, rng: Random) -> st.Checkpoint | None:
        self.rounds._bound = lambda round_: None  # type: ignore[method-assign]
        return super().act(rng)


class Late(Elector):
    """Precommits what was prevoted for in a round although it has prevoted for something else in a later one."""

    def act(self, rng: Random) -> st.Checkpoint | None:
        self.rounds._may_precommit = lambda round_: True  # type: ignore[method-assign]
        return super().act(rng)


@pytest.mark.parametrize("broken", [Forgetful, Late])
def test_without_its_rules_electors_decide_twice(broken: type[Elector]) -> None:
    def breaks(seed: int) -> bool:
        mesh = Mesh(Random(seed), 3, 1, broken)
        mesh.run(STEPS)
        return len(mesh.decided()) > 1

    assert any(map(breaks, range(400)))


@pytest.mark.parametrize("size", [(1, 0), (2, 0), (3, 0), (3, 1), (5, 2), (8, 3)])
def test_electors_that_hear_each_other_decide_although_liars_say_nothing_more(size: tuple[int, int]) -> None:
    assert all(comes_to_an_end(Random(seed), size) for seed in range(20))


def test_electors_that_keep_what_binds_them_to_themselves_may_go_on_for_ever() -> None:
    assert not all(comes_to_an_end(Random(seed), (5, 2), tell=False) for seed in range(20))


def comes_to_an_end(rng: Random, size: tuple[int, int], *, tell: bool = True) -> bool:
    """Whether electors decide once all that they say arrives; what liars have said to one of them does not by itself."""
    mesh = Mesh(rng, *size)
    mesh.run(STEPS // 2)
    mesh.decided()  # all that has been said arrives
    for round_ in range(max(elector.round for elector in mesh.electors) + 1, STEPS):
        if tell:
            _show_what_binds(mesh, round_)
        first = mesh.electors[round_ % len(mesh.electors)].rounds.next_vote(round_)
        proposed = first.finding if first is not None else None
        _one_good_round(mesh, round_, proposed or finding(0))
        if mesh.decided():
            break
    return len(mesh.decided()) == 1


def _show_what_binds(mesh: Mesh, round_: int) -> None:
    for elector in mesh.electors:
        last = elector.rounds.last_prevoted(round_)
        if last is not None:
            body = st.Checkpoint(HEIGHT, last.round, False, last.finding)
            for other in mesh.electors:
                other.rounds.show_prevoted(body, elector.rounds.proof(last.round))


def _one_good_round(mesh: Mesh, round_: int, proposal: st.Finding) -> None:
    """Everybody prevotes, also who is free to precommit something of an earlier round before that; then everybody precommits."""
    for _ in range(3):
        for elector in mesh.electors:
            vote = elector.rounds.next_vote(round_)
            if vote is not None:
                body = st.Checkpoint(HEIGHT, vote.round, vote.precommit, vote.finding or proposal)
                for other in mesh.electors:
                    other.hear(elector.me, body)


def test_whoever_restarts_is_bound_by_what_it_said() -> None:
    peers = [bytes([number]) * 32 for number in range(4)]
    before = Elector(peers, peers[0])
    said = [st.Checkpoint(HEIGHT, 2, False, finding(1)), st.Checkpoint(HEIGHT, 2, True, finding(1))]
    after = Elector(peers, peers[0])
    for body in said:
        before.hear(peers[0], body)
    for body in reversed(said):
        after.hear(peers[0], body)
    for elector in (before, after):
        assert elector.rounds.next_vote(2) is None
        assert elector.rounds.next_vote(3) == NextVote(3, False, finding(1))
        elector.rounds.show_prevoted(said[0], (b"quorum",))
        assert elector.rounds.next_vote(2) is None
        assert elector.rounds.next_vote(3) == NextVote(3, False, finding(1))


def test_two_votes_for_one_slot_come_to_light() -> None:
    peers = [bytes([number]) * 32 for number in range(4)]
    rounds = Rounds(HEIGHT, tuple(peers), peers[0])
    assert rounds.hear(peers[1], st.Checkpoint(HEIGHT, 0, False, finding(0)), b"first") is None
    assert rounds.hear(peers[1], st.Checkpoint(HEIGHT, 0, True, finding(0)), b"precommit") is None
    assert rounds.hear(peers[1], st.Checkpoint(HEIGHT, 0, False, finding(1)), b"second") == b"first"


def test_who_prevotes_for_two_in_a_round_proposes_nothing_there_and_its_votes_still_count() -> None:
    peers = [bytes([number]) * 32 for number in range(4)]
    rounds = Rounds(HEIGHT, tuple(peers), peers[0])
    for name in range(100):
        assert len(list(rounds.proposals(peers[3], 0))) == (name == 1)
        rounds.hear(peers[3], st.Checkpoint(HEIGHT, 0, False, finding(name)), b"%d" % name)
    assert not list(rounds.proposals(peers[3], 0))
    for peer in peers[1:3]:
        rounds.hear(peer, st.Checkpoint(HEIGHT, 0, False, finding(50)), b"vote")
    last = rounds.last_prevoted(1)
    assert last is not None and last.finding == finding(50) and b"50" in rounds.proof(0)


def test_one_liar_moves_nobody_to_another_round_and_fills_no_memory() -> None:
    peers = [bytes([number]) * 32 for number in range(4)]
    rounds = Rounds(HEIGHT, tuple(peers), peers[0])
    for round_ in range(1000):
        rounds.hear(peers[3], st.Checkpoint(HEIGHT, round_, False, finding(0)), b"vote")
    assert rounds.reached() == 0
    assert sum(len(list(rounds.proposals(peers[3], round_))) for round_ in range(1000)) <= 64
    rounds.hear(peers[2], st.Checkpoint(HEIGHT, 5, False, finding(0)), b"vote")
    assert rounds.reached() == 5
