"""What is wrong right now, one line per source, for whoever looks: the node's view, its events, its log."""

from __future__ import annotations

import traceback
from collections.abc import Callable

BUG_LINES_MAX = 20
"""Different bugs that are logged with their traceback; the rest is counted."""


class Problems:
    """Standing problems by source, and passing ones that are only mentioned.

    `on_mention` gets each new line as it arises. `on_change` is called when what stands has changed.
    `on_trace` gets the traceback of a bug: for the log alone.
    """

    def __init__(
        self,
        on_mention: Callable[[str], None],
        on_change: Callable[[], None],
        on_trace: Callable[[str, str], None],
    ) -> None:
        self._on_mention = on_mention
        self._on_change = on_change
        self._on_trace = on_trace
        self._standing: dict[str, str] = {}
        self._traced: set[str] = set()

    @property
    def text(self) -> str:
        """All that stands in one line, empty while all is well."""
        return "; ".join(self._standing.values())

    def set(self, source: str, text: str) -> None:
        """`source` has this problem now; "" when it has none any more."""
        before = self._standing.get(source, "")
        if text == before:
            return
        if text:
            self._standing[source] = text
        else:
            del self._standing[source]
        self._on_mention(text or f"over: {before}")
        self._on_change()

    def mention(self, text: str) -> None:
        """Something worth knowing that is already over."""
        self._on_mention(text)

    def report_bug(self, name: str, error: BaseException) -> None:
        """An exception nobody expected, told once per kind; its traceback goes to the log."""
        if name in self._traced or len(self._traced) >= BUG_LINES_MAX:
            return
        self._traced.add(name)
        self._on_trace(name, "".join(traceback.format_exception(error)))
        self._on_mention(f"internal error while {name}: {error}")
