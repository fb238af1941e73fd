"""What every numbered view is: a name, a layout for the terminal's size, panes that keys go to, and how to draw a frame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from textual.containers import Container
from textual.widget import Widget

from whisper_tui.keymap import Context
from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.views.base import Frame, Lines, Role, rule
from whisper_tui.model.views.export import Export, table_export
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter
from whisper_tui.widgets.table import LineTable

Shape: TypeAlias = Literal["full", "wide", "compact", "small"]

SHAPES: tuple[tuple[Shape, int, int], ...] = (("full", 200, 60), ("wide", 120, 34), ("compact", 80, 24))
"""Layouts, and from how many columns and rows of the whole terminal on they are taken; `small` has room for one table, and strips if rows are left."""


class Kit(NamedTuple):
    """What widgets are made with: a painter, the signs, and a monotonic clock."""

    painter: Painter
    glyphs: Glyphs
    monotonic: Callable[[], float]


def shape_of(columns: int, rows: int) -> Shape:
    """The layout for a terminal of this size."""
    return next((shape for shape, width, height in SHAPES if columns >= width and rows >= height), "small")


class View(Container):
    """One numbered view. A subclass names itself, lists its panes, and draws.

    It bears its layout as a class: `-full -wide`, `-wide`, `-compact` or `-small`.
    """

    TITLE: ClassVar[str]
    """What the tab says. In lower case it is the widget's id and, after `view_`, the id of its key."""

    HINTS: ClassVar[tuple[Context, ...]] = ("everywhere", "tables")
    """Contexts of keys that the line at the bottom offers."""

    WITHOUT: ClassVar[frozenset[str]] = frozenset()
    """Ids of keys of these contexts that it does not offer."""

    def __init__(self, kit: Kit) -> None:
        super().__init__(id=self.TITLE.lower(), classes="view")
        self._kit = kit
        self._shape: Shape = "compact"
        self._frame: Frame | None = None
        self._main: Widget | None = None
        self._zoomed: Widget | None = None
        self._heights: dict[Widget, int | str] = {}

    @property
    @abstractmethod
    def panes(self) -> tuple[Widget, ...]:
        """What keys can go to, in the order of `tab`."""

    @abstractmethod
    def draw(self, frame: Frame) -> None:
        """Draw this frame into all panes that are shown."""

    def moves(self, frame: Frame) -> bool:
        """Whether the picture changes by the passing of time alone, besides what changes everywhere."""
        return False

    @property
    def shape(self) -> Shape:
        """The present layout."""
        return self._shape

    @property
    def main(self) -> Widget:
        """The pane that keys go to; where there is room for one only, the one that is shown."""
        return self._main or self.panes[0]

    def sync(self, frame: Frame) -> None:
        """Draw this frame."""
        self._frame = frame
        self.draw(frame)

    def again(self) -> None:
        """The same frame again, in what room there is now."""
        if self._frame is not None:
            self.draw(self._frame)

    def on_mount(self) -> None:
        """Keys go to the main pane."""
        self.focus_main()

    def on_resize(self) -> None:
        """Draw again in the new size."""
        self.call_after_refresh(self.again)

    def fit_terminal(self, columns: int, rows: int) -> None:
        """Choose the layout for a terminal of this size."""
        self._shape = shape_of(columns, rows)
        for shape in ("full", "wide", "compact", "small"):
            self.set_class(shape == self._shape or (shape, self._shape) == ("wide", "full"), f"-{shape}")
        self._show_main()

    @property
    def zoomed(self) -> Widget | None:
        """The pane that has all the room, if one has."""
        return self._zoomed

    def on_line_table_zoom_wanted(self, message: LineTable.ZoomWanted) -> None:
        """All the room for this pane, or as before."""
        message.stop()
        self._zoom(message.table if self._zoomed is None else None)

    def _zoom(self, pane: Widget | None) -> None:
        self._zoomed = pane
        self.query("*").remove_class("-aside")
        shown: Widget | None = pane
        while shown is not None and shown is not self and isinstance(shown.parent, Widget):
            for sibling in shown.parent.children:
                sibling.set_class(sibling is not shown, "-aside")
            shown = shown.parent
        self.set_class(pane is not None, "-zoomed")
        self.call_after_refresh(self.again)

    def export(self, frame: Frame) -> Export:
        """The rows of the pane that keys go to."""
        pane = self.main
        assert isinstance(pane, LineTable), "a view without tables says itself what it exports"
        return table_export(pane.id or self.TITLE.lower(), pane.table, pane.arrangement, frame.now_ms)

    def next_pane(self, by: int = 1) -> None:
        """To the pane so many further on."""
        panes = self.panes
        self._zoom(None)
        self._main = panes[(panes.index(self.main) + by) % len(panes)]
        self._show_main()
        self.focus_main()

    def focus_main(self) -> None:
        """Keys go to the main pane."""
        self.main.focus()

    def on_descendant_focus(self) -> None:
        """The pane that was clicked is the main one."""
        if self.screen.focused in self.panes:
            self._main = self.screen.focused

    def _show_main(self) -> None:
        for pane in self.panes:
            pane.set_class(pane is self.main, "-main")

    def give(self, pane: Widget, height: int | str) -> None:
        """Set the height of a pane; when it was another, all are drawn again once each has its lines."""
        if self._heights.get(pane) != height:
            self._heights[pane] = pane.styles.height = height
            self.call_after_refresh(self.again)

    def titled(self, pane: LinesPane, title: str, lines: Lines, role: Role = "title") -> None:
        """Fill a pane: a heading and what belongs under it."""
        pane.sync((rule(title, pane.size.width, self._kit.glyphs, role=role), *lines))

    def title_role(self, pane: Widget) -> Role:
        """The title of the pane that keys go to is brighter than the others'."""
        return "title" if pane.has_focus else "dim"
