"""A fuzz target: an entry point for bytes from outside, what honest bytes look like, and what must never happen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.fuzz.mutate import Mutation


@dataclass(frozen=True)
class Target:
    """`run` takes any bytes and raises when something is wrong; what refuses bad bytes as it should is not.

    `seeds` are made by code each time, `mutated` makes others of them.
    """

    name: str
    about: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    mutated: Mutation


def require_one_line(text: str) -> None:
    """What people are told fits into one line."""
    assert text and len(text.splitlines()) == 1, f"not one line: {text!r}"


def require_words(text: str) -> None:
    """What the command line shows, which itself puts it on one line."""
    assert text.split(), "nothing is said"
