"""The screen under everything: header, views, and the line of keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Click, Resize
from textual.screen import Screen

from whisper_tui.keymap import hints_of, keys_of
from whisper_tui.model.access import against_asking, against_disturbing, interrupted, withheld
from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.inert import inert_message
from whisper_tui.model.views import header
from whisper_tui.model.views.base import Frame, Span
from whisper_tui.screens.log import LogView
from whisper_tui.screens.overview import Overview
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter

VIEWS: tuple[tuple[str, str], ...] = (("1", "Overview"), ("2", "Log"))
"""Key and title of the views there are."""

TINY = (40, 10)
"""Below this many columns or lines there is room for the status, said line by line, and nothing else."""


class MainScreen(Screen[None], inherit_bindings=False):
    """Shows one view at a time. What its keys do to the mesh is the application's to decide."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, f"app.{key.id}", key.help, show=False, id=key.id) for key in keys_of("everywhere")
    ]

    def __init__(self, painter: Painter, glyphs: Glyphs, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._view = "Overview"
        self._message: Span | None = None
        self._frame: Frame | None = None
        self._condition = header.Running(hz=0)
        self._header = LinesPane(painter, id="header")
        self._tabs = LinesPane(painter, id="tabs")
        self._keys = LinesPane(painter, id="keys")
        self._tiny = LinesPane(painter, id="tiny")
        self.overview = Overview(painter, glyphs, monotonic)
        self.log_view = LogView(painter, glyphs)

    def compose(self) -> ComposeResult:
        """Two lines above, one below, the views between."""
        self.log_view.display = False
        yield self._header
        yield self._tiny
        yield self._tabs
        with Container(id="views"):
            yield self.overview
            yield self.log_view
        yield self._keys

    def show(self, view: str) -> None:
        """Switch to the view with this title."""
        self._view = view
        self.overview.display = view == "Overview"
        self.log_view.display = view == "Log"
        if view == "Log":
            self.log_view.focus()
        else:
            self.overview.focus_main()
        self.call_after_refresh(self._again)

    @property
    def view(self) -> str:
        """Title of the view that is shown."""
        return self._view

    def say(self, message: Span | None) -> None:
        """Show a message in the line of keys; none shows the keys again."""
        self._message = message
        self._sync_keys()

    def sync(self, frame: Frame, running: header.Running) -> None:
        """Draw this frame into what is visible."""
        self._frame, self._condition = frame, running
        if self.has_class("-tiny"):
            self._tiny.sync(header.status(frame, running, TINY, self._tiny.size.width))
            return
        self._sync_edges()
        interruption = interrupted(frame.state)
        self.set_class(interruption is not None, "-stale")
        if interruption is not None:
            # What was running then may not run now: time in the picture stops where knowledge of it ends.
            frame = frame._replace(now_ms=min(frame.now_ms, interruption.since_ms))
        if self._view == "Log":
            self.log_view.sync(frame)
        else:
            self.overview.sync(frame)

    def on_click(self, event: Click) -> None:
        """A click on the name of a view shows it."""
        if event.widget is self._tabs:
            shown = header.tab_at(VIEWS, event.x)
            if shown:
                self.show(shown)

    def on_resize(self, event: Resize) -> None:
        """Choose the layout for the new size, then draw again."""
        tiny = event.size.width < TINY[0] or event.size.height < TINY[1]
        self.set_class(tiny, "-tiny")
        self.overview.fit_terminal(event.size.width, event.size.height)
        self.call_after_refresh(self._again)

    def _again(self) -> None:
        if self._frame is not None:
            self.sync(self._frame, self._condition)

    def _sync_edges(self) -> None:
        frame = self._frame
        if frame is None:
            return
        self._header.sync((header.header(frame, self._condition, self._header.size.width),))
        self._tabs.sync((header.tabs(VIEWS, self._view, self._tabs.size.width),))
        self._sync_keys()

    def _withheld(self) -> frozenset[str]:
        """Keys that would do nothing now are not offered."""
        if self._condition.read_only:
            return frozenset({"submit", "chaos"})
        return withheld(self._frame.state) if self._frame is not None else frozenset()

    def _hindrance(self) -> Span | None:
        """What to type when the operator's node or its supervisor is gone; of a stopped mesh the header tells."""
        if self._frame is None or self._frame.state.stopped:
            return None
        found = against_asking(self._frame.state) or against_disturbing(self._frame.state)
        return Span(inert_message(self._frame.typed(found.told)), "warn") if found is not None else None

    def _sync_keys(self) -> None:
        pane = self._keys
        without = set(self._withheld())
        if self._view == "Log":
            hints = hints_of("log", "everywhere", without={"next_pane", *without})
        else:
            hints = hints_of("everywhere", "tables", without=without)
        if self._condition.read_only:
            hints.append(("W", "allow actions"))
        lines = header.keys(hints, pane.size.width, self._message or self._hindrance())
        pane.styles.height = len(lines)
        pane.sync(lines)
