"""Opening pages, one over the other, and asking participants for the signed records behind what they show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol

from textual.app import App

from mesh_core.api.schema import CheckedRecord, RecordView
from whisper_tui.errors import UserError
from whisper_tui.model.evidence import (
    NO_EVIDENCE,
    WAITING,
    Answer,
    Ask,
    Evidence,
    with_answer,
    without,
)
from whisper_tui.model.views.base import Frame, Target
from whisper_tui.model.views.pages import PAGES
from whisper_tui.screens.pager import Pager
from whisper_tui.widgets.painting import Painter

NO_RECORDS = "signed records cannot be asked for here: nobody is connected to a participant"


class Records(Protocol):
    """Where signed records are asked for. Each answer comes with the name of the participant that gave it; UserError says in
    one line why there is none."""

    async def record(self, name: str) -> tuple[str, CheckedRecord]:
        """One signed record by its hash, checked."""
        ...

    async def about_job(self, job: str) -> tuple[str, Sequence[RecordView]]:
        """The records about a job."""
        ...

    async def by_author(self, peer: str) -> tuple[str, Sequence[RecordView]]:
        """The records by an author."""
        ...


class Browser:
    """The pages that are open and the evidence they show. `root` names what is under them; `changed` is called when there
    is more to show."""

    def __init__(
        self,
        app: App[Any],
        records: Records | None,
        painter: Painter,
        monotonic: Callable[[], float],
        *,
        root: Callable[[], str],
        changed: Callable[[], None],
    ) -> None:
        self._app = app
        self._records = records
        self._painter = painter
        self._monotonic = monotonic
        self._root = root
        self._changed = changed
        self.evidence: Evidence = NO_EVIDENCE

    def open(
        self, frame: Frame, target: Target, can_cancel: Callable[[], bool], then: Callable[[str | None], None]
    ) -> None:
        """Open a page over what is open, with what it shows asked for anew; `then` is told the id of an action when it is
        left by one."""
        self.evidence = without(self.evidence, PAGES[target.page].asks(frame, target.key))
        below = [screen for screen in self._app.screen_stack if isinstance(screen, Pager)]
        way = partial(self._crumbs, below)
        self._app.push_screen(Pager(target, way, self._painter, self._monotonic, can_cancel), then)

    def _crumbs(self, below: Sequence[Pager], frame: Frame) -> list[str]:
        """The way to the page that lies over those `below`."""
        return [self._root(), *(PAGES[pager.target.page].title(frame, pager.target.key) for pager in below)]

    def ask_for(self, frame: Frame, target: Target) -> None:
        """Ask for what a page wants to show and nobody has been asked for yet."""
        for ask in PAGES[target.page].asks(frame, target.key):
            if ask not in self.evidence:
                self.evidence = with_answer(self.evidence, ask, WAITING)
                self._app.run_worker(self._ask(ask), group="records", exit_on_error=False)

    async def _ask(self, ask: Ask) -> None:
        try:
            answer = await self._answer(ask)
        except UserError as error:
            answer = Answer(refusal=error.message)
        self.evidence = with_answer(self.evidence, ask, answer)
        self._changed()

    async def _answer(self, ask: Ask) -> Answer:
        if self._records is None:
            return Answer(refusal=NO_RECORDS)
        if ask.what == "record":
            by, record = await self._records.record(ask.key)
            return Answer(by, record=record)
        lists: dict[str, Callable[[str], Awaitable[tuple[str, Sequence[RecordView]]]]] = {
            "job": self._records.about_job,
            "author": self._records.by_author,
        }
        by, found = await lists[ask.what](ask.key)
        return Answer(by, records=tuple(found))
