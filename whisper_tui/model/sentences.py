"""Moments as sentences: one for each kind, with names instead of ids. The log, scripts and screens tell the same.

The words are those of `mesh_core.api.schema.MOMENTS`; what is added here is who is meant by an id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from mesh_core.api.schema import MOMENTS
from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.inert import inert
from whisper_tui.model.numbers import counted
from whisper_tui.model.selectors import label_of, name_of, operator_of
from whisper_tui.model.state import LogEntry, State

Tone: TypeAlias = Literal[
    "dim", "text", "alive", "suspect", "dead", "settled", "rescued", "running", "warn", "accent"
]

_SENTENCES = {moment.kind: moment.sentence for moment in MOMENTS}
_PEERS = frozenset({"peer", "by", "holder", "winner", "author"})
_NAMED_PEERS_MAX = 3

_OF_THEMSELVES: frozenset[str] = frozenset(
    {"refuted", "partitioned", "healed", "alarm", "problem", "command"}
)
"""Kinds that a node tells of itself: their sentences begin with its name."""

_TONES: dict[str, tuple[str, Tone]] = {
    "neighbour_lost": ("suspect", "suspect"),
    "neighbour_found": ("alive", "dim"),
    "client_detached": ("suspect", "suspect"),
    "member_alive": ("alive", "alive"),
    "member_suspected": ("suspect", "suspect"),
    "member_dead": ("dead", "dead"),
    "member_left": ("left", "dim"),
    "refuted": ("alive", "alive"),
    "job_submitted": ("event", "dim"),
    "job_accepted": ("event", "dim"),
    "auction_closed": ("auction", "dim"),
    "lease_granted": ("lease", "text"),
    "lease_ended": ("gap", "text"),
    "execution_started": ("play", "dim"),
    "execution_finished": ("event", "dim"),
    "execution_failed": ("warn", "warn"),
    "execution_stopped": ("event", "dim"),
    "proposed": ("event", "dim"),
    "job_settled": ("settled", "settled"),
    "result_opened": ("event", "dim"),
    "query_answered": ("settled", "settled"),
    "equivocation": ("warn", "warn"),
    "alarm": ("warn", "warn"),
    "partitioned": ("gap", "suspect"),
    "healed": ("alive", "alive"),
    "problem": ("warn", "warn"),
    "command": ("event", "dim"),
    "action": ("me", "accent"),
    "process": ("event", "dim"),
    "source": ("event", "dim"),
    "gap": ("gap", "suspect"),
    "chain": ("event", "suspect"),
    "ens": ("event", "text"),
}
"""Sign (a field of `Glyphs`) and tone of each kind."""

MINOR: frozenset[str] = frozenset(
    {
        "neighbour_found",
        "job_submitted",
        "job_accepted",
        "execution_started",
        "execution_finished",
        "execution_stopped",
        "proposed",
        "result_opened",
        "command",
        "process",
        "source",
        "ready",
    }
)
"""Kinds that only the full log shows; the overview keeps to what an operator would want to be told."""


OF_AN_END: frozenset[str] = frozenset(
    {"neighbour_lost", "client_detached", "problem", "member_suspected", "member_dead", "member_left"}
)
"""What else is told of a mesh that was taken down on purpose, after that: it says nothing new."""


def sign_of(entry: LogEntry, glyphs: Glyphs) -> tuple[str, Tone]:
    """The glyph and the tone of an entry."""
    if entry.kind == "lease_granted" and _number(entry.data.get("epoch")) > 1:
        return glyphs.rescued, "rescued"
    if entry.kind == "job_settled" and entry.data.get("outcome") != "result":
        return glyphs.warn, "warn"
    name, tone = _TONES.get(entry.kind, ("event", "text"))
    sign: str = getattr(glyphs, name)
    return sign, tone


def sentence(state: State, entry: LogEntry, glyphs: Glyphs) -> str:
    """What happened, inert."""
    special = _SPECIAL.get(entry.kind)
    if special is not None:
        return inert(special(state, entry, glyphs))
    words = _Words(state, entry.data)
    template = _SENTENCES.get(entry.kind)
    if template is None:
        told = " ".join(f"{name}={value}" for name, value in entry.data.items())
        return inert(f"{entry.kind} {told}".rstrip())
    told = template.format_map(words)
    return inert(f"{reporters(state, entry)}: {told}" if entry.kind in _OF_THEMSELVES else told)


def reporters(state: State, entry: LogEntry) -> str:
    """Who reported it: a name, or how many."""
    names = sorted(name_of(state, peer) for peer in entry.observers)
    if len(names) <= _NAMED_PEERS_MAX:
        return inert(" ".join(names))
    return f"{len(names)} nodes"


class _Words(dict[str, str]):
    """Fields of a moment as words; a field the reporter left out reads `?`."""

    def __init__(self, state: State, data: Mapping[str, Any]) -> None:
        super().__init__({name: _word(state, name, value) for name, value in data.items()})

    def __missing__(self, name: str) -> str:
        return "?"


def _word(state: State, name: str, value: Any) -> str:
    if name in _PEERS and value:
        return name_of(state, str(value))
    if name == "job":
        entry = state.jobs.get(str(value))
        return label_of(entry.view, operator_of(state)) if entry and entry.view.label else str(value)[:8]
    if isinstance(value, list | tuple):
        return ", ".join(name_of(state, str(item)) for item in value)
    return str(value)


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0


def _suspected(state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    return f"{_word(state, 'peer', entry.data.get('peer'))} suspected, seen by {reporters(state, entry)}"


def _link_lost(state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    return f"{_word(state, 'peer', entry.data.get('peer'))} link lost, seen by {reporters(state, entry)}"


def _dead(state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    accusers = entry.data.get("accusers")
    count = len(accusers) if isinstance(accusers, list) else accusers
    peer = _word(state, "peer", entry.data.get("peer"))
    by = "1 accuser" if count == 1 else f"{count} accusers"
    return f"{peer} confirmed dead, {by}, seen by {reporters(state, entry)}"


def _awarded(state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    words = _Words(state, entry.data)
    bids = _number(entry.data.get("bids"))
    if entry.data.get("winner"):
        return f"{words['job']} awarded to {words['winner']}, {counted(bids, 'bid')} in {words['took_ms']} ms"
    why = (
        "nobody bid" if not bids else "its only bid was refused" if bids == 1 else f"all {bids} bids refused"
    )
    return f"{words['job']} awarded to nobody: {why}"


def _leased(state: State, entry: LogEntry, glyphs: Glyphs) -> str:
    words = _Words(state, entry.data)
    return "{job} epoch {epoch} {to} {holder}, {promised} promised".format_map({**words, "to": glyphs.to})


def _settled(state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    words = _Words(state, entry.data)
    outcome = entry.data.get("outcome")
    done = "settled" if outcome == "result" else words.get("outcome", "?")
    votes = entry.data.get("votes")
    count = len(votes) if isinstance(votes, list) else votes
    return f"{words.get('job', '?')} {done} by {words.get('holder', '?')}, certificate of {count}"


def command_of(entry: LogEntry) -> str:
    """The command line that does the same as an action; empty for everything else."""
    return inert(entry.data.get("command", "")) if entry.kind == "action" else ""


def _acted(_state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    data = entry.data
    targets = data.get("targets")
    if data.get("action") == "down":
        return f"the mesh was stopped by {data.get('by')}"
    names = " ".join(targets) if isinstance(targets, list) else ""
    done = _DONE.get(str(data.get("action")), str(data.get("action")))
    return f"{names} {done} by {data.get('by')}".strip()


_DONE = {
    "kill": "killed",
    "pause": "paused",
    "revive": "revived",
    "partition": "cut off",
    "heal": "partition healed",
    "add": "added",
    "cancel": "cancelled",
    "submit": "submitted",
}


def _ready(state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    """A node says it of itself, the supervisor of all."""
    up, of, took_ms = (_number(entry.data.get(name)) for name in ("up", "of", "took_ms"))
    if not of:
        return f"{reporters(state, entry)}: ready"
    return f"{up:g} of {counted(of, 'participant')} have come up after {took_ms / 1000:.1f} s"


def _process(_state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    data = entry.data
    note = f": {data['note']}" if data.get("note") else ""
    return f"{data.get('name')} {data.get('part')} process {data.get('state')}{note}"


def _source(_state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    told = {"live": "come again", "stale": "interrupted, trying again", "lost": "lost, trying on"}
    return f"events of {entry.data.get('node')} {told.get(str(entry.data.get('state')), '?')}"


def _gap(_state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    """What is shown is whole again; what happened meanwhile is not told."""
    missed_ms = float(entry.data.get("missed_ms", 0))
    since = f"of {missed_ms / 1000:.1f} s " if missed_ms else ""
    return f"a gap {since}in the events of {entry.data.get('node')}: all views are new, what happened in it is not told"


def _answered(state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    query = state.queries.get(str(entry.data.get("query")))
    done = query.view.state if query and query.view.state in ("failed", "cancelled") else "answered"
    return f"{entry.data.get('label')} {done}"


def _chain(_state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    problem = entry.data.get("problem")
    return f"names: {problem}" if problem else "names: the chain is well again"


def _name(state: State, entry: LogEntry, _glyphs: Glyphs) -> str:
    data = entry.data
    other = f" ({data['ascii']})" if data.get("ascii") else ""
    name = f"{data.get('name', '?')}{other}"
    peer = name_of(state, str(data["peer"])) if data.get("peer") else "nobody"
    match data.get("state"):
        case "registering":
            return f"{name} is being registered on {data.get('network')}"
        case "retired":
            return f"{name} retired: {data.get('why')}"
        case "withdrawn":
            return f"{peer} claims {name} no more"
    if data.get("verified"):
        return f"{name} verified: it is bound to {peer}"
    return f"{name} unverified: {data.get('why')}"


_SPECIAL: dict[str, Callable[[State, LogEntry, Glyphs], str]] = {
    "member_suspected": _suspected,
    "neighbour_lost": _link_lost,
    "member_dead": _dead,
    "auction_closed": _awarded,
    "lease_granted": _leased,
    "job_settled": _settled,
    "action": _acted,
    "process": _process,
    "ready": _ready,
    "source": _source,
    "gap": _gap,
    "query_answered": _answered,
    "chain": _chain,
    "ens": _name,
}
