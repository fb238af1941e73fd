"""The tables of `docs/*.md`, printed from the code they describe.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. `python -m tests.docs` rewrites them; a test
compares them.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from mesh_core.api.schema import COMMANDS, MOMENTS, ROUTES, VIEWS
from mesh_core.config import LIMITS, timing_rows
from mesh_core.lease.claim import TRANSITIONS as CLAIM_TRANSITIONS
from mesh_core.lease.claim import UNDER_WAY
from mesh_core.lease.tolerance import tolerance
from mesh_core.ledger.job import TRANSITIONS
from mesh_core.ledger.record import BODIES
from mesh_core.node import Node
from mesh_core.quorum.committee import quorum, total_weight
from mesh_core.simulation.checkers import INVARIANTS
from mesh_core.simulation.perjury import PERJURIES
from mesh_core.simulation.vices import VICES
from mesh_core.wire.messages import Message
from mesh_core.wire.statements import Seat
from tests.docs.machines import parts_of
from tests.simulation.controls import CONTROLS
from tests.simulation.profiles import KINDS, MOST, PROFILES
from tests.unit.core.people import People

DOCS = Path(__file__).resolve().parents[2] / "docs"
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _first_line(documented: object) -> str:
    return (inspect.getdoc(documented) or "").split("\n\n")[0].replace("\n", " ")


def _rows(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(header)]
    lines.append(["---"] * len(lines[0]))
    lines += [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def machines() -> str:
    """What a node is made of; what a machine makes for itself stands behind it."""
    rows = []
    for machine in parts_of(Node):
        rows.append(_machine(f"**{machine.__name__}**", machine))
        rows += _inside(machine, "… ")
    return _rows(("machine", "file", "what it is about"), rows)


def _inside(machine: type[Any], dots: str) -> Iterator[Iterable[object]]:
    for part in parts_of(machine):
        yield _machine(dots + part.__name__, part)
        yield from _inside(part, dots + "… ")


def _machine(name: str, machine: type[Any]) -> Iterable[object]:
    module = machine.__module__
    path = module.removeprefix("mesh_core.").replace(".", "/")
    return name, f"`{path}.py`", _first_line(sys.modules[module])


def timers() -> str:
    """Every timer with both its values."""
    rows = (
        (f"`{name}`", *(f"{value:g} s" if name.endswith("_s") else f"{value:g}" for value in values), why)
        for name, *values, why in timing_rows()
    )
    return _rows(("timer", "default", "FAST", "why"), rows)


def limits() -> str:
    """Every bound on what comes from outside."""
    return _rows(
        ("limit", "value", "unit", "why"), ((f"`{one.name}`", one.value, one.unit, one.why) for one in LIMITS)
    )


def messages() -> str:
    """Every message with its tag."""
    kinds = sorted(get_args(Message), key=lambda kind: int(kind.__struct_config__.tag))
    rows = (
        (
            kind.__struct_config__.tag,
            f"`{kind.__name__}`",
            ", ".join(field.name for field in msgspec.structs.fields(kind)),
            _first_line(kind),
        )
        for kind in kinds
    )
    return _rows(("tag", "message", "fields", "meaning"), rows)


def records() -> str:
    """Every kind of ledger record."""
    rows = (
        (f"`{kind}`", ", ".join(field.name for field in msgspec.structs.fields(body)), _first_line(body))
        for kind, body in BODIES.items()
    )
    return _rows(("kind", "fields of its body", "meaning"), rows)


def transitions() -> str:
    """How a job's state moves."""
    return _rows(
        ("state", "what arrives", "next state"), ((f"{a or '(unknown)'}", b, c) for a, b, c in TRANSITIONS)
    )


def phases() -> str:
    """How a holder's claim moves."""
    rows = (
        (
            "any" if one.of == UNDER_WAY else " or ".join(phase.value for phase in one.of),
            one.when,
            one.to.value,
        )
        for one in CLAIM_TRANSITIONS
    )
    return _rows(("phase", "what comes", "next"), rows)


def tolerances() -> str:
    """What the committees that people choose tolerate."""
    return _rows(
        ("providers", "submitter's weight", "f", "W", "q", "silent while it answers", "silent with it"),
        (
            _tolerance(*choice)
            for choice in ((6, 1, 0), (6, 1, 1), (6, 3, 1), (6, 4, 1), (6, 3, 0), (3, 1, 0), (3, 1, 1))
        ),
    )


def _tolerance(providers: int, own: int, fault_bound: int) -> Iterable[object]:
    people = People()
    submitter = people.submitter.peer
    seats = [Seat(one.peer, 1) for one in people.providers[:providers]] + [Seat(submitter, own)]
    job = people.job(committee=tuple(seats), fault_bound=fault_bound)
    told = tolerance(job, submitter)
    alone = "stalls" if told.silent_without_submitter is None else told.silent_without_submitter
    return (
        providers,
        own,
        fault_bound,
        total_weight(job),
        quorum(job),
        told.silent_providers,
        alone,
    )


def views() -> str:
    """What the control API shows."""
    return _rows(("view", "meaning"), ((f"`{kind}`", _first_line(view)) for kind, view in VIEWS.items()))


def routes() -> str:
    """What the control API answers to GET."""
    return _rows(("GET", "answer"), ((f"`{one.path}`", one.answers) for one in ROUTES))


def moments() -> str:
    """What the control API tells when it happens."""
    return _rows(
        ("moment", "fields", "sentence"),
        ((f"`{one.kind}`", ", ".join(one.fields), one.sentence) for one in MOMENTS),
    )


def commands() -> str:
    """What the control API can be told."""
    rows = (
        (f"`{one.name}`", "; ".join(f"`{arg}`: {what}" for arg, what in one.args.items()), one.does)
        for one in COMMANDS
    )
    return _rows(("command", "arguments", "effect"), rows)


def profiles() -> str:
    """Named mixtures of trouble in the simulator."""
    return _rows(("profile", "what goes wrong"), ((f"`{name}`", one.about) for name, one in PROFILES.items()))


def trouble() -> str:
    """What may go wrong in a simulated run."""
    rows = ((f"`{name}`", f"{most:g}", KINDS[name]) for name, most in MOST.items())
    return _rows(("kind", "most in a storm", "meaning"), rows)


def vices() -> str:
    """How simulated liars lie."""
    return _rows(
        ("vice", "a liar …"), ((f"`{name}`", vice.about) for name, vice in {**VICES, **PERJURIES}.items())
    )


def invariants() -> str:
    """What must hold in every simulated run."""
    return _rows(("invariant", "meaning"), ((f"`{one.name}`", _first_line(one)) for one in INVARIANTS))


def controls() -> str:
    """Rules turned off, and who notices."""
    return _rows(
        ("without the rule", "caught by"), ((one.rule, f"`{one.caught_by.name}`") for one in CONTROLS)
    )


TABLES: dict[str, Callable[[], str]] = {
    table.__name__: table
    for table in (
        machines,
        timers,
        limits,
        messages,
        records,
        transitions,
        phases,
        tolerances,
        views,
        routes,
        moments,
        commands,
        profiles,
        trouble,
        vices,
        invariants,
        controls,
    )
}


def printed(text: str) -> str:
    """`text` with every table in it printed anew. Raises KeyError for a table nobody knows."""
    return _TABLE.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)
