"""Which statement about a member beats which, as a table (SWIM §4.2).

A statement names an incarnation of its subject. Only the subject makes new ones, so a statement of its own
about a newer incarnation beats everything; an accusation concerns the incarnation it names and no other: an
accuser cannot invent one. Whoever sends something older than what is held here, or accuses an incarnation
not known here, is answered with the subject's statement that is held: one of the two sides then learns.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias

from mesh_core.membership.members import MemberState

Assertion: TypeAlias = Literal["alive", "left", "accused"]
Standing: TypeAlias = MemberState | Literal["me"]


class Ruling(Enum):
    """What to do with a statement."""

    IGNORE = "says nothing new"
    APPLY = "changes the member, once its signature is verified"
    ANSWER = "the sender holds another incarnation: answer with the subject's statement held here"
    REFUTE = "concerns this node: outbid it, once its signature is verified"


_IGNORE, _APPLY, _ANSWER, _REFUTE = Ruling.IGNORE, Ruling.APPLY, Ruling.ANSWER, Ruling.REFUTE

PRECEDENCE: dict[tuple[Assertion, Standing], tuple[Ruling, Ruling, Ruling]] = {
    # assertion, standing:    older    same     newer
    ("alive", "alive"): (_ANSWER, _IGNORE, _APPLY),
    ("alive", "suspect"): (_ANSWER, _IGNORE, _APPLY),
    ("alive", "dead"): (_ANSWER, _IGNORE, _APPLY),
    ("alive", "left"): (_ANSWER, _IGNORE, _APPLY),
    ("alive", "me"): (_ANSWER, _IGNORE, _REFUTE),
    ("left", "alive"): (_ANSWER, _IGNORE, _APPLY),
    ("left", "suspect"): (_ANSWER, _IGNORE, _APPLY),
    ("left", "dead"): (_ANSWER, _IGNORE, _APPLY),
    ("left", "left"): (_ANSWER, _IGNORE, _APPLY),
    ("left", "me"): (_ANSWER, _IGNORE, _REFUTE),
    ("accused", "alive"): (_ANSWER, _APPLY, _ANSWER),
    ("accused", "suspect"): (_ANSWER, _APPLY, _ANSWER),
    ("accused", "dead"): (_ANSWER, _IGNORE, _ANSWER),
    ("accused", "left"): (_ANSWER, _IGNORE, _ANSWER),
    ("accused", "me"): (_ANSWER, _REFUTE, _ANSWER),
}


def ruling(assertion: Assertion, standing: Standing, incarnation: int, held: int) -> Ruling:
    """The ruling on `assertion` about `incarnation` of a subject in `standing` that is held at incarnation `held`."""
    older, same, newer = PRECEDENCE[assertion, standing]
    if incarnation == held:
        return same
    return older if incarnation < held else newer
