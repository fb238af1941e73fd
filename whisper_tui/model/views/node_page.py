"""Everything about one node, to be scrolled through."""

from __future__ import annotations

from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import Node, jobs_held, label_of, name_of, node_of, operator_of
from whisper_tui.model.views import jobs as job_views
from whisper_tui.model.views import nodes as node_views
from whisper_tui.model.views.base import Frame, Line, Lines, Role, Span, axl, fit
from whisper_tui.model.views.events import clock
from whisper_tui.model.views.page import INDENT, field, section


def node_title(frame: Frame, peer: str) -> str:
    """`Node node4`."""
    return f"Node {inert(node_of(frame.state, peer).name, 40)}"


def node_detail(frame: Frame, peer: str, width: int) -> Lines:
    """What it says of itself, how every observer sees it, and what it holds."""
    state = frame.state
    node = node_of(state, peer)
    return (
        *_node_summary(frame, node),
        *section(frame, "Seen by", _sights(frame, peer), width),
        *section(frame, "Holds", _holdings(frame, peer), width),
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
            field(
                "price",
                Span(f"{axl(member.price_micro)} AXL"),
                Span(f"  balance {axl(member.balance_micro)}", "dim"),
            ),
            field("work", Span(f"{member.settled} settled, {member.rescued} of them rescued")),
            field("incarnation", Span(str(member.incarnation))),
        ]
        if accusers:
            lines.append(field("accused by", Span(inert(accusers, 200), "suspect")))
        if member.ens_name:
            lines.append(
                field("ENS name", Span(inert(member.ens_name, 80)), Span("  as it says itself", "dim"))
            )
    if own is not None:
        lines.append(field("backend", Span(inert(own.backend, 120) or "none")))
        lines.append(
            field("version", Span(inert(own.version, 40)), Span(f"  start number {own.boot}", "dim"))
        )
        if own.problem:
            lines.append(field("problem", Span(inert(own.problem, 200), "warn")))
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
                Span(fit(inert(name_of(state, observer_peer), 20), 11)),
                Span(f"{sign} {sight.state:<8}", role),
                Span(f"{since}  {link}{heard}", "dim"),
            )
        )
    return sorted(lines, key=lambda line: line[1].text)


def _holdings(frame: Frame, peer: str) -> list[Line]:
    return [
        (
            INDENT,
            Span(fit(inert(label_of(job, operator_of(frame.state)), 20), 8), "strong"),
            *job_views.state_of(frame.state, job, frame.glyphs),
            Span(f"  epoch {job.epoch}  {job.tokens or frame.glyphs.nothing} tokens", "dim"),
        )
        for job in jobs_held(frame.state, peer)
    ]
