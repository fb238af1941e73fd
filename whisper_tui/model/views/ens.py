"""ENS: which names members claim, and what the chain says of them. Without a chain a name is a claim and shown as one."""

from __future__ import annotations

from collections import Counter
from itertools import chain

from mesh_core.chain.ens.schema import ChainView, NameView
from whisper_tui.model.inert import inert
from whisper_tui.model.names import binding, names_of, other_names, spelled
from whisper_tui.model.numbers import counted
from whisper_tui.model.selectors import Node, nodes
from whisper_tui.model.views.base import Column, Frame, Line, Role, Span, Table, seconds

NO_CHAIN = "no chain: names are claims nobody has checked"
SHOWN_FIRST = ("capabilities", "price_axl", "shard_id")
HIDDEN = frozenset({"axl.peer_id", "axl.binding"})
"""Records that the columns before tell of."""

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
    """Every member with its names, then names of peers that are no members. A row opens the member's page."""
    members = {node.peer: node for node in nodes(frame.state)}
    rows: dict[str, tuple[Node | None, NameView | None]] = {}
    for peer, node in members.items():
        views = names_of(frame.state, peer)
        rows[peer] = node, views[0] if views else None
        rows |= {f"{peer} {view.name}": (node, view) for view in views[1:]}
    rows |= {f"{view.peer} {view.name}": (None, view) for view in other_names(frame.state)}
    claims = Counter(_claim(node) for node in members.values())
    return Table(
        COLUMNS,
        tuple(rows),
        lambda key: _row(frame, *rows[key], claims),
        "no participant has reported yet",
        lambda key: "node" if key in members else "",
    )


def ens_note(frame: Frame) -> Line:
    """How many names are verified, and on which chain; without one how many claim a name, and what that is worth."""
    on = frame.state.chain
    claims = [_claim(node) for node in nodes(frame.state)]
    if on is None:
        return (Span(f" {NO_CHAIN}; {sum(map(bool, claims))} of {len(claims)} claim one", "warn"),)
    views = frame.state.ens.values()
    verified = sum(view.verified for view in views)
    told = f" {_chain(on)}: {verified} of {counted(len(views), 'name')} verified"
    note: Line = (Span(told, "text" if verified == len(views) else "warn"),)
    return (*note, Span(f"; {inert(on.problem, 200)}", "warn")) if on.problem else note


def _chain(on: ChainView) -> str:
    block = f", block {on.block}" if on.block else ""
    return f"{inert(on.network, 24)} chain{block}, names below {spelled(on.parent)}"


def _claim(node: Node) -> str:
    return node.member.ens_name.strip().casefold() if node.member else ""


def _row(frame: Frame, node: Node | None, view: NameView | None, claims: Counter[str]) -> tuple[Line, ...]:
    nothing: Line = (Span(frame.glyphs.nothing, "dim"),)
    who: Line = nothing
    if node is not None:
        who = (Span(inert(node.name, 40), "me" if node.peer == frame.state.primary else "strong"),)
    if view is None:
        claim = _claim(node) if node is not None else ""
        network: Line = (Span("no chain" if frame.state.chain is None else "", "dim"),)
        if node is None or node.member is None or not claim:
            return (who, (Span("claims none", "dim"),), nothing, network, nothing, nothing, nothing)
        looked = "no chain" if frame.state.chain is None else "not looked at yet"
        told = f"unverified: {looked}" if claims[claim] == 1 else f"claimed by {claims[claim]}: {looked}"
        name: Line = (Span(spelled(node.member.ens_name)),)
        return (who, name, (Span(told, "suspect"),), network, nothing, nothing, nothing)
    role: Role = "alive" if view.verified else "suspect"
    return (
        who,
        (Span(spelled(view.name)),),
        (Span(binding(view), role),),
        (Span(inert(view.network, 24)),),
        (Span(inert(view.account, 42) or frame.glyphs.nothing, "dim"),),
        (Span(seconds(max(0.0, frame.now_ms - view.checked_ms)), "dim"),),
        (Span(records_on_a_line(view) or frame.glyphs.nothing, "dim"),),
    )


def records_on_a_line(view: NameView) -> str:
    """The text records of a name on one line, inert: those of a provider first, without those that bind it."""
    keys = chain(SHOWN_FIRST, (key for key in view.records if key not in SHOWN_FIRST))
    return "  ".join(
        f"{inert(key, 40)}={inert(view.records[key], 80)}"
        for key in keys
        if key in view.records and key not in HIDDEN
    )
