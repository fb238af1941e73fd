"""A mesh that is too large for a ring: who is linked to whom as a table, those in trouble first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import Node
from whisper_tui.model.sides import cut_from
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Frame, Line, Lines, Role, Span, fit

NAME = 9
_COUNTS = 11


def adjacency(
    frame: Frame, found: Sequence[Node], signs: Mapping[str, Span], width: int, height: int
) -> Lines:
    """A row for each of as many participants as there is room for, with its links to the others in the same order."""
    order = sorted(found, key=lambda node: node.state == "alive" and node.runs)
    there = frozenset(node.peer for node in found if node.runs)
    rows = order[: max(0, height - 2)]
    others = order[: max(0, width - NAME - _COUNTS - 4)]
    heading = "".join(str(number % 10) for number in range(1, len(others) + 1))
    lines: list[Line] = [(Span(f" {fit('', NAME + 5)}{heading} LINKS", "dim"),)]
    for number, node in enumerate(rows, start=1):
        cells: list[Span] = [
            Span(f" {number % 10} "),
            signs[node.peer],
            Span(f" {fit(inert(node.name, 40), NAME)} "),
        ]
        cells += [_cell(frame, node, other) for other in others]
        links = _links(frame.state, node.peer, there)
        cells.append(Span(f" {links:>4}", "text" if links else "dead"))
        lines.append(tuple(cells))
    hidden = len(found) - len(rows)
    if hidden > 0:
        lines.append((Span(f" {hidden} more: {frame.keymap.shown('view_nodes')} lists all", "dim"),))
    return tuple(lines)


def _cell(frame: Frame, node: Node, other: Node) -> Span:
    if node.peer == other.peer:
        return Span(" ")
    if cut_from(frame.state, node.peer, other.peer):
        return Span(frame.glyphs.gap, "suspect")
    return Span(frame.glyphs.same, _LINK) if linked(frame.state, node, other) else Span(" ")


_LINK: Role = "accent"


def linked(state: State, a: Node, b: Node) -> bool:
    """Whether one of the two says the other is its neighbour, no partition keeps them apart, and both can be there."""
    if a.peer == b.peer or not (a.runs and b.runs) or cut_from(state, a.peer, b.peer):
        return False
    return _neighbour(state, a.peer, b.peer) or _neighbour(state, b.peer, a.peer)


def _links(state: State, peer: str, there: frozenset[str]) -> int:
    """To how many of those who are there `peer` is linked."""
    if peer not in there:
        return 0
    own = state.observers.get(peer)
    said = {other for other, sight in own.sights.items() if sight.neighbour} if own is not None else set()
    said |= {other for other in state.observers if _neighbour(state, other, peer)}
    return sum(other != peer and not cut_from(state, peer, other) for other in said & there)


def _neighbour(state: State, observer: str, subject: str) -> bool:
    known = state.observers.get(observer)
    return known is not None and subject in known.sights and known.sights[subject].neighbour
