"""What a simulated run did: a hash that tells two runs apart, and a story to read."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import Any

from mesh_core.api.schema import MOMENTS

_SENTENCES = {moment.kind: moment.sentence for moment in MOMENTS}
_TOO_MUCH = frozenset({"record_added", "execution_progress", "neighbour_found"})
_STAMP = struct.Struct("<dB")


class Trace:
    """Collects a hash of everything that was handled and, when `telling`, one sentence per thing that matters.

    Keys and job ids are long; `name` gives them short names for the story.
    """

    def __init__(self, telling: bool = False) -> None:
        self.lines: list[str] = []
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
            self.lines.append(f"{at:8.3f}  {who:<9} {sentence}")

    def moment(self, at: float, who: str, kind: str, fields: dict[str, Any]) -> None:
        """Add what a node reported, in the words of the API's schema; what is said too often is left out."""
        if self._telling and kind not in _TOO_MUCH:
            sentence = self.sentence(kind, fields)
            if sentence is not None:
                self.tell(at, who, sentence)

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
