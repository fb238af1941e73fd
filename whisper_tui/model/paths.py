"""Dotted paths into a state, for what scripts wait for and expect: `query.q1.settled`, `nodes.up`, `job.q1.3.epoch`.

The paths are a table: a script's author who mistypes one is told the nearest ones that exist.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, TypeAlias

from mesh_core.api.schema import JobView, QueryView
from whisper_tui.model import selectors
from whisper_tui.model.incidents import STAGES
from whisper_tui.model.selectors import Ambiguous, Node, NotFound
from whisper_tui.model.state import Incident, State

Value: TypeAlias = str | int | float | bool | list[str] | None


class UnknownPath(Exception):
    """A path that no state can have. `nearest` are valid ones that look like it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.nearest = tuple(difflib.get_close_matches(path, patterns(), n=3, cutoff=0.4))
        hint = f"; did you mean {' or '.join(self.nearest)}?" if self.nearest else ""
        super().__init__(f"no such path: {path}{hint}")


def read(state: State, path: str) -> Value:
    """The value at `path`.

    None while it is not there yet: a job that nobody has seen, a stage that was not reached. UnknownPath for
    a path that can never have a value, Ambiguous for a name that means several things.
    """
    if path in _WHOLE:
        return _WHOLE[path](state)
    head, _, rest = path.partition(".")
    if head in _SIMPLE:
        reader = _SIMPLE[head].get(rest)
        if reader is None:
            raise UnknownPath(path)
        return reader(state)
    named = _NAMED.get(head)
    if named is None:
        raise UnknownPath(path)
    find, fields = named
    name, field = _split(rest, fields)
    if not name:
        raise UnknownPath(path)
    try:
        found = find(state, name)
    except Ambiguous:
        raise
    except NotFound:
        return None
    return fields[field](state, found)


def check(path: str) -> None:
    """UnknownPath unless some state can have a value at `path`: scripts are checked before they run."""
    head, _, rest = path.partition(".")
    if path in _WHOLE:
        known = True
    elif head in _SIMPLE:
        known = rest in _SIMPLE[head]
    else:
        known = head in _NAMED and bool(_split(rest, _NAMED[head][1])[0])
    if not known:
        raise UnknownPath(path)


def patterns() -> list[str]:
    """Every valid path, with `<name>` where a name or label goes."""
    simple = [f"{head}.{field}" for head, fields in _SIMPLE.items() for field in fields]
    named = [f"{head}.<name>.{field}" for head, (_, fields) in _NAMED.items() for field in fields]
    return [*_WHOLE, *simple, *named]


def _split(rest: str, fields: dict[str, Any]) -> tuple[str, str]:
    """(name, field) where name may hold dots itself; an empty name if no field fits."""
    for field in fields:
        if rest.endswith("." + field):
            return rest[: -len(field) - 1], field
    return "", ""


_Read: TypeAlias = Callable[[State], Value]


def _count(field: str) -> _Read:
    return lambda state: int(getattr(selectors.node_counts(state), field))


def _counter(field: str) -> _Read:
    return lambda state: int(getattr(selectors.counters(state), field))


def _ledger(field: str) -> _Read:
    return lambda state: getattr(selectors.convergence(state), field)


def _incident(read_one: Callable[[Incident], Value]) -> _Read:
    def reader(state: State) -> Value:
        incident = selectors.last_incident(state)
        return read_one(incident) if incident else None

    return reader


def _stage(name: str) -> _Read:
    return _incident(lambda incident: getattr(incident, name))


_SIMPLE: dict[str, dict[str, _Read]] = {
    "nodes": {
        **{name: _count(name) for name in ("total", "up", "alive", "suspect", "dead", "left")},
        "agreed": selectors.agreed_alive,
    },
    "jobs": {
        "submitted": _counter("jobs_submitted"),
        "settled": _counter("jobs_settled"),
        "settled_twice": _counter("jobs_settled_twice"),
        "lost": _counter("jobs_lost"),
        "executions": _counter("executions"),
        "rescued": _counter("rescued"),
        "open": lambda state: len(selectors.open_jobs(state)),
        "stalled": lambda state: len(selectors.stalled_jobs(state)),
    },
    "ledger": {name: _ledger(name) for name in ("converged", "roots", "records")},
    "incident": {
        "count": lambda state: len(state.incidents),
        "last.action": _incident(lambda incident: incident.action),
        "last.killed": _incident(lambda incident: list(incident.killed)),
        "last.targets": _incident(lambda incident: list(incident.targets)),
        **{f"last.{name}": _stage(name) for name in STAGES},
    },
}


def _answer(read_one: Callable[[Any], Value]) -> Callable[[State, QueryView], Value]:
    return lambda _state, query: read_one(query.answer) if query.answer else None


def _last_query(state: State) -> Value:
    try:
        return selectors.find_query(state, "last").label
    except NotFound:
        return None


_WHOLE: dict[str, _Read] = {"query.last": _last_query}
"""Paths that name a thing instead of one of its fields: their value is the thing's name, to be saved."""

_NODE: dict[str, Callable[[State, Node], Value]] = {
    "state": lambda _state, node: node.state,
    "process": lambda _state, node: node.process,
    "leases": lambda state, node: len(selectors.jobs_held(state, node.peer)),
    "settled": lambda _state, node: node.member.settled if node.member else 0,
    "rescued": lambda _state, node: node.member.rescued if node.member else 0,
    "incarnation": lambda _state, node: node.member.incarnation if node.member else None,
    "peer": lambda _state, node: node.peer,
}

_QUERY: dict[str, Callable[[State, QueryView], Value]] = {
    "state": lambda _state, query: query.state,
    "label": lambda _state, query: query.label,
    "text": lambda _state, query: query.text,
    "running": lambda _state, query: query.running,
    "settled": lambda _state, query: f"{query.settled}/{query.total}",
    "total": lambda _state, query: query.total,
    "answer.backend": _answer(lambda answer: answer.backend),
    "answer.passages": _answer(lambda answer: len(answer.passages)),
    "answer.text": _answer(lambda answer: answer.text),
    "answer.notes": _answer(lambda answer: list(answer.notes)),
}

_JOB: dict[str, Callable[[State, JobView], Value]] = {
    "state": lambda _state, job: job.state,
    "holder": lambda state, job: selectors.name_of(state, job.holder) if job.holder else None,
    "epoch": lambda _state, job: job.epoch,
    "tokens": lambda _state, job: job.tokens,
    "executions": lambda _state, job: job.executions,
    "rescued": lambda _state, job: job.rescued,
    "quorum": lambda _state, job: job.quorum,
    "reason": lambda _state, job: job.reason,
    "id": lambda _state, job: job.job,
}

_NAMED: dict[str, tuple[Callable[[State, str], Any], dict[str, Callable[[State, Any], Value]]]] = {
    "node": (selectors.find_node, _NODE),
    "query": (selectors.find_query, _QUERY),
    "job": (selectors.find_job, _JOB),
}
