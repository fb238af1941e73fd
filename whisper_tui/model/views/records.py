"""Lists of records: those about a job, and those by an author."""

from __future__ import annotations

from collections.abc import Iterable

from mesh_core.api.schema import RecordView
from whisper_tui.model.evidence import WAITING, Ask
from whisper_tui.model.inert import inert
from whisper_tui.model.selectors import name_of
from whisper_tui.model.views.base import Column, Frame, Line, Lines, Span, Table, Target, fit
from whisper_tui.model.views.events import clock
from whisper_tui.model.views.page import INDENT
from whisper_tui.model.views.record_page import asked

COLUMNS = (
    Column("TIME", 12),
    Column("AUTHOR", 9),
    Column("SEQ", 5, "right"),
    Column("KIND", 8),
    Column("WHAT", 20, flex=True),
    Column("BYTES", 6, "right"),
    Column("HASH", 8),
)

IN_SHORT = 8
"""Records of an author that its node's page shows."""


def job_asks(_frame: Frame, job: str) -> tuple[Ask, ...]:
    """The records about a job."""
    return (Ask("job", job),)


def author_asks(_frame: Frame, peer: str) -> tuple[Ask, ...]:
    """The records by an author."""
    return (Ask("author", peer),)


def about_job(frame: Frame, job: str) -> list[RecordView]:
    """Every record about a job that is known here, the oldest first."""
    told = frame.evidence.get(Ask("job", job), WAITING).records
    found = {record.hash: record for record in (*told, *frame.state.records.values()) if record.job == job}
    return sorted(found.values(), key=lambda record: (record.at_ms, record.seq))


def by_author(frame: Frame, peer: str) -> list[RecordView]:
    """Every record by an author that is known here, the newest first."""
    told = frame.evidence.get(Ask("author", peer), WAITING).records
    known = (record for record in frame.state.records.values() if record.author == peer)
    found = {record.hash: record for record in (*told, *known)}
    return sorted(found.values(), key=lambda record: record.seq, reverse=True)


def job_records(frame: Frame, job: str, width: int) -> list[Line]:
    """The records about a job, each of which can be opened."""
    return _listed(frame, about_job(frame, job), Ask("job", job), width)


def author_records(frame: Frame, peer: str, width: int) -> list[Line]:
    """The newest records by an author, and where the others are."""
    found = by_author(frame, peer)
    lines = _listed(frame, found[:IN_SHORT], Ask("author", peer), width)
    more = len(found) - IN_SHORT
    return [*lines, (INDENT, Span(f"{more} more", "accent", Target("author", peer)))] if more > 0 else lines


def author_title(frame: Frame, peer: str) -> str:
    """`Records of node4`."""
    return f"Records of {inert(name_of(frame.state, peer), 20)}"


def author_detail(frame: Frame, peer: str, width: int) -> Lines:
    """Every record by an author that is known, the newest first."""
    return tuple(_listed(frame, by_author(frame, peer), Ask("author", peer), width))


def _listed(frame: Frame, records: Iterable[RecordView], ask: Ask, width: int) -> list[Line]:
    """Records, and what became of asking for them while that adds something."""
    lines = [record_line(frame, record) for record in records]
    answer = frame.evidence.get(ask)
    if answer is None or (not lines and answer == WAITING):
        return lines or list(asked("", "its records", width))
    if answer.refusal:
        return [*lines, *asked(answer.refusal, "its records", width)]
    return lines or [
        (INDENT, Span("none is held any more: a snapshot has taken the place of older ones", "dim"))
    ]


def records_table(frame: Frame) -> Table:
    """The newest records, the newest on top."""
    newest = sorted(
        frame.state.records.values(),
        key=lambda record: (record.at_ms, record.author, record.seq),
        reverse=True,
    )
    found = {record.hash: record for record in newest}
    return Table(
        COLUMNS,
        tuple(found),
        lambda name: _row(frame, found[name]),
        "no record yet: asking a question writes some",
        lambda _: "record",
    )


def _row(frame: Frame, record: RecordView) -> tuple[Line, ...]:
    return (
        (Span(clock(record.at_ms), "dim"),),
        (Span(inert(name_of(frame.state, record.author), 40)),),
        (Span(str(record.seq), "dim"),),
        (Span(inert(record.kind, 20), "strong"),),
        (Span(inert(record.summary, 160)),),
        (Span(str(record.bytes), "dim"),),
        (Span(inert(record.hash, 8), "dim"),),
    )


def record_line(frame: Frame, record: RecordView) -> Line:
    """One record in a line that leads to it."""
    name = f"{fit(inert(record.kind, 12), 12)} "
    return (
        INDENT,
        Span(f"{clock(record.at_ms)}  ", "dim"),
        Span(name, "strong", Target("record", record.hash)),
        Span(f"{fit(inert(name_of(frame.state, record.author), 20), 9)}{record.seq:>5}  ", "dim"),
        Span(inert(record.summary, 160)),
    )
