"""Whether a console can be drawn in this terminal, by its name."""

from __future__ import annotations

import os

PLAIN = frozenset({"dumb", "unknown"})
"""Names of terminals that take text only; Rich and Textual send these nothing else (`rich.console.is_dumb_terminal`)."""

HELP = (
    "if it can show more: TERM=xterm-256color; if not, `whisper-tui up --plain` tells every event, "
    "and beside it there are `whisper-tui nodes`, jobs, submit …"
)
"""What to do at a plain terminal."""


WEB_DRIVER = "textual.drivers.web_driver:WebDriver"


def in_browser() -> bool:
    """Whether a browser shows the console, in place of a terminal (`whisper-tui serve`)."""
    return os.environ.get("TEXTUAL_DRIVER") == WEB_DRIVER


def plain() -> str:
    """The name of this terminal if it takes text only, else nothing."""
    name = os.environ.get("TERM", "")
    return name if name.lower() in PLAIN else ""
