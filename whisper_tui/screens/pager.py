"""Something long to read, over the views: a job, a node, the help."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from whisper_tui.model.views.base import Frame, Lines, Span, rule
from whisper_tui.model.views.header import keys
from whisper_tui.screens.dialog import Dialog
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter

Content = Callable[[Frame, int], Lines]
Title = Callable[[Frame], str]

_MOVES = frozenset({"cursor_down", "cursor_up", "page_down", "page_up", "first", "last"})


class Pager(Dialog[str]):
    """Scrolls through lines that are made anew for every frame. Answers the id of an action, if there is one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("tables", only=_MOVES),
        Binding("q,question_mark", "back", show=False),
        *bindings_of("job", action="choose('{}')"),
    ]

    def __init__(
        self,
        title: Title,
        content: Content,
        painter: Painter,
        monotonic: Callable[[], float],
        can_cancel: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(monotonic)
        self._title = title
        self._content = content
        self._head = LinesPane(painter, id="pager-title")
        self._body = LinesPane(painter, id="pager-body")
        self._foot = LinesPane(painter, id="pager-foot")
        self._can_cancel = can_cancel
        self._top = 0
        self._frame: Frame | None = None
        self._length = 0

    def compose(self) -> ComposeResult:
        """Title, text, hints."""
        with Vertical(id="pager"):
            yield from (self._head, self._body, self._foot)

    def sync(self, frame: Frame) -> None:
        """Draw what is so now."""
        self._frame = frame
        rows = self._body.size.height
        lines = self._content(frame, self._body.size.width)
        self._length = len(lines)
        self._top = max(0, min(self._top, self._length - rows))
        self._body.sync(lines[self._top : self._top + rows])
        below = self._length - self._top - rows
        note = (Span(f"{below} more below", "dim"),) if below > 0 else ()
        self._head.sync((rule(self._title(frame), self._head.size.width, frame.glyphs, note),))
        hints = [(self.keymap.shown("back"), "back"), (self._moves(), "scroll")]
        if self._can_cancel():
            hints.append((self.keymap.shown("cancel_job"), "cancel job"))
        self._foot.sync(keys(hints, self._foot.size.width))

    def _moves(self) -> str:
        return " ".join(self.keymap.shown(id).split()[0] for id in ("cursor_down", "cursor_up"))

    def redraw(self) -> None:
        """The same frame again."""
        if self._frame is not None:
            self.sync(self._frame)

    def _scroll(self, by: int) -> None:
        self._top = max(0, self._top + by)
        self.redraw()

    @property
    def _page(self) -> int:
        return max(1, self._body.size.height - 1)

    def action_cursor_down(self) -> None:
        """A line down."""
        self._scroll(1)

    def action_cursor_up(self) -> None:
        """A line up."""
        self._scroll(-1)

    def action_page_down(self) -> None:
        """A page down."""
        self._scroll(self._page)

    def action_page_up(self) -> None:
        """A page up."""
        self._scroll(-self._page)

    def action_first(self) -> None:
        """To the beginning."""
        self._scroll(-self._length)

    def action_last(self) -> None:
        """To the end."""
        self._scroll(self._length)

    def on_mouse_scroll_down(self) -> None:
        """The wheel scrolls."""
        self._scroll(2)

    def on_mouse_scroll_up(self) -> None:
        """The wheel scrolls."""
        self._scroll(-2)

    def action_choose(self, id: str) -> None:
        """Leave with an action, if it is on offer."""
        if self._can_cancel():
            self.dismiss(id)
