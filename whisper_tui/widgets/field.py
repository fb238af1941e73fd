"""A line of text that is typed: keys take effect in the order in which they were pressed."""

from __future__ import annotations

from typing import Final

from textual.binding import Binding
from textual.events import Key
from textual.widgets import Input

_NOT_EDITING: Final = frozenset({"submit", "copy"})
"""These bindings mean something to whoever shows the field; they go the usual way."""

_EDITS: Final = {
    key.strip(): binding.action
    for binding in Input.BINDINGS
    if isinstance(binding, Binding) and binding.action not in _NOT_EDITING
    for key in binding.key.split(",")
}


class Field(Input):
    """An input in which editing keys take effect at once.

    Textual inserts a character where it arrives, but looks for bindings only after a key has gone up to the screen: of keys
    that come together, as they do when somebody pastes or a link is slow, a backspace deletes what was typed after it.
    """

    async def _on_key(self, event: Key) -> None:
        edit = _EDITS.get(event.key)
        if edit is None:
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()
        await self.run_action(edit)
