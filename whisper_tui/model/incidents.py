"""Incidents: what the operator did to the mesh, and how long the survivors took for each stage of recovery.

One incident per kill, pause, partition and heal. A stage is reached when the *last* live observer has reached
it; stages are never merged into one number. A stage that does not apply (nobody to suspect, no job held)
stays None. Times are those of the reports, so delivery to the console adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, TypeVar

from msgspec.structs import replace

from mesh_core.api.schema import FINAL_STATES, AttemptView, Event, JobView
from whisper_tui.model.state import INCIDENTS_KEPT, Action, Incident, State, roots_of_live

K = TypeVar("K")

DISTURBANCES: frozenset[str] = frozenset({"kill", "pause", "partition"})
"""Actions that silence their targets for the others."""

Stage: TypeAlias = Literal[
    "suspected_ms", "confirmed_ms", "reclaimed_ms", "finished_ms", "settled_ms", "converged_ms"
]

STAGES: tuple[Stage, ...] = (
    "suspected_ms",
    "confirmed_ms",
    "reclaimed_ms",
    "finished_ms",
    "settled_ms",
    "converged_ms",
)
"""`settled` and `finished` are one stage, with and without the configured delay of executions."""

OPEN_FOR_MS = 600_000.0
"""An incident that has not ended by then stays as it is: its missing stages are missing for good."""


def begin(state: State, action: Action) -> State:
    """`state` with the incident that `action` opens; a revival ends those that wait for nothing else."""
    if action.action == "revive":
        back = frozenset(_peer(state, name) for name in action.targets)
        told = tuple(
            _with_revived(state, incident, back) if incident.open and incident.victims & back else incident
            for incident in state.incidents
        )
        return replace(state, incidents=told)
    if action.action not in DISTURBANCES and action.action != "heal":
        return state
    number = state.incidents[-1].number + 1 if state.incidents else 1
    victims = _victims(state, action) if action.action in DISTURBANCES else frozenset()
    held = {
        job: entry.view.epoch
        for job, entry in state.jobs.items()
        if entry.view.state not in FINAL_STATES and entry.view.epoch > 0 and entry.view.holder in victims
    }
    incident = Incident(
        number=number,
        action=action.action,
        targets=tuple(action.targets),
        victims=victims,
        by=action.by,
        at_ms=action.at_ms,
        command=action.command,
        held=held,
        suspected=_already_suspected(state, victims, action.at_ms),
    )
    return replace(state, incidents=(*state.incidents[-(INCIDENTS_KEPT - 1) :], _judge(state, incident)))


def follow(state: State, event: Event) -> State:
    """`state` with its open incidents brought up to date after `event` was applied."""
    if not any(incident.open for incident in state.incidents):
        return state
    followed = tuple(
        _followed(state, incident, event) if incident.open else incident for incident in state.incidents
    )
    if all(after is before for after, before in zip(followed, state.incidents, strict=True)):
        return state
    return replace(state, incidents=followed)


_MAY_REACH: frozenset[str] = frozenset({"replica", "process", "source", "node"})
"""Events that let a stage be reached although they say nothing of the incident: replicas agree, or somebody who was
waited for is not heard any more."""


def _followed(state: State, incident: Incident, event: Event) -> Incident:
    """`incident` after one event; judged only if that may have changed anything, since it asks every observer."""
    noted = _note(state, incident, event)
    overdue = state.now_ms - incident.at_ms > OPEN_FOR_MS
    if noted is incident and event.kind not in _MAY_REACH and not overdue:
        return incident
    return _judge(state, noted)


def _with_revived(state: State, incident: Incident, back: frozenset[str]) -> Incident:
    """`incident` after victims were brought back. What they held has been taken over or waits for them: its end is still
    the incident's; where they held nothing there is nothing more to come of it once all of them are back."""
    incident = replace(incident, revived=incident.revived | (incident.victims & back))
    if not incident.all_back:
        return incident
    waits = any(job not in incident.finished for job in incident.held)
    return _judge(state, incident) if waits else replace(incident, open=False)


def _peer(state: State, name: str) -> str:
    return next((peer for peer, known in state.names.items() if known == name), name)


def _victims(state: State, action: Action) -> frozenset[str]:
    """Targets the operator's node did not already take for dead."""
    peers = {_peer(state, name) for name in action.targets}
    gone = {
        peer for peer in peers if peer in state.members and state.members[peer].view.state in ("dead", "left")
    }
    return frozenset(peers - gone)


def _already_suspected(state: State, victims: frozenset[str], at_ms: float) -> dict[tuple[str, str], float]:
    return {
        (peer, victim): at_ms
        for peer, observer in state.observers.items()
        for victim in victims
        if victim in observer.sights and observer.sights[victim].state == "suspect"
    }


# ------------------------------------------------------------------------------------------- what is noted


def _note(state: State, incident: Incident, event: Event) -> Incident:
    data = event.data
    match event.kind:
        case "member":
            incident = _note_sight(
                incident, event.node, data["peer"], data["state"], data["since_ms"] or event.at_ms
            )
        case "member_suspected":
            incident = _note_sight(incident, event.node, data["peer"], "suspect", event.at_ms)
        case "member_dead":
            incident = _note_sight(incident, event.node, data["peer"], "dead", event.at_ms)
        case "lease_granted":
            incident = _note_lease(incident, data["job"], data["epoch"], event.at_ms)
        case "job_settled":
            incident = _note_final(incident, data["job"], event.node, event.at_ms)
        case "job":
            incident = _note_job(state, incident, event)
    return incident


def _first(times: Mapping[K, float], key: K, at_ms: float) -> Mapping[K, float]:
    """`times` with `key` at the earlier of what it says and `at_ms`."""
    before = times.get(key)
    if before is not None and before <= at_ms:
        return times
    return {**times, key: at_ms}


def _note_sight(incident: Incident, observer: str, subject: str, seen: str, at_ms: float) -> Incident:
    if subject not in incident.victims or observer in incident.victims or at_ms < incident.at_ms:
        return incident
    key = (observer, subject)
    if seen == "dead":
        # Whoever confirms has suspected, also when its suspicion was never reported.
        suspected = _first(incident.suspected, key, at_ms)
        confirmed = _first(incident.confirmed, key, at_ms)
        if suspected is incident.suspected and confirmed is incident.confirmed:
            return incident
        return replace(incident, suspected=suspected, confirmed=confirmed)
    if seen == "suspect":
        suspected = _first(incident.suspected, key, at_ms)
        return incident if suspected is incident.suspected else replace(incident, suspected=suspected)
    return incident


def _note_lease(incident: Incident, job: str, epoch: int, at_ms: float) -> Incident:
    if job not in incident.held or epoch <= incident.held[job] or at_ms < incident.at_ms:
        return incident
    reclaimed = _first(incident.reclaimed, job, at_ms)
    return incident if reclaimed is incident.reclaimed else replace(incident, reclaimed=reclaimed)


def _note_final(incident: Incident, job: str, observer: str, at_ms: float) -> Incident:
    if job not in incident.held or at_ms < incident.at_ms or (job, observer) in incident.final_at:
        return incident
    return replace(incident, final_at={**incident.final_at, (job, observer): at_ms})


def _note_job(state: State, incident: Incident, event: Event) -> Incident:
    job = event.data["job"]
    if event.data["state"] in FINAL_STATES:
        incident = _note_final(incident, job, event.node, event.at_ms)
    entry = state.jobs.get(job)
    if entry is None or event.node != entry.reporter:
        return incident
    view = entry.view
    if job not in incident.held:
        silent = incident.victims - incident.revived
        if view.holder not in silent or view.epoch == 0 or view.state in FINAL_STATES:
            return incident
        # The lease was granted before the victim fell silent; the news of it came after.
        incident = replace(incident, held={**incident.held, job: view.epoch})
    if view.epoch > incident.held[job]:
        again = next((a for a in view.attempts if a.epoch > incident.held[job]), None)
        leased_ms = again.leased_ms if again and again.leased_ms else event.at_ms
        incident = _note_lease(incident, job, view.epoch, leased_ms)
    if view.state in FINAL_STATES and job not in incident.finished:
        finished_ms = max(incident.at_ms, view.settled_ms or event.at_ms)
        excused = {**incident.excused, job: _excused(state, incident, view)}
        incident = replace(incident, finished={**incident.finished, job: finished_ms}, excused=excused)
    return incident


def _excused(state: State, incident: Incident, view: JobView) -> float:
    """Configured execution delay inside the run that ended the job, if that run began after the incident."""
    last: AttemptView | None = view.attempts[-1] if view.attempts else None
    ran_again = last is not None and last.outcome != "adopted" and last.started_ms >= incident.at_ms
    return state.exec_delay_ms if ran_again else 0.0


# ------------------------------------------------------------------------------------------ what it means


def _judge(state: State, incident: Incident) -> Incident:
    """`incident` with every stage set that has now been reached by all who must reach it."""
    observers = [peer for peer in roots_of_live(state) if peer not in incident.victims]
    changes: dict[str, float | bool] = {}

    def reach(stage: str, at_ms: float | None) -> float | None:
        known: float | None = getattr(incident, stage)
        if known is None and at_ms is not None:
            known = changes[stage] = max(0.0, at_ms - incident.at_ms)
        return known

    if incident.victims:
        if incident.suspected_ms is None:
            reach("suspected_ms", _last(incident.suspected, observers, incident.victims))
        confirmed = incident.confirmed_ms
        if confirmed is None:
            confirmed = reach("confirmed_ms", _last(incident.confirmed, observers, incident.victims))
        if confirmed is None and incident.all_back:
            confirmed = 0.0
    else:
        confirmed = 0.0
    again = [job for job in incident.held if job not in incident.finished or job in incident.reclaimed]
    if again and all(job in incident.reclaimed for job in again):
        reach("reclaimed_ms", max(incident.reclaimed[job] for job in again))
    all_final = all(job in incident.finished for job in incident.held)
    if incident.held and all_final and confirmed is not None:
        reach("finished_ms", max(incident.finished[job] - incident.excused[job] for job in incident.held))
        reach("settled_ms", max(incident.finished[job] for job in incident.held))
    if all_final and confirmed is not None:
        converged = reach("converged_ms", _converged(state, incident, observers, incident.at_ms + confirmed))
        if converged is not None:
            changes["open"] = False
    if state.now_ms - incident.at_ms > OPEN_FOR_MS:
        changes["open"] = False
    return replace(incident, **changes) if changes else incident


def _last(
    times: Mapping[tuple[str, str], float], observers: Sequence[str], victims: Iterable[str]
) -> float | None:
    """When the last observer had reached a stage for the last victim; None while one has not."""
    if len(times) < len(observers):
        return None
    reached = [times.get((observer, victim)) for observer in observers for victim in victims]
    known = [at_ms for at_ms in reached if at_ms is not None]
    return max(known) if known and len(known) == len(reached) else None


def _converged(
    state: State, incident: Incident, observers: Sequence[str], confirmed_at: float
) -> float | None:
    """When the live replicas agreed, all of them knowing the end of every job that was held."""
    roots = roots_of_live(state)
    if len({roots[peer] for peer in observers}) != 1:
        return None
    at_ms = [confirmed_at, *incident.finished.values()]
    if state.converged_ms is not None:
        at_ms.append(state.converged_ms)
    for job, finished in incident.finished.items():
        for peer in observers:
            seen = incident.final_at.get((job, peer))
            if seen is None and state.observers[peer].replica_ms < finished:
                return None
            at_ms.append(seen if seen is not None else finished)
    return max(at_ms)
