"""The mesh as a ring: who is linked to whom, who holds work, who is gone."""

from __future__ import annotations

import math

from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import Node, jobs_held, nodes
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Frame, Line, Role, Span, cells, cut
from whisper_tui.model.views.nodes import state_of

RING_MAX = 16
"""Nodes drawn as a ring; a larger mesh is told as a line of counts."""

LABEL_MAX = 10

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
Cell = tuple[str, Role]


def ring(frame: Frame, width: int, height: int) -> tuple[Line, ...]:
    """The mesh in `height` lines of `width` cells. Links that carry work for you are drawn brighter."""
    found = nodes(frame.state)
    if not found or width < 24 or height < 5:
        return ()
    if len(found) > RING_MAX:
        return ((Span(f" {len(found)} participants, see the table of nodes", "dim"),),)
    centres = _places(len(found), width, height)
    canvas: list[list[Cell]] = [[(" ", "text")] * width for _ in range(height)]
    _draw_links(canvas, frame, found, centres)
    for node, (column, row) in zip(found, centres, strict=True):
        _draw_label(canvas, frame, node, column, row)
    return tuple(_merge(row) for row in canvas)


def _places(count: int, width: int, height: int) -> list[tuple[int, int]]:
    """Cells on an ellipse, clockwise from the top, with room for labels at both sides."""
    half_width, half_height = (width - 2 * (LABEL_MAX + 1)) / 2, (height - 1) / 2
    places = []
    for index in range(count):
        angle = 2 * math.pi * index / count - math.pi / 2
        column = width / 2 + half_width * math.cos(angle)
        places.append((round(column), round(half_height + half_height * math.sin(angle))))
    return places


def _draw_links(
    canvas: list[list[Cell]], frame: Frame, found: list[Node], centres: list[tuple[int, int]]
) -> None:
    state = frame.state
    width, height = len(canvas[0]), len(canvas)
    quiet = [bytearray(width) for _ in range(height)]
    busy = [bytearray(width) for _ in range(height)]
    for first in range(len(found)):
        for second in range(first):
            a, b = found[first], found[second]
            if not _linked(state, a, b):
                continue
            _draw_line(busy if _works(state, a, b) else quiet, centres[first], centres[second])
    for row in range(height):
        for column in range(width):
            dots = quiet[row][column] | busy[row][column]
            works = bool(busy[row][column])
            if frame.glyphs.braille and dots:
                canvas[row][column] = (chr(0x2800 + dots), "running" if works else "rule")
            elif (
                dots.bit_count() > 1
            ):  # a link that only touches a cell would make it as dark as one through it
                canvas[row][column] = ("+", "running") if works else (".", "rule")


def _linked(state: State, a: Node, b: Node) -> bool:
    """Whether one of the two says the other is its neighbour, and both can be there at all."""
    if not (a.runs and b.runs):
        return False
    return _neighbour(state, a.peer, b.peer) or _neighbour(state, b.peer, a.peer)


def _neighbour(state: State, observer: str, subject: str) -> bool:
    known = state.observers.get(observer)
    return known is not None and subject in known.sights and known.sights[subject].neighbour


def _works(state: State, a: Node, b: Node) -> bool:
    """Whether one of them holds a job of the other."""
    return any(job.submitter == b.peer for job in jobs_held(state, a.peer)) or any(
        job.submitter == a.peer for job in jobs_held(state, b.peer)
    )


def _draw_line(dots: list[bytearray], start: tuple[int, int], end: tuple[int, int]) -> None:
    """Bresenham's line in braille dots, from the middle of one cell to the middle of another."""
    x, y = start[0] * 2, start[1] * 4 + 1
    x_end, y_end = end[0] * 2, end[1] * 4 + 1
    dx, dy = abs(x_end - x), -abs(y_end - y)
    step_x, step_y = 1 if x < x_end else -1, 1 if y < y_end else -1
    error = dx + dy
    while True:
        dots[y >> 2][x >> 1] |= _DOTS[y & 3][x & 1]
        if (x, y) == (x_end, y_end):
            return
        twice = 2 * error
        if twice >= dy:
            error += dy
            x += step_x
        if twice <= dx:
            error += dx
            y += step_y


def _draw_label(canvas: list[list[Cell]], frame: Frame, node: Node, column: int, row: int) -> None:
    """`● node2` to the right of a node on the right half, `node6 ●` to the left of one on the left half."""
    (state,) = state_of(frame.state, node, frame.glyphs)
    sign, role = state.text[0], state.role
    name = inert(node.name, 40)
    if cells(name) > LABEL_MAX:
        name = cut(name, LABEL_MAX - 1) + frame.glyphs.ellipsis
    width = len(canvas[0])
    left_half = column < width / 2
    text = f"{name} {sign}" if left_half else f"{sign} {name}"
    at = column - cells(text) + 1 if left_half else column
    at = max(0, min(width - cells(text), at))
    name_role: Role = "text" if role == "alive" else role
    for char in text:
        size = cells(char)
        if at + size > width:
            return
        canvas[row][at] = (char, role if char == sign else name_role)
        canvas[row][at + 1 : at + size] = [("", name_role)] * (size - 1)
        at += max(1, size)


def _merge(row: list[Cell]) -> Line:
    spans: list[Span] = []
    for char, role in row:
        if spans and spans[-1].role == role:
            spans[-1] = Span(spans[-1].text + char, role)
        else:
            spans.append(Span(char, role))
    return tuple(spans)
