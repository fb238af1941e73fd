"""What a script can look at: the console's paths, and what only a run knows.

`run.…` is about the run itself; `audit.…` is what the stores prove, read anew from the disks of all participants
whenever an expectation names it. Disks wake nobody, so that nothing can wait for `audit.…`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from msgspec import Struct

from mesh_core.api.reports import Audit
from mesh_core.api.schema import JobView, QueryView
from whisper_tui.model import paths, selectors
from whisper_tui.model.paths import Value
from whisper_tui.model.state import State
from whisper_tui.script.load_report import LoadReport, report_of
from whisper_tui.script.schema import SCREEN

MODEL = ("model", "model")
"""Name and part of the shared model server among the processes."""


SEARCH = "search"
"""The backend that is no model."""


class BadPath(Exception):
    """A path that nothing can stand at, or that cannot be waited for. The text says what there is instead."""


class View(Struct, frozen=True):
    """What one look sees. `model_expected`: answers must come from a model, not from search. `screen` is what the console
    shows."""

    state: State
    model_expected: bool
    model_starts: bool
    audit: Audit | None = None
    screen: str | None = None


def needs_audit(path: str) -> bool:
    """Whether the stores have to be read for this path."""
    return path.startswith("audit.")


def check(path: str, *, waiting: bool) -> None:
    """BadPath unless some view can have a value at `path`, and can come to have it while somebody waits."""
    head, _, rest = path.partition(".")
    if head == "audit":
        if waiting:
            raise BadPath(f"{path}: stores wake nobody, so they can only be expected, not waited for")
        if rest not in _AUDIT and _replica_field(rest) is None:
            raise BadPath(_unknown(path, [f"audit.{name}" for name in (*_AUDIT, *_REPLICA_PATTERNS)]))
    elif head == "load":
        if rest not in _LOAD:
            raise BadPath(_unknown(path, [f"load.{name}" for name in _LOAD]))
    elif head == "run":
        if rest not in _RUN:
            raise BadPath(_unknown(path, [f"run.{name}" for name in _RUN]))
    else:
        try:
            paths.check(path)
        except paths.UnknownPath as error:
            raise BadPath(str(error)) from None


def read(view: View, path: str) -> Value:
    """The value at a path that `check` lets through, or at SCREEN; None while it is not there, or names several things."""
    if path == SCREEN:
        return view.screen
    head, _, rest = path.partition(".")
    if head == "run":
        return _RUN[rest](view)
    if head == "load":
        return getattr(report_of(view.state), rest, None)
    if head == "audit":
        return _read_audit(view.audit, rest) if view.audit is not None else None
    try:
        return paths.read(view.state, path)
    except selectors.Ambiguous:
        return None


def _unknown(path: str, known: list[str]) -> str:
    near = difflib.get_close_matches(path, known, n=3, cutoff=0.4) or known
    return f"no such path: {path}; did you mean {' or '.join(near)}?"


# ----------------------------------------------------------------------------------------------- the run


def streaming(state: State) -> list[JobView]:
    """Open jobs whose present holder has produced text."""
    return [job for job in selectors.open_jobs(state) if _has_streamed(job, job.epoch)]


def open_questions(state: State) -> list[QueryView]:
    """Questions without an answer so far; between its answers and their combination one may have no open job."""
    return [entry.view for entry in state.queries.values() if entry.view.state == "running"]


def _has_streamed(job: JobView, epoch: int) -> bool:
    return any(attempt.epoch == epoch and attempt.tokens > 0 for attempt in job.attempts)


def _model_ready(view: View) -> Value:
    """Whether the model server answers, or has turned out not to be there: then nothing is waited for."""
    process = view.state.processes.get(MODEL)
    return not view.model_starts or (process is not None and process.state in {"running", "absent"})


def _streamed(view: View) -> Value:
    """Jobs that the last incident took from holders which had streamed tokens of them."""
    incident = selectors.last_incident(view.state)
    if incident is None:
        return None
    entries = ((view.state.jobs.get(job), epoch) for job, epoch in incident.held.items())
    return sum(entry is not None and _has_streamed(entry.view, epoch) for entry, epoch in entries)


_LOAD: tuple[str, ...] = LoadReport.__struct_fields__

_RUN: Mapping[str, Callable[[View], Value]] = {
    "streaming": lambda view: len(streaming(view.state)),
    "streamed": _streamed,
    "questions_open": lambda view: len(open_questions(view.state)),
    "model_expected": lambda view: view.model_expected,
    "model_ready": _model_ready,
}


# --------------------------------------------------------------------------------------------- the audit

_AUDIT: Mapping[str, Callable[[Audit], Value]] = {
    "jobs_submitted": lambda audit: audit.counters.jobs_submitted,
    "jobs_settled": lambda audit: audit.counters.jobs_settled,
    "jobs_settled_twice": lambda audit: audit.counters.jobs_settled_twice,
    "jobs_lost": lambda audit: audit.counters.jobs_lost,
    "jobs_open": lambda audit: audit.open,
    "executions": lambda audit: audit.counters.executions,
    "rescued": lambda audit: audit.counters.rescued,
    "results_by_search": lambda audit: audit.writers.get(SEARCH, 0),
    "results_by_model": lambda audit: sum(audit.writers.values()) - audit.writers.get(SEARCH, 0),
    "roots": lambda audit: len({replica.root for replica in audit.replicas if replica.live}),
    "balance_micro": lambda audit: audit.balance_micro,
    "payloads": lambda audit: audit.secrecy.payloads,
    "payloads_exposed": lambda audit: audit.secrecy.exposed,
    "payloads_to_quorum": lambda audit: audit.secrecy.to_quorum,
}

_REPLICA_FIELDS = ("settled", "records")
_REPLICA_PATTERNS = tuple(f"<node>.{field}" for field in _REPLICA_FIELDS)


def _replica_field(rest: str) -> tuple[str, str] | None:
    """(participant, field) of `node4.settled`."""
    name, _, field = rest.rpartition(".")
    return (name, field) if name and field in _REPLICA_FIELDS else None


def _read_audit(audit: Audit, rest: str) -> Value:
    if rest in _AUDIT:
        return _AUDIT[rest](audit)
    named = _replica_field(rest)
    if named is None:
        return None
    for replica in audit.replicas:
        if replica.name == named[0]:
            value: int = getattr(replica, named[1])
            return value
    return None
