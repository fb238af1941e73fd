"""Everything about one node, to be scrolled through."""

from __future__ import annotations

import heapq

from mesh_core.api.schema import FINAL_STATES, JobView
from whisper_tui.model.inert import inert
from whisper_tui.model.names import binding, names_of, spelled
from whisper_tui.model.numbers import counted
from whisper_tui.model.selectors import Node, jobs_held, label_of, name_of, node_of, operator_of
from whisper_tui.model.views import jobs as job_views
from whisper_tui.model.views import nodes as node_views
from whisper_tui.model.views.attempt_page import OUTCOMES, attempt_key
from whisper_tui.model.views.base import Frame, Line, Lines, Role, Span, Target, axl, fit, seconds
from whisper_tui.model.views.ens import records_on_a_line
from whisper_tui.model.views.events import clock
from whisper_tui.model.views.page import INDENT, field, section
from whisper_tui.model.views.records import author_records
from whisper_tui.model.views.replicas import difference_key

WORK_SHOWN = 12


def node_title(frame: Frame, peer: str) -> str:
    """`Node node4`."""
    return f"Node {inert(node_of(frame.state, peer).name, 40)}"


def node_detail(frame: Frame, peer: str, width: int) -> Lines:
    """What it says of itself, how every observer sees it, and what it holds."""
    state = frame.state
    node = node_of(state, peer)
    return (
        *_node_summary(frame, node),
        *section(frame, "Holds", _holdings(frame, peer), width),
        *section(frame, "Seen by", _sights(frame, peer), width),
        *section(frame, "Has worked on", _work(frame, peer), width),
        *section(frame, "Replica", _replica(frame, peer), width),
        *section(frame, "Newest records", author_records(frame, peer, width), width),
    )


def _node_summary(frame: Frame, node: Node) -> list[Line]:
    state, member = frame.state, node.member
    observer = state.observers.get(node.peer)
    own = observer.node if observer else None
    processes = [process for process in (node.provider, node.axl) if process]
    told = "  ".join(f"{process.part} {process.state} (pid {process.pid})" for process in processes)
    lines = [
        field("state", *node_views.state_of(state, node, frame.glyphs)),
        field("processes", Span(inert(told, 200) or "not started from here")),
        field("peer id", Span(inert(node.peer, 64), "dim")),
    ]
    if member is not None:
        accusers = ", ".join(name_of(state, peer) for peer in member.accusers)
        lines += [
            field("can do", Span(inert(", ".join(member.capabilities) or "nothing", 120))),
            field("models", Span(inert(", ".join(member.models) or "none", 120))),
            field("price", Span(f"{axl(member.price_micro)} AXL")),
            field("balance", Span(f"{axl(member.balance_micro)} AXL", "text", Target("account", node.peer))),
            field("work", Span(f"{member.settled} settled, {member.rescued} of them rescued")),
            field("incarnation", Span(str(member.incarnation))),
        ]
        if accusers:
            lines.append(field("accused by", Span(inert(accusers, 200), "suspect")))
        lines += _names(frame, node)
    if own is not None:
        lines.append(field("backend", Span(inert(own.backend, 120) or "none")))
        lines.append(
            field("version", Span(inert(own.version, 40)), Span(f"  start number {own.boot}", "dim"))
        )
        if own.problem:
            lines.append(field("problem", Span(inert(own.problem, 200), "warn")))
    return lines


def _names(frame: Frame, node: Node) -> list[Line]:
    """Its names, and whether they are its own: as far as a chain was asked."""
    views = names_of(frame.state, node.peer)
    if not views:
        claimed = node.member.ens_name if node.member else ""
        return (
            [field("ENS name", Span(spelled(claimed)), Span("  as it says itself", "dim"))] if claimed else []
        )
    lines: list[Line] = []
    for view in views:
        age = seconds(max(0.0, frame.now_ms - view.checked_ms))
        lines += [
            field(
                "ENS name",
                Span(spelled(view.name)),
                Span(f"  {binding(view)}", "alive" if view.verified else "suspect"),
                Span(f"  {inert(view.network, 24)}, {age} ago", "dim"),
            ),
            field("… account", Span(inert(view.account, 42) or "nobody's", "dim")),
        ]
        if told := records_on_a_line(view):
            lines.append(field("… records", Span(told, "dim")))
    return lines


def _sights(frame: Frame, peer: str) -> list[Line]:
    state = frame.state
    lines: list[Line] = []
    for observer_peer, observer in state.observers.items():
        sight = observer.sights.get(peer)
        if sight is None or observer_peer == peer:
            continue
        signs: dict[str, tuple[str, Role]] = {
            "alive": (frame.glyphs.alive, "alive"),
            "suspect": (frame.glyphs.suspect, "suspect"),
            "dead": (frame.glyphs.dead, "dead"),
        }
        sign, role = signs.get(sight.state, (frame.glyphs.left, "dim"))
        heard = "" if observer_peer not in state.deaf else "  (silent now)"
        since = f"since {clock(sight.since_ms)}" if sight.since_ms else ""
        link = "linked" if sight.neighbour else "no link"
        lines.append(
            (
                INDENT,
                Span(
                    fit(inert(name_of(state, observer_peer), 20), 11), "text", Target("node", observer_peer)
                ),
                Span(f"{sign} {sight.state:<8}", role),
                Span(f"{since}  {link}{heard}", "dim"),
            )
        )
    return sorted(lines, key=lambda line: line[1].text)


def _holdings(frame: Frame, peer: str) -> list[Line]:
    return [
        (
            INDENT,
            Span(_label(frame, job), "strong", Target("attempt", attempt_key(job.job, job.epoch))),
            *job_views.state_of(frame.state, job, frame.glyphs),
            Span(f"  epoch {job.epoch}  {job.tokens or frame.glyphs.nothing} tokens", "dim"),
        )
        for job in jobs_held(frame.state, peer)
    ]


def _label(frame: Frame, job: JobView) -> str:
    return fit(inert(label_of(job, operator_of(frame.state)), 20), 8)


def _work(frame: Frame, peer: str) -> list[Line]:
    """Its newest leases that have ended, each with what became of it."""
    ended = [
        (attempt.leased_ms, job, attempt)
        for job in (entry.view for entry in frame.state.jobs.values())
        for attempt in job.attempts
        if attempt.holder == peer and (attempt.ended_ms or job.state in FINAL_STATES)
    ]
    newest = heapq.nlargest(WORK_SHOWN, ended, key=lambda one: (one[0], one[1].index))
    return [
        (
            INDENT,
            Span(_label(frame, job), "strong", Target("attempt", attempt_key(job.job, attempt.epoch))),
            Span(f"{inert(attempt.outcome, 20):<10}", OUTCOMES.get(attempt.outcome, "warn")),
            Span(f"epoch {attempt.epoch:<3} leased {clock(leased_ms)}  {inert(attempt.note, 80)}", "dim"),
        )
        for leased_ms, job, attempt in newest
    ]


def _replica(frame: Frame, peer: str) -> list[Line]:
    """Its state root, and against whose it can be held: that of the node that tells of the mesh."""
    state = frame.state
    observer = state.observers.get(peer)
    if observer is None or observer.replica is None:
        return []
    replica = observer.replica
    lines = [
        field("state root", Span(inert(replica.root, 64), "dim")),
        field(
            "records",
            Span(str(replica.records)),
            Span(f"  {counted(replica.missing, 'gap')}", "suspect" if replica.missing else "dim"),
        ),
    ]
    if peer != state.primary and state.primary in state.observers:
        told = f"with {inert(name_of(state, state.primary), 40)}"
        target = Target("difference", difference_key(state.primary, peer))
        lines.append(field("compare", Span(told, "text", target)))
    return lines
