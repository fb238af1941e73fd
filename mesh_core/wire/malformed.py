"""What decoding bytes from outside may raise: they are somebody else's mistake, never ours.

A newer version's fields, and whatever else stands behind the known ones, are skipped by recursion in the decoder:
how deep that may go depends on how deep the caller's stack is already.
"""

from __future__ import annotations

import re

import msgspec

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_MESSAGE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>.*)`)?$")
_FIELD = re.compile(r"^Object (?:missing required|contains unknown) field `(?P<field>[^`]*)`$")


def explained(error: msgspec.ValidationError, unknown: str) -> str:
    """msgspec's message with the key in front: `price_micro: expected int, got str`. `unknown` is said of a key that
    does not belong there."""
    parts = _MESSAGE.match(str(error))
    assert parts is not None
    what, where = parts["what"], parts["where"] or ""
    named = _FIELD.match(what)
    if named:
        where = ".".join(filter(None, [where, named["field"]]))
        what = "is missing" if "missing" in what else unknown
    what = what.replace("`", "")
    what = what[:1].lower() + what[1:]
    return f"{where}: {what}" if where else what
