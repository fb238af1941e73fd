"""Replicas: what each lacks of every author, and how two of them differ."""

from __future__ import annotations

from mesh_core.api.schema import RecordView, ReplicaView
from whisper_tui.model.evidence import Ask
from whisper_tui.model.inert import inert
from whisper_tui.model.numbers import counted
from whisper_tui.model.remembered import by_identity
from whisper_tui.model.selectors import name_of, nodes
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Column, Frame, Line, Lines, Span, Table, Target, fit
from whisper_tui.model.views.events import clock
from whisper_tui.model.views.ledger import short_name
from whisper_tui.model.views.page import INDENT, field, section
from whisper_tui.model.views.records import by_author, record_line

_FIXED = (
    Column("REPLICA", 9),
    Column("ROOT", 10),
    Column("RECORDS", 7, "right"),
    Column("LACKS", 5, "right"),
)
_AUTHOR_CELLS = 4
_LISTED_MAX = 100
"""Records of a difference that are listed one by one."""


def replicas_table(frame: Frame, width: int) -> Table:
    """A row for each replica, a column for each author: how many of its records the replica lacks.

    Where there is no room for all authors, those of whom somebody lacks something come first.
    """
    state = frame.state
    found = _replicas(state)
    furthest = _furthest(*found.values())
    room = (width - 4 - sum(column.width + 1 for column in _FIXED)) // (_AUTHOR_CELLS + 1)
    authors = _shown(state, found, furthest, room)
    columns = (*_FIXED, *(Column(short_name(state, author), _AUTHOR_CELLS, "right") for author in authors))
    common = _common([view.root for peer, view in found.items() if peer not in state.deaf])

    def row(peer: str) -> tuple[Line, ...]:
        view, silent = found[peer], peer in state.deaf
        lacks = max(view.missing, _lacks_in_all(view, furthest))
        return (
            (Span(inert(name_of(state, peer), 40), "dim" if silent else "strong"),),
            (_agreement(frame, view.root == common, silent), Span(inert(view.root, 6), "dim")),
            (Span(str(view.records), "dim" if silent else "text"),),
            _count(frame, lacks),
            *(_count(frame, furthest[author] - view.heads.get(author, 0)) for author in authors),
        )

    return Table(columns, tuple(found), row, "no replica has reported yet", lambda _: "node")


def hidden_authors(frame: Frame, width: int) -> int:
    """How many authors have no column in a table of this width."""
    found = _replicas(frame.state)
    table = replicas_table(frame, width)
    return len(_furthest(*found.values())) - (len(table.columns) - len(_FIXED))


def difference_key(one: str, other: str) -> str:
    """The id of the page about how two replicas differ."""
    return f"{one} {other}"


def difference_title(frame: Frame, key: str) -> str:
    """`node1 and node4`."""
    one, other = _names(frame.state, key)
    return f"{one} and {other}"


def difference_asks(frame: Frame, key: str) -> tuple[Ask, ...]:
    """The records by the authors of whom the two hold differently many."""
    return tuple(Ask("author", author) for author, _, _ in _differing(frame.state, key))


def difference_detail(frame: Frame, key: str, width: int) -> Lines:
    """Their roots, by which authors one has more, and those records."""
    state = frame.state
    found = _replicas(state)
    peers = key.split(" ")
    if any(peer not in found for peer in peers):
        return ((Span("  one of the two has not reported a replica: esc goes back", "dim"),),)
    names, views = _names(state, key), [found[peer] for peer in peers]
    differing = _differing(state, key)
    summary = [
        _replica(frame, peer, name, view) for peer, name, view in zip(peers, names, views, strict=True)
    ]
    return (
        *summary,
        field("state", *_verdict(frame, views, differing)),
        *section(frame, "Records by author", [_author(frame, names, one) for one in differing], width),
        *section(frame, "The records that one of them lacks", _between(frame, differing), width),
    )


def _replicas(state: State) -> dict[str, ReplicaView]:
    """Replicas that have been reported, those of the mesh's own participants first."""
    known = [node.peer for node in nodes(state)]
    return {
        peer: replica
        for peer in dict.fromkeys([*known, *state.observers])
        if (observer := state.observers.get(peer)) is not None and (replica := observer.replica) is not None
    }


@by_identity
def _furthest(*views: ReplicaView) -> dict[str, int]:
    """The highest seq that any replica holds of each author."""
    furthest: dict[str, int] = {}
    for view in views:
        if view.heads != furthest:
            for author, seq in view.heads.items() - furthest.items():
                furthest[author] = max(seq, furthest.get(author, 0))
    return furthest


@by_identity
def _lacked(*views: ReplicaView) -> frozenset[str]:
    """The authors of whom some replica lacks something."""
    furthest = _furthest(*views)
    behind = [view.heads for view in views if view.heads != furthest]
    return frozenset(author for heads in behind for author, _ in furthest.items() - heads.items())


def _lacks_in_all(view: ReplicaView, furthest: dict[str, int]) -> int:
    return sum(seq - view.heads.get(author, 0) for author, seq in furthest.items() - view.heads.items())


def _shown(state: State, found: dict[str, ReplicaView], furthest: dict[str, int], room: int) -> list[str]:
    """The authors that get a column, in the order of nodes."""
    order = {node.peer: at for at, node in enumerate(nodes(state))}
    authors = sorted(furthest, key=lambda author: (order.get(author, len(order)), author))
    if len(authors) <= room:
        return authors
    lacked = _lacked(*found.values())
    kept = set(sorted(authors, key=lambda author: author not in lacked)[: max(0, room)])
    return [author for author in authors if author in kept]


def _common(roots: list[str]) -> str:
    return max(set(roots), key=lambda root: (roots.count(root), root), default="")


def _agreement(frame: Frame, agrees: bool, silent: bool) -> Span:
    """Whether a replica has the state that most of those that can be heard have; of one that cannot, nobody knows."""
    if silent:
        return Span(f"{frame.glyphs.left} ", "dim")
    return Span(f"{frame.glyphs.settled} ", "settled") if agrees else Span(f"{frame.glyphs.warn} ", "suspect")


def _count(frame: Frame, number: int) -> Line:
    if number <= 0:
        return (Span(frame.glyphs.same, "dim"),)
    return (Span(str(number) if number < 10_000 else "9999", "suspect"),)


def _names(state: State, key: str) -> tuple[str, str]:
    one, _, other = key.partition(" ")
    return inert(name_of(state, one), 40), inert(name_of(state, other), 40)


def _differing(state: State, key: str) -> list[tuple[str, int, int]]:
    """(author, seq that the first holds, seq that the second holds) where these are not the same."""
    found = _replicas(state)
    views = [found.get(peer) for peer in key.split(" ")]
    if len(views) != 2 or views[0] is None or views[1] is None:
        return []
    first, second = views[0].heads, views[1].heads
    authors = sorted({*first, *second}, key=lambda author: (name_of(state, author), author))
    pairs = [(author, first.get(author, 0), second.get(author, 0)) for author in authors]
    return [(author, one, other) for author, one, other in pairs if one != other]


def _replica(frame: Frame, peer: str, name: str, view: ReplicaView) -> Line:
    said = clock(frame.state.observers[peer].replica_ms).strip()
    return field(
        "replica",
        Span(fit(name, 12), "strong", Target("node", peer)),
        Span(f"root {inert(view.root, 12)}  {counted(view.records, 'record')}", "text"),
        Span(f"  said at {said}" + ("  silent now" if peer in frame.state.deaf else ""), "dim"),
    )


def _verdict(frame: Frame, views: list[ReplicaView], differing: list[tuple[str, int, int]]) -> Line:
    same = views[0].root == views[1].root
    if same and not differing:
        return (Span(f"{frame.glyphs.settled} the same state from the same records", "settled"),)
    if same:
        told = "the same state: the records that one lacks change nothing in it"
        return (Span(f"{frame.glyphs.settled} {told}", "settled"),)
    if differing:
        return (Span(f"{frame.glyphs.warn} another state", "suspect"),)
    told = "another state although no chain is longer: a fork or a gap, or a report that is older"
    return (Span(f"{frame.glyphs.warn} {told}", "suspect"),)


def _author(frame: Frame, names: tuple[str, str], found: tuple[str, int, int]) -> Line:
    author, first, second = found
    behind = names[0] if first < second else names[1]
    name = Span(fit(inert(name_of(frame.state, author), 40), 12), "strong", Target("author", author))
    return (
        INDENT,
        name,
        Span(f"{names[0]} to {first}, {names[1]} to {second}  ", "dim"),
        Span(f"{behind} lacks {abs(first - second)}", "suspect"),
    )


def _between(frame: Frame, differing: list[tuple[str, int, int]]) -> list[Line]:
    """The records in question, as far as they are known here."""
    known: list[RecordView] = []
    for author, first, second in differing:
        low, high = min(first, second), max(first, second)
        known += [record for record in reversed(by_author(frame, author)) if low < record.seq <= high]
    lacking = sum(abs(first - second) for _, first, second in differing)
    lines = [record_line(frame, record) for record in known[:_LISTED_MAX]]
    if lacking > len(lines):
        lines.append((INDENT, Span(f"{len(lines)} of {lacking} are known here", "dim")))
    return lines
