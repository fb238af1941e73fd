"""Checkpoints go on, and everybody comes to the same, although an elector and strangers do what they can."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from msgspec import structs

from mesh_core import config
from mesh_core.checkpoint.elector import Elector
from mesh_core.identity.statement import digest
from mesh_core.ledger.chain import Base
from mesh_core.ledger.record import FIRST_PREV, Entry
from mesh_core.simulation.world import OPERATOR, World
from mesh_core.wire import statements as st
from tests.unit.core.electing import (
    Bases,
    LyingElector,
    ask,
    earners,
    node_of,
    person,
    refuse_record,
    settlement,
    show,
    up,
)
from tests.unit.core.people import Person

LIAR = "node6"


def others(world: World, *names: str) -> list[str]:
    return [name for name in world.hosts if name not in names]


def heights(world: World) -> set[int]:
    return {node.checkpoints.height for node in up(world)}


def all_agree(world: World) -> bool:
    """Whether all nodes that run go on from the same checkpoint, and hold the same."""
    views = {(node.checkpoints.height, node.checkpoints.base, node.ledger.state_root()) for node in up(world)}
    return len(views) == 1


def asks_until(world: World, condition: Callable[[], bool]) -> bool:
    """Whether it comes to be so while the operator asks eighty questions."""
    for _ in range(80):
        if condition():
            return True
        ask(world, 1, 0.5)
    return False


# ------------------------------------------------------- what some electors can never compare


def test_an_elector_that_withholds_its_precommit_and_a_strangers_fork_do_not_end_checkpoints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stranger has forked until nobody had room for what it has shown to others. Three of six electors have precommitted a cut
    along one of its sides, with the liar's vote; two are bound to it and never come to compare."""
    monkeypatch.setitem(config._LIMIT, "extras_per_author_max", 4)
    world, few = earners("withheld"), ["node1", "node2", OPERATOR]
    many = others(world, *few)
    ask(world, 2)
    stranger = person(world, "stranger")
    sides = {
        side: [stranger.record("note", f"{side} {number}", seq=1, prev=FIRST_PREV) for number in range(6)]
        for side in "xy"
    }
    show(world, many, sides["x"])
    show(world, few, sides["y"])
    world.run_for(3.0)
    way = sides["x"][2].hash
    assert [name for name in world.hosts if way in node_of(world, name).ledger.chains] == many
    liar = LyingElector(
        world, LIAR, lambda bases: ({**bases, stranger.peer: Base(1, way)}, ()), precommits=False
    )
    ask(world, 12)
    assert liar.height > 0 and min(heights(world)) > liar.height + 3 and all_agree(world)


def test_strangers_that_use_up_their_room_differently_and_a_crash_do_not_end_checkpoints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody lies: an elector dies after it has prevoted for a cut that two others cannot compare, and before it has precommitted it."""
    world, few = earners("crash"), ["node1", "node2"]
    many = others(world, *few)
    ask(world, 1)
    monkeypatch.setitem(config._LIMIT, "stray_records_total_max", 20)
    strangers = [person(world, "shown to few"), person(world, "shown to many")]
    for stranger, names in zip(strangers, (few, many), strict=True):
        show(world, names, [stranger.record("note", str(number)) for number in range(30)])
    dies_before_it_precommits(world, "node6", strangers[1])
    ask(world, 12)
    assert not world.hosts["node6"].up
    assert min(heights(world)) >= 4 and all_agree(world)


def dies_before_it_precommits(world: World, name: str, covered: Person) -> None:
    """Kill a node when it is about to precommit a cut that covers somebody."""
    elector = node_of(world, name).checkpoints._elector

    def vote(now: float, round_: int, finding: st.Finding, *, precommit: bool) -> None:
        cut = elector.fetch_cut(now, finding)
        if precommit and cut is not None and covered.peer in cut.bases:
            world.schedule.after(0.0, world.kill, name)
        else:
            Elector._vote(elector, now, round_, finding, precommit=precommit)

    elector._vote = vote  # type: ignore[method-assign]


# ------------------------------------------------------------- what has been dropped elsewhere


@pytest.mark.parametrize("victims", [[OPERATOR], ["node1", "node2"], [OPERATOR, "node1", "node2"]])
@pytest.mark.parametrize("then", ["speaks", "is silent"])
def test_who_holds_the_other_side_of_a_strangers_fork_is_told_what_was_dropped(
    victims: list[str], then: str
) -> None:
    """The liar's cut goes along a side that does not come to the victims before it is decided: whoever has decided it has
    dropped that side, and of what is left the victims hold as much as all."""
    world = earners("stranded")
    stranger = person(world, "stranger")
    side = stranger.record("note", "x", seq=1)
    other = [stranger.record("note", f"y{number}") for number in range(3)]
    for name in victims:
        refuse_record(node_of(world, name), side.hash)

    def draw(bases: Bases) -> tuple[Bases, list[bytes]]:
        show(world, others(world, *victims), [side])
        show(world, world.hosts, other)
        return {**bases, stranger.peer: Base(1, side.hash)}, []

    liar = LyingElector(world, LIAR, draw)
    assert asks_until(world, lambda: 0 < liar.height <= max(heights(world)))
    if then == "is silent":
        world.kill(LIAR)
    world.run_for(10.0)
    assert all(node.ledger.chains.authors[stranger.peer].base == Base(1, side.hash) for node in up(world))
    ask(world, 4)
    assert min(heights(world)) > liar.height and all_agree(world)


# ---------------------------------------------------------------- what strangers decide


def job_over(world: World, committee: list[Person], price_micro: int) -> st.Job:
    """A job that anybody may decide who sits there."""
    job = next(iter(node_of(world, OPERATOR).ledger.jobs.values())).job
    seats = tuple(st.Seat(one.peer, 1) for one in committee)
    return structs.replace(job, label="made up", max_price_micro=price_micro, committee=seats)


def decided(job: Entry, of: Person, by: Person, committee: list[Person]) -> Entry:
    """That it has come to nothing, in the chain of one who was there."""
    value = st.Value("cancelled", b"", 0, "made up", of.peer, 0)
    return by.record("settle", settlement(job, value, committee))


def paid(world: World, who: Person) -> list[Entry]:
    """A job of the operator's that somebody new has run, and what it has signed since."""
    node = node_of(world, OPERATOR)
    honest = [person(world, name) for name in (OPERATOR, "node1", "node2", "node3", "node4")]
    job = node.replication.append(node.context.now, "job", job_over(world, [*honest, who], 1_000))
    value = st.Value("result", digest(b"result"), 6, "", who.peer, 1_000)
    return [job, who.record("settle", settlement(job, value, honest)), who.record("note", "")]


def test_providers_with_one_paid_job_each_hold_nobodys_proposals_up() -> None:
    """Each has decided a job of the next one's too, in front of what shows that it was paid itself; the next is paid a
    little later. Not to forget the job of one leaves out the payment of another, and so its job, and so on."""
    world = earners("cascade", retained=64)
    ask(world, 1)
    helpers = [person(world, f"helper {number}") for number in range(2)]
    waiting: list[Person] = []
    for number in range(16):
        first, second = person(world, f"first {number}"), person(world, f"second {number}")
        for one in (second, first):
            committee = [one, *helpers]
            job = one.record("job", job_over(world, committee, 0))
            show(world, world.hosts, [job, decided(job, one, second, committee)])
        world.run_for(0.2)
        waiting.append(first)
        show(world, world.hosts, paid(world, second))
        if len(waiting) > 3:
            show(world, world.hosts, paid(world, waiting.pop(0)))
        ask(world, 1, 1.5)
    assert min(heights(world)) >= 5 and all_agree(world)


def test_a_long_row_of_providers_with_one_paid_job_each_holds_nobody_up_for_long() -> None:
    """Each recorded the settlement of the one before it, before it was paid itself: that is found without folding."""
    world = earners("row", retained=128)
    ask(world, 1)
    helpers = [person(world, f"helper {number}") for number in range(2)]
    waiting: list[Person] = []
    for number in range(12):
        row = [person(world, f"row {number}.{place}") for place in range(9)]
        jobs = [one.record("job", job_over(world, [one, *helpers], 0)) for one in row]
        settled = [
            decided(job, one, after, [one, *helpers])
            for job, (one, after) in zip(jobs, pairwise(row), strict=False)
        ]
        show(world, world.hosts, [*jobs, *settled, row[-1].record("note", "")])
        world.run_for(0.2)
        for one in row[1:]:
            show(world, world.hosts, paid(world, one))
        waiting.append(row[0])
        if len(waiting) > 2:
            show(world, world.hosts, paid(world, waiting.pop(0)))
        ask(world, 1, 1.5)
    assert min(heights(world)) >= 3 and all_agree(world)


def test_an_elector_that_names_strangers_settlements_beyond_its_cut_is_not_welcome() -> None:
    """They stand behind a gap, so that no cut ever covers them: what is set apart for them stays so for ever, and takes the
    room of those whose jobs were paid."""
    world = earners("apart")
    jobs, gap, helper = (person(world, name) for name in ("jobs", "gap", "helper"))
    ask(world, 2)
    committee = [jobs, gap, helper]
    made = [jobs.record("job", job_over(world, committee, 0)) for _ in range(5)]
    jobs.record("note", "")
    gap.seq = 100

    def draw(bases: Bases) -> tuple[Bases, list[bytes]]:
        settled = [decided(job, jobs, gap, committee) for job in made]
        show(world, world.hosts, [*made, *settled])
        return {**bases, jobs.peer: Base(len(made), made[-1].hash)}, [entry.hash for entry in settled]

    liar = LyingElector(world, LIAR, draw)
    assert asks_until(world, lambda: liar.height > 0)
    ask(world, 8)
    assert min(heights(world)) > liar.height and all_agree(world)
    assert not any(node.ledger.apart for node in up(world))
