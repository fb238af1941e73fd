"""The screen under everything: header, views, and the line of keys."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.events import Click, Resize
from textual.screen import Screen

from whisper_tui.keymap import DEFAULT_KEYMAP, Keymap
from whisper_tui.model.access import interrupted, out_of_order, withheld
from whisper_tui.model.inert import inert_message
from whisper_tui.model.views import header
from whisper_tui.model.views.base import Frame, Span
from whisper_tui.screens.overview import Overview
from whisper_tui.screens.view import Kit, View
from whisper_tui.screens.views import VIEWS, tabs_of, view_id
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.filter_field import FilterField, FilterWanted
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.table import LineTable

TINY = (40, 10)
"""Below this many columns or lines there is room for the status, said line by line, and nothing else."""


class MainScreen(Screen[None], inherit_bindings=False):
    """Shows one view at a time. What its keys do to the mesh is the application's to decide."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("views", action="app.view('{}')"),
        *bindings_of("everywhere", action="app.{}"),
        *bindings_of("time", action="app.{}"),
    ]

    def __init__(self, kit: Kit) -> None:
        super().__init__()
        self._kit = kit
        self._message: Span | None = None
        self._frame: Frame | None = None
        self._condition = header.Running(hz=0)
        self._header = LinesPane(kit.painter, id="header")
        self._tabs = LinesPane(kit.painter, id="tabs")
        self._keys = LinesPane(kit.painter, id="keys")
        self._tiny = LinesPane(kit.painter, id="tiny")
        self._field = FilterField()
        self._views = Container(id="views")
        self.overview = Overview(kit)
        self._shown: View = self.overview
        self._made: dict[str, View] = {view_id(Overview): self._shown}

    def compose(self) -> ComposeResult:
        """Two lines above, one below, the views between."""
        yield self._header
        yield self._tiny
        yield self._tabs
        with self._views:
            yield self.overview
        yield self._field
        yield self._keys

    def show(self, id: str) -> None:
        """Switch to the view that this key is for. It is made when it is wanted for the first time."""
        self._field.close()
        view = self._made.get(id)
        if view is None:
            wanted = next(kind for kind in VIEWS if view_id(kind) == id)
            view = self._made[id] = wanted(self._kit)
            view.fit_terminal(*self.size)
            self._views.mount(view)
        self._shown.display = False
        self._shown = view
        view.display = True
        if view.is_mounted:
            view.focus_main()
        view.call_after_refresh(self._again)

    def on_filter_wanted(self, message: FilterWanted) -> None:
        """Show the field for it."""
        self._field.ask(message.by)

    def on_line_table_arranged(self) -> None:
        """Say what was done to the rows."""
        self._sync_keys()

    @property
    def view(self) -> str:
        """Title of the view that is shown."""
        return self._shown.TITLE

    @property
    def shown(self) -> View:
        """The view that is shown."""
        return self._shown

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
        if self._shown.is_mounted:
            self._shown.sync(frame)

    def on_click(self, event: Click) -> None:
        """A click on the name of a view shows it."""
        if event.widget is self._tabs:
            title = header.tab_at(tabs_of(self._keymap), self.view, event.x, self._tabs.size.width)
            if title:
                self.show(f"view_{title.lower()}")

    @property
    def _keymap(self) -> Keymap:
        return self._frame.keymap if self._frame is not None else DEFAULT_KEYMAP

    def on_resize(self, event: Resize) -> None:
        """Choose the layout for the new size, then draw again."""
        tiny = event.size.width < TINY[0] or event.size.height < TINY[1]
        self.set_class(tiny, "-tiny")
        for view in self._made.values():
            view.fit_terminal(event.size.width, event.size.height)
        self.call_after_refresh(self._again)

    def _again(self) -> None:
        if self._frame is not None:
            self.sync(self._frame, self._condition)

    def _sync_edges(self) -> None:
        frame = self._frame
        if frame is None:
            return
        self._header.sync((header.header(frame, self._condition, self._header.size.width),))
        self._tabs.sync((header.tabs(tabs_of(self._keymap), self.view, self._tabs.size.width),))
        self._sync_keys()

    def _withheld(self) -> frozenset[str]:
        """Keys that would do nothing now are not offered."""
        if self._condition.read_only or self._condition.moment is not None:
            return frozenset({"submit", "chaos"})
        return withheld(self._frame.state) if self._frame is not None else frozenset()

    def _hindrance(self) -> Span | None:
        """What to type when the operator's node or its supervisor is gone; of a stopped mesh the header tells."""
        if self._frame is None or self._frame.state.stopped or self._condition.moment is not None:
            return None
        found = out_of_order(self._frame.state)
        return Span(inert_message(self._frame.typed(found.told)), "warn") if found is not None else None

    def _note(self) -> Span | None:
        """What the operator does to the rows of the pane that keys go to."""
        pane = self._shown.main
        note = pane.note if isinstance(pane, LineTable) else ""
        return Span(note, "accent") if note else None

    def _sync_keys(self) -> None:
        pane = self._keys
        without = set(self._withheld())
        keymap = self._keymap
        if len(self._shown.panes) < 2:
            without.add("next_pane")
        if self._condition.moment is not None:
            without.add("freeze")
        hints = keymap.hints(*self._shown.HINTS, without=without | self._shown.WITHOUT)
        moment = self._condition.moment
        if moment is not None:
            play = [(keymap.shown("freeze"), "play")] if moment.replay else []
            hints = [*keymap.hints("time"), *play, *hints]
        elif self._condition.read_only and not self._condition.only_reading:
            hints.append((keymap.shown("read_only"), "allow actions"))
        lines = header.keys(hints, pane.size.width, self._message or self._hindrance() or self._note())
        pane.styles.height = len(lines)
        pane.sync(lines)
