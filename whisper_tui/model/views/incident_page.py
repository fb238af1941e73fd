"""One incident: its stages, who saw what when, what became of the jobs that were held, and what happened meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from whisper_tui.model.evidence import WAITING, Ask
from whisper_tui.model.incidents import Stage
from whisper_tui.model.inert import inert
from whisper_tui.model.numbers import counted
from whisper_tui.model.selectors import incident_stages, label_of, name_of, operator_of
from whisper_tui.model.state import Incident, LogEntry, State
from whisper_tui.model.views import records
from whisper_tui.model.views.attempt_page import attempt_key
from whisper_tui.model.views.base import Frame, Line, Lines, Span, Target, fit, seconds
from whisper_tui.model.views.events import clock, in_time
from whisper_tui.model.views.incidents import describe
from whisper_tui.model.views.page import INDENT, field, section

JOBS_ASKED_MAX = 8
"""Jobs of one incident whose records are asked for without being told to."""

EVENTS_MAX = 200
AFTERWARDS_MS = 5_000.0
"""Events of an incident that has ended are shown until this long after its last stage."""

_MEANS: Mapping[Stage, str] = {
    "suspected_ms": "the last live observer suspects them",
    "confirmed_ms": "the last live observer takes them for dead",
    "reclaimed_ms": "the last of their jobs is leased again",
    "finished_ms": "the last of them is final, without the configured delay",
    "settled_ms": "the last of them is final",
    "converged_ms": "all live replicas agree, and know it",
}
_ACCUSES = frozenset({"member_suspected", "member_dead", "neighbour_lost", "refuted"})


def incident_title(_frame: Frame, key: str) -> str:
    """`Incident 2`."""
    return f"Incident {key}"


def incident_asks(frame: Frame, key: str) -> tuple[Ask, ...]:
    """The records about jobs that were held; of those leased again, the certificate of the lease."""
    incident = _incident(frame.state, key)
    asks: list[Ask] = []
    for job in list(incident.held if incident else ())[:JOBS_ASKED_MAX]:
        asks.append(Ask("job", job))
        asks += [Ask("record", record) for record in _certificates(frame, incident, job)]
    return tuple(asks)


def incident_detail(frame: Frame, key: str, width: int) -> Lines:
    """All of it, the newest knowledge in the evidence."""
    incident = _incident(frame.state, key)
    if incident is None:
        return ((Span("  this incident is not kept any more: esc goes back", "dim"),),)
    return (
        *_summary(frame, incident),
        *section(frame, "Stages", _stages(frame, incident), width),
        *section(frame, "Sides", _sides(frame, incident), width),
        *section(frame, "Seen by", _sights(frame, incident), width),
        *section(frame, "Accusations", in_time(frame, _accusations(frame.state, incident), width), width),
        *section(frame, "Jobs that were held", _jobs(frame, incident), width),
        *section(frame, "Events", in_time(frame, _events(frame.state, incident), width), width),
    )


def _incident(state: State, key: str) -> Incident | None:
    return next((incident for incident in state.incidents if str(incident.number) == key), None)


def _summary(frame: Frame, incident: Incident) -> list[Line]:
    state = frame.state
    lines = [
        field("what", Span(describe(incident), "strong")),
        field("began", Span(clock(incident.at_ms).strip()), Span(f"  by {inert(incident.by, 40)}", "dim")),
        field("same as", Span(inert(frame.typed(incident.command), 160), "dim")),
    ]
    for peer in sorted(incident.victims, key=lambda peer: name_of(state, peer)):
        lines.append(field("silenced", Span(inert(name_of(state, peer), 40), "strong", Target("node", peer))))
    told = "goes on" if incident.open else "over"
    return [*lines, field("state", Span(told, "accent" if incident.open else "text"))]


def _stages(frame: Frame, incident: Incident) -> list[Line]:
    """Each stage by itself: what it means, and how long after the beginning it was reached."""
    first = "killed" if incident.action == "kill" else "begun"
    lines: list[Line] = [(INDENT, Span(f"{first:<12}"), Span(f"{'+0.00s':>9}", "strong"))]
    for stage, value in incident_stages(incident).items():
        name = stage.removesuffix("_ms")
        if value is None:
            told = frame.glyphs.ellipsis if incident.open else frame.glyphs.nothing
            lines.append((INDENT, Span(f"{name:<12}{told:>9}", "dim")))
            continue
        reached = f"{seconds(value, signed=True):>9}"
        lines.append(
            (INDENT, Span(f"{name:<12}"), Span(reached, "strong"), Span(f"  {_MEANS[stage]}", "dim"))
        )
    return lines


def _sides(frame: Frame, incident: Incident) -> list[Line]:
    """Of a partition: who was cut off, and who is on the other side."""
    if incident.action != "partition":
        return []
    state = frame.state
    cut_off = sorted(inert(name_of(state, peer), 40) for peer in incident.victims) or list(incident.targets)
    others = sorted(inert(name_of(state, peer), 40) for peer in state.members if peer not in incident.victims)
    return [
        field("cut off", Span(inert(" ".join(cut_off), 400), "suspect")),
        field("the others", Span(inert(" ".join(others), 400))),
    ]


def _sights(frame: Frame, incident: Incident) -> list[Line]:
    """Of every observer, how long it took to suspect and to confirm each of those that fell silent."""
    state = frame.state
    pairs = sorted(
        {*incident.suspected, *incident.confirmed},
        key=lambda pair: (
            name_of(state, pair[1]),
            incident.confirmed.get(pair, float("inf")),
            name_of(state, pair[0]),
        ),
    )
    return [
        (
            INDENT,
            Span(fit(inert(name_of(state, observer), 20), 11), "text", Target("node", observer)),
            Span(fit(f"of {inert(name_of(state, victim), 20)}", 12), "dim"),
            Span(f"suspected {_after(incident, incident.suspected.get((observer, victim)))}", "suspect"),
            Span(f"  confirmed {_after(incident, incident.confirmed.get((observer, victim)))}", "dead"),
        )
        for observer, victim in pairs
    ]


def _after(incident: Incident, at_ms: float | None) -> str:
    return f"{seconds(at_ms - incident.at_ms, signed=True) if at_ms is not None else '…':>8}"


def _jobs(frame: Frame, incident: Incident) -> list[Line]:
    lines: list[Line] = []
    for job, epoch in incident.held.items():
        lines += _job(frame, incident, job, epoch)
    return lines


def _job(frame: Frame, incident: Incident, job: str, epoch: int) -> list[Line]:
    """The job, the lease that was lost, the one that took its place and who promised it, and its end."""
    state, entry = frame.state, frame.state.jobs.get(job)
    if entry is None:
        return [(INDENT, Span(f"{inert(job, 12)} is not kept any more", "dim"))]
    label = Span(fit(inert(label_of(entry.view, operator_of(state)), 20), 8), "strong", Target("job", job))
    again = next((attempt for attempt in entry.view.attempts if attempt.epoch > epoch), None)
    leased = (
        f"leased again {_after(incident, incident.reclaimed.get(job))}"
        if again
        else "nobody has leased it again"
    )
    ended = f"  final {_after(incident, incident.finished.get(job))}" if job in incident.finished else ""
    excused = incident.excused.get(job, 0.0)
    delay = f", {excused / 1000:g}s of it delay" if excused else ""
    lines: list[Line] = [(INDENT, label, Span(f"lost at epoch {epoch}  {leased}{ended}{delay}", "dim"))]
    if again is not None:
        told = f"epoch {again.epoch} of {inert(name_of(state, again.holder), 20)}"
        target = Target("attempt", attempt_key(job, again.epoch))
        lines.append(
            (INDENT, Span(" " * 8), Span(f"{frame.glyphs.rescued} ", "rescued"), Span(told, "text", target))
        )
    return lines + [line for name in _certificates(frame, incident, job) for line in _promises(frame, name)]


def _certificates(frame: Frame, incident: Incident | None, job: str) -> list[str]:
    """Hashes of the lease records that took the place of the lease that was lost, one for each epoch."""
    epoch = incident.held[job] if incident else 0
    found = {
        record.epoch: record.hash
        for record in records.about_job(frame, job)
        if record.kind == "lease" and record.epoch > epoch
    }
    return list(found.values())[:1]


def _promises(frame: Frame, name: str) -> list[Line]:
    start = (INDENT, Span(" " * 10))
    link = Span("lease certificate", "accent", Target("record", name))
    answer = frame.evidence.get(Ask("record", name), WAITING)
    if answer.record is None:
        return [(*start, link, Span(f"  {inert(answer.refusal, 120) or 'asking for it …'}", "dim"))]
    good = [promise.author for promise in answer.record.statements if not promise.problem]
    who = " ".join(inert(name_of(frame.state, author), 20) for author in good)
    return [(*start, link, Span(f"  {counted(len(good), 'promise')}: {who}", "dim"))]


def _accusations(state: State, incident: Incident) -> list[LogEntry]:
    """Who accused them, and who lost their links."""
    return [
        entry
        for entry in _events(state, incident)
        if entry.kind in _ACCUSES and (entry.kind == "refuted" or entry.data.get("peer") in incident.victims)
    ]


def _events(state: State, incident: Incident) -> list[LogEntry]:
    """What happened from its beginning until shortly after its last stage."""
    stages = [value for value in incident_stages(incident).values() if value is not None]
    until_ms = (
        incident.at_ms + max(stages, default=0.0) + AFTERWARDS_MS if not incident.open else float("inf")
    )
    found = [entry for entry in state.log if incident.at_ms <= entry.at_ms <= until_ms]
    return found[:EVENTS_MAX]
