"""What happens to whom and when, from a seed alone.

A participant that is killed, stopped, cut off or without a disk is *out*. Of seven no more than three are out at a time,
a quorum's complement, save for some blows: then one more may be, and work waits until somebody is back. A blackout
takes everybody at once, the supervisor too. Everybody comes back, so that a storm leaves the mesh whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "kill", "terminate", "stop", "cut", "full", "full and killed", "full at start", "blackout"
]
Part: TypeAlias = Literal["both", "provider", "axl"]

OUT_MAX = 3
BEYOND = 1 / 8
"""How often a blow may leave the others without a quorum."""

EVERY_S = 0.7
"""Mean time between blows."""

AWAY_S = 2.5
"""Mean time until somebody who is out comes back."""

AWAY_S_MIN = 0.2
AWAY_S_MAX = 8.0
CALM_S = 1.0
"""Before the first blow and after the last one has been mended."""

DECK: Sequence[tuple[Kind, Part]] = (
    ("kill", "both"),
    ("kill", "both"),
    ("kill", "provider"),
    ("kill", "axl"),
    ("terminate", "both"),
    ("stop", "both"),
    ("stop", "provider"),
    ("stop", "axl"),
    ("cut", "both"),
    ("cut", "both"),
    ("full", "provider"),
    ("full", "provider"),
    ("full and killed", "provider"),
    ("full at start", "provider"),
    ("blackout", "both"),
)
"""Blows are dealt from this deck, shuffled anew when it is empty: a short storm has of everything."""

SPARING: frozenset[Kind] = frozenset({"stop", "cut", "full"})
"""What a participant outlives."""

ROOM_BYTES_MAX = 20_000
"""A disk that is almost full takes up to so much more, so that a write ends in its middle."""


@dataclass(frozen=True)
class Blow:
    """`names` are out from `begins_s` to `ends_s` of the storm. `room_bytes`: what a full disk still takes; None: nothing
    at all, not even over what is there."""

    begins_s: float
    ends_s: float
    kind: Kind
    part: Part
    names: tuple[str, ...]
    room_bytes: int | None = None

    def __str__(self) -> str:
        whole = "" if self.part == "both" else f" ({self.part})"
        room = f", {self.room_bytes} bytes left" if self.room_bytes is not None else ""
        return f"{self.kind} {' '.join(self.names)}{whole} for {self.ends_s - self.begins_s:.2f} s{room}"


@dataclass(frozen=True)
class Step:
    """A blow falls, or is mended. The storm's clock stands still while something is done to the mesh."""

    at_s: float
    blow: Blow
    falls: bool

    def __str__(self) -> str:
        return f"{self.at_s:8.2f} s  {'' if self.falls else 'over: '}{self.blow}"


def blows(seed: int, names: Sequence[str], lasting_s: float, spared: Collection[str] = ()) -> list[Blow]:
    """The blows of a storm. `spared` are not killed after its first quarter, so that their memory can be watched."""
    rng = Random(seed)
    dealt: list[Blow] = []
    deck: list[tuple[Kind, Part]] = []
    at_s = CALM_S
    while True:
        at_s += rng.expovariate(1 / EVERY_S)
        if at_s >= lasting_s - CALM_S:
            return dealt
        if not deck:
            deck = rng.sample(DECK, len(DECK))
        kind, part = deck[-1]
        if kind == "blackout":  # in a moment when nobody is out
            deck.pop()
            at_s = max([at_s, *(blow.ends_s for blow in dealt)]) + AWAY_S_MIN
            if at_s < lasting_s / (4 if spared else 1) - CALM_S:
                dealt.append(Blow(at_s, at_s, kind, part, tuple(names)))
            continue
        killable = [name for name in names if name not in spared or at_s < lasting_s / 4]
        chosen_from = names if kind in SPARING else killable
        found = _blow(rng, kind, part, at_s, chosen_from, dealt, lasting_s)
        if found is not None:
            deck.pop()
            dealt.append(found)


def _blow(
    rng: Random,
    kind: Kind,
    part: Part,
    at_s: float,
    names: Sequence[str],
    dealt: Sequence[Blow],
    lasting_s: float,
) -> Blow | None:
    """A blow of this kind, unless there is no room for one now."""
    ongoing = [blow for blow in dealt if blow.ends_s > at_s]
    out = {name for blow in ongoing for name in blow.names}
    room = OUT_MAX - len(out) + (rng.random() < BEYOND)
    free = sorted(set(names) - out)
    if room < 1 or len(free) < 2 or (kind == "cut" and any(blow.kind == "cut" for blow in ongoing)):
        return None
    many = rng.randint(1, min(room, 3, len(free))) if kind in {"kill", "cut", "stop"} else 1
    away_s = min(AWAY_S_MAX, AWAY_S_MIN + rng.expovariate(1 / AWAY_S))
    if kind in {"kill", "terminate"} and rng.random() < 0.3:
        away_s = 0.0  # started again at once
    room_bytes = rng.choice([None, rng.randrange(ROOM_BYTES_MAX)]) if kind.startswith("full") else None
    return Blow(at_s, min(at_s + away_s, lasting_s), kind, part, tuple(rng.sample(free, many)), room_bytes)


def steps(dealt: Sequence[Blow]) -> Iterator[Step]:
    """Everything in the order in which it is to be done."""
    both = [Step(blow.begins_s, blow, True) for blow in dealt] + [
        Step(blow.ends_s, blow, False) for blow in dealt
    ]
    yield from sorted(both, key=lambda step: (step.at_s, not step.falls))
