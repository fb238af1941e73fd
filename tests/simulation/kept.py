"""Seeds that failed once, each kept with the reason why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("seeds.txt")


@dataclass(frozen=True, slots=True)
class Kept:
    """One line of `seeds.txt`."""

    seed: int
    profile: str
    why: str


def kept_seeds() -> list[Kept]:
    """Every kept seed: `seed profile why…` per line; `#` begins a comment."""
    lines = (line.strip() for line in _FILE.read_text().splitlines())
    rows = (line.split(maxsplit=2) for line in lines if line and not line.startswith("#"))
    return [Kept(int(seed), profile, why) for seed, profile, why in rows]
