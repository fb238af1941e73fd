"""Nodes: one row for each participant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from mesh_core.api.schema import FINAL_STATES, MemberView
from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.inert import inert
from whisper_tui.model.names import spelled
from whisper_tui.model.selectors import Node, is_cut_off, nodes
from whisper_tui.model.state import Source, State
from whisper_tui.model.views.base import Column, Frame, Line, Role, Span, Table, axl, seconds
from whisper_tui.model.views.waterfall import attempt_end_ms


class Known(NamedTuple):
    """What is counted once for all rows: leases held and the mean time of finished runs by holder, the load that each
    last bid with, and how the stream of each stands."""

    frame: Frame
    held: Mapping[str, int]
    run_ms: Mapping[str, float]
    load: Mapping[str, float]
    sources: Mapping[str, Source]


def nodes_table(frame: Frame) -> Table:
    """Every participant, providers first, in the figures that matter at every moment."""
    return _table(frame, _BRIEF)


def nodes_in_full(frame: Frame) -> Table:
    """Every participant in all figures; the first of them are those that 80 columns have room for."""
    return _table(frame, _FULL)


def _table(frame: Frame, columns: Sequence[tuple[Column, CellOf]]) -> Table:
    found = {node.peer: node for node in nodes(frame.state)}
    known = _known(frame)

    def row(peer: str) -> tuple[Line, ...]:
        return tuple(cell(known, found[peer]) for _, cell in columns)

    return Table(
        tuple(column for column, _ in columns),
        tuple(found),
        row,
        "no participant has reported yet: whisper-tui up starts some",
        lambda _: "node",
    )


AUCTIONS_LOOKED_AT = 64
"""The newest auctions, in which loads are looked for."""


def _known(frame: Frame) -> Known:
    state = frame.state
    held: Counter[str] = Counter()
    runs: dict[str, list[float]] = {}
    for entry in state.jobs.values():
        job = entry.view
        if job.holder and job.epoch > 0 and job.state not in FINAL_STATES:
            held[job.holder] += 1
        for index, attempt in enumerate(job.attempts):
            if attempt.outcome == "settled":
                took_ms = attempt_end_ms(job, index, frame.now_ms) - (attempt.started_ms or attempt.leased_ms)
                runs.setdefault(attempt.holder, []).append(took_ms)
    load: dict[str, float] = {}
    for entry in tuple(state.jobs.values())[: -AUCTIONS_LOOKED_AT - 1 : -1]:
        for bid in entry.view.auction.bids:
            load.setdefault(bid.peer, bid.load)
    return Known(
        frame,
        held,
        {peer: sum(times) / len(times) for peer, times in runs.items()},
        load,
        {source.peer: source for source in state.sources.values() if source.peer},
    )


CellOf: TypeAlias = Callable[[Known, Node], Line]


def _of_provider(cell: Callable[[Known, MemberView], Line]) -> CellOf:
    """A cell that only providers fill."""

    def made(known: Known, node: Node) -> Line:
        if node.member is None or node.role != "provider":
            return (Span(known.frame.glyphs.nothing, "dim"),)
        return cell(known, node.member)

    return made


def _name(known: Known, node: Node) -> Line:
    return (Span(inert(node.name, 40), "me" if node.peer == known.frame.state.primary else "strong"),)


def _average(known: Known, node: Node) -> Line:
    return (Span(seconds(known.run_ms.get(node.peer), nothing=known.frame.glyphs.nothing), "dim"),)


def _load(known: Known, node: Node) -> Line:
    load = known.load.get(node.peer)
    if load is None:
        return (Span(known.frame.glyphs.nothing, "dim"),)
    return (Span(f"{load:.1f}", "warn" if load > 1 else "text" if load else "dim"),)


def _heard(known: Known, node: Node) -> Line:
    """`now` while its events come in, else for how long they have not."""
    source = known.sources.get(node.peer)
    if source is None:
        return (Span(known.frame.glyphs.nothing, "dim"),)
    if source.state == "live":
        return (Span("now", "dim"),)
    return (Span(seconds(max(0.0, known.frame.now_ms - source.since_ms)), "suspect"),)


def _balance(known: Known, node: Node) -> Line:
    if node.member is None:
        return (Span(known.frame.glyphs.nothing, "dim"),)
    micro = node.member.balance_micro
    return (Span(axl(micro), "text" if micro else "dim"),)


def _ens(known: Known, node: Node) -> Line:
    """The name it claims, with a question mark as long as it is not verified; why, is the ENS view's to tell."""
    claimed = node.member.ens_name if node.member else ""
    if not claimed:
        return (Span(known.frame.glyphs.nothing, "dim"),)
    if known.frame.state.chain is None:
        return (Span(spelled(claimed), "dim"),)
    view = known.frame.state.ens.get((claimed, node.peer))
    verified = view is not None and view.verified
    return (Span(spelled(claimed) + ("" if verified else " ?"), "text" if verified else "dim"),)


_NODE = (Column("NODE", 9), _name)
_STATE = (Column("STATE", 10), lambda known, node: state_of(known.frame.state, node, known.frame.glyphs))
_PROCESS = (Column("PROCESS", 9), lambda known, node: _process(known.frame.state, node, known.frame.glyphs))
_SHARD = (
    Column("SHARD", 5, "right"),
    _of_provider(lambda known, member: _text(_shards(member, known.frame.glyphs))),
)
_PRICE = (Column("PRICE", 7, "right"), _of_provider(lambda _, member: _text(axl(member.price_micro))))
_LEASES = (
    Column("LEASES", 6, "right"),
    _of_provider(lambda known, member: _number(known.held.get(member.peer, 0))),
)
_DONE = (Column("DONE", 5, "right"), _of_provider(lambda _, member: _number(member.settled)))
_RESCUED = (Column("RESC", 4, "right"), _of_provider(lambda _, member: _number(member.rescued)))
_LAG = (Column("LAG", 3, "right"), lambda known, node: _lag(known.frame.state, node, known.frame.glyphs))
_MODEL = (Column("MODEL", 12, flex=True), lambda known, node: _model(known.frame.state, node))

_BRIEF: tuple[tuple[Column, CellOf], ...] = (
    _NODE,
    _STATE,
    _PROCESS,
    _SHARD,
    _PRICE,
    _LEASES,
    _DONE,
    _RESCUED,
    _LAG,
    _MODEL,
)

_FULL: tuple[tuple[Column, CellOf], ...] = (
    _NODE,
    _STATE,
    _LEASES,
    _DONE,
    _RESCUED,
    (Column("AVG", 5, "right"), _average),
    (Column("LOAD", 4, "right"), _load),
    _LAG,
    (Column("HEARD", 5, "right"), _heard),
    _PRICE,
    _SHARD,
    (Column("BALANCE", 8, "right"), _balance),
    _PROCESS,
    (
        Column("CAN DO", 15),
        _of_provider(lambda _, member: (Span(inert(" ".join(member.capabilities), 60), "dim"),)),
    ),
    (Column("ENS NAME", 18), _ens),
    _MODEL,
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


def _number(value: int) -> Line:
    return (Span(str(value), "text" if value else "dim"),)


def _text(text: str) -> Line:
    return (Span(text, "text" if any(char.isdigit() for char in text) else "dim"),)
