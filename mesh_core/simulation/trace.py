"""What a simulated run did: a hash that tells two runs apart, and a story to read."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mesh_core.api.schema import MOMENTS

_SENTENCES = {moment.kind: moment.sentence for moment in MOMENTS}
_TOO_MUCH = frozenset({"record_added", "execution_progress", "neighbour_found"})
_STAMP = struct.Struct("<dH")

_SAME_S = 2.0
"""What several report within this time is one line."""


@dataclass(slots=True)
class _Line:
    at: float
    who: str
    sentence: str
    others: list[str] = field(default_factory=list)


class Trace:
    """Collects a hash of everything that was handled and, when `telling`, one sentence per thing that matters.

    Keys and job ids are long; `name` gives them short names for the story.
    """

    def __init__(self, telling: bool = False) -> None:
        self._lines: list[_Line] = []
        self._latest: dict[str, _Line] = {}
        self._telling = telling
        self._hash = hashlib.blake2b(digest_size=16)
        self._names: dict[str, str] = {}

    @property
    def telling(self) -> bool:
        """Whether sentences are kept."""
        return self._telling

    def hexdigest(self) -> str:
        """The hash so far; equal for two runs of one seed."""
        return self._hash.hexdigest()

    def mix(self, at: float, host: int, what: bytes) -> None:
        """Put one handled input into the hash."""
        self._hash.update(_STAMP.pack(at, host))
        self._hash.update(what)

    def name(self, key: bytes, name: str) -> None:
        """Call `key` by `name` from now on."""
        self._names[key.hex()] = name

    def called(self, key: bytes) -> str:
        """The short name of a key, else the beginning of its hex form."""
        text = key.hex()
        return self._names.get(text, text[:8])

    def tell(self, at: float, who: str, sentence: str) -> None:
        """Add a line to the story."""
        if self._telling:
            self._lines.append(_Line(at, who, sentence))

    def _report(self, at: float, who: str, sentence: str) -> None:
        """Add a line; who reports what was reported a moment ago is only named there."""
        latest = self._latest.get(sentence)
        if latest is not None and at - latest.at < _SAME_S and who not in (latest.who, *latest.others):
            latest.others.append(who)
            return
        line = self._latest[sentence] = _Line(at, who, sentence)
        self._lines.append(line)

    def lines(self) -> list[str]:
        """The story so far."""
        return [
            f"{line.at:8.3f}  {line.who:<9} {line.sentence}"
            + (f"  [and {' '.join(line.others)}]" if line.others else "")
            for line in self._lines
        ]

    def moment(self, at: float, who: str, kind: str, fields: dict[str, Any]) -> None:
        """Add what a node reported, in the words of the API's schema; what is said too often is left out."""
        if self._telling and kind not in _TOO_MUCH:
            sentence = self.sentence(kind, fields)
            if sentence is not None:
                self._report(at, who, sentence)

    def sentence(self, kind: str, fields: dict[str, Any]) -> str | None:
        """A moment in words, with short names; None for a kind that is no moment."""
        if kind not in _SENTENCES:
            return None
        shown = {key: self._shown(value) for key, value in fields.items()}
        return _SENTENCES[kind].format_map(_Lenient(shown))

    def _shown(self, value: Any) -> Any:
        if isinstance(value, bytes):
            return self.called(value)
        if isinstance(value, str):
            return self._names.get(value, value[:80])
        if isinstance(value, float):
            return f"{value:.1f}"
        if isinstance(value, Iterable):
            return ", ".join(sorted(str(self._shown(item)) for item in value)) or "nobody"
        return value


class _Lenient(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"<no {key}>"
