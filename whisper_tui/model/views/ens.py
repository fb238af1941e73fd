"""ENS: which names members claim. As long as no chain is asked, a name is a claim and shown as one."""

from __future__ import annotations

from collections import Counter

from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import Node, nodes
from whisper_tui.model.views.base import Column, Frame, Line, Span, Table

NO_CHAIN = "no chain: names are claims nobody has checked"

COLUMNS = (
    Column("NODE", 9),
    Column("NAME", 24),
    Column("BINDING", 22),
    Column("NETWORK", 8),
    Column("ADDRESS", 10),
    Column("AGE", 5, "right"),
    Column("TEXT RECORDS", 12, flex=True),
)


def ens_table(frame: Frame) -> Table:
    """Every member with the name it claims. What only a chain can tell is empty."""
    found = {node.peer: node for node in nodes(frame.state)}
    claims = Counter(_claim(node) for node in found.values())
    return Table(
        COLUMNS,
        tuple(found),
        lambda peer: _row(frame, found[peer], claims),
        "no participant has reported yet",
        lambda _: "node",
    )


def ens_note(frame: Frame) -> str:
    """How many claim a name, and what that is worth."""
    claims = [_claim(node) for node in nodes(frame.state)]
    return f"{NO_CHAIN}; {sum(map(bool, claims))} of {len(claims)} claim one"


def _claim(node: Node) -> str:
    return node.member.ens_name.strip().casefold() if node.member else ""


def _row(frame: Frame, node: Node, claims: Counter[str]) -> tuple[Line, ...]:
    nothing: Line = (Span(frame.glyphs.nothing, "dim"),)
    name: Line = (Span(inert(node.name, 40), "me" if node.peer == frame.state.primary else "strong"),)
    claim = _claim(node)
    network: Line = (Span("no chain", "dim"),)
    if not claim or node.member is None:
        return (name, (Span("claims none", "dim"),), nothing, network, nothing, nothing, nothing)
    told = "unverified: no chain" if claims[claim] == 1 else f"claimed by {claims[claim]}: no chain"
    return (
        name,
        (Span(inert(node.member.ens_name, 80)),),
        (Span(told, "suspect"),),
        network,
        nothing,
        nothing,
        nothing,
    )
