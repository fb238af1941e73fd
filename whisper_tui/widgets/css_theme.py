"""A theme as Textual's CSS takes it: `app.tcss` names surfaces as `$whisper-…`."""

from __future__ import annotations

from dataclasses import asdict

from textual import theme as textual

from whisper_tui.themes import Theme

_NATIVE = {
    **dict.fromkeys(
        (
            "ansi-background",
            "ansi-foreground",
            "input-cursor-background",
            "input-cursor-foreground",
            "input-selection-background",
            "input-selection-foreground",
            "screen-selection-background",
            "screen-selection-foreground",
        ),
        "ansi_default",
    ),
    "input-cursor-text-style": "reverse",
}
"""What Textual asks of a theme in native colours."""


def css_theme(theme: Theme) -> textual.Theme:
    """`theme` for `App.register_theme`."""
    surfaces = theme.surfaces
    named = {f"whisper-{name}": colour for name, colour in asdict(surfaces).items()}
    return textual.Theme(
        name=theme.name,
        primary=surfaces.frame,
        foreground=surfaces.text,
        background=surfaces.ground,
        variables={**named, **_NATIVE} if theme.native else named,
        ansi=theme.native,
    )
