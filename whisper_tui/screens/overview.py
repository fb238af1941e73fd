"""Overview: everything that matters at once, in as much room as there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.widget import Widget

from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.views import events, incidents, jobs, ledger, market, nodes, topology
from whisper_tui.model.views.base import Frame, Line, Lines, Role, Span, fit_line, rule
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter
from whisper_tui.widgets.table import LineTable

Layout = Literal["wide", "compact", "small"]

WIDE = (120, 34)
"""Columns and rows of the whole terminal from which everything is shown side by side."""

COMPACT = (80, 24)
"""From here on one main pane with strips and a log; below it, one pane."""

NODES_ROWS_MAX = 17


class Overview(Container):
    """Draws a frame into the panes of the present layout. Emits `LineTable.Opened` for nodes and jobs."""

    def __init__(self, painter: Painter, glyphs: Glyphs, monotonic: Callable[[], float]) -> None:
        super().__init__(id="overview")
        self._glyphs = glyphs
        self._shape: Layout = "compact"
        self._main: Literal["nodes", "jobs"] = "nodes"
        self._frame: Frame | None = None
        self._heights: dict[Widget, int | str] = {}
        self.nodes = LineTable(painter, glyphs, id="nodes", markable=True)
        self.jobs = LineTable(painter, glyphs, id="jobs", newest_first=monotonic)
        self._mesh = LinesPane(painter, id="mesh")
        self._replicas = LinesPane(painter, id="replicas")
        self._tail = LinesPane(painter, id="tail")
        self._nodes_title = LinesPane(painter, id="nodes-title", classes="title")
        self._jobs_title = LinesPane(painter, id="jobs-title", classes="title")
        self._market = LinesPane(painter, id="market")
        self._incident = LinesPane(painter, id="incident")
        self._events = LinesPane(painter, id="events")

    def compose(self) -> ComposeResult:
        """All panes; the layout decides which are shown, and where."""
        with Vertical(id="left"):
            yield from (self._mesh, self._replicas, self._tail)
        with Vertical(id="right"):
            yield from (self._nodes_title, self.nodes, self._jobs_title, self.jobs)
            yield from (self._market, self._incident, self._events)

    def on_mount(self) -> None:
        """Keys go to the nodes first."""
        self.nodes.focus()

    def fit_terminal(self, columns: int, rows: int) -> None:
        """Choose the layout for a terminal of this size."""
        if columns >= WIDE[0] and rows >= WIDE[1]:
            self._shape = "wide"
        elif columns >= COMPACT[0] and rows >= COMPACT[1]:
            self._shape = "compact"
        else:
            self._shape = "small"
        for shape in ("wide", "compact", "small"):
            self.set_class(shape == self._shape, f"-{shape}")
        self._show_main()

    def next_pane(self) -> None:
        """From nodes to jobs and back."""
        self._main = "jobs" if self._main == "nodes" else "nodes"
        self._show_main()
        self.focus_main()

    def focus_main(self) -> None:
        """Keys go to the main table."""
        (self.jobs if self._main == "jobs" else self.nodes).focus()

    def _show_main(self) -> None:
        self.set_class(self._main == "jobs", "-jobs")

    def on_descendant_focus(self) -> None:
        """The pane that was clicked is the main one."""
        focused = self.screen.focused
        if focused in (self.nodes, self.jobs):
            self._main = "jobs" if focused is self.jobs else "nodes"

    def sync(self, frame: Frame) -> None:
        """Draw this frame."""
        self._frame = frame
        self._set_heights(frame)
        if self.nodes.display:
            self.nodes.sync(nodes.nodes_table(frame))
        if self.jobs.display:
            self.jobs.sync(jobs.jobs_table(frame, self.jobs.size.width))
        if self._shape == "wide":
            self._sync_wide(frame)
        elif self._shape == "compact":
            self._sync_compact(frame)

    def on_resize(self) -> None:
        """Draw again in the new size."""
        self.call_after_refresh(self._again)

    def _again(self) -> None:
        if self._frame is not None:
            self.sync(self._frame)

    def _set_heights(self, frame: Frame) -> None:
        """Nodes take the lines they need."""
        count = len(frame.state.members) or 1
        if self._shape == "small":
            self._give(self.nodes, "1fr")
            self._give(self.jobs, "1fr")
            return
        height = min(NODES_ROWS_MAX, count, max(7, self.size.height // 3)) + 1
        self._give(self.nodes, height)
        self._give(self.jobs, "3fr" if self._shape == "wide" else height)

    def _give(self, pane: Widget, height: int | str) -> None:
        """Set the height of a pane; when it was another, all are drawn again once each has its lines."""
        if self._heights.get(pane) != height:
            self._heights[pane] = pane.styles.height = height
            self.call_after_refresh(self._again)

    def _titled(self, pane: LinesPane, title: str, lines: Lines, role: Role = "title") -> None:
        pane.sync((rule(title, pane.size.width, self._glyphs, role=role), *lines))

    def _title_role(self, table: LineTable) -> Role:
        """The title of the table that keys go to is brighter than the other one's."""
        return "title" if table.has_focus else "dim"

    def _grown(self, pane: LinesPane, title: str, lines: Lines) -> None:
        """The same for a pane that is as high as what it shows."""
        self._give(pane, len(lines) + 1)
        self._titled(pane, title, lines)

    def _sync_wide(self, frame: Frame) -> None:
        mesh, tail, shown = self._mesh.size, self._tail.size, self._events.size
        self._titled(self._mesh, "Mesh", topology.ring(frame, mesh.width, mesh.height - 1))
        self._grown(self._replicas, "Replicas: records missing", ledger.matrix(frame, mesh.width))
        self._titled(self._tail, "Ledger: newest records", ledger.tail(frame, tail.height - 1, tail.width))
        self._titled(self._nodes_title, "Nodes", (), self._title_role(self.nodes))
        live = jobs.live_line(frame, self._jobs_title.size.width, self.jobs.cursor)
        self._titled(self._jobs_title, "Questions and jobs", (live,), self._title_role(self.jobs))
        self._titled(self._market, "Auctions and leases", self._auctions_and_leases(frame))
        self._grown(self._incident, incidents.incident_title(frame), incidents.incident_lines(frame))
        self._titled(self._events, "Events", events.event_lines(frame, shown.height - 1, shown.width))

    def _auctions_and_leases(self, frame: Frame) -> Lines:
        size = self._market.size
        auctions = tuple((Span(" "), *line) for line in market.auction_lines(frame, 2, size.width - 1))
        leases = market.lease_lines(frame, 2 * (size.height - 1 - len(auctions)))
        return (*auctions, *_pairs(leases, size.width, " "))

    def _sync_compact(self, frame: Frame) -> None:
        """Strips: what is being written, the newest auction, leases, the newest incident; then events."""
        width, shown = self._market.size.width, self._events.size
        (auction,) = market.auction_lines(frame, 1, width - len(_AUCTION))
        leases = _pairs(market.lease_lines(frame, 4), width, _LEASES)
        strips = (
            jobs.live_line(frame, width, self.jobs.cursor),
            (Span(_AUCTION, "dim"), *auction),
            *(leases if len(leases) > 1 else (*leases, ())),
            (Span(_INCIDENT, "dim"), *incidents.incident_strip(frame, width - len(_INCIDENT))),
        )
        self._titled(self._market, "", strips)
        self._titled(self._events, "", events.event_lines(frame, shown.height - 1, shown.width))


_AUCTION, _LEASES, _INCIDENT = " AUCTION  ", " LEASES   ", " INCIDENT "


def _pairs(leases: Lines, width: int, label: str) -> Lines:
    """Two leases to a line, the first line after a label."""
    half = (width - len(label)) // 2
    lines: list[Line] = []
    for at in range(0, max(1, len(leases)), 2):
        start = Span(label if at == 0 else " " * len(label), "dim")
        first, second = (*leases[at : at + 2], (), ())[:2]
        lines.append((start, *(fit_line(first, half) if second else first), *second))
    return tuple(lines)
