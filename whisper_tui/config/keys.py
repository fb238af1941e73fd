"""Keys as people write them, as Textual names them, and which of them would mean two things at once."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence

from whisper_tui.keymap import KEYS, Bound, Context, Key

NAMED = frozenset(
    [
        "up",
        "down",
        "left",
        "right",
        "home",
        "end",
        "pageup",
        "pagedown",
        "enter",
        "escape",
        "tab",
        "space",
        "backspace",
        "delete",
        "insert",
    ]
) | {f"f{number}" for number in range(1, 25)}
"""Keys that have a name and no character."""

_SHORT = {"esc": "escape", "pgup": "pageup", "pgdn": "pagedown", "return": "enter", "del": "delete"}
_MODIFIED = re.compile(r"(?:(?:ctrl|alt|shift)\+)+")
_CALLED = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
"""Where Textual's name of a character is not the one of Unicode."""

_ALONE: frozenset[Context] = frozenset({"chaos", "confirm", "quit", "form"})
"""Contexts of dialogs: of others only `dialog` is there at the same time."""


def key_id_problem(id: str) -> str:
    """What is wrong with a key's id, empty when there is such a key."""
    ids = [key.id for key in KEYS]
    if id in ids:
        return ""
    near = difflib.get_close_matches(id, ids, 1)
    return f"no key has this id{f'; is {near[0]} meant?' if near else ''}"


def bound(words: Sequence[str]) -> Bound:
    """Keys as they were written, for a keymap; ValueError with a line for what is no key."""
    if not words:
        raise ValueError("expected a key")
    names = [name for word in words for name in _names(word)]
    return Bound(",".join(names), " ".join(words))


def conflict(id: str, keys: Mapping[str, Bound]) -> str:
    """What else the keys bound to `id` would mean where it works, empty when nothing."""
    mine = next(key for key in KEYS if key.id == id)
    for other in KEYS:
        if other.id == id or not _together(mine.context, other.context):
            continue
        for name in keys[id].keys.split(","):
            if name in _keys_of(other, keys) and not _meant(name, mine, other):
                return f"{_written(keys[id], name)} is {other.id} ({other.help})"
    return ""


def _keys_of(key: Key, keys: Mapping[str, Bound]) -> list[str]:
    return (keys[key.id].keys if key.id in keys else key.keys).split(",")


def _meant(name: str, first: Key, second: Key) -> bool:
    """Whether both have this key anyway: then one of them goes first, and that is how it is wanted."""
    return name in first.keys.split(",") and name in second.keys.split(",")


def _written(bound: Bound, name: str) -> str:
    return next((word for word in bound.shown.split() if name in _names(word)), name)


def _together(first: Context, second: Context) -> bool:
    """Whether keys of both contexts work at the same time."""
    if first == second:
        return True
    if {first, second} & _ALONE:
        return "dialog" in (first, second)
    if "dialog" in (first, second) or "job" in (first, second):
        return {first, second} <= {"dialog", "job", "tables"}
    return True


def _names(word: str) -> tuple[str, ...]:
    """What Textual calls the key written so, which for a capital letter is two names."""
    modified = _MODIFIED.match(word)
    modifiers = modified[0] if modified and len(word) > modified.end() else ""
    rest = word[len(modifiers) :]
    if len(rest) == 1:
        if not rest.isprintable() or rest == " ":
            raise ValueError(f"{word!r} is no key: write space, tab, enter …")
        if not modifiers and rest.isascii() and rest.isupper():
            return (rest, f"shift+{rest.lower()}")
        return (modifiers + _named(rest),)
    named = _SHORT.get(rest.lower(), rest.lower())
    if named not in NAMED and not _is_a_characters_name(named):
        raise ValueError(
            f"{word} is no key: write a character, f1 to f24, ctrl+k, {', '.join(sorted(NAMED)[:4])} …"
        )
    return (modifiers + named,)


def _is_a_characters_name(name: str) -> bool:
    """Whether Textual calls a character so: `full_stop`, `slash`."""
    try:
        return name in _CALLED.values() or bool(unicodedata.lookup(name.replace("_", " ")))
    except KeyError:
        return False


def _named(character: str) -> str:
    if character.isalnum():
        return character
    name = unicodedata.name(character, "").lower().replace("-", "_").replace(" ", "_")
    return _CALLED.get(name, name) or character
