"""Incidents: stages of recovery, each with its own figure."""

from __future__ import annotations

from whisper_tui.model.incidents import Stage
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import last_incident, stage_percentiles
from whisper_tui.model.state import Incident
from whisper_tui.model.views.base import (
    Column,
    Frame,
    Line,
    Lines,
    Span,
    Table,
    between,
    fit,
    line_cells,
    seconds,
)
from whisper_tui.model.views.events import clock

SHOWN: tuple[tuple[Stage, str], ...] = (
    ("suspected_ms", "susp"),
    ("confirmed_ms", "conf"),
    ("reclaimed_ms", "recl"),
    ("settled_ms", "sett"),
    ("converged_ms", "conv"),
)
"""The stages as they are shown, and what they are called where there is little room."""

FULL: tuple[tuple[Stage, str], ...] = (*SHOWN[:3], ("finished_ms", "fin"), *SHOWN[3:])
"""Every stage, where there is room for a table."""

_NAMES = {stage: stage.removesuffix("_ms") for stage, _ in FULL}
_VERBS = {"kill": "kill", "pause": "pause", "partition": "cut off", "heal": "heal"}


def none_yet(frame: Frame) -> str:
    """What is said before the first incident."""
    return frame.inviting("none since this console came", "chaos", "disturb the mesh")


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
        return ((Span(f" {none_yet(frame)}", "dim"),),)
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


def history_lines(frame: Frame, rows: int) -> tuple[Line, ...]:
    """The newest incidents, the newest first, with when each stage was reached."""
    if not frame.state.incidents:
        return ((Span(f" {none_yet(frame)}", "dim"),),)
    lines: list[Line] = [(Span(f" {'':<18}" + "".join(f"{short.upper():>8}" for _, short in SHOWN), "dim"),)]
    for incident in frame.state.incidents[: -max(1, rows - 1) - 1 : -1]:
        spans = [Span(f" #{incident.number:<3}{fit(describe(incident), 13)} ")]
        for stage, _ in SHOWN:
            value: float | None = getattr(incident, stage)
            text = seconds(value, signed=True) if value is not None else frame.glyphs.nothing
            spans.append(Span(f"{text:>8}", "text" if value is not None else "dim"))
        lines.append(tuple(spans))
    return tuple(lines)


def incident_strip(frame: Frame, width: int) -> Line:
    """The newest incident's stages in one line; those that do not apply are left out."""
    incident = last_incident(frame.state)
    if incident is None:
        return (Span(none_yet(frame), "dim"),)
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


ROOMY = 100
"""Columns from which stages are called by their whole names."""


def incidents_table(frame: Frame, width: int) -> Table:
    """Every incident with all of its stages, the newest first."""
    found = {str(incident.number): incident for incident in reversed(frame.state.incidents)}
    columns = (
        Column("#", 3, "right"),
        Column("TIME", 8),
        Column("WHAT", 12, flex=True),
        *(Column(title, size, "right") for title, size in _stage_columns(width)),
    )
    return Table(
        columns,
        tuple(found),
        lambda key: _row(frame, found[key]),
        none_yet(frame),
        lambda _: "incident",
    )


def percentile_lines(frame: Frame, width: int) -> Lines:
    """p50 and p95 of each stage, of each kind of incident by itself, under the columns of the table."""
    lines: list[Line] = []
    for action in dict.fromkeys(incident.action for incident in frame.state.incidents):
        count = sum(incident.action == action for incident in frame.state.incidents)
        found = [stage_percentiles(frame.state, stage, action) for stage, _ in FULL]
        for name, values in (("p50", [one.p50 for one in found]), ("p95", [one.p95 for one in found])):
            told = [seconds(value, signed=True, nothing=frame.glyphs.nothing) for value in values]
            sizes = [size for _, size in _stage_columns(width)]
            right = " ".join(fit(text, size, "right") for text, size in zip(told, sizes, strict=True))
            title = f" {name}  {inert(_VERBS.get(action, action), 20)}" + (
                f", {count} of them" if name == "p50" else ""
            )
            lines.append(between((Span(title, "dim"),), (Span(f"{right} "),), width))
    if lines and frame.state.exec_delay_ms:
        delay = frame.state.exec_delay_ms / 1000
        lines.append(
            (
                Span(
                    f" finished leaves out the configured delay of {delay:g}s per run, settled does not",
                    "dim",
                ),
            )
        )
    return tuple(lines)


def _stage_columns(width: int) -> list[tuple[str, int]]:
    return [
        ((_NAMES[stage] if width >= ROOMY else short).upper(), 9 if width >= ROOMY else 7)
        for stage, short in FULL
    ]


def _row(frame: Frame, incident: Incident) -> tuple[Line, ...]:
    applies = _applicable(incident)
    cells: list[Line] = []
    for stage, _ in FULL:
        value: float | None = getattr(incident, stage)
        waiting = value is None and incident.open and applies[stage]
        text = frame.glyphs.ellipsis if waiting else seconds(value, signed=True, nothing=frame.glyphs.nothing)
        cells.append((Span(text, "strong" if value is not None else "dim"),))
    return (
        (Span(str(incident.number), "accent" if incident.open else "text"),),
        (Span(clock(incident.at_ms)[:8], "dim"),),
        (Span(describe(incident), "strong" if incident.open else "text"),),
        *cells,
    )


def _applicable(incident: Incident) -> dict[Stage, bool]:
    """Which stages this incident can still reach."""
    return {
        "suspected_ms": bool(incident.victims) and not incident.all_back,
        "confirmed_ms": bool(incident.victims) and not incident.all_back,
        "reclaimed_ms": bool(incident.held),
        "finished_ms": bool(incident.held),
        "settled_ms": bool(incident.held),
        "converged_ms": True,
    }
