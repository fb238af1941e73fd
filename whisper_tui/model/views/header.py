"""The line at the top: is all well, at a glance; and the line at the bottom: what the keys do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from msgspec import Struct

from mesh_core.api.schema import FINAL_STATES
from whisper_tui.model import access
from whisper_tui.model.access import interrupted
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import (
    Convergence,
    convergence,
    counters,
    is_orphaned,
    node_counts,
    open_jobs,
    stage_percentiles,
)
from whisper_tui.model.views.base import (
    Frame,
    Line,
    Lines,
    Span,
    between,
    cells,
    fit_line,
    line_cells,
    seconds,
    wrap,
)
from whisper_tui.model.views.moment import Moment, moment_line

GAPS = (Span("   "), Span("  "), Span(" "))
"""Between the parts of the line, as room allows."""

NEWS_TRAVELS_MS = 1_000.0
"""Replicas that differ for less than this are on their way to agree: a record takes a moment to reach everybody."""

SLOW = 0.6
"""A link that takes less than this share of the frames is called slow."""


class Running(Struct, frozen=True):
    """What only the console itself knows. `hz`: frames a second; `link_hz`: how many of them the terminal takes;
    `behind` counts events taken in while the display is frozen; `moment` is the one that is shown where it is not now;
    `simulated`: times are virtual, nobody lives. `only_reading`: read-only for good."""

    hz: int
    link_hz: float = math.inf
    read_only: bool = False
    frozen: bool = False
    behind: int = 0
    moment: Moment | None = None
    simulated: bool = False
    only_reading: bool = False


def header(frame: Frame, running: Running, width: int) -> Line:
    """Network, liveness, rights, nodes, agreement, jobs, time to recover. Where there is little room gaps shrink, then the
    network's name goes, then what stands rightmost.

    Of a mesh that was stopped: that, and how to start it again.
    """
    if frame.state.stopped and running.moment is None:
        return _stopped(frame, width)
    rights = Span(" RO", "warn") if running.read_only else Span(" RW", "dim")
    parts = [
        _network(frame),
        (*_freshness(frame, running), rights),
        _nodes(frame),
        _agreement(frame),
        _jobs(frame),
        _recovery(frame),
    ]
    line = _spaced(parts, GAPS[0])
    for gap in GAPS[1:]:
        if line_cells(line) > width:
            line = _spaced(parts, gap)
    shorter = [_network(frame)[:1], *parts[1:]]
    while line_cells(line) > width and shorter:
        line = _spaced(shorter, GAPS[-1])
        shorter.pop()
    problem = _problem(frame)
    if problem and width - line_cells(line) > 12:
        return between(line, fit_line((Span(problem, "warn"),), width - line_cells(line) - 2), width)
    return fit_line(line, width)


def status(frame: Frame, running: Running, needed: tuple[int, int], width: int) -> Lines:
    """The same below each other, for a terminal that has room for nothing else, after how large it would have to be."""
    columns, rows = needed
    lines: list[Line] = [(Span(f" too small: {columns}x{rows} or more", "warn"),)]
    if frame.state.stopped and running.moment is None:
        lines.append((Span(f" {frame.glyphs.dead} {access.STOPPED.why}", "warn"),))
    else:
        parts = (_freshness(frame, running), _nodes(frame), _agreement(frame), _jobs(frame))
        lines += [(Span(" "), *part) for part in parts]
    return tuple(fit_line(line, width) for line in lines)


def _spaced(parts: Sequence[Line], gap: Span) -> Line:
    """A line of parts, with a gap before each but the first two."""
    line: Line = (Span(" "), *parts[0])
    for index, part in enumerate(parts[1:]):
        line = (*line, gap if index else Span(" "), *part)
    return line


def _network(frame: Frame) -> Line:
    observer = frame.state.observers.get(frame.state.primary)
    network = inert(observer.node.network, 24) if observer and observer.node else "…"
    return (Span("whisper", "title"), Span(f" {network}"))


def _stopped(frame: Frame, width: int) -> Line:
    """In as many words as there is room for: the command line is not cut before all of them are gone."""
    gone, sign = access.STOPPED, frame.glyphs.dead
    command = Span(frame.typed(gone.command), "accent")
    line: Line = ()
    for told in (f"{sign} {gone.why}; {gone.remedy}: ", f"{sign} stopped; type: ", f"{sign} "):
        line = (Span(" "), *_network(frame), Span("  "), Span(told, "warn"), command)
        if line_cells(line) <= width:
            break
    return fit_line(line, width)


def _freshness(frame: Frame, running: Running) -> Line:
    if running.moment is not None:
        return moment_line(running.moment, frame.glyphs.play)
    if running.simulated and not running.frozen:
        return (Span(f"{frame.glyphs.left} SIMULATED", "accent"),)
    source = interrupted(frame.state)
    if source is not None:
        age = seconds(max(0.0, frame.now_ms - source.since_ms))
        word = "STALE" if source.since_ms else "CONNECTING"
        return (Span(f"{frame.glyphs.suspect} {word} {age}, retry in {seconds(source.retry_ms)}", "warn"),)
    if running.frozen:
        return (Span(f"{frame.glyphs.left} FROZEN +{running.behind}, p goes on", "accent"),)
    if not frame.state.observers:
        return (Span(f"{frame.glyphs.left} CONNECTING", "dim"),)
    if is_slow(running):
        return (Span(f"{frame.glyphs.suspect} slow link {running.link_hz:.1f}Hz", "warn"),)
    return (Span(f"{frame.glyphs.alive} LIVE", "alive"), Span(f" {running.hz}Hz", "dim"))


def is_slow(running: Running) -> bool:
    """Whether the terminal takes markedly fewer frames than there are."""
    return running.link_hz < running.hz * SLOW


def moves(frame: Frame) -> bool:
    """Whether the picture changes by the passing of time alone: work in progress, an interruption's age, or for how
    long replicas have differed."""
    state = frame.state
    return bool(open_jobs(state)) or interrupted(state) is not None or state.diverged_ms is not None


def _nodes(frame: Frame) -> Line:
    counts = node_counts(frame.state)
    up = Span(f"{counts.up}/{counts.total} up", "strong" if counts.up == counts.total else "warn")
    glyphs = frame.glyphs
    suspect = (Span(f" {counts.suspect}{glyphs.suspect}", "suspect"),) if counts.suspect else ()
    dead = (Span(f" {counts.dead}{glyphs.dead}", "dead"),) if counts.dead else ()
    return (up, *suspect, *dead)


def _agreement(frame: Frame) -> Line:
    found: Convergence = convergence(frame.state)
    if not found.reporting:
        return (Span(f"conv {frame.glyphs.nothing}", "dim"),)
    if found.converged:
        took = f" {seconds(found.took_ms)}" if found.took_ms is not None else ""
        return (Span("conv "), Span(frame.glyphs.settled, "settled"), Span(took, "dim"))
    if frame.now_ms - (frame.state.diverged_ms or 0.0) < NEWS_TRAVELS_MS:
        return (Span("conv "), Span(frame.glyphs.ellipsis, "dim"))
    return (Span(f"diverged {found.roots}", "suspect"),)


def _jobs(frame: Frame) -> Line:
    count = counters(frame.state)
    running = sum(
        view.state == "leased" and not is_orphaned(frame.state, view) for view in open_jobs(frame.state)
    )
    glyphs = frame.glyphs
    line: list[Span] = [
        Span("jobs "),
        Span(f"{running}{glyphs.play}", "running" if running else "dim"),
        Span(f" {count.jobs_settled}{glyphs.settled}", "settled" if count.jobs_settled else "dim"),
        Span(f" {count.rescued}{glyphs.rescued}", "rescued" if count.rescued else "dim"),
    ]
    failed = sum(
        e.view.state in FINAL_STATES and e.view.state != "settled" for e in frame.state.jobs.values()
    )
    if failed:
        line.append(Span(f" {failed}{glyphs.warn}", "warn"))
    if count.jobs_settled_twice:
        line.append(Span(f" {count.jobs_settled_twice} settled twice", "dead"))
    return tuple(line)


def _recovery(frame: Frame) -> Line:
    reclaimed = stage_percentiles(frame.state, "reclaimed_ms").p50
    return (Span("MTTR ", "dim"), Span(seconds(reclaimed, nothing=frame.glyphs.nothing)))


def _problem(frame: Frame) -> str:
    """The first problem a node reports of itself."""
    for observer in frame.state.observers.values():
        if observer.node is not None and observer.node.problem:
            return inert(f"{observer.node.name}: {observer.node.problem}", 120)
    return ""


def tabs(views: Sequence[tuple[str, str]], current: str, width: int) -> Line:
    """The views there are, as (key, title), the current one marked by its brackets as well as by colour. Where there is
    little room the others' titles are cut, then left out."""
    spans = [Span(" ")]
    for (_, title), told in zip(views, _told(views, current, width), strict=True):
        shown = title == current
        spans.append(Span(f"[{told}]" if shown else f" {told} ", "accent" if shown else "dim"))
    return fit_line(tuple(spans), width)


def tab_at(views: Sequence[tuple[str, str]], current: str, column: int, width: int) -> str:
    """Title of the view whose name `tabs` puts at this column; empty if there is none."""
    start = 1
    for (_, title), told in zip(views, _told(views, current, width), strict=True):
        end = start + len(told) + 2
        if start <= column < end:
            return title
        start = end
    return ""


_TITLES_CUT_TO = (99, 4, 0)
"""Letters of titles that are not current, as room allows."""


def _told(views: Sequence[tuple[str, str]], current: str, width: int) -> list[str]:
    """What the tabs say, between brackets or blanks."""
    told: list[str] = []
    for letters in _TITLES_CUT_TO:
        told = [f"{key} {title if title == current else title[:letters]}".rstrip() for key, title in views]
        if 1 + sum(len(each) + 2 for each in told) <= width:
            break
    return told


MESSAGE_LINES_MAX = 4


def keys(hints: Sequence[tuple[str, str]], width: int, message: Span | None = None) -> Lines:
    """A message, if there is one, in full; then what can be pressed now, as (key, what it does), as far as it fits; on a
    line of its own where not one key fits behind the message.

    A message is one line if it fits into one; else it is broken where it breaks itself, then between words. Whatever else
    has no room, how to get help and how to leave are said.
    """
    lines: list[Line] = []
    if message is not None:
        whole = message.text.replace("\n", " ")
        parts = [whole] if cells(whole) <= width - 2 else message.text.split("\n")
        told = [piece for part in parts for piece in wrap(part, max(1, width - 2))]
        lines = [(Span(" "), Span(piece, message.role)) for piece in told[:MESSAGE_LINES_MAX]]
    last: Line = (*lines.pop(), Span("  ")) if lines else ()
    needed = [hint for hint in hints if hint[0] in _ALWAYS] or list(hints[:1])
    if last and needed and line_cells((*last, *_offers(needed))) > width:
        lines.append(fit_line(last, width))
        last = ()
    shown = list(hints)
    while line_cells((*last, *_offers(shown))) > width:
        spare = [hint for hint in shown if hint not in needed]
        if not spare:
            break
        shown.remove(spare[-1])
    return (*lines, fit_line((*last, *_offers(shown)), width))


_ALWAYS = frozenset({"?", "q"})
"""Keys that are offered whatever else has no room."""


def _offers(hints: Iterable[tuple[str, str]]) -> Line:
    return tuple(
        span for key, does in hints for span in (Span(f" {key} ", "accent"), Span(f"{does} ", "dim"))
    )
