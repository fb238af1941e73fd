"""The command palette: everything the console can do, by name, and which of it is meant by what has been typed.

Names are the ids of keys, with blanks: `view jobs`, `freeze`. Some commands take words: `kill node4`, `go q1.2`,
`filter state=dead`, `submit why …`; the words are offered once the verb is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from mesh_core.api.schema import FINAL_STATES
from whisper_tui.keymap import Key
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import NotFound, find_node, nodes, operator_of
from whisper_tui.model.state import State
from whisper_tui.themes import THEMES

Kind: TypeAlias = Literal["key", "chaos", "theme", "context", "open", "cancel", "filter", "submit"]

OFFERED_MAX = 200
"""Nodes or jobs that are offered for a verb: who has more types more."""

_DISTURBING = ("kill", "pause", "revive", "partition")


class Command(NamedTuple):
    """Something that can be done: what it is called, what it does, its key if it has one; what is to be run, by its kind,
    with what words."""

    name: str
    about: str
    kind: Kind
    words: tuple[str, ...]
    key: str = ""


class Offer(NamedTuple):
    """What there is to choose from: keys that work now, and the names of other meshes."""

    keys: tuple[Key, ...] = ()
    meshes: tuple[str, ...] = ()


def commands(state: State, offer: Offer, typed: str) -> list[Command]:
    """The commands that may be meant by what has been `typed`, the likeliest first; all of them while nothing is."""
    verb, blank, rest = typed.lstrip().partition(" ")
    if blank and (found := list(_with_words(state, verb, rest))):
        return found
    return ranked(_plain(offer), typed.strip())


def ranked(known: Iterable[Command], typed: str) -> list[Command]:
    """Those whose name has all letters of `typed` in their order; the better they fit, the sooner."""
    scored = [(score(typed, command.name), number, command) for number, command in enumerate(known)]
    return [
        command for points, _, command in sorted(scored, key=lambda one: (-one[0], one[1])) if points >= 0
    ]


def score(typed: str, name: str) -> int:
    """How well `typed` fits `name`: its letters must be there in their order; at the beginnings of words and next to each
    other they count more. -1 when they are not there."""
    typed, name = typed.lower().replace(" ", ""), name.lower()
    if not typed:
        return 0
    best = [-1] * len(name)
    for number, letter in enumerate(typed):
        row = [-1] * len(name)
        before = -1 if number else 0
        """The most that the letters so far come to, ending before the one that is looked at."""
        for at, there in enumerate(name):
            adjacent = best[at - 1] if at and number else -1
            if there == letter:
                points = 1 + 3 * (at == 0 or name[at - 1] == " ")
                joined = adjacent + points + 2 if adjacent >= 0 else -1
                row[at] = max(joined, before + points if before >= 0 else -1)
            if number:
                before = max(before, best[at])
        best = row
    return max(best) * 4 - (len(name) - len(typed)) // 4 if max(best) >= 0 else -1


def _plain(offer: Offer) -> Iterator[Command]:
    """Commands without words, as they are listed."""
    for key in offer.keys:
        kind: Kind = "chaos" if key.context == "chaos" else "key"
        yield Command(key.id.replace("_", " "), key.help, kind, (key.id,), key.shown)
    for theme in THEMES.values():
        yield Command(f"theme {theme.name}", theme.about, "theme", (theme.name,))
    for name in offer.meshes:
        yield Command(f"context {inert(name, 32)}", "go to this mesh, read-only", "context", (name,))
    yield Command("go", "to a node, question or job by its name", "open", ())
    yield Command("cancel", "a job by its label", "cancel", ())


def _with_words(state: State, verb: str, rest: str) -> Iterator[Command]:
    """What a verb may be about."""
    if verb in _DISTURBING:
        yield from _disturbing(state, verb, rest.split(" "))
    elif verb == "go":
        yield from _openable(state, rest.strip())
    elif verb == "cancel":
        for job, label in _labels(state, only_open=True):
            if score(rest.strip(), label) >= 0:
                yield Command(f"cancel {label}", "ask that it end as cancelled", "cancel", (job,))
    elif (text := rest.strip()) and verb == "filter":
        yield Command(f"filter {inert(text, 100)}", "show only what matches", "filter", (text,))
    elif text and verb == "submit":
        yield Command(f"submit {inert(text, 100)}", "ask the mesh this", "submit", (text,))


def _disturbing(state: State, verb: str, words: Sequence[str]) -> Iterator[Command]:
    """Those that were named, if all are known; with each that the last word may mean."""
    named: list[str] = []
    for word in filter(None, words[:-1]):
        try:
            named.append(find_node(state, word).peer)
        except NotFound:
            return
    start, last = " ".join((verb, *filter(None, words[:-1]))), words[-1]
    if named and not last:
        yield Command(start, "asks first", "chaos", (verb, *named))
    fitting = [
        (score(last, node.name), node)
        for node in nodes(state)
        if node.seated and node.peer not in named and score(last, node.name) >= 0
    ]
    for _, node in sorted(fitting, key=lambda one: (one[1].name != last, -one[0]))[:OFFERED_MAX]:
        name = f"{start} {inert(node.name, 40)}"
        yield Command(name, "asks first", "chaos", (verb, *named, node.peer))


def _openable(state: State, rest: str) -> Iterator[Command]:
    found = [(inert(node.name, 40), "node", node.peer) for node in nodes(state)]
    found += [(inert(entry.view.label, 40), "question", query) for query, entry in state.queries.items()]
    found += [(label, "job", job) for job, label in _labels(state)]
    scored = [
        (name != rest, -score(rest, name), name, page, id)
        for name, page, id in found
        if score(rest, name) >= 0
    ]
    for _, _, name, page, id in sorted(scored)[:OFFERED_MAX]:
        yield Command(f"go {name}", f"to this {page}", "open", (page, id))


def _labels(state: State, *, only_open: bool = False) -> Iterator[tuple[str, str]]:
    """Id and label of jobs, newest first; of the operator's own open ones only, if they are to be cancelled."""
    operator = operator_of(state)
    for job in reversed(list(state.jobs)):
        view = state.jobs[job].view
        if not only_open or (view.state not in FINAL_STATES and view.submitter == operator):
            yield job, inert(view.label, 40)
