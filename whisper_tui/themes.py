"""What roles look like. State is told by sign and word first; colour only repeats it.

The colours keep their order of lightness and differ in blue against orange, so that people who see red and
green alike can tell them apart. Without colour (`NO_COLOR`, `--no-color`) roles become weight and brightness.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style

from whisper_tui.model.views.base import Role

SELECTED = "#24303c"
FOREGROUND = "#c6ccd4"
MUTED = "#7b8594"
FAINT = "#3a434f"
ACCENT = "#6cb6ff"

COLOUR: Mapping[Role, Style] = {
    "text": Style(color=FOREGROUND),
    "dim": Style(color=MUTED),
    "strong": Style(color="#e8ecf1"),
    "title": Style(color="#e8ecf1", bold=True),
    "rule": Style(color=FAINT),
    "accent": Style(color=ACCENT),
    "alive": Style(color="#5fc9a8"),
    "suspect": Style(color="#e5b454"),
    "dead": Style(color="#f0716d"),
    "me": Style(color=ACCENT),
    "rescued": Style(color="#d9a0f0"),
    "settled": Style(color="#5fc9a8"),
    "auction": Style(color=MUTED),
    "lease": Style(color="#7f9fc4"),
    "running": Style(color="#4f8fd0"),
    "gap": Style(color=MUTED),
    "warn": Style(color="#e5b454", bold=True),
    "selected": Style(bgcolor=SELECTED),
}

MONOCHROME: Mapping[Role, Style] = {
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
}
