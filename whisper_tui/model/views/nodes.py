"""Nodes: one row for each participant."""

from __future__ import annotations

from mesh_core.api.schema import MemberView
from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import Node, is_cut_off, jobs_held, nodes
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Column, Frame, Line, Role, Span, Table, axl

COLUMNS = (
    Column("NODE", 9),
    Column("STATE", 10),
    Column("PROCESS", 9),
    Column("SHARD", 5, "right"),
    Column("PRICE", 7, "right"),
    Column("LEASES", 6, "right"),
    Column("DONE", 5, "right"),
    Column("RESC", 4, "right"),
    Column("LAG", 3, "right"),
    Column("MODEL", 12, flex=True),
)


def nodes_table(frame: Frame) -> Table:
    """Every participant, providers first."""
    found = {node.peer: node for node in nodes(frame.state)}
    return Table(
        COLUMNS,
        tuple(found),
        lambda peer: _row(frame, found[peer]),
        "no participant has reported yet",
        lambda _: "node",
    )


def _row(frame: Frame, node: Node) -> tuple[Line, ...]:
    glyphs, member = frame.glyphs, node.member
    provider = member is not None and node.role == "provider"
    return (
        (Span(inert(node.name, 40), "me" if node.peer == frame.state.primary else "strong"),),
        state_of(frame.state, node, glyphs),
        _process(frame.state, node, glyphs),
        _text(_shards(member, glyphs) if provider else glyphs.nothing),
        _text(axl(member.price_micro) if provider and member else glyphs.nothing),
        _number(len(jobs_held(frame.state, node.peer)) if provider else None, glyphs),
        _number(member.settled if provider and member else None, glyphs),
        _number(member.rescued if provider and member else None, glyphs),
        _lag(frame.state, node, glyphs),
        _model(frame.state, node),
    )


def state_of(state: State, node: Node, glyphs: Glyphs) -> Line:
    """Sign and word for how the operator's node sees a participant."""
    if node.peer == state.primary and node.state in ("alive", "unknown"):
        return (Span(f"{glyphs.me} you", "me"),)
    signs: dict[str, tuple[str, Role]] = {
        "alive": (glyphs.alive, "alive"),
        "suspect": (glyphs.suspect, "suspect"),
        "dead": (glyphs.dead, "dead"),
        "left": (glyphs.left, "dim"),
    }
    sign, role = signs.get(node.state, (glyphs.left, "dim"))
    return (Span(f"{sign} {node.state}", role),)


def _process(state: State, node: Node, glyphs: Glyphs) -> Line:
    if node.runs and is_cut_off(state, node.peer):
        return (Span("cut off", "suspect"),)
    if not node.process:
        return (Span(glyphs.nothing, "dim"),)
    if node.runs or node.stopped:
        return (Span(node.process, "dim"),)
    down = [process for process in (node.provider, node.axl) if process is not None]
    parts = [process.part for process in down if process.state == node.process]
    both = len(parts) == len(down)
    return (Span(node.process if both else f"{parts[0]} {node.process}", "dead"),)


def _shards(member: MemberView | None, glyphs: Glyphs) -> str:
    if member is None or not member.shards:
        return glyphs.nothing
    first, last = min(member.shards), max(member.shards)
    if len(member.shards) == 1:
        return str(first)
    return (
        f"{first}-{last}" if last - first + 1 == len(member.shards) else f"{first}+{len(member.shards) - 1}"
    )


def _lag(state: State, node: Node, glyphs: Glyphs) -> Line:
    observer = state.observers.get(node.peer)
    if observer is None or observer.replica is None or node.peer in state.deaf:
        return (Span(glyphs.nothing, "dim"),)
    missing = observer.replica.missing
    return (Span(str(missing), "suspect" if missing else "dim"),)


def _model(state: State, node: Node) -> Line:
    """What it answers with, or what is wrong with it."""
    observer = state.observers.get(node.peer)
    if observer is not None and observer.node is not None and observer.node.problem and node.runs:
        return (Span(inert(observer.node.problem, 120), "warn"),)
    models = node.member.models if node.member else []
    return (Span(", ".join(inert(_bare(model), 60) for model in models), "dim"),)


def _bare(model: str) -> str:
    """A model without the kind of backend that serves it, which the node's page tells."""
    return model.partition(" ")[2] or model


def _number(value: int | None, glyphs: Glyphs) -> Line:
    if value is None:
        return (Span(glyphs.nothing, "dim"),)
    return (Span(str(value), "text" if value else "dim"),)


def _text(text: str) -> Line:
    return (Span(text, "text" if any(char.isdigit() for char in text) else "dim"),)
