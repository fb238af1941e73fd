"""The ledger: who lacks how many records of whom, and the newest records."""

from __future__ import annotations

import re

from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import missing_records, name_of, nodes
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Frame, Line, Span, cells, fit

MATRIX_MAX = 12
"""Replicas shown in the matrix; a larger mesh shows the first."""

_CLAUSE = re.compile(r"(?=, )|(?<!,)(?= at | to )")
_NAME = 6
_CELLS = (4, 3)
_ROOT = 8


def matrix(frame: Frame, width: int) -> tuple[Line, ...]:
    """Rows: what a replica has; columns: how many of those records the other lacks; then the state root."""
    peers = _reporting(frame.state)[:MATRIX_MAX]
    if not peers:
        return ((Span(" no replica has reported yet", "dim"),),)
    room = width - 1 - _NAME
    cell = next((size for size in _CELLS if len(peers) * size + _ROOT <= room), _CELLS[-1])
    heading = "".join(fit(short_name(frame.state, peer), cell, "right") for peer in peers)
    lines: list[Line] = [(Span(f" {fit('has', _NAME)}{heading}  ROOT", "dim"),)]
    roots = [_root(frame.state, peer) for peer in peers]
    common = max(set(roots), key=roots.count)
    for peer, root in zip(peers, roots, strict=True):
        spans = [Span(f" {fit(short_name(frame.state, peer), _NAME)}", "text")]
        for other in peers:
            missing = missing_records(frame.state, peer, other)
            text = str(min(missing, 99)) if missing else frame.glyphs.same
            spans.append(Span(fit(text, cell, "right"), "suspect" if missing else "dim"))
        spans.append(Span(f"  {root[:6]}", "dim" if root == common else "suspect"))
        lines.append(tuple(spans))
    return tuple(lines)


def _reporting(state: State) -> list[str]:
    return [
        node.peer
        for node in nodes(state)
        if node.peer in state.observers
        and state.observers[node.peer].replica is not None
        and node.peer not in state.deaf
    ]


def _root(state: State, peer: str) -> str:
    replica = state.observers[peer].replica
    return inert(replica.root, 64) if replica else ""


def short_name(state: State, peer: str) -> str:
    """`node12` → `n12`, `operator` → `op`; anything else by its first letters."""
    name = inert(name_of(state, peer), 20)
    if name == "operator":
        return "op"
    digits = name.removeprefix("node")
    return f"n{digits}" if digits != name and digits.isdigit() else name[:3]


def tail(frame: Frame, rows: int, width: int) -> tuple[Line, ...]:
    """The newest records, the newest at the bottom; of a summary as many clauses as fit, no half ones."""
    if not frame.state.records:
        return ((Span(" no record yet: asking a question writes some", "dim"),),)
    newest = sorted(
        frame.state.records.values(), key=lambda record: (record.at_ms, record.author, record.seq)
    )
    return tuple(
        (
            Span(f" {fit(short_name(frame.state, record.author), 3)}{record.seq:>5} ", "dim"),
            Span(f"{fit(inert(record.kind, 20), 6)} {_clauses(inert(record.summary, 160), width - 17)}"),
        )
        for record in newest[-rows:]
    )


def _clauses(text: str, width: int) -> str:
    """`q1.4 epoch 2 to node2, 4 promises`, `q1.4 epoch 2 to node2`, `q1.4 epoch 2`: the longest that fits."""
    pieces = _CLAUSE.split(text)
    while len(pieces) > 1 and cells("".join(pieces)) > width:
        pieces.pop()
    return "".join(pieces)
