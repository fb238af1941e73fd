"""From the table of keys to Textual's bindings. Each carries its key's id, so that a keymap can move it."""

from __future__ import annotations

from collections.abc import Collection

from textual.binding import Binding, BindingType

from whisper_tui.keymap import Context, keys_of


def bindings_of(
    context: Context, *, action: str = "{}", only: Collection[str] | None = None
) -> list[BindingType]:
    """The bindings of one context, or `only` of these ids; `action` is what each does, with its id for `{}`."""
    return [
        Binding(key.keys, action.format(key.id), key.help, show=False, id=key.id)
        for key in keys_of(context)
        if only is None or key.id in only
    ]
