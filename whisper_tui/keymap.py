"""Every key of the console, once: bindings, hints and the help screen are made from this table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple, TypeAlias

Context: TypeAlias = Literal[
    "views", "everywhere", "time", "tables", "chaos", "log", "job", "dialog", "confirm", "quit", "form"
]


class Key(NamedTuple):
    """A key. `id` is what it is called in a configuration file, and the name of its action."""

    id: str
    keys: str
    shown: str
    help: str
    context: Context
    hint: str = ""


KEYS: tuple[Key, ...] = (
    Key("view_overview", "1", "1", "overview: nodes, jobs, leases, replicas, events", "views"),
    Key("view_nodes", "2", "2", "nodes: every participant in figures", "views"),
    Key("view_jobs", "3", "3", "jobs: what each did when, attempts, tokens, what it bears", "views"),
    Key("view_auctions", "4", "4", "auctions: bids, scores, who won and why; leases", "views"),
    Key("view_ledger", "5", "5", "ledger: what replicas lack, and every new record", "views"),
    Key("view_ens", "6", "6", "ENS: the names that members claim", "views"),
    Key("view_incidents", "7", "7", "incidents: the stages of every recovery", "views"),
    Key("view_log", "8", "8", "log: everything that happened", "views"),
    Key("next_pane", "tab", "tab", "next pane", "everywhere", "panes"),
    Key("previous_pane", "shift+tab", "shift+tab", "previous pane", "everywhere"),
    Key("submit", "s", "s", "ask the mesh a question", "everywhere", "submit"),
    Key("chaos", "X,shift+x", "X", "disturb or repair the mesh, then a key below", "everywhere", "chaos"),
    Key("freeze", "p", "p", "freeze the display; in a replay: play, stand still", "everywhere", "freeze"),
    Key("export", "e", "e", "write the list or page into a file of the run directory", "everywhere"),
    Key("picture", "S,shift+s", "S", "write a picture of the screen (SVG) there", "everywhere"),
    Key("read_only", "W,shift+w", "W", "read-only on or off", "everywhere"),
    Key("redraw", "ctrl+l", "ctrl+l", "draw everything again", "everywhere"),
    Key("contexts", "C,shift+c", "C", "go to another mesh of the configuration", "everywhere"),
    Key(
        "palette",
        "colon,ctrl+p",
        ":",
        "everything by name, such as kill node4, go q1.2",
        "everywhere",
        "command",
    ),
    Key("help", "question_mark", "?", "this help", "everywhere", "help"),
    Key("quit", "q,ctrl+c,ctrl+q", "q", "quit; asks whether the mesh stays up", "everywhere", "quit"),
    Key("step_back", "left_square_bracket", "[", "back in time, to the event before", "time", "back"),
    Key("step_forward", "right_square_bracket", "]", "to the next event", "time", "on"),
    Key("incident_before", "left_curly_bracket", "{", "to the incident before", "time", "incidents"),
    Key("incident_after", "right_curly_bracket", "}", "to the next incident", "time"),
    Key("live", "full_stop", ".", "to now; in a replay to its end", "time", "now"),
    Key("cursor_down", "j,down", "j ↓", "down", "tables"),
    Key("cursor_up", "k,up", "k ↑", "up", "tables"),
    Key("page_down", "pagedown,ctrl+f", "pgdn", "a page down", "tables"),
    Key("page_up", "pageup,ctrl+b", "pgup", "a page up", "tables"),
    Key("first", "g,home", "g", "first row", "tables"),
    Key("last", "G,shift+g,end", "G", "last row", "tables"),
    Key("columns_right", "right", "→", "further columns, where there is no room for all", "tables"),
    Key("columns_left", "left", "←", "back to the columns before", "tables"),
    Key("mark", "space", "space", "mark a node, for actions on several, and go to the next", "tables"),
    Key(
        "open",
        "enter",
        "enter",
        "open what a row is about; on a page, what is behind it, down to signed bytes",
        "tables",
        "open",
    ),
    Key("copy", "y", "y", "copy its id to the terminal's clipboard (OSC 52)", "tables"),
    Key(
        "filter", "slash", "/", "filter: words, !without, state=dead, lag>2, expressions", "tables", "filter"
    ),
    Key("sort", "o", "o", "sort by the next column; after the last one as before", "tables", "sort"),
    Key("turn", "O,shift+o", "O", "turn the order round", "tables"),
    Key("hold", "F,shift+f", "F", "hold the order of rows, or let them move", "tables"),
    Key("zoom", "z", "z", "all the room for this pane, or as before", "tables"),
    Key("clear", "escape", "esc", "drop filter, sort and hold", "tables"),
    Key("kill", "k", "k", "kill the chosen nodes (SIGKILL)", "chaos", "kill"),
    Key("pause", "z", "z", "pause them (SIGSTOP)", "chaos", "pause"),
    Key("revive", "r", "r", "revive them", "chaos", "revive"),
    Key("partition", "c", "c", "cut them off from the others", "chaos", "cut off"),
    Key("heal", "h", "h", "heal the partition", "chaos", "heal"),
    Key("add", "a", "a", "add a node", "chaos", "add"),
    Key("follow", "full_stop", ".", "follow the newest", "log", "newest"),
    Key("cancel_job", "C,shift+c", "C", "cancel the job", "job", "cancel job"),
    Key("back", "escape", "esc", "back, without doing anything", "dialog", "back"),
    Key("yes", "y", "y", "yes, do it; what is grave must be typed instead", "confirm"),
    Key("no", "n", "n", "no", "confirm"),
    Key("leave", "l,q,ctrl+q", "l q", "leave the mesh running", "quit"),
    Key("stop", "s", "s", "stop the mesh", "quit"),
    Key("next_field", "tab", "tab", "next field", "form"),
    Key("send", "enter", "enter", "send it, or keep the filter", "form"),
)

TITLES: Mapping[Context, str] = {
    "views": "Views",
    "everywhere": "Everywhere",
    "time": "Through time",
    "tables": "In tables and lists",
    "chaos": "After X",
    "log": "In the log",
    "job": "In a job",
    "dialog": "In dialogs and on pages",
    "confirm": "When asked whether to do it",
    "quit": "When quitting",
    "form": "In fields",
}


def keys_of(context: Context) -> tuple[Key, ...]:
    """The keys of one context, in the order of the table."""
    return tuple(key for key in KEYS if key.context == context)


class Keymap:
    """The keys in force: those of the table, some of which the operator has `bound` otherwise, by their ids."""

    def __init__(self, bound: Mapping[str, Bound] | None = None) -> None:
        self.bound: Mapping[str, Bound] = bound or {}

    def of(self, context: Context) -> tuple[Key, ...]:
        """The keys of one context, in the order of the table."""
        return tuple(self._in_force(key) for key in keys_of(context))

    def hints(self, *contexts: Context, without: Collection[str] = ()) -> list[tuple[str, str]]:
        """(key, what it does) of the keys worth a hint, for the line at the bottom."""
        found = [
            key for context in contexts for key in self.of(context) if key.hint and key.id not in without
        ]
        return [(key.shown, key.hint) for key in found]

    def shown(self, id: str) -> str:
        """How the key with this id is written; KeyError when there is none."""
        return self._in_force(_BY_ID[id]).shown

    def _in_force(self, key: Key) -> Key:
        bound = self.bound.get(key.id)
        return key if bound is None else key._replace(keys=bound.keys, shown=bound.shown)


class Bound(NamedTuple):
    """Keys in place of others: as Textual names them, comma-separated, and as the operator wrote them."""

    keys: str
    shown: str


_BY_ID = {key.id: key for key in KEYS}
DEFAULT_KEYMAP = Keymap()
