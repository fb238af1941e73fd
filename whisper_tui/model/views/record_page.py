"""One signed record: who wrote what where, what comes of checking it, and its bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from mesh_core.api.schema import Check, CheckedRecord, CheckedStatement, RecordView
from whisper_tui.model.evidence import WAITING, Ask
from whisper_tui.model.inert import inert
from whisper_tui.model.numbers import counted
from whisper_tui.model.selectors import label_of, name_of, operator_of
from whisper_tui.model.state import State
from whisper_tui.model.views.base import Frame, Line, Lines, Role, Span, Target, wrap
from whisper_tui.model.views.events import clock
from whisper_tui.model.views.page import INDENT, field, section

_ID_CHARS = 64
_TEXT_CHARS_MAX = 600
_DUMP_BYTES = 16
_SIGNATURE_BYTES = 64
_VOTES = {"accept": "accept vote", "settle": "settle vote"}
_ABSENT = object()
_FIRST = "0" * _ID_CHARS


def record_title(frame: Frame, name: str) -> str:
    """`Record 12 of node4`, whatever it says."""
    record = record_of(frame, name)
    if record is None:
        return f"Record {inert(name, 8)}"
    return f"Record {record.seq} of {inert(name_of(frame.state, record.author), 20)}"


def record_asks(_frame: Frame, name: str) -> tuple[Ask, ...]:
    """The record itself."""
    return (Ask("record", name),)


def record_detail(frame: Frame, name: str, width: int) -> Lines:
    """Its place, every check of it, what it says, the signed statements in it, and where its bytes are."""
    answer = frame.evidence.get(Ask("record", name), WAITING)
    record, checked = record_of(frame, name), answer.record
    head = (
        _head(frame, record, name)
        if record is not None
        else [field("hash", Span(inert(name, _ID_CHARS), "dim"))]
    )
    if checked is None:
        return (*head, (), *asked(answer.refusal, "the record and its checks", width))
    by = inert(answer.by, 20)
    lines: list[Line] = [*head, *_links(checked)]
    lines += section(frame, f"Checked by {by}", [_check(frame, one) for one in checked.checks], width)
    lines += section(frame, "Says", _fields(frame.state, checked.says, width), width)
    lines += section(frame, _heading(checked.statements), _statements(frame, checked, width), width)
    raw = Span(f"{len(checked.raw) // 2} signed bytes", "accent", Target("raw", name))
    return (
        *lines,
        *section(frame, "Raw", [field("bytes", raw, Span("  as they were received", "dim"))], width),
    )


def raw_title(_frame: Frame, _name: str) -> str:
    """Which record that is, is told by the page below."""
    return "Raw"


def raw_detail(frame: Frame, name: str, width: int) -> Lines:
    """The signed bytes: the statement, then its signature."""
    answer = frame.evidence.get(Ask("record", name), WAITING)
    if answer.record is None:
        return asked(answer.refusal, "the record", width)
    return _dump(answer.record.raw)


def record_of(frame: Frame, name: str) -> RecordView | None:
    """What is known of a record: from an answer, from the newest records, or from a list that was asked for."""
    answer = frame.evidence.get(Ask("record", name))
    if answer is not None and answer.record is not None:
        return answer.record.record
    known = frame.state.records.get(name)
    if known is not None:
        return known
    lists = (answer.records for answer in frame.evidence.values())
    return next((record for records in lists for record in records if record.hash == name), None)


def asked(refusal: str, what: str, width: int) -> Lines:
    """What stands where an answer will: that it was asked for, or why there is none."""
    if not refusal:
        return ((INDENT, Span(f"asking for {what} …", "dim")),)
    return tuple((INDENT, Span(piece, "warn")) for piece in wrap(inert(refusal, 400), max(20, width - 4)))


# ------------------------------------------------------------------------------------------------ in parts


def _head(frame: Frame, record: RecordView, name: str) -> list[Line]:
    state = frame.state
    author = Span(inert(name_of(state, record.author), 40), "strong", Target("node", record.author))
    lines = [
        field("author", author),
        field("peer id", Span(inert(record.author, _ID_CHARS), "dim")),
        field("place", Span(f"seq {record.seq} of its chain")),
        field("kind", Span(inert(record.kind, 40)), Span(f"  {inert(record.summary, 160)}", "dim")),
    ]
    if record.job in state.jobs:
        label = inert(label_of(state.jobs[record.job].view, operator_of(state)), 40)
        lines.append(field("job", Span(label, "strong", Target("job", record.job))))
    return [
        *lines,
        field("written", Span(clock(record.at_ms).strip()), Span("  by its author's clock", "dim")),
        field("hash", Span(inert(name, _ID_CHARS), "dim")),
    ]


def _links(checked: CheckedRecord) -> list[Line]:
    """What it stands behind, and where it belongs."""
    first = checked.prev == _FIRST
    prev = Span("nothing: it is the first", "dim")
    if not first:
        prev = Span(inert(checked.prev, _ID_CHARS), "dim", Target("record", checked.prev))
    network = Span(f"{inert(checked.network, 40)}, protocol {checked.version}")
    return [field("behind", prev), field("network", network)]


def _check(frame: Frame, check: Check) -> Line:
    sign, role = _verdict(frame, check.holds)
    return (
        INDENT,
        Span(f"{sign} ", role),
        Span(f"{inert(check.what, 11):<12}"),
        Span(inert(check.told, 160), "dim" if check.holds else "warn"),
    )


def _verdict(frame: Frame, holds: bool) -> tuple[str, Role]:
    return (frame.glyphs.settled, "settled") if holds else (frame.glyphs.dead, "dead")


def _heading(statements: Sequence[CheckedStatement]) -> str:
    if not statements:
        return ""
    kinds = {statement.kind for statement in statements}
    kind = inert(kinds.pop(), 20) if len(kinds) == 1 else "statement"
    return f"Holds {counted(len(statements), f'signed {_VOTES.get(kind, kind)}')}"


def _statements(frame: Frame, checked: CheckedRecord, width: int) -> list[Line]:
    """The signed statements in a record: of each what it says beyond what the record says itself."""
    lines: list[Line] = []
    for statement in checked.statements:
        sign, role = _verdict(frame, not statement.problem)
        if statement.problem:
            lines.append((INDENT, Span(f"{sign} ", role), Span(inert(statement.problem, 160), "warn")))
            continue
        name = f"{inert(name_of(frame.state, statement.author), 20):<12}"
        says = {
            key: value for key, value in statement.says.items() if checked.says.get(key, _ABSENT) != value
        }
        told = ", ".join(f"{inert(key, 20)} {_value(frame.state, value)}" for key, value in says.items())
        told = told or "the same"
        first, *rest = wrap(told, max(20, width - 20))
        author = Span(name, "text", Target("node", statement.author))
        lines.append((INDENT, Span(f"{sign} ", role), author, Span(first, "dim")))
        lines += [(INDENT, Span(" " * 14), Span(piece, "dim")) for piece in rest]
    return lines


def _fields(state: State, says: Mapping[str, Any], width: int) -> list[Line]:
    lines: list[Line] = []
    for name, value in _flat(says).items():
        first, *rest = wrap(_value(state, value), max(20, width - 20))
        lines.append((INDENT, Span(f"{inert(name, 16):<16}", "dim"), Span(first)))
        lines += [(INDENT, Span(" " * 16), Span(piece)) for piece in rest]
    return lines


def _flat(says: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of fields beside the others: nobody wants to read them in one line."""
    flat: dict[str, Any] = {}
    for name, value in says.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def _value(state: State, value: object) -> str:
    """A value in words: peers and jobs by their names, whatever else as it is, cut when it is long."""
    if isinstance(value, dict):
        told = ", ".join(f"{name} {_value(state, inner)}" for name, inner in value.items())
    elif isinstance(value, list):
        told = "; ".join(_value(state, inner) for inner in value) or "none"
    elif value is None or value == "":
        told = "none"
    elif isinstance(value, str) and len(value) == _ID_CHARS:
        told = _name(state, value)
    else:
        told = str(value)
    return inert(told, _TEXT_CHARS_MAX) + (" …" if len(told) > _TEXT_CHARS_MAX else "")


def _name(state: State, id_: str) -> str:
    job = state.jobs.get(id_)
    if job is not None:
        return label_of(job.view, operator_of(state))
    return name_of(state, id_) if id_ in state.members or id_ in state.names else id_


@lru_cache(4)
def _dump(raw: str) -> Lines:
    """Offset, sixteen bytes, and what of them is text."""
    data = bytes.fromhex(raw)
    statement, signature = data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:]
    return (
        (INDENT, Span("statement (msgpack)", "title")),
        *_rows(statement, 0),
        (),
        (INDENT, Span("signature (ed25519)", "title")),
        *_rows(signature, len(statement)),
    )


def _rows(data: bytes, offset: int) -> list[Line]:
    return [
        (
            INDENT,
            Span(f"{offset + at:06x}  ", "dim"),
            Span(f"{data[at : at + _DUMP_BYTES].hex(' '):<{3 * _DUMP_BYTES}} "),
            Span("".join(map(_readable, data[at : at + _DUMP_BYTES])), "dim"),
        )
        for at in range(0, len(data), _DUMP_BYTES)
    ]


def _readable(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 else "."
