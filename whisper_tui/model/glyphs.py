"""One sign for one thing, everywhere. The ASCII set says the same on terminals that have no others."""

from __future__ import annotations

from msgspec import Struct


class Glyphs(Struct, frozen=True):
    """The signs of the console. Each is one cell wide."""

    alive: str = "●"
    suspect: str = "◐"
    dead: str = "✖"
    left: str = "○"
    me: str = "◆"
    sides: tuple[str, ...] = ("●", "■", "▲", "▼")
    rescued: str = "⟳"
    settled: str = "✓"
    auction: str = "░"
    lease: str = "▒"
    running: str = "▓"
    gap: str = "╌"
    play: str = "▶"
    bar: str = "█"
    track: str = "░"
    rule: str = "─"
    column: str = "│"
    cursor: str = "›"
    mark: str = "▪"
    to: str = "→"
    rising: str = "↑"
    falling: str = "↓"
    warn: str = "!"
    nothing: str = "–"
    same: str = "·"
    ellipsis: str = "…"
    separator: str = "·"
    event: str = "·"
    braille: bool = True


UNICODE = Glyphs()

ASCII = Glyphs(
    alive="*",
    suspect="?",
    dead="x",
    left="o",
    me="@",
    sides=("A", "B", "C", "D"),
    rescued="^",
    settled="+",
    auction=":",
    lease="=",
    running="#",
    gap="-",
    play=">",
    bar="#",
    track=".",
    rule="-",
    column="|",
    cursor=">",
    mark="%",
    to=">",
    rising="/",
    falling="\\",
    warn="!",
    nothing="-",
    same=".",
    ellipsis="~",
    separator="|",
    event=".",
    braille=False,
)
