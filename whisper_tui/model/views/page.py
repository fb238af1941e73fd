"""What pages are made of: fields, sections, paragraphs."""

from __future__ import annotations

from collections.abc import Iterable

from mesh_core.api.schema import AnswerView
from whisper_tui.model.inert import inert, inert_lines
from whisper_tui.model.views.base import Frame, Line, Role, Span, rule, wrap

INDENT = Span("  ")


def field(name: str, *value: Span) -> Line:
    """A name and what stands behind it."""
    return (INDENT, Span(f"{name:<12}", "dim"), *value)


def section(frame: Frame, title: str, body: Iterable[Line], width: int) -> list[Line]:
    """A heading and what belongs under it; nothing when nothing does."""
    lines = list(body)
    return [(), rule(title, width, frame.glyphs), *lines] if lines else []


def paragraphs(text: str, width: int, role: Role = "text") -> list[Line]:
    """A text, inert, broken into lines."""
    return [
        (INDENT, Span(piece, role)) for line in inert_lines(text) for piece in wrap(line, max(10, width - 4))
    ]


def remarks(answer: AnswerView) -> list[Line]:
    """What its maker says was dropped or fell back."""
    return [field("note", Span(inert(note, 200), "warn")) for note in answer.notes]


def passages(frame: Frame, answer: AnswerView, width: int) -> list[Line]:
    """The cited passages, each under where it stands."""
    lines: list[Line] = []
    for passage in answer.passages:
        source = f"{inert(passage.source, 60)}, shard {passage.shard}"
        lines += [(INDENT, Span(f"{frame.glyphs.settled} ", "settled"), Span(source, "accent"))]
        lines += [*paragraphs(passage.text, width, "dim"), ()]
    return lines[:-1]
