"""What a question may be asked with beside its text: each of these has a default at the node that asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct, structs

from mesh_core.config import MICRO_PER_AXL, limit
from whisper_tui.errors import BadInput

MS_PER_S = 1_000


class Terms(Struct, frozen=True, kw_only=True):
    """The terms of every job of a question, as the command `submit` of a control API takes them; None for the default.

    `fault_bound` is how many committee members may lie, `submitter_weight` how many votes the submitter has among them. `to` is the peer id of the provider that comes first if it bids.
    """

    max_price_micro: int | None = None
    fault_bound: int | None = None
    submitter_weight: int | None = None
    retries: int | None = None
    auction_ms: int | None = None
    execution_ms: int | None = None
    total_ms: int | None = None
    to: str | None = None

    def args(self) -> dict[str, int | str]:
        """Those that are given, by their name in the control API."""
        return {name: value for name, value in structs.asdict(self).items() if value is not None}

    def flags(self) -> dict[str, str]:
        """The same as options of the command line."""
        given = self.args()
        flags = {term.flag: term.typed(int(given[term.name])) for term in TERMS if term.name in given}
        return {**flags, "to": self.to} if self.to is not None else flags


@dataclass(frozen=True)
class Term:
    """One of the terms: its option on the command line, its bounds there, and how its value is typed and meant."""

    name: str
    flag: str
    least: float
    most: float
    unit: str
    per_unit: int = 1

    def read(self, value: float | None) -> int | None:
        """What was typed in `unit` as the control API takes it; BadInput when it is out of bounds."""
        if value is None:
            return None
        if not self.least <= value <= self.most:
            raise BadInput(
                f"--{self.flag} {value:g}: expected {self.least:g} to {self.most:.12g} {self.unit}".rstrip()
            )
        return round(value * self.per_unit)

    def typed(self, value: int) -> str:
        """The value as it is typed."""
        return f"{value / self.per_unit:g}"


def _time(name: str, flag: str) -> Term:
    return Term(name, flag, 0.001, limit(f"{name}_max") / MS_PER_S, "seconds", MS_PER_S)


TERMS = (
    Term("max_price_micro", "max-price", 0, limit("price_micro_max") / MICRO_PER_AXL, "AXL", MICRO_PER_AXL),
    Term("fault_bound", "byzantine", 0, limit("fault_bound_max"), "members"),
    Term("submitter_weight", "submitter-weight", 1, limit("seat_weight_max"), "votes"),
    Term("retries", "retries", 1, limit("retries_max"), ""),
    _time("auction_ms", "auction-timeout"),
    _time("execution_ms", "execution-timeout"),
    _time("total_ms", "timeout"),
)


def read_terms(given: Mapping[str, float | None], to: str | None = None) -> Terms:
    """The terms by the options they were typed with; BadInput for one that is out of bounds."""
    return Terms(**{term.name: term.read(given.get(term.flag)) for term in TERMS}, to=to)
