"""Every page that can be opened: its title, its lines, and the signed records it wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from whisper_tui.model.evidence import Ask
from whisper_tui.model.views import account_page, attempt_page, incident_page, record_page, records, replicas
from whisper_tui.model.views.base import Frame, Lines, cells
from whisper_tui.model.views.help import help_lines
from whisper_tui.model.views.job_page import job_detail, job_title
from whisper_tui.model.views.node_page import node_detail, node_title
from whisper_tui.model.views.question_page import question_detail, question_title


def _asks_nothing(_frame: Frame, _key: str) -> tuple[Ask, ...]:
    return ()


class Page(NamedTuple):
    """A kind of page. Title, lines and asks are about the id of what is opened; asks may grow with what was answered."""

    title: Callable[[Frame, str], str]
    lines: Callable[[Frame, str, int], Lines]
    asks: Callable[[Frame, str], tuple[Ask, ...]] = _asks_nothing


PAGES: Mapping[str, Page] = {
    "node": Page(node_title, node_detail, records.author_asks),
    "question": Page(question_title, question_detail),
    "job": Page(job_title, job_detail, records.job_asks),
    "attempt": Page(attempt_page.attempt_title, attempt_page.attempt_detail, attempt_page.attempt_asks),
    "account": Page(account_page.account_title, account_page.account_detail),
    "author": Page(records.author_title, records.author_detail, records.author_asks),
    "record": Page(record_page.record_title, record_page.record_detail, record_page.record_asks),
    "raw": Page(record_page.raw_title, record_page.raw_detail, record_page.record_asks),
    "difference": Page(replicas.difference_title, replicas.difference_detail, replicas.difference_asks),
    "incident": Page(
        incident_page.incident_title, incident_page.incident_detail, incident_page.incident_asks
    ),
    "help": Page(lambda _, __: "Help", lambda frame, _, width: help_lines(frame.glyphs, frame.keymap, width)),
}


def breadcrumbs(frame: Frame, crumbs: Sequence[str], width: int) -> str:
    """The way here, in at most `width` cells: what is left out is left out at its beginning."""
    between = f" {frame.glyphs.cursor} "
    for start in range(len(crumbs)):
        left_out = [frame.glyphs.ellipsis] if start else []
        told = between.join([*left_out, *crumbs[start:]])
        if cells(told) <= width:
            return told
    return crumbs[-1]
