"""A page over the views: a job, a node, a record, the help. Its links lead to further pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message

from whisper_tui.model.views.base import Frame, Line, Lines, Span, Target, rule
from whisper_tui.model.views.export import Export, lines_export
from whisper_tui.model.views.header import keys
from whisper_tui.model.views.page import INDENT
from whisper_tui.model.views.pages import PAGES, breadcrumbs
from whisper_tui.screens.dialog import Dialog
from whisper_tui.widgets.bindings import bindings_of
from whisper_tui.widgets.lines import LinesPane
from whisper_tui.widgets.painting import Painter

_KEYS = frozenset({"cursor_down", "cursor_up", "page_down", "page_up", "first", "last", "open", "copy"})


class Link(NamedTuple):
    """Where on a page something can be opened: line, number of the span in it, and what it leads to."""

    line: int
    span: int
    target: Target


class Pager(Dialog[str]):
    """Goes through a page that is made anew for every frame: from link to link, and by lines where there are none.

    The link that was gone to is bound to what it leads to, never to its place. Answers the id of an action, if there is
    one. Messages: `Opened` and `Copied` carry a target.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("tables", only=_KEYS),
        *bindings_of("everywhere", action="app.{}", only={"export", "picture"}),
        *bindings_of("time", action="app.{}"),
        Binding("q,question_mark", "back", show=False),
        *bindings_of("job", action="choose('{}')"),
    ]

    class Opened(Message):
        """A link was opened."""

        def __init__(self, target: Target) -> None:
            super().__init__()
            self.target = target

    class Copied(Message):
        """The id behind a link, or that of the page, is wanted on the clipboard."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(
        self,
        target: Target,
        way: Callable[[Frame], list[str]],
        painter: Painter,
        monotonic: Callable[[], float],
        can_cancel: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(monotonic)
        self.target = target
        self._way = way
        self._head = LinesPane(painter, id="pager-title")
        self._body = LinesPane(painter, id="pager-body")
        self._foot = LinesPane(painter, id="pager-foot")
        self._can_cancel = can_cancel
        self._top = 0
        self._frame: Frame | None = None
        self._length = 0
        self._links: Sequence[Link] = ()
        self._at: Link | None = None
        self._message: Span | None = None

    def compose(self) -> ComposeResult:
        """Title, text, hints."""
        with Vertical(id="pager"):
            yield from (self._head, self._body, self._foot)

    def sync(self, frame: Frame) -> None:
        """Draw what is so now."""
        self._frame = frame
        page, key = PAGES[self.target.page], self.target.key
        rows = self._rows
        lines = page.lines(frame, key, self._body.size.width)
        self._length = len(lines)
        self._top = max(0, min(self._top, self._length - rows))
        self._links = links_of(lines)
        self._at = self._found_again() or next(iter(self._visible()), None)
        shown = lines[self._top : self._top + rows]
        if self._at is not None:
            at = self._at.line - self._top
            shown = (*shown[:at], _marked(shown[at], self._at.span, frame), *shown[at + 1 :])
        self._body.sync(shown)
        below = self._length - self._top - rows
        note = (Span(f"{below} more below", "dim"),) if below > 0 else ()
        width = self._head.size.width
        title = breadcrumbs(frame, [*self._way(frame), page.title(frame, key)], width - 20)
        self._head.sync((rule(title, width, frame.glyphs, note),))
        self._sync_foot()

    def say(self, message: Span | None) -> None:
        """Show a message in the line of keys; none shows the keys again."""
        self._message = message
        self._sync_foot()

    def _sync_foot(self) -> None:
        self._foot.sync(keys(self._hints(), self._foot.size.width, self._message)[-1:])

    def _hints(self) -> list[tuple[str, str]]:
        hints = [(self.keymap.shown("back"), "back"), (self._moves(), "move" if self._links else "scroll")]
        if self._at is not None:
            hints.append(
                (self.keymap.shown("open"), f"open {_NOUNS.get(self._at.target.page, self._at.target.page)}")
            )
        if self._can_cancel():
            hints.append((self.keymap.shown("cancel_job"), "cancel job"))
        return hints

    def _moves(self) -> str:
        return " ".join(self.keymap.shown(id).split()[0] for id in ("cursor_down", "cursor_up"))

    def export(self, frame: Frame) -> Export:
        """All of it."""
        page, key = PAGES[self.target.page], self.target.key
        title = page.title(frame, key).lower().replace(" ", "-")
        return lines_export(title, page.lines(frame, key, self._body.size.width))

    def redraw(self) -> None:
        """The same frame again."""
        if self._frame is not None:
            self.sync(self._frame)

    # ------------------------------------------------------------------------------------------- moving

    @property
    def here(self) -> Link | None:
        """The link that was gone to."""
        return self._at

    def _visible(self) -> list[Link]:
        return [link for link in self._links if self._top <= link.line < self._top + self._rows]

    def _found_again(self) -> Link | None:
        """Where the link that was gone to is now: the nearest of those that lead to the same, if it can be seen."""
        before = self._at
        if before is None:
            return None
        same = [link for link in self._visible() if link.target == before.target]
        return min(
            same, key=lambda link: (abs(link.line - before.line), abs(link.span - before.span)), default=None
        )

    @property
    def _rows(self) -> int:
        return max(1, self._body.size.height)

    def _scroll(self, by: int) -> None:
        """By lines; a link that is out of sight then is left for the next one that is not."""
        self._top = max(0, min(self._top + by, self._length - self._rows))
        visible = self._visible()
        if self._at not in visible:
            self._at = (visible[0] if by > 0 else visible[-1]) if visible else None
        self.redraw()

    def _go(self, by: int) -> None:
        """To the next link in one direction where it can be seen; else a line on."""
        visible = self._visible()
        at = visible.index(self._at) + by if self._at in visible else -1
        if 0 <= at < len(visible):
            self._at = visible[at]
            self.redraw()
        else:
            self._scroll(by)

    def action_cursor_down(self) -> None:
        """To the next link, or a line down."""
        self._go(1)

    def action_cursor_up(self) -> None:
        """To the link before, or a line up."""
        self._go(-1)

    def action_page_down(self) -> None:
        """A page down."""
        self._scroll(max(1, self._rows - 1))

    def action_page_up(self) -> None:
        """A page up."""
        self._scroll(-max(1, self._rows - 1))

    def action_first(self) -> None:
        """To the beginning."""
        self._scroll(-self._length)
        self._at = next(iter(self._visible()), None)
        self.redraw()

    def action_last(self) -> None:
        """To the end."""
        self._scroll(self._length)
        self._at = next(reversed(self._visible()), None)
        self.redraw()

    def on_mouse_scroll_down(self) -> None:
        """The wheel scrolls."""
        self._scroll(2)

    def on_mouse_scroll_up(self) -> None:
        """The wheel scrolls."""
        self._scroll(-2)

    # ------------------------------------------------------------------------------------------ choosing

    def action_open(self) -> None:
        """Open what the link leads to."""
        if self._at is not None:
            self.post_message(self.Opened(self._at.target))

    def action_copy(self) -> None:
        """Copy the id of what the link leads to, else that of the page."""
        self.post_message(self.Copied((self._at.target if self._at is not None else self.target).key))

    def action_choose(self, id: str) -> None:
        """Leave with an action, if it is on offer."""
        if self._can_cancel():
            self.dismiss(id)


_NOUNS = {"attempt": "lease", "account": "balance", "author": "records", "raw": "bytes"}
"""What kinds of pages are called where their own name is not what people say."""


def links_of(lines: Lines) -> list[Link]:
    """Everything on a page that can be opened, in reading order."""
    return [
        Link(number, place, span.target)
        for number, line in enumerate(lines)
        for place, span in enumerate(line)
        if span.target is not None
    ]


def _marked(line: Line, at: int, frame: Frame) -> Line:
    """A line with one of its links chosen: by colour and by the sign of a cursor."""
    spans = [span._replace(role="selected") if place == at else span for place, span in enumerate(line)]
    if spans[0] == INDENT:
        spans[0] = Span(f"{frame.glyphs.cursor} ", "accent")
    return tuple(spans)
