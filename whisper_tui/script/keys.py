"""Names of keys in a script: those of the console's help, nothing that has to be looked up elsewhere."""

from __future__ import annotations

import re

NAMED: frozenset[str] = frozenset(
    {"enter", "escape", "tab", "shift+tab", "space", "backspace", "delete"}
    | {"up", "down", "left", "right", "home", "end", "pageup", "pagedown"}
)
"""Keys without a character."""

_CONTROL = re.compile(r"ctrl\+[a-z]|f([1-9]|1[0-2])")

EXPECTED = f"one character, {', '.join(sorted(NAMED))}, ctrl+LETTER or f1…f12"


def check(key: str) -> None:
    """ValueError unless it is the name of a key."""
    is_character = len(key) == 1 and key.isprintable() and key != " "
    if not (is_character or key in NAMED or _CONTROL.fullmatch(key)):
        raise ValueError(f"{key!r} is no key: expected {EXPECTED}")


def of_text(text: str) -> tuple[str, ...]:
    """The keys that type a text. ValueError where a character has none."""
    for char in text:
        if not char.isprintable():
            raise ValueError(f"{char!r} cannot be typed")
    return tuple("space" if char == " " else char for char in text)
