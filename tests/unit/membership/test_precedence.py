from __future__ import annotations

from typing import get_args

import pytest

from mesh_core.membership.members import MemberState
from mesh_core.membership.precedence import PRECEDENCE, Assertion, Ruling, ruling

STANDINGS = (*get_args(MemberState), "me")
IGNORE, APPLY, ANSWER, REFUTE = Ruling.IGNORE, Ruling.APPLY, Ruling.ANSWER, Ruling.REFUTE


def test_every_claim_about_everybody_has_a_ruling() -> None:
    assert set(PRECEDENCE) == {
        (assertion, standing) for assertion in get_args(Assertion) for standing in STANDINGS
    }


@pytest.mark.parametrize(
    ("assertion", "standing", "incarnation", "expected"),
    [
        ("alive", "suspect", 6, APPLY),
        ("alive", "suspect", 5, IGNORE),
        ("alive", "dead", 6, APPLY),
        ("alive", "dead", 5, IGNORE),
        ("alive", "alive", 4, ANSWER),
        ("left", "alive", 6, APPLY),
        ("left", "dead", 6, APPLY),
        ("alive", "left", 5, IGNORE),
        ("accused", "alive", 5, APPLY),
        ("accused", "suspect", 5, APPLY),
        ("accused", "dead", 5, IGNORE),
        ("accused", "left", 5, IGNORE),
        ("accused", "alive", 4, ANSWER),
        ("accused", "alive", 6, ANSWER),
        ("accused", "me", 5, REFUTE),
        ("accused", "me", 4, ANSWER),
        ("accused", "me", 6, ANSWER),
        ("alive", "me", 6, REFUTE),
    ],
)
def test_a_statement_is_ruled_by_the_incarnation_it_names(
    assertion: Assertion, standing: MemberState, incarnation: int, expected: Ruling
) -> None:
    assert ruling(assertion, standing, incarnation, held=5) is expected


@pytest.mark.parametrize("standing", STANDINGS)
@pytest.mark.parametrize("assertion", get_args(Assertion))
def test_whoever_sends_something_older_is_always_answered(
    assertion: Assertion, standing: MemberState
) -> None:
    assert ruling(assertion, standing, 4, held=5) is ANSWER


@pytest.mark.parametrize("standing", STANDINGS)
def test_an_accusation_never_applies_to_an_incarnation_its_subject_has_not_made(
    standing: MemberState,
) -> None:
    assert ruling("accused", standing, 6, held=5) is ANSWER
