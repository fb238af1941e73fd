"""What a bench row is, and the registry of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Measure: TypeAlias = Callable[[], Iterable["Figure"]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `met` compares it with `target`: at most or at least, None when there is no target."""

    name: str
    value: float
    unit: str
    target: float | None
    bound: Literal["at most", "at least"]
    how: str

    @property
    def met(self) -> bool | None:
        """Whether the target is reached."""
        if self.target is None:
            return None
        return self.value <= self.target if self.bound == "at most" else self.value >= self.target

    def row(self) -> dict[str, object]:
        """As the JSON report holds it."""
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "target": self.target,
            "met": self.met,
            "how": self.how,
        }


BENCHES: dict[str, Measure] = {}
LONG: set[str] = set()
"""Benches that take so long that they run only when they are named."""


def bench(name: str, *, is_long: bool = False) -> Callable[[Measure], Measure]:
    """Register a measurement under `name`; it may give several figures."""

    def register(measure: Measure) -> Measure:
        BENCHES[name] = measure
        if is_long:
            LONG.add(name)
        return measure

    return register


def at_most(name: str, value: float, unit: str, target: float | None, how: str) -> Figure:
    """A figure that should be small."""
    return Figure(name, value, unit, target, "at most", how)


def at_least(name: str, value: float, unit: str, target: float | None, how: str) -> Figure:
    """A figure that should be large."""
    return Figure(name, value, unit, target, "at least", how)


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the sorted `values` lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
