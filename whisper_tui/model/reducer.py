"""`reduce(state, event) -> state`: the only way the operator's picture changes. Pure; never raises.

Views replace what the same reporter said before, whatever the order they arrive in; moments count once. An
event that does not have the shape its kind promises is counted in `State.rejected` and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from mesh_core.api.schema import (
    FINAL_STATES,
    MOMENTS,
    Event,
    JobView,
    MemberView,
    NodeView,
    OpenedView,
    QueryView,
    RecordView,
    ReplicaView,
)
from mesh_core.chain.ens.schema import ChainView, NameView
from whisper_tui.model import incidents, journal
from whisper_tui.model.selectors import is_settled_twice
from whisper_tui.model.state import (
    ANSWERS_KEPT,
    DOWN,
    ENS_KEPT,
    JOBS_KEPT,
    MEMBERS_KEPT,
    OPERATOR_KINDS,
    QUERIES_KEPT,
    RECORDS_KEPT,
    SUPERVISOR,
    TEXT_KEPT,
    Action,
    Entry,
    Fate,
    MemberEntry,
    Observer,
    Process,
    QueryEntry,
    Sight,
    Source,
    State,
    Tally,
    Version,
    roots_of_live,
)

V = TypeVar("V")

TRIM_SLACK = 64
"""Collections are cut when they exceed their bound by this much, so that cutting is rare and cheap."""


def reduce(state: State, event: Event) -> State:
    """The state after `event`."""
    if event.kind in OPERATOR_KINDS and event.node != SUPERVISOR:
        return replace(state, rejected=state.rejected + 1)
    try:
        after = _VIEWS.get(event.kind, _moment)(state, event)
        if event.at_ms > after.now_ms:
            after = replace(after, now_ms=event.at_ms)
        return incidents.follow(after, event)
    except (msgspec.ValidationError, KeyError, TypeError, ValueError):
        return replace(state, rejected=state.rejected + 1)


def _put(mapping: Mapping[str, V], key: str, value: V) -> dict[str, V]:
    copy = dict(mapping)
    copy[key] = value
    return copy


def _observer(state: State, peer: str) -> Observer:
    return state.observers.get(peer) or Observer(peer)


def _with_observer(state: State, observer: Observer) -> State:
    return replace(state, observers=_put(state.observers, observer.peer, observer))


def _version(observer: Observer, event: Event) -> Version:
    return (observer.generation, event.seq)


def _counts(state: State, reporter: str) -> bool:
    """Whether the reporter's word on members, jobs, queries and records is taken."""
    if not state.primary:
        return True
    return reporter not in state.deaf if state.primary in state.deaf else reporter == state.primary


def _supersedes(
    state: State, reporter: str, version: Version, before: MemberEntry | Entry | QueryEntry | None
) -> bool:
    """Whether a report replaces the one before: one's own unless it is older, another reporter's always; while there
    is no primary to listen to, only if as many of the others see it alive."""
    if before is None:
        return True
    if before.reporter == reporter:
        return version >= before.version
    if state.primary not in state.deaf:
        return True
    return _company(state, reporter) >= _company(state, before.reporter)


def _company(state: State, peer: str) -> int:
    """How many of those that can be heard see this observer alive; -1 for one that cannot be heard itself."""
    if peer in state.deaf:
        return -1
    others = (observer for other, observer in state.observers.items() if other not in {peer, *state.deaf})
    return sum(peer in other.sights and other.sights[peer].state == "alive" for other in others)


def _as_seen(state: State) -> State:
    """`state` with the members as the primary sees them; while it cannot be heard, as the observer does that most of the
    others see alive: one that is cut off must not speak for all."""
    heard = [peer for peer, observer in state.observers.items() if observer.sights and peer not in state.deaf]
    if not heard or not state.primary:
        return state
    speaker = state.primary if state.primary in heard else max(heard, key=lambda p: (_company(state, p), p))
    sights = state.observers[speaker].sights
    changed = {
        peer: replace(entry, view=replace(entry.view, state=seen.state, since_ms=seen.since_ms))
        for peer, entry in state.members.items()
        if (seen := sights.get(peer)) is not None and seen.state != entry.view.state
    }
    return replace(state, members={**state.members, **changed}) if changed else state


# ------------------------------------------------------------------------------------------------ views


def _node(state: State, event: Event) -> State:
    view = msgspec.convert(event.data, NodeView)
    observer = _observer(state, event.node)
    version = _version(observer, event)
    if version < observer.node_version:
        return state
    state = _with_observer(state, replace(observer, node=view, node_version=version))
    if not state.primary and view.role == "operator":
        state = replace(state, primary=view.peer)
    return _with_liveness(state, event.at_ms)


def _member(state: State, event: Event) -> State:
    view = msgspec.convert(event.data, MemberView)
    observer = _observer(state, event.node)
    version = _version(observer, event)
    sight = observer.sights.get(view.peer)
    if sight is None or version >= sight.version:
        sights = _put(observer.sights, view.peer, Sight(view.state, view.since_ms, version, view.neighbour))
        gone = [peer for peer, seen in sights.items() if seen.state in _GONE] if _is_full(sights) else []
        state = _with_observer(state, replace(observer, sights=_without(sights, gone)))
    before = state.members.get(view.peer)
    if _counts(state, event.node) and _supersedes(state, event.node, version, before):
        members = _put(state.members, view.peer, MemberEntry(view, event.node, version))
        gone = (
            [peer for peer, kept in members.items() if kept.view.state in _GONE] if _is_full(members) else []
        )
        state = replace(state, members=_without(members, gone))
    return _as_seen(state) if state.primary in state.deaf else state


_GONE: frozenset[str] = frozenset({"dead", "left"})


def _is_full(members: Mapping[str, Any]) -> bool:
    return len(members) > MEMBERS_KEPT + TRIM_SLACK


def _without(members: dict[str, V], gone: list[str]) -> dict[str, V]:
    """`members` without the first of `gone`, as many as are too many."""
    for peer in gone[: max(0, len(members) - MEMBERS_KEPT)]:
        del members[peer]
    return members


def _job(state: State, event: Event) -> State:
    before = state.jobs.get(str(event.data["job"]))
    if not _counts(state, event.node):
        return state
    version = _version(_observer(state, event.node), event)
    if not _supersedes(state, event.node, version, before):
        return state
    view = msgspec.convert(event.data, JobView)
    if len(view.text) > TEXT_KEPT:
        view = replace(view, text=view.text[-TEXT_KEPT:])
    jobs = _put(state.jobs, view.job, Entry(view, event.node, version, event.at_ms))
    return _retire(replace(state, jobs=jobs))


def _retire(state: State) -> State:
    """Shrink the oldest final jobs to sums, once there are too many."""
    if len(state.jobs) <= JOBS_KEPT + TRIM_SLACK:
        return state
    old = [entry.view for entry in state.jobs.values() if entry.view.state in FINAL_STATES]
    old = old[: len(state.jobs) - JOBS_KEPT]
    gone = {view.job for view in old}
    tally = Tally(
        submitted=state.tally.submitted + len(old),
        settled=state.tally.settled + sum(view.state == "settled" for view in old),
        settled_twice=state.tally.settled_twice + sum(is_settled_twice(state, job) for job in gone),
        executions=state.tally.executions + sum(view.executions for view in old),
        rescued=state.tally.rescued + sum(view.rescued for view in old),
    )
    return replace(
        state,
        tally=tally,
        jobs={job: entry for job, entry in state.jobs.items() if job not in gone},
        fates={job: fate for job, fate in state.fates.items() if job not in gone},
    )


def _query(state: State, event: Event) -> State:
    view = msgspec.convert(event.data, QueryView)
    version = _version(_observer(state, event.node), event)
    before = state.queries.get(view.query)
    if not _counts(state, event.node) or not _supersedes(state, event.node, version, before):
        return state
    queries = _put(state.queries, view.query, QueryEntry(view, event.node, version))
    if len(queries) > QUERIES_KEPT + TRIM_SLACK:
        queries = dict(list(queries.items())[-QUERIES_KEPT:])
    return replace(state, queries=queries)


def _answer(state: State, event: Event) -> State:
    if not _counts(state, event.node):
        return state
    view = msgspec.convert(event.data, OpenedView)
    answers = _put(state.answers, view.job, view)
    if len(answers) > ANSWERS_KEPT + TRIM_SLACK:
        answers = dict(list(answers.items())[-ANSWERS_KEPT:])
    return replace(state, answers=answers)


def _record(state: State, event: Event) -> State:
    if not _counts(state, event.node) or event.data["hash"] in state.records:
        return state
    view = msgspec.convert(event.data, RecordView)
    records = _put(state.records, view.hash, view)
    if len(records) > RECORDS_KEPT + TRIM_SLACK:
        newest = sorted(records.values(), key=lambda kept: (kept.at_ms, kept.hash))[-RECORDS_KEPT:]
        records = {kept.hash: kept for kept in newest}
    return replace(state, records=records)


def _replica(state: State, event: Event) -> State:
    view = msgspec.convert(event.data, ReplicaView)
    observer = _observer(state, event.node)
    version = _version(observer, event)
    if version < observer.replica_version:
        return state
    observer = replace(observer, replica=view, replica_version=version, replica_ms=event.at_ms)
    return _with_convergence(_with_observer(state, observer), event.at_ms)


# ------------------------------------------------------------------------------------ the operator's side


def _process(state: State, event: Event) -> State:
    observer = _observer(state, SUPERVISOR)
    version = _version(observer, event)
    process = replace(msgspec.convert(event.data, Process), version=version, since_ms=event.at_ms)
    key = (process.name, process.part)
    before = state.processes.get(key)
    if before is not None and version <= before.version:
        return state
    processes = dict(state.processes)
    processes[key] = process
    state = replace(state, processes=processes)
    if before is not None and before.state != process.state:
        state = journal.record(state, event)
    return _with_liveness(state, event.at_ms)


def _source(state: State, event: Event) -> State:
    source = msgspec.convert(event.data, Source)
    before = state.sources.get(source.node)
    goes_on = before is not None and "live" not in (before.state, source.state)
    source = replace(source, since_ms=before.since_ms if before and goes_on else event.at_ms)
    state = replace(state, sources=_put(state.sources, source.node, source))
    if source.fresh and source.peer:
        observer = _observer(state, source.peer)
        state = _with_observer(state, replace(observer, generation=observer.generation + 1))
    if before is not None and before.state != source.state:
        state = journal.record(state, event)
    if before is not None and source.fresh and not _restarted(state, before):
        missed_ms = 0.0 if before.state == "live" else event.at_ms - before.since_ms
        gap = {"node": source.node, "missed_ms": max(0.0, missed_ms)}
        state = journal.record(state, Event(0, event.at_ms, SUPERVISOR, "gap", gap))
    return _with_liveness(replace(state, stopped=_is_stopped(state)), event.at_ms)


def _restarted(state: State, before: Source) -> bool:
    """Whether the interruption is that of a process that was down: while it was, there was nothing to miss."""
    process = state.processes.get((before.node, "provider"))
    was_heard = before.peer == "" or before.peer in state.observers
    return not was_heard or (process is not None and process.since_ms > before.since_ms)


def _is_stopped(state: State) -> bool:
    """Whether the supervisor is gone after saying that it takes the mesh down, or with everybody else."""
    supervisor = state.sources.get(SUPERVISOR)
    if supervisor is None or supervisor.state == "live":
        return False
    return all(source.state == "lost" for source in state.sources.values()) or _was_taken_down(state)


def _was_taken_down(state: State) -> bool:
    for entry in reversed(state.log):
        if entry.kind == "action" and entry.data.get("action") == "down":
            return True
        if entry.kind == "source" and (entry.data["node"], entry.data["state"]) == (SUPERVISOR, "live"):
            return False
    return False


def _chain(state: State, event: Event) -> State:
    view = msgspec.convert(event.data, ChainView)
    before = state.chain
    state = replace(state, chain=view)
    if view.problem != (before.problem if before else ""):
        state = journal.record(state, event)
    return state


def _ens(state: State, event: Event) -> State:
    view = msgspec.convert(event.data, NameView)
    key = view.name, view.peer
    before = state.ens.get(key)
    if before is not None and view.checked_ms < before.checked_ms:
        return state
    names = {other: kept for other, kept in state.ens.items() if other != key}
    if view.state != "withdrawn":
        names[key] = view
        for oldest in list(names)[: max(0, len(names) - ENS_KEPT)]:
            del names[oldest]
    state = replace(state, ens=names)
    if before is None:
        return journal.record(state, event) if view.state == "registering" else state
    if (before.state, before.verified, before.why) != (view.state, view.verified, view.why):
        state = journal.record(state, event)
    return state


def _action(state: State, event: Event) -> State:
    action = msgspec.convert(event.data, Action)
    if any(entry.kind == "action" and _same_action(entry.data, action) for entry in state.log):
        return state
    return incidents.begin(journal.record(state, event), action)


def _same_action(data: Mapping[str, Any], action: Action) -> bool:
    return bool(
        data["at_ms"] == action.at_ms
        and data["action"] == action.action
        and data["command"] == action.command
    )


def _with_liveness(state: State, at_ms: float) -> State:
    """`state` after somebody's stream or process came or went: who is who and who can be heard."""
    names = {peer: observer.node.name for peer, observer in state.observers.items() if observer.node}
    names |= {source.peer: source.node for source in state.sources.values() if source.peer}
    names |= {process.peer: process.name for process in state.processes.values() if process.peer}
    silent = {
        process.name
        for process in state.processes.values()
        if process.part != "model" and process.state in DOWN
    }
    silent |= {source.node for source in state.sources.values() if source.state != "live"}
    deaf = frozenset(peer for peer, name in names.items() if name in silent)
    came_or_went = state.primary in state.deaf or state.primary in deaf
    state = replace(state, names=names, deaf=deaf)
    return _with_convergence(_as_seen(state) if came_or_went else state, at_ms)


def _with_convergence(state: State, at_ms: float) -> State:
    """`state` with agreement of the live replicas judged anew."""
    roots = set(roots_of_live(state).values())
    if len(roots) == 1:
        if state.converged_ms is not None:
            return state
        took = at_ms - state.diverged_ms if state.diverged_ms is not None else None
        return replace(state, converged_ms=at_ms, diverged_ms=None, divergence_ms=took)
    if state.diverged_ms is not None or not roots:
        return state
    return replace(state, converged_ms=None, diverged_ms=at_ms)


# ---------------------------------------------------------------------------------------------- moments


def _moment(state: State, event: Event) -> State:
    observer = _observer(state, event.node)
    version = _version(observer, event)
    if version <= observer.moments:
        return state
    if missing := [name for name in _FIELDS.get(event.kind, ()) if name not in event.data]:
        raise KeyError(*missing)
    if event.kind == "record_added":
        return state  # its record follows as a view
    observer = replace(observer, moments=version)
    if event.kind in _SEEN:
        observer = _seen(observer, event, version)
    state = _with_observer(state, observer)
    if event.kind in _SEEN and state.primary in state.deaf:
        state = _as_seen(state)
    if event.kind == "execution_progress":
        return _progress(state, event)
    if event.kind == "job_settled":
        state = _settled(state, event)
    return state if event.kind in journal.UNLOGGED else journal.record(state, event)


_FIELDS = {moment.kind: moment.fields for moment in MOMENTS}

_SEEN: dict[str, Any] = {
    "member_alive": {"state": "alive"},
    "member_suspected": {"state": "suspect"},
    "member_dead": {"state": "dead"},
    "member_left": {"state": "left"},
    "neighbour_lost": {"neighbour": False},
    "neighbour_found": {"neighbour": True},
}
"""What a moment changes in its reporter's sight of the member it names."""


def _seen(observer: Observer, event: Event, version: Version) -> Observer:
    peer, change = str(event.data["peer"]), _SEEN[event.kind]
    before = observer.sights.get(peer) or Sight("alive", event.at_ms, (-1, 0))
    if version < before.version:
        return observer
    since_ms = before.since_ms if change.get("state", before.state) == before.state else event.at_ms
    sight = replace(before, **change, since_ms=since_ms, version=version)
    return replace(observer, sights=_put(observer.sights, peer, sight))


def _progress(state: State, event: Event) -> State:
    """More text of a running job, whoever reports it; what is not newer than the job's view is left out."""
    entry = state.jobs.get(str(event.data["job"]))
    tokens = int(event.data["tokens"])
    if entry is None or entry.view.epoch != event.data["epoch"] or tokens <= entry.view.tokens:
        return state
    text = (entry.view.text + str(event.data["text"]))[-TEXT_KEPT:]
    view = replace(entry.view, tokens=tokens, text=text)
    return replace(state, jobs=_put(state.jobs, view.job, replace(entry, view=view)))


def _settled(state: State, event: Event) -> State:
    job = str(event.data["job"])
    value = (str(event.data["outcome"]), str(event.data["holder"]), int(event.data["price_micro"]))
    fate = state.fates.get(job)
    if fate is not None and value in fate.values:
        return state
    if job not in state.jobs and len(state.fates) > 2 * JOBS_KEPT:
        return state
    values = fate.values | {value} if fate else frozenset({value})
    return replace(state, fates=_put(state.fates, job, Fate(values)))


_VIEWS: dict[str, Callable[[State, Event], State]] = {
    "node": _node,
    "member": _member,
    "job": _job,
    "query": _query,
    "record": _record,
    "replica": _replica,
    "answer": _answer,
    "process": _process,
    "source": _source,
    "action": _action,
    "chain": _chain,
    "ens": _ens,
}
