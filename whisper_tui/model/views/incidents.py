"""Incidents: stages of recovery, each with its own figure."""

from __future__ import annotations

from whisper_tui.model.incidents import Stage
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import last_incident, stage_percentiles
from whisper_tui.model.state import Incident
from whisper_tui.model.views.base import Frame, Line, Span, line_cells, seconds

SHOWN: tuple[tuple[Stage, str], ...] = (
    ("suspected_ms", "susp"),
    ("confirmed_ms", "conf"),
    ("reclaimed_ms", "recl"),
    ("settled_ms", "sett"),
    ("converged_ms", "conv"),
)
"""The stages as they are shown, and what they are called where there is little room."""

_NAMES = {stage: stage.removesuffix("_ms") for stage, _ in SHOWN}
NONE_YET = "none since this console came: press X to disturb the mesh"
_VERBS = {"kill": "kill", "pause": "pause", "partition": "cut off", "heal": "heal"}


def incident_title(frame: Frame) -> str:
    """`Incident #2  kill node4`."""
    incident = last_incident(frame.state)
    if incident is None:
        return "Incidents"
    return f"Incident #{incident.number}  {describe(incident)}"


def describe(incident: Incident) -> str:
    """`kill node2 node4`, inert."""
    verb = _VERBS.get(incident.action, incident.action)
    return inert(f"{verb} {' '.join(incident.targets)}".rstrip(), 80)


def incident_lines(frame: Frame) -> tuple[Line, ...]:
    """The newest incident's stages under their names; below, their medians once there are several incidents."""
    incident = last_incident(frame.state)
    if incident is None:
        return ((Span(f" {NONE_YET}", "dim"),),)
    applies = _applicable(incident)
    delay_ms = frame.state.exec_delay_ms if applies["settled_ms"] else 0.0
    legend: tuple[Line, ...] = (
        ((Span(f" settled: with the configured delay of {delay_ms / 1000:g}s per run", "dim"),),)
        if delay_ms
        else ()
    )
    heading = (Span(f" {'':<5}" + "".join(f"{_NAMES[stage].upper():>12}" for stage, _ in SHOWN), "dim"),)
    now: list[Span] = [Span(f" {'now' if incident.open else 'last':<5}", "dim")]
    for stage, _ in SHOWN:
        value: float | None = getattr(incident, stage)
        waiting = value is None and incident.open and applies[stage]
        text = seconds(value, signed=True) if value is not None else frame.glyphs.nothing
        now.append(
            Span(
                f"{frame.glyphs.ellipsis if waiting else text:>12}", "strong" if value is not None else "dim"
            )
        )
    if len(frame.state.incidents) < 2:
        return (heading, tuple(now), *legend)
    medians = [stage_percentiles(frame.state, stage).p50 for stage, _ in SHOWN]
    told = (seconds(p50, signed=True) if p50 is not None else frame.glyphs.nothing for p50 in medians)
    p50 = (Span(f" {'p50':<5}" + "".join(f"{text:>12}" for text in told), "dim"),)
    return (heading, tuple(now), p50, *legend)


def incident_strip(frame: Frame, width: int) -> Line:
    """The newest incident's stages in one line; those that do not apply are left out."""
    incident = last_incident(frame.state)
    if incident is None:
        return (Span(NONE_YET, "dim"),)
    applies = _applicable(incident)
    line: Line = ()
    for names in (_NAMES, dict(SHOWN)):
        line = ()
        for stage, _ in SHOWN:
            value: float | None = getattr(incident, stage)
            if value is None and not applies[stage]:
                continue
            waiting = frame.glyphs.ellipsis if incident.open else frame.glyphs.nothing
            reached = seconds(value, signed=True) if value is not None else waiting
            line += (Span(f"{names[stage]} ", "dim"), Span(f"{reached:<7} ", "strong" if value else "dim"))
        if line_cells(line) <= width:
            break
    return line


def _applicable(incident: Incident) -> dict[Stage, bool]:
    """Which stages this incident can still reach."""
    return {
        "suspected_ms": bool(incident.victims),
        "confirmed_ms": bool(incident.victims),
        "reclaimed_ms": bool(incident.held),
        "settled_ms": bool(incident.held),
        "converged_ms": True,
    }
