"""Named mixtures of trouble. A seed, a profile and what is left out of it define a run completely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from random import Random
from typing import Any, TypeAlias

SWARM_ODDS = 0.5
"""In a storm each kind of trouble is there with these odds: what hides behind another kind comes out that way
(swarm testing, Groce et al. 2012)."""

STORM_SHARE = 0.5
"""The share of seeds that draw a storm when no profile is named; the others share the rest."""


def _upto(most: float, means: str) -> Any:
    return field(default=type(most)(0), metadata={"most": most, "means": means})


@dataclass(frozen=True, slots=True)
class Rates:
    """How much of what goes wrong in one run; nothing by default.

    Floats are shares (probabilities per frame, host, job or run), or times where the name says so; integers count
    happenings. The most that a storm draws stands behind each.
    """

    loss: float = _upto(0.4, "share of frames lost")
    duplication: float = _upto(0.3, "share of frames doubled")
    straggling: float = _upto(0.05, "share of frames up to 1.5 s late, so that others overtake them")
    delay_s: float = _upto(0.04, "seconds every frame takes")
    jitter_s: float = _upto(0.03, "mean of the seconds it takes on top, exponential")
    clogged_links: int = _upto(4, "links left with little bandwidth for a while: queues build up")
    partitions: int = _upto(5, "splits of the mesh into two groups, one in three of them one way only")
    one_way_cuts: int = _upto(3, "single links lost in one direction")
    commanded_splits: int = _upto(2, "partition commands, on one side or both")
    outsider_per_s: float = _upto(40.0, "frames replayed, altered or invented by an outsider")
    crashes: int = _upto(10, "crashes with a restart; a part of the unsynced writes is lost or torn")
    blackouts: int = _upto(1, "crashes of everybody at once")
    holder_restarts: int = _upto(4, "restarts of whoever holds a lease")
    ambushes: int = _upto(6, "strikes at whoever has just promised, proposed, voted or released")
    kills: int = _upto(3, "deaths for good, as many as a committee can spare")
    new_keys: int = _upto(1, "hosts that come back under a new key, with an empty disk")
    newcomers: int = _upto(2, "hosts that join under keys nobody has heard of")
    late_joiners: float = _upto(0.4, "share of hosts that start late")
    leaves: int = _upto(2, "goodbyes, with a return")
    pauses: int = _upto(2, "processes stopped for seconds")
    stalls: int = _upto(10, "event loops busy elsewhere for a moment")
    slow_loops: int = _upto(2, "hosts that take milliseconds for each frame, so that their inbox overflows")
    clock_rate: float = _upto(0.03, "how wrong the rates of clocks are, plus or minus")
    clock_offset_s: float = _upto(10.0, "seconds that wall clocks are off, plus or minus")
    clock_steps: int = _upto(3, "wall clocks set by ten seconds")
    clock_bends: int = _upto(3, "clocks that begin to run faster or slower")
    slow_disks: float = _upto(0.5, "odds that every fsync of the run takes up to 0.3 s")
    lame_disks: int = _upto(2, "disks that hardly move for a while")
    full_disks: int = _upto(2, "disks that refuse to write for a while")
    old_backups: int = _upto(1, "disks replaced by an old copy of themselves")
    failing: float = _upto(0.3, "share of executions that raise")
    hanging: float = _upto(0.1, "share of executions that never end")
    cancels: float = _upto(0.4, "share of queries of which a job is cancelled")
    short_deadlines: float = _upto(0.2, "share of queries with seconds of total time-out")
    large_results: float = _upto(0.3, "odds that results are too large for one frame")
    price_changes: int = _upto(3, "providers that come back with another price")
    tight_credit: float = _upto(0.3, "odds that a submitter's credit covers one query only")
    earners: float = _upto(0.3, "odds that providers have no credit, and ask with what they have earned")
    short_memory: float = _upto(0.4, "odds that records are dropped soon: snapshots take their place")
    no_hints: float = _upto(0.4, "odds that lost links stay in /topology")
    default_timers: float = _upto(0.1, "odds of the default timers in place of FAST")
    liars: int = _upto(1, "providers that lie, each with a few of the vices below")
    outcasts: int = _upto(2, "hosts that are in trouble for ever: the others must do without them")


KINDS: Mapping[str, str] = {one.name: one.metadata["means"] for one in fields(Rates)}
"""Every kind of trouble, and what its rate says."""

MOST: Mapping[str, float] = {one.name: one.metadata["most"] for one in fields(Rates)}
"""What a storm draws of each at most."""
_RARE = {"old_backups": 0.15, "default_timers": 0.2, "new_keys": 0.3, "liars": 0.25, "earners": 0.2}
"""Odds in a storm of what leaves less to be demanded, or takes long."""

Range: TypeAlias = tuple[float, float]

Terms: TypeAlias = tuple[int, int]
"""Of a job: the weight of votes that may lie, and the weight of its submitter's vote."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A mixture of trouble: the range that each rate is drawn from; `swarm` leaves half of them out.

    `rounds` makes a run longer, with more queries. A query draws one of `terms`, (fault bound, submitter's weight);
    `providers` are the sizes of mesh to draw from. With
    `liars_answer`, liars have no vice that keeps others waiting, so that they need not be done without. With
    `backups_are_noticed` a host whose disk is set back must never contradict itself: others are there to tell it. With
    `perjury` liars lie about old records, and else are as others.
    """

    about: str
    ranges: Mapping[str, Range] = field(default_factory=dict)
    swarm: bool = False
    rounds: int = 1
    terms: tuple[Terms, ...] = ((0, 1),)
    providers: tuple[int, ...] = (4, 5, 6, 6, 6, 7, 9)
    liars_answer: bool = False
    backups_are_noticed: bool = False
    perjury: bool = False

    def __post_init__(self) -> None:
        unknown = self.ranges.keys() - KINDS.keys()
        if unknown:
            raise ValueError(f"no such kind of trouble: {', '.join(sorted(unknown))}")

    def draw(self, seed: str) -> Rates:
        """The rates of one seed; each kind has dice of its own."""
        drawn: dict[str, float] = {}
        for name, (low, high) in self.ranges.items():
            rng = Random(f"{seed}/rate/{name}")
            if self.swarm and rng.random() >= _RARE.get(name, SWARM_ODDS):
                continue
            whole = isinstance(MOST[name], int)
            drawn[name] = rng.randint(int(low), int(high)) if whole else rng.uniform(low, high)
        return replace(Rates(), **drawn)  # type: ignore[arg-type]  # each drawn by its own type


_USUAL: tuple[Terms, ...] = ((0, 1), (0, 1), (1, 3))
_ANY: tuple[Terms, ...] = ((0, 1), (0, 3), (1, 1), (1, 3))


def _mostly(
    about: str,
    *,
    rounds: int = 1,
    terms: tuple[Terms, ...] = _USUAL,
    providers: tuple[int, ...] = (4, 5, 6, 6, 6, 7, 9),
    liars_answer: bool = False,
    **ranges: Range,
) -> Profile:
    """A profile that loses a few frames besides."""
    return Profile(
        about,
        {"loss": (0.0, 0.1)} | ranges,
        rounds=rounds,
        terms=terms,
        providers=providers,
        liars_answer=liars_answer,
    )


PROFILES: dict[str, Profile] = {
    "storm": Profile(
        "everything at once, each kind with even odds and a rate drawn from the seed",
        {name: (type(most)(most > 1), most) for name, most in MOST.items()},
        swarm=True,
        terms=(*_ANY, (0, 1)),
    ),
    "calm": Profile("nothing goes wrong"),
    "lossy": Profile(
        "frames get lost, doubled and overtaken",
        {"loss": (0.1, 0.4), "duplication": (0.0, 0.3), "straggling": (0.0, 0.05), "jitter_s": (0.0, 0.03)},
    ),
    "clogged": _mostly(
        "links have little bandwidth, event loops are slow, inboxes overflow",
        clogged_links=(4, 16),
        slow_loops=(0, 3),
        delay_s=(0.0, 0.04),
        jitter_s=(0.0, 0.02),
        large_results=(0.0, 1.0),
        crashes=(0, 3),
        no_hints=(0.0, 0.6),
    ),
    "partition": Profile(
        "the mesh splits again and again, one way too",
        {"partitions": (2, 8), "one_way_cuts": (0, 4), "commanded_splits": (0, 2), "no_hints": (0.0, 0.6)},
    ),
    "crashy": _mostly(
        "hosts crash and come back, disks lose and tear what was not synced",
        duplication=(0.0, 0.3),
        crashes=(4, 14),
        slow_disks=(0.0, 0.6),
        no_hints=(0.0, 0.4),
    ),
    "ambush": _mostly(
        "hosts are struck right after they voted", ambushes=(4, 14), no_hints=(0.0, 0.6), outcasts=(0, 1)
    ),
    "restart_holder": _mostly(
        "whoever holds a lease is restarted",
        crashes=(0, 2),
        holder_restarts=(4, 10),
        ambushes=(0, 3),
        slow_disks=(0.0, 0.4),
    ),
    "kill3": _mostly(
        "up to half of the committee dies for good",
        loss=(0.0, 0.2),
        kills=(1, 3),
        ambushes=(0, 2),
        no_hints=(0.0, 0.4),
    ),
    "cancel": _mostly(
        "jobs are cancelled while they run",
        loss=(0.0, 0.3),
        crashes=(0, 3),
        ambushes=(0, 3),
        cancels=(0.5, 1.0),
    ),
    "exec_failures": _mostly("executions raise", crashes=(0, 2), failing=(0.2, 0.8), cancels=(0.0, 0.2)),
    "hang": _mostly(
        "executions hang, their holders live",
        hanging=(0.1, 0.5),
        crashes=(0, 2),
        short_deadlines=(0.0, 0.6),
    ),
    "blackout": _mostly(
        "the whole mesh stops at once and starts again", crashes=(0, 3), ambushes=(0, 2), blackouts=(1, 3)
    ),
    "disks": _mostly(
        "disks are full, lame or slow",
        full_disks=(1, 5),
        lame_disks=(0, 4),
        slow_disks=(0.0, 0.5),
        crashes=(0, 6),
        ambushes=(0, 3),
        large_results=(0.0, 0.5),
    ),
    "backups": Profile(
        "disks are set back to an old copy right after a vote, while everybody is there to notice",
        {"loss": (0.0, 0.1), "jitter_s": (0.0, 0.02), "old_backups": (1, 3), "cancels": (0.0, 0.2)},
        terms=_ANY,
        backups_are_noticed=True,
    ),
    "churn": _mostly(
        "hosts join, leave, come back, and come back as somebody else",
        newcomers=(0, 3),
        late_joiners=(0.0, 0.6),
        leaves=(0, 3),
        new_keys=(0, 2),
        kills=(0, 1),
        crashes=(0, 4),
    ),
    "prices": _mostly(
        "providers come back with other prices, submitters weigh more",
        terms=((0, 1), (0, 2), (0, 3)),
        crashes=(0, 4),
        ambushes=(2, 8),
        kills=(0, 1),
        price_changes=(2, 10),
        tight_credit=(0.0, 0.6),
    ),
    "marathon": _mostly(
        "five times as long, with five times as many queries",
        rounds=5,
        partitions=(0, 20),
        crashes=(0, 25),
        kills=(0, 3),
        ambushes=(0, 30),
        cancels=(0.0, 0.2),
        failing=(0.0, 0.2),
    ),
    "forgetful": _mostly(
        "records are dropped soon, who comes back late starts from a snapshot",
        rounds=4,
        short_memory=(1.0, 1.0),
        earners=(0.5, 0.5),
        crashes=(0, 8),
        blackouts=(0, 1),
        pauses=(0, 4),
        partitions=(0, 6),
        late_joiners=(0.0, 0.6),
        newcomers=(0, 1),
        kills=(0, 2),
        ambushes=(0, 8),
        slow_disks=(0.0, 0.5),
        full_disks=(0, 1),
        old_backups=(0, 1),
        cancels=(0.0, 0.2),
    ),
    "perjury": Profile(
        "one of the electors lies about old records, while hosts come, go, and stay away for long",
        {
            "loss": (0.0, 0.1),
            "short_memory": (1.0, 1.0),
            "earners": (0.5, 0.5),
            "liars": (1, 1),
            "crashes": (0, 6),
            "pauses": (0, 2),
            "partitions": (0, 4),
            "late_joiners": (0.0, 0.4),
            "newcomers": (0, 2),
            "new_keys": (0, 1),
            "leaves": (0, 2),
            "kills": (0, 1),
            "ambushes": (0, 4),
        },
        rounds=4,
        terms=((1, 3),),
        providers=(6, 7, 9),
        liars_answer=True,
        perjury=True,
    ),
    "hostile": _mostly(
        "an outsider replays, alters and invents frames",
        crashes=(0, 4),
        ambushes=(0, 3),
        outsider_per_s=(20.0, 100.0),
    ),
    "byzantine": _mostly(
        "one or two providers lie: promises hold for jobs that tolerate it, and for honest nodes",
        terms=(*_ANY, (1, 1), (1, 3), (2, 1), (2, 3)),
        duplication=(0.0, 0.2),
        liars=(1, 2),
        crashes=(0, 4),
        partitions=(0, 2),
        ambushes=(0, 3),
        kills=(0, 1),
        large_results=(0.0, 0.5),
    ),
    "liar": _mostly(
        "one liar among seven, three of six providers die, and every job tolerates that",
        terms=((1, 3),),
        providers=(6,),
        liars_answer=True,
        duplication=(0.0, 0.2),
        liars=(1, 1),
        kills=(3, 3),
        ambushes=(0, 6),
        cancels=(0.0, 0.2),
        failing=(0.0, 0.2),
        large_results=(0.0, 0.2),
    ),
    "stalls": Profile(
        "event loops stall, processes are stopped, clocks are wrong",
        {
            "stalls": (10, 40),
            "pauses": (0, 4),
            "slow_loops": (0, 2),
            "slow_disks": (0.0, 0.6),
            "lame_disks": (0, 3),
            "large_results": (0.0, 0.4),
            "clock_rate": (0.0, 0.05),
            "clock_offset_s": (0.0, 10.0),
            "clock_steps": (0, 4),
            "clock_bends": (0, 4),
            "default_timers": (0.0, 0.6),
        },
    ),
}


def draw_profile(seed: int) -> str:
    """The profile of a seed for which none is named."""
    rng = Random(f"{seed}/profile")
    if rng.random() < STORM_SHARE:
        return "storm"
    return rng.choice([name for name in PROFILES if name != "storm"])
