"""The help screen, printed from the table of keys and the glyphs."""

from __future__ import annotations

from whisper_tui.keymap import TITLES, Keymap
from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.views.base import Line, Lines, Role, Span, fit, line_cells, wrap

_SIGNS: tuple[tuple[str, Role, str], ...] = (
    ("alive", "alive", "alive"),
    ("suspect", "suspect", "suspected"),
    ("dead", "dead", "dead"),
    ("me", "me", "you"),
    ("auction", "auction", "auction"),
    ("lease", "lease", "lease"),
    ("running", "running", "running"),
    ("gap", "gap", "gap after a death"),
    ("rescued", "rescued", "rescued"),
    ("settled", "settled", "settled, verified"),
    ("warn", "warn", "needs attention"),
)

_STAGES: tuple[tuple[str, str], ...] = (
    ("suspected", "every live node suspects who fell silent"),
    ("confirmed", "every live node is sure of it"),
    ("reclaimed", "the jobs they held are leased by others"),
    ("settled", "these jobs are settled; what EXEC_DELAY added is part of it"),
    ("converged", "all live replicas of the ledger agree on it"),
    ("p50", "medians over all incidents"),
)

_WORDS: tuple[tuple[str, str], ...] = (
    ("LIVE 4Hz", "events come in, the screen shows them 4 times a second (2 over SSH)"),
    ("SIMULATED", "a mesh that is computed, in virtual time"),
    ("conv", "all replicas of the ledger agree; how long they last needed to"),
    ("MTTR", "median time from a kill until its jobs were held by somebody else"),
    ("RO RW", "whether this console may act"),
    ("LEASES", "jobs it works on now"),
    ("DONE RESC", "jobs it settled; of these, jobs it took over from others"),
    ("LAG", "records of the ledger it knows of and lacks"),
    ("e2", "second epoch: the job was leased for the second time"),
    ("promised", "members of the job's committee that granted the lease"),
    ("~q1", "a job of somebody else's; ~ in a name: it cannot be told apart otherwise"),
    ("ROOT", "hash of what a replica knows; equal ones mean equal ledgers"),
)


_MOUSE = "a click goes to a row or view, a second opens it; the wheel scrolls"


def help_lines(glyphs: Glyphs, keymap: Keymap, width: int) -> Lines:
    """All keys by where they work, then what the signs mean; explanations go on below themselves."""
    lines: list[Line] = []
    for context, title in TITLES.items():
        lines.append((Span(f"  {title}", "title"),))
        for key in keymap.of(context):
            lines += _explained(key.shown, 11, key.help, width)
        lines.append(())
    lines += [(Span("  Mouse", "title"),), *_explained("", 0, _MOUSE, width), ()]
    lines.append((Span("  Words", "title"),))
    lines += [line for word, means in _WORDS for line in _explained(word, 11, means, width)]
    lines += [(), (Span("  Stages of an incident, in seconds after it", "title"),)]
    short = {name: name if name == "p50" else f"{name} {name[:4]}" for name, _ in _STAGES}
    lines += [line for name, means in _STAGES for line in _explained(short[name], 16, means, width)]
    lines += [(), (Span("  Signs", "title"),)]
    for first, second in zip(_SIGNS[::2], (*_SIGNS[1::2], None), strict=False):
        left = _sign(glyphs, first)
        padding = Span(" " * max(1, 36 - line_cells(left)))
        lines.append((*left, padding, *_sign(glyphs, second)) if second else left)
    lines.append((Span(f"    {' '.join(glyphs.sides)} ", "suspect"), Span("sides of a partition")))
    lines += [(), (Span("  Every action prints the command line that does the same.", "dim"),)]
    return tuple(lines)


def _explained(word: str, room: int, means: str, width: int) -> list[Line]:
    """A word in so much room, and what it means beside it."""
    first, *rest = wrap(means, max(1, width - 4 - room))
    start = (Span(f"    {fit(word, room)}", "accent"), Span(first))
    return [start, *((Span(" " * (4 + room)), Span(piece)) for piece in rest)]


def _sign(glyphs: Glyphs, sign: tuple[str, Role, str]) -> Line:
    name, role, means = sign
    return (Span(f"    {getattr(glyphs, name)} ", role), Span(means))
