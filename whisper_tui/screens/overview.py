"""Overview: everything that matters at once, in as much room as there is."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from whisper_tui.model.numbers import counted
from whisper_tui.model.views import (
    auctions,
    events,
    incidents,
    job_panel,
    jobs,
    ledger,
    market,
    nodes,
    packets,
    topology,
)
from whisper_tui.model.views.base import Frame, Line, Lines, Span, fit, fit_line, line_cells
from whisper_tui.screens.view import Kit, View
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.table import LineTable

NODES_ROWS_MAX = 17
MARKET_ROWS = 6

LEASES = 4
"""Leases in the strips."""

ROOMY = 76
"""Columns from which two leases stand side by side and strips have whole words before them."""

_LABELS = (" AUCTION  ", " LEASES   ", " INCIDENT ")
_SHORT = (" AUCT  ", " LEASE ", " INC   ")


class Overview(View):
    """Draws a frame into the panes of the present layout."""

    TITLE = "Overview"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        painter, glyphs = kit.painter, kit.glyphs
        self.nodes = LineTable(painter, glyphs, id="nodes", markable=True)
        self.jobs = LineTable(painter, glyphs, id="jobs", newest_first=kit.monotonic)
        self._mesh = LinesPane(painter, id="mesh")
        self._replicas = LinesPane(painter, id="replicas")
        self._tail = LinesPane(painter, id="tail")
        self._nodes_title = LinesPane(painter, id="nodes-title", classes="title")
        self._jobs_title = LinesPane(painter, id="jobs-title", classes="title")
        self._market = LinesPane(painter, id="market")
        self._incident = LinesPane(painter, id="incident")
        self._events = LinesPane(painter, id="events")
        self._job = LinesPane(painter, id="chosen-job")
        self._bids_title = LinesPane(painter, classes="title")
        self._bids = LineTable(painter, glyphs, id="bids")
        self._leases_title = LinesPane(painter, classes="title")
        self._leases = LineTable(painter, glyphs, id="leases")
        self._history = LinesPane(painter, id="history")
        for shown_only in (self._bids, self._leases):
            shown_only.can_focus = False

    def compose(self) -> ComposeResult:
        """All panes; the layout decides which are shown, and where."""
        with Vertical(id="left"):
            yield from (self._mesh, self._replicas, self._tail)
        with Vertical(id="right"):
            yield from (self._nodes_title, self.nodes, self._jobs_title, self.jobs)
            yield from (self._market, self._incident, self._events)
        with Vertical(id="third"):
            yield from (self._job, self._bids_title, self._bids)
            yield from (self._leases_title, self._leases, self._history)

    @property
    def panes(self) -> tuple[Widget, ...]:
        """The two tables."""
        return (self.nodes, self.jobs)

    def draw(self, frame: Frame) -> None:
        """As much as the layout has room for."""
        self._set_heights(frame)
        if self.nodes.display:
            self.nodes.sync(nodes.nodes_table(frame))
        if self.jobs.display:
            self.jobs.sync(jobs.jobs_table(frame, self.jobs.size.width))
        if self.zoomed is not None:
            return
        if self.shape in ("wide", "full"):
            self._sync_wide(frame)
            if self.shape == "full":
                self._sync_third(frame)
        elif self.shape == "compact":
            self._sync_compact(frame)
        else:
            self._sync_small(frame)

    def moves(self, frame: Frame) -> bool:
        """Work is on its way, and there is a mesh drawn to see it on."""
        return self.shape in ("wide", "full") and self.zoomed is None and packets.any_travels(frame)

    def _set_heights(self, frame: Frame) -> None:
        """Nodes take the lines they need."""
        count = len(frame.state.members) or 1
        if self.shape == "small" and self.zoomed is None:
            return
        self.give(self._market, MARKET_ROWS)
        if self.zoomed is not None:
            self.give(self.nodes, "1fr")
            self.give(self.jobs, "1fr")
            return
        height = min(NODES_ROWS_MAX, count, max(7, self.size.height // 3)) + 1
        self.give(self.nodes, height)
        self.give(self.jobs, "3fr" if self.shape in ("wide", "full") else height)

    def _grown(self, pane: LinesPane, title: str, lines: Lines) -> None:
        """The same for a pane that is as high as what it shows."""
        self.give(pane, len(lines) + 1)
        self.titled(pane, title, lines)

    def _sync_wide(self, frame: Frame) -> None:
        mesh, tail, shown = self._mesh.size, self._tail.size, self._events.size
        self.titled(self._mesh, topology.mesh_title(frame), topology.ring(frame, mesh.width, mesh.height - 1))
        self._grown(self._replicas, "Replicas: records missing", ledger.matrix(frame, mesh.width))
        self.titled(self._tail, "Ledger: newest records", ledger.tail(frame, tail.height - 1, tail.width))
        self.titled(self._nodes_title, "Nodes", (), self.title_role(self.nodes))
        live = jobs.live_line(frame, self._jobs_title.size.width, self.jobs.cursor)
        self.titled(self._jobs_title, "Questions and jobs", (live,), self.title_role(self.jobs))
        self._sync_market(frame)
        self._grown(self._incident, incidents.incident_title(frame), incidents.incident_lines(frame))
        self.titled(self._events, "Events", events.event_lines(frame, shown.height - 1, shown.width))

    def _sync_third(self, frame: Frame) -> None:
        """What else there is room for: the chosen job, the bids for it, all leases, all incidents."""
        chosen, job, history = self.jobs.cursor, self._job.size, self._history.size
        lines = job_panel.panel_lines(frame, chosen, job.height - 1, job.width)
        self.titled(self._job, job_panel.panel_title(frame, chosen), lines)
        bids = auctions.bids_table(frame, auctions.auction_near(frame, chosen))
        self.titled(self._bids_title, auctions.bids_title(frame, auctions.auction_near(frame, chosen)), ())
        self._bids.sync(bids)
        self.titled(self._leases_title, "Leases", ())
        self._leases.sync(auctions.leases_table(frame))
        self.titled(self._history, "Incidents", incidents.history_lines(frame, history.height - 1))

    def _sync_market(self, frame: Frame) -> None:
        """Two auctions at most, and as many leases as there is room for; how many more there are stands above."""
        width = self._market.size.width
        newest = tuple((Span(" "), *line) for line in market.auction_lines(frame, 2, width - 1))
        room = 2 * (MARKET_ROWS - 1 - len(newest))
        beyond = market.leases_beyond(frame, room)
        more = f", {counted(beyond, 'more lease')}" if beyond else ""
        leases = _pairs(market.lease_lines(frame, room), width, " ")
        self.titled(self._market, f"Auctions and leases{more}", (*newest, *leases))

    def _sync_compact(self, frame: Frame) -> None:
        """Strips: what is being written, the newest auction, leases, the newest incident; then events."""
        width, shown = self._market.size.width, self._events.size
        self.titled(self._market, "", self._strips(frame, width))
        self.titled(self._events, "", events.event_lines(frame, shown.height - 1, shown.width))

    def _sync_small(self, frame: Frame) -> None:
        """The rows that the table leaves are for strips, of few rows for the last ones, and for events."""
        table = self.main
        assert isinstance(table, LineTable)
        rows = 1 + max(1, len(table.table.keys))
        free = self.size.height - rows
        width, shown = self.size.width, self._events.size
        strips = self._strips(frame, width)[-(free - 1) :] if free > 1 else ()
        left = free - 1 - len(strips)
        self._let_appear("-strips", bool(strips))
        self._let_appear("-events", left > 1)
        self.give(table, rows if strips else "1fr")
        if strips:
            self.give(self._market, len(strips) + 1 if left > 1 else "1fr")
            self.titled(self._market, "", strips)
        if left > 1:
            self.titled(self._events, "", events.event_lines(frame, shown.height - 1, shown.width))

    def _let_appear(self, named: str, shown: bool) -> None:
        """Have the panes of this class shown, or not; those that appear have no size yet and are drawn when they have."""
        if shown and not self.has_class(named):
            self.call_after_refresh(self.again)
        self.set_class(shown, named)

    def _strips(self, frame: Frame, width: int) -> Lines:
        """What is being written, the newest auction, four leases, the newest incident."""
        auctions_, leases_, incident_ = _LABELS if width >= ROOMY else _SHORT
        (auction,) = market.auction_lines(frame, 1, width - len(auctions_))
        leases = _pairs(
            market.lease_lines(frame, LEASES), width, leases_, market.leases_beyond(frame, LEASES)
        )
        stages = incidents.incident_strip(frame, width - len(incident_))
        return (
            jobs.live_line(frame, width, self.jobs.cursor),
            (Span(auctions_, "dim"), *auction),
            *(leases if len(leases) > 1 else (*leases, ())),
            *_folded(stages, width, incident_),
        )


def _pairs(leases: Lines, width: int, label: str, beyond: int = 0) -> Lines:
    """Two leases to a line if there is room, the first line after a label, the last after how many there are beyond."""
    half = (width - len(label)) // 2
    abreast = 2 if width >= ROOMY else 1
    lines: list[Line] = []
    for at in range(0, max(1, len(leases)), abreast):
        is_last = at + abreast >= len(leases)
        told = label if at == 0 else f" +{beyond}" if beyond and is_last else ""
        start = Span(fit(told, len(label)), "dim")
        first, second = (*leases[at : at + abreast], (), ())[:2]
        lines.append((start, *(fit_line(first, half) if second else first), *second))
    return tuple(lines)


def _folded(stages: Line, width: int, label: str) -> Lines:
    """Pairs of a name and a figure in as many lines as they need, the first line after a label."""
    lines: list[Line] = [(Span(label, "dim"),)]
    for at in range(0, len(stages), 2):
        pair = stages[at : at + 2]
        if len(lines[-1]) > 1 and line_cells((*lines[-1], *pair)) > width:
            lines.append((Span(" " * len(label)),))
        lines[-1] += pair
    return tuple(lines)
