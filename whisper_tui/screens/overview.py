"""Overview: everything that matters at once, in as much room as there is."""

from __future__ import annotations

from typing import Literal

from textual.app import ComposeResult
from textual.containers import Container, Vertical

from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.views import events, incidents, jobs, ledger, market, nodes, topology
from whisper_tui.model.views.base import Frame, Line, Lines, Span, fit_line, rule
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter
from whisper_tui.widgets.table import LineTable

Layout = Literal["wide", "compact", "small"]

WIDE = (120, 34)
"""Columns and rows of the whole terminal from which everything is shown side by side."""

COMPACT = (80, 24)
"""From here on one main pane with strips and a log; below it, one pane."""

NODES_ROWS_MAX = 17
JOBS_ROWS_MAX = 200


class Overview(Container):
    """Draws a frame into the panes of the present layout. Emits `LineTable.Opened` for nodes and jobs."""

    def __init__(self, painter: Painter, glyphs: Glyphs) -> None:
        super().__init__(id="overview")
        self._painter = painter
        self._glyphs = glyphs
        self._shape: Layout = "compact"
        self._main: Literal["nodes", "jobs"] = "nodes"
        self._frame: Frame | None = None

    def compose(self) -> ComposeResult:
        """All panes; the layout decides which are shown, and where."""
        with Vertical(id="left"):
            yield LinesPane(self._painter, id="mesh")
            yield LinesPane(self._painter, id="replicas")
            yield LinesPane(self._painter, id="tail")
        with Vertical(id="right"):
            yield LinesPane(self._painter, id="nodes-title", classes="title")
            yield LineTable(self._painter, self._glyphs, id="nodes", markable=True)
            yield LinesPane(self._painter, id="jobs-title", classes="title")
            yield LineTable(self._painter, self._glyphs, id="jobs")
            yield LinesPane(self._painter, id="market")
            yield LinesPane(self._painter, id="incident")
            yield LinesPane(self._painter, id="events")

    @property
    def nodes(self) -> LineTable:
        """The table of nodes."""
        return self.query_one("#nodes", LineTable)

    @property
    def jobs(self) -> LineTable:
        """The table of jobs."""
        return self.query_one("#jobs", LineTable)

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
        if self._shape == "wide":
            self._sync_left(frame)
        if self.nodes.display:
            self.nodes.sync(nodes.nodes_table(frame))
        if self.jobs.display:
            self.jobs.sync(jobs.jobs_table(frame, self.jobs.size.width, JOBS_ROWS_MAX))
        self._sync_titles(frame)
        if self._shape != "small":
            self._fill("market", self._market(frame))
            self._fill("events", self._events(frame))

    def on_resize(self) -> None:
        """Draw again in the new size."""
        self.call_after_refresh(self._again)

    def _again(self) -> None:
        if self._frame is not None:
            self.sync(self._frame)

    def _set_heights(self, frame: Frame) -> None:
        """Nodes and replicas take the lines they need; setting the same height again costs nothing."""
        count = len(frame.state.members) or 1
        if self._shape == "small":
            self.nodes.styles.height = self.jobs.styles.height = "1fr"
            return
        self.nodes.styles.height = min(NODES_ROWS_MAX, count, max(7, self.size.height // 3)) + 1
        self.jobs.styles.height = "1fr" if self._shape == "wide" else self.nodes.styles.height
        if self._shape == "wide":
            replicas = self._pane("replicas")
            replicas.styles.height = len(ledger.matrix(frame, replicas.size.width)) + 1
            self.query_one("#incident").styles.height = len(incidents.incident_lines(frame)) + 1

    def _pane(self, name: str) -> LinesPane:
        return self.query_one(f"#{name}", LinesPane)

    def _fill(self, name: str, lines: Lines) -> None:
        self._pane(name).sync(lines)

    def _titled(self, name: str, title: str, lines: Lines) -> None:
        pane = self._pane(name)
        pane.sync((rule(title, pane.size.width, self._glyphs), *lines))

    def _sync_left(self, frame: Frame) -> None:
        mesh, tail = self._pane("mesh"), self._pane("tail")
        width = mesh.size.width
        self._titled("mesh", "Mesh", topology.ring(frame, width, mesh.size.height - 1))
        self._titled("replicas", "Replicas: records missing", ledger.matrix(frame, width))
        self._titled("tail", "Ledger", ledger.tail(frame, tail.size.height - 1))
        self._titled("incident", incidents.incident_title(frame), incidents.incident_lines(frame))

    def _sync_titles(self, frame: Frame) -> None:
        if self._shape == "wide":
            self._titled("nodes-title", "Nodes", ())
            width = self._pane("jobs-title").size.width
            self._titled("jobs-title", "Jobs", jobs.questions(frame, 1, width))

    def _market(self, frame: Frame) -> Lines:
        """Auctions and leases: with a heading when there is room, as strips otherwise."""
        rows = self._pane("market").size.height
        width = self._pane("market").size.width
        if self._shape == "wide":
            heading = (rule("Auctions and leases", width, self._glyphs),)
            auctions = tuple((Span(" "), *line) for line in market.auction_lines(frame, 2))
            leases = market.lease_lines(frame, 2 * (rows - 1 - len(auctions)))
            return (*heading, *auctions, *_pairs(leases, width, " "))
        line = (rule("", width, self._glyphs),)
        told = jobs.questions(frame, 1, width) or ((Span(" no question yet: press s", "dim"),),)
        leases = market.lease_lines(frame, 4)
        auctions = market.auction_lines(frame, 1)
        strips: Lines = (
            (Span(" AUCTION ", "dim"), *(auctions[0] if auctions else ())),
            *_pairs(leases, width, " LEASES  "),
        )
        return (*line, *told, *strips)

    def _events(self, frame: Frame) -> Lines:
        pane = self._pane("events")
        heading = (rule("Events" if self._shape == "wide" else "", pane.size.width, self._glyphs),)
        return (*heading, *events.event_lines(frame, pane.size.height - 1, pane.size.width))


def _pairs(leases: Lines, width: int, label: str) -> Lines:
    """Two leases to a line, the first line after a label."""
    half = (width - len(label)) // 2
    lines: list[Line] = []
    for at in range(0, max(1, len(leases)), 2):
        start = Span(label if at == 0 else " " * len(label), "dim")
        first, second = (*leases[at : at + 2], (), ())[:2]
        lines.append((start, *fit_line(first, half), *second))
    return tuple(lines)
