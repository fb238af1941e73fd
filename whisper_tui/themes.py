"""What roles look like. State is told by sign and word first; colour only repeats it.

Colours keep their order of lightness and differ in blue against orange, so that people who see red and green alike can
tell them apart; `deuteranopia` widens these differences. Without colour (`mono`, `NO_COLOR`) roles become weight and
brightness. `ansi` and `mono` take the terminal's own colours and background.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style

from whisper_tui.model.views.base import Role


@dataclass(frozen=True)
class Surfaces:
    """Backgrounds and lines, as Textual's CSS names colours: the ground, bars at the edges, panels of dialogs, what is
    selected or typed into; lines between panes and around dialogs; text, strong text and what a field suggests."""

    ground: str
    bar: str
    panel: str
    selected: str
    line: str
    frame: str
    grave: str
    text: str
    strong: str
    hint: str


@dataclass(frozen=True)
class Theme:
    """A way to look. `native`: in the terminal's own sixteen colours, or none."""

    name: str
    about: str
    styles: Mapping[Role, Style]
    surfaces: Surfaces
    native: bool = False


def _styles(colours: Mapping[Role, str], *, bold: frozenset[Role], selected: Style) -> Mapping[Role, Style]:
    styles = {role: Style(color=colour, bold=role in bold or None) for role, colour in colours.items()}
    return {**styles, "selected": selected}


_BOLD: frozenset[Role] = frozenset({"title", "warn"})

DEFAULT = Theme(
    "default",
    "calm, on dark",
    _styles(
        {
            "text": "#c6ccd4",
            "dim": "#7b8594",
            "strong": "#e8ecf1",
            "title": "#e8ecf1",
            "rule": "#3a434f",
            "accent": "#6cb6ff",
            "alive": "#5fc9a8",
            "suspect": "#e5b454",
            "dead": "#f0716d",
            "me": "#6cb6ff",
            "rescued": "#d9a0f0",
            "settled": "#5fc9a8",
            "auction": "#7b8594",
            "lease": "#7f9fc4",
            "running": "#4f8fd0",
            "gap": "#7b8594",
            "warn": "#e5b454",
        },
        bold=_BOLD,
        selected=Style(bgcolor="#24303c"),
    ),
    Surfaces(
        ground="#0f1318",
        bar="#171c23",
        panel="#1b222b",
        selected="#24303c",
        line="#262d36",
        frame="#3a4654",
        grave="#e5b454",
        text="#c6ccd4",
        strong="#e8ecf1",
        hint="#9aa4b2",
    ),
)

DEUTERANOPIA = Theme(
    "deuteranopia",
    "for eyes that see red and green alike",
    {
        **DEFAULT.styles,
        "accent": Style(color="#8ecbff"),
        "me": Style(color="#ffffff", bold=True),
        "alive": Style(color="#56b4e9"),
        "settled": Style(color="#56b4e9"),
        "suspect": Style(color="#f0e442"),
        "warn": Style(color="#f0e442", bold=True),
        "dead": Style(color="#e04a20", bold=True),
        "rescued": Style(color="#e3b7d4"),
        "running": Style(color="#2f7fc2"),
    },
    DEFAULT.surfaces,
)
"""After Okabe and Ito, Color Universal Design (2008): blue is well, yellow doubtful, vermilion gone."""

HIGH_CONTRAST = Theme(
    "high-contrast",
    "white and bright on black, nothing faint",
    _styles(
        {
            "text": "#ffffff",
            "dim": "#c8c8c8",
            "strong": "#ffffff",
            "title": "#ffffff",
            "rule": "#a8a8a8",
            "accent": "#6fd3ff",
            "alive": "#5dff9b",
            "suspect": "#ffe14d",
            "dead": "#ff9a8f",
            "me": "#6fd3ff",
            "rescued": "#f7b5ff",
            "settled": "#5dff9b",
            "auction": "#c8c8c8",
            "lease": "#a9d2ff",
            "running": "#7cb8ff",
            "gap": "#c8c8c8",
            "warn": "#ffe14d",
        },
        bold=frozenset({"title", "warn", "strong", "dead", "suspect", "accent"}),
        selected=Style(color="#000000", bgcolor="#ffe14d", bold=True),
    ),
    Surfaces(
        ground="#000000",
        bar="#000000",
        panel="#000000",
        selected="#303030",
        line="#a8a8a8",
        frame="#ffffff",
        grave="#ffe14d",
        text="#ffffff",
        strong="#ffffff",
        hint="#c8c8c8",
    ),
)

_TERMINALS = Surfaces(
    ground="ansi_default",
    bar="ansi_default",
    panel="ansi_default",
    selected="ansi_default",
    line="ansi_default",
    frame="ansi_default",
    grave="ansi_default",
    text="ansi_default",
    strong="ansi_default",
    hint="ansi_default",
)

ANSI = Theme(
    "ansi",
    "the terminal's own sixteen colours and background",
    {
        "text": Style(),
        "dim": Style(dim=True),
        "strong": Style(bold=True),
        "title": Style(bold=True),
        "rule": Style(dim=True),
        "accent": Style(color="cyan", bold=True),
        "alive": Style(color="green"),
        "suspect": Style(color="yellow", bold=True),
        "dead": Style(color="red", bold=True),
        "me": Style(color="cyan", bold=True),
        "rescued": Style(color="magenta", bold=True),
        "settled": Style(color="green"),
        "auction": Style(dim=True),
        "lease": Style(color="cyan"),
        "running": Style(color="blue", bold=True),
        "gap": Style(dim=True),
        "warn": Style(color="yellow", bold=True),
        "selected": Style(reverse=True),
    },
    _TERMINALS,
    native=True,
)

MONO = Theme(
    "mono",
    "no colour at all, as with NO_COLOR",
    {
        "text": Style(),
        "dim": Style(dim=True),
        "strong": Style(bold=True),
        "title": Style(bold=True),
        "rule": Style(dim=True),
        "accent": Style(bold=True),
        "alive": Style(),
        "suspect": Style(bold=True),
        "dead": Style(bold=True),
        "me": Style(bold=True),
        "rescued": Style(bold=True),
        "settled": Style(),
        "auction": Style(dim=True),
        "lease": Style(),
        "running": Style(),
        "gap": Style(dim=True),
        "warn": Style(bold=True),
        "selected": Style(reverse=True),
    },
    _TERMINALS,
    native=True,
)

THEMES: Mapping[str, Theme] = {
    theme.name: theme for theme in (DEFAULT, DEUTERANOPIA, HIGH_CONTRAST, ANSI, MONO)
}
"""By name, in the order in which they are offered."""
