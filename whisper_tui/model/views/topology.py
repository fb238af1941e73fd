"""The mesh as a ring: who is linked to whom, who holds work, who is gone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import Node, jobs_held, nodes
from whisper_tui.model.sides import sides_of
from whisper_tui.model.state import State
from whisper_tui.model.views.adjacency import adjacency, linked
from whisper_tui.model.views.base import Frame, Line, Lines, Role, Span, cells, cut
from whisper_tui.model.views.nodes import state_of
from whisper_tui.model.views.packets import packets

RING_MAX = 16
"""Nodes drawn as a ring; a larger mesh is told as a table."""

START = 0.2
"""Share of an edge at each end that packets leave out."""

LABEL_MAX = 10

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
Cell = tuple[str, Role]


def mesh_title(frame: Frame) -> str:
    """`Mesh`, with the sides of a partition by their shapes: `Mesh: ● 4 apart from ■ 3`."""
    sides = sides_of(frame.state, [node.peer for node in nodes(frame.state)])
    if not sides:
        return "Mesh"
    members = Counter(sides.values())
    told = (f"{_shape(frame, side)} {members[side]}" for side in sorted(members))
    return f"Mesh: {' apart from '.join(told)}"


def ring(frame: Frame, width: int, height: int) -> Lines:
    """The mesh in `height` lines of `width` cells: a ring, or of a large one a table. Links that carry work for you are
    drawn brighter; work on its way is drawn on them."""
    found = nodes(frame.state)
    if not found:
        return ((Span(" nobody here yet: whisper-tui up starts some", "dim"),),)
    if width < 24 or height < 5:
        return ()
    sides = sides_of(frame.state, [node.peer for node in found])
    signs = {node.peer: _sign(frame, node, sides) for node in found}
    if len(found) > RING_MAX:
        return adjacency(frame, found, signs, width, height)
    centres = _places(len(found), width, height)
    canvas: list[list[Cell]] = [[(" ", "text")] * width for _ in range(height)]
    _draw_links(canvas, frame, found, centres)
    _draw_packets(canvas, frame, {node.peer: at for node, at in zip(found, centres, strict=True)})
    for node, (column, row) in zip(found, centres, strict=True):
        _draw_label(canvas, frame, node, signs[node.peer], column, row)
    return tuple(_merge(row) for row in canvas)


def _sign(frame: Frame, node: Node, sides: Mapping[str, int]) -> Span:
    """How it is; of whoever is well in a partition, the shape of its side."""
    (state,) = state_of(frame.state, node, frame.glyphs)
    well = node.runs and node.state == "alive"
    if well and node.peer in sides and node.peer != frame.state.primary:
        return Span(_shape(frame, sides[node.peer]), "alive" if sides[node.peer] == 0 else "suspect")
    return Span(state.text[0], state.role)


def _shape(frame: Frame, side: int) -> str:
    return frame.glyphs.sides[min(side, len(frame.glyphs.sides) - 1)]


def _draw_packets(canvas: list[list[Cell]], frame: Frame, centres: Mapping[str, tuple[int, int]]) -> None:
    for packet in packets(frame):
        if packet.start not in centres or packet.end not in centres:
            continue
        (x, y), (x_end, y_end) = centres[packet.start], centres[packet.end]
        share = START + (1 - 2 * START) * packet.share  # next to the ends it would hide behind their names
        column, row = round(x + (x_end - x) * share), round(y + (y_end - y) * share)
        canvas[row][min(column, len(canvas[row]) - 1)] = (packet.sign, packet.role)


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
    canvas: list[list[Cell]], frame: Frame, found: Sequence[Node], centres: list[tuple[int, int]]
) -> None:
    state = frame.state
    width, height = len(canvas[0]), len(canvas)
    quiet = [bytearray(width) for _ in range(height)]
    busy = [bytearray(width) for _ in range(height)]
    for first in range(len(found)):
        for second in range(first):
            a, b = found[first], found[second]
            if not linked(state, a, b):
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


def _draw_label(
    canvas: list[list[Cell]], frame: Frame, node: Node, shape: Span, column: int, row: int
) -> None:
    """`● node2` to the right of a node on the right half, `node6 ●` to the left of one on the left half."""
    sign, role = shape.text, shape.role
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
