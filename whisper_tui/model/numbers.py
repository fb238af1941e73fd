"""How many of what, in words."""

from __future__ import annotations


def counted(number: float, noun: str) -> str:
    """`1 bid`, `6 bids`."""
    return f"{number:g} {noun}{'' if number == 1 else 's'}"
