"""A table of fixed columns, drawn line by line.

Textual's DataTable repaints all of itself for each changed cell; with rows that change four times a second
that costs ten times the processor and the bytes of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

from textual.binding import BindingType
from textual.events import Click
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from whisper_tui.model.glyphs import Glyphs
from whisper_tui.model.views.arrange import Arrangement
from whisper_tui.model.views.base import Column, Line, Span, Table, cut, fit, fit_line
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.filter_field import FilterWanted
from whisper_tui.widgets.painting import Painter, changed_cells

T = TypeVar("T")

FLEX_MIN = 8
"""A flexible column with less room than this is not shown."""

FOLLOW_AFTER_S = 5.0
"""A cursor that the operator moved within this time is not taken away from its row."""


class LineTable(Widget, can_focus=True):
    """Rows under a heading, a cursor that stays on its row when rows move, marks.

    The operator filters, sorts and holds rows (`Arrangement`); a view that does not know of it goes on offering all of them.
    The cursor is bound to the row's key, never to a position. With `newest_first`, a monotonic clock, it goes to
    new rows that come in on top, unless the operator has just moved it; never moved, it stays on top.
    Messages: `Opened` and `Copied` carry the key; `Arranged` and `ZoomWanted` the table.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("tables")

    class Opened(Message):
        """A row was opened: `page` is the kind of page it opens, `key` what that is about."""

        def __init__(self, page: str, key: str) -> None:
            super().__init__()
            self.page, self.key = page, key

    class Copied(Message):
        """The row's id is wanted on the clipboard."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Moved(Message):
        """The cursor is on another row."""

        def can_replace(self, message: Message) -> bool:
            """Only the last one counts."""
            return isinstance(message, LineTable.Moved)

    class Arranged(Message):
        """Rows were filtered, sorted or held."""

    class ZoomWanted(Message):
        """The table is to have all the room, or to give it back."""

        def __init__(self, table: LineTable) -> None:
            super().__init__()
            self.table = table

    def __init__(
        self,
        painter: Painter,
        glyphs: Glyphs,
        *,
        id: str | None = None,
        markable: bool = False,
        newest_first: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(id=id)
        self._painter = painter
        self._glyphs = glyphs
        self._markable = markable
        self._newest_first = newest_first
        self._moved_at: float | None = None
        self._offered = self._table = Table((), (), lambda _: ())
        self.arrangement = Arrangement()
        self._widths: tuple[int, ...] = ()
        self._top = 0
        self._skipped = 0
        self._cursor: str | None = None
        self._marks: frozenset[str] = frozenset()
        self._drawn: dict[int, tuple[Line, bool]] = {}

    # ------------------------------------------------------------------------------------------ content

    def sync(self, table: Table) -> None:
        """Show these rows from now on, as the operator wants them arranged."""
        self._offered = table
        table = table._replace(keys=self.arrangement.keys(table))
        lost_at = self._index() if self._cursor else 0
        if self.arrangement.is_plain and self._follows(table.keys):
            self._cursor = table.keys[0]
        self._table = table
        self._measure()
        self._marks &= frozenset(table.keys)
        if self._cursor not in table.keys:
            self._cursor = table.keys[min(lost_at, len(table.keys) - 1)] if table.keys else None
        self._scroll_to_cursor()
        self._redraw()

    def _follows(self, keys: Sequence[str]) -> bool:
        """Whether the cursor goes to the first of the new `keys`."""
        if self._newest_first is None or not keys or keys[0] == self._cursor:
            return False
        if self._moved_at is None:
            return True
        return keys[0] not in self._table.keys and self._newest_first() - self._moved_at >= FOLLOW_AFTER_S

    @property
    def cursor(self) -> str | None:
        """Key of the row under the cursor."""
        return self._cursor

    @property
    def marks(self) -> frozenset[str]:
        """Keys of the marked rows."""
        return self._marks

    @property
    def chosen(self) -> tuple[tuple[str, str], ...]:
        """The marked rows, else the one under the cursor, as (kind of page, key)."""
        marked = [key for key in self._table.keys if key in self._marks]
        keys = marked or ([self._cursor] if self._cursor is not None else [])
        return tuple((self._table.page(key), key) for key in keys)

    def clear_marks(self) -> None:
        """Unmark every row."""
        self._marks = frozenset()
        self._redraw()

    @property
    def table(self) -> Table:
        """What is shown."""
        return self._table

    # ----------------------------------------------------------------------------------------- arranging

    @property
    def note(self) -> str:
        """What is done to the rows; empty when nothing is."""
        return self.arrangement.note(self._glyphs, len(self._table.keys))

    @property
    def pattern(self) -> str:
        """The filter in force; empty for none."""
        return self.arrangement.pattern

    def filter(self, pattern: str) -> None:
        """Show only rows that match from now on."""
        self.arrangement.filter(pattern)
        self._arranged()

    def _arranged(self) -> None:
        self.sync(self._offered)
        self.post_message(self.Arranged())

    def action_filter(self) -> None:
        """Ask for a filter."""
        self.post_message(FilterWanted(self))

    def action_clear(self) -> None:
        """Show all rows, as the view has them."""
        self.arrangement = Arrangement()
        self._arranged()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self.arrangement.sort_on(self._table.columns)
        self._arranged()

    def action_turn(self) -> None:
        """The other way round."""
        self.arrangement.turn()
        self._arranged()

    def action_hold(self) -> None:
        """Keep rows where they are, or let them move again."""
        self.arrangement.hold()
        self._arranged()

    def action_zoom(self) -> None:
        """All the room for this table, or as before."""
        self.post_message(self.ZoomWanted(self))

    # ------------------------------------------------------------------------------------------ drawing

    def on_resize(self) -> None:
        """The flexible column takes what there is now."""
        self._measure()
        self._scroll_to_cursor()
        self._drawn.clear()
        self._redraw()

    def on_focus(self) -> None:
        """The cursor's row shows where keys go."""
        self._redraw()

    def on_blur(self) -> None:
        """Keys go elsewhere now."""
        self._redraw()

    def render_line(self, y: int) -> Strip:
        """One line as a strip (Textual's Line API)."""
        line, selected = self._drawn.get(y) or self._line(y)
        return self._painter.strip(line, self.size.width, self.rich_style, selected=selected)

    def _redraw(self) -> None:
        width = self.size.width
        dirty: list[Region] = []
        for y in range(self.size.height):
            line, selected = self._line(y)
            before = self._drawn.get(y)
            self._drawn[y] = (line, selected)
            if before is None or before[1] != selected:
                dirty.append(Region(0, y, width, 1))
            elif (changed := changed_cells(before[0], line)) is not None:
                dirty.append(Region(changed[0], y, max(1, min(width, changed[1]) - changed[0]), 1))
        if dirty:
            self.refresh(*dirty)

    def _line(self, y: int) -> tuple[Line, bool]:
        """What is on line `y`, and whether the cursor is on it."""
        width = self.size.width
        if y == 0:
            heading = [
                self._title(column, size) for column, size in zip(self._columns, self._widths, strict=False)
            ]
            if heading:  # the blank behind the last title is where the sign below may stand
                heading[-1] = heading[-1]._replace(text=heading[-1].text[:-1])
            line = fit_line((Span(" "), *heading), width - 1)
            hidden = self.can_focus and len(self._widths) < len(self._columns)
            return (*line, Span(self._glyphs.cursor if hidden else " ", "accent")), False
        at = self._top + y - 1
        keys = self._table.keys
        if at >= len(keys):
            told = (
                f"/{self.pattern} matches nothing: esc shows everything"
                if self.pattern
                else self._table.empty
            )
            empty = (Span(f"  {told}", "dim"),) if not keys and y == 1 else ()
            return fit_line(empty, width), False
        here = self.can_focus and keys[at] == self._cursor
        return fit_line(
            (self._margin(keys[at], here), *self._spans(keys[at])), width
        ), here and self.has_focus

    @property
    def _columns(self) -> tuple[Column, ...]:
        """The columns from the first that is shown on; the one that names the row stays."""
        return self._shifted(self._table.columns)

    def _shifted(self, cells: tuple[T, ...]) -> tuple[T, ...]:
        return (*cells[:1], *cells[1 + self._skipped :])

    def _measure(self) -> None:
        self._skipped = min(self._skipped, max(0, len(self._table.columns) - 2))
        self._widths = _widths(self._columns, self.size.width - 2)

    def _title(self, column: Column, size: int) -> Span:
        """A column's title; the one that rows are sorted by says which way."""
        if column.title != self.arrangement.sorted_by or not column.title or size < 2:
            return Span(fit(column.title, size, column.align) + " ", "dim")
        sign = self._glyphs.falling if self.arrangement.descending else self._glyphs.rising
        return Span(fit(cut(column.title, size - 1) + sign, size, column.align) + " ", "accent")

    def _margin(self, key: str, here: bool) -> Span:
        if key in self._marks:
            return Span(self._glyphs.mark, "accent")
        return Span(self._glyphs.cursor if here else " ", "accent")

    def _spans(self, key: str) -> list[Span]:
        spans: list[Span] = []  # columns without a width did not fit: cells stop where widths do
        row, widths = self._shifted(self._table.row(key)), self._widths
        for at, (cell, column, size) in enumerate(zip(row, self._columns, widths, strict=False)):
            rest = sum(widths[at:]) + len(widths) - at - 1 if at + 1 == len(row) else size
            spans.extend(fit_line(cell, rest, column.align, ellipsis=self._glyphs.ellipsis))
            spans.append(Span(" "))
        return spans

    # ------------------------------------------------------------------------------------------- moving

    def _index(self) -> int:
        keys = self._table.keys
        return keys.index(self._cursor) if self._cursor in keys else 0

    @property
    def _page(self) -> int:
        return max(1, self.size.height - 1)

    def _scroll_to_cursor(self) -> None:
        at = self._index()
        last_top = max(0, len(self._table.keys) - self._page)
        self._top = min(max(self._top, at - self._page + 1), at, last_top)

    def _move_to(self, at: int) -> None:
        keys = self._table.keys
        if keys:
            self._moved_at = self._newest_first() if self._newest_first else None
            self._cursor = keys[max(0, min(len(keys) - 1, at))]
            self._scroll_to_cursor()
            self._redraw()
            self.post_message(self.Moved())

    def action_cursor_down(self) -> None:
        """One row down."""
        self._move_to(self._index() + 1)

    def action_cursor_up(self) -> None:
        """One row up."""
        self._move_to(self._index() - 1)

    def action_page_down(self) -> None:
        """One page down."""
        self._move_to(self._index() + self._page)

    def action_page_up(self) -> None:
        """One page up."""
        self._move_to(self._index() - self._page)

    def action_first(self) -> None:
        """To the first row."""
        self._move_to(0)

    def action_last(self) -> None:
        """To the last row."""
        self._move_to(len(self._table.keys) - 1)

    def action_columns_right(self) -> None:
        """Further columns, as long as some are hidden."""
        if len(self._widths) < len(self._columns):
            self._shift(1)

    def action_columns_left(self) -> None:
        """Back to earlier columns."""
        self._shift(-1)

    def _shift(self, by: int) -> None:
        self._skipped = max(0, self._skipped + by)
        self._measure()
        self._redraw()

    def action_mark(self) -> None:
        """Mark or unmark the row, and go on to the next."""
        if self._markable and self._cursor is not None:
            self._marks ^= {self._cursor}
            self._move_to(self._index() + 1)

    def action_open(self) -> None:
        """Open the row."""
        if self._cursor is not None and (page := self._table.page(self._cursor)):
            self.post_message(self.Opened(page, self._cursor))

    def action_copy(self) -> None:
        """Copy the row's id."""
        if self._cursor is not None:
            self.post_message(self.Copied(self._cursor))

    def on_click(self, event: Click) -> None:
        """Go to the row that was clicked; open it on the second click."""
        at = self._top + event.y - 1
        if event.y == 0:
            self._sort_at(event.x)
        elif at < len(self._table.keys):
            self._move_to(at)
            if event.chain == 2:
                self.action_open()

    def _sort_at(self, x: int) -> None:
        """Sort by the column whose title was clicked."""
        start = 1
        for column, size in zip(self._columns, self._widths, strict=False):
            if start <= x < start + size + 1 and column.title:
                self.arrangement.sort(column.title)
                self._arranged()
                return
            start += size + 1

    def on_mouse_scroll_down(self) -> None:
        """The wheel moves the cursor."""
        self.action_cursor_down()

    def on_mouse_scroll_up(self) -> None:
        """The wheel moves the cursor."""
        self.action_cursor_up()


def _widths(columns: tuple[Column, ...], width: int) -> tuple[int, ...]:
    """Widths of the columns that fit, from the left; the flexible one takes what the others leave of `width`."""
    fixed = sum(column.width + 1 for column in columns if not column.flex)
    widths: list[int] = []
    for column in columns:
        size = max(0, width - fixed) if column.flex else column.width
        if sum(widths) + len(widths) + size > width or (column.flex and size < FLEX_MIN):
            break
        widths.append(size)
    return tuple(widths)
