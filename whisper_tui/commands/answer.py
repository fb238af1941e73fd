"""Showing the answer to a question."""

from __future__ import annotations

from mesh_core.api.schema import AnswerView
from whisper_tui.commands.output import print_json, print_line, print_text
from whisper_tui.commands.waiting import Ended
from whisper_tui.errors import ActionError
from whisper_tui.model.inert import inert, inert_lines


def show(ended: Ended, as_json: bool) -> None:
    """Print an answered question; ActionError when it came to nothing."""
    view = ended.view
    if as_json:
        print_json(view)
    if view.state != "answered":
        raise ActionError(f"{view.label} ended as {ended.how}" + (f": {ended.why}" if ended.why else ""))
    if as_json:
        return
    if view.answer is None:
        print_line(f"{view.label} is answered, but the result cannot be opened here")
        return
    for line in answer_lines(view.answer):
        print_text(line)


def answer_lines(answer: AnswerView) -> list[str]:
    """An answer for people: its text, the passages it cites, who wrote it, and what is to be said of it."""
    lines = [*inert_lines(answer.text), ""]
    for number, passage in enumerate(answer.passages, 1):
        lines.append(
            f"[{number}] {inert(passage.source)}, shard {passage.shard}: “{inert(passage.text, 2_048)}”"
        )
    lines.append(f"answered by {inert(answer.backend)}")
    return [*lines, *(f"note: {inert(note)}" for note in answer.notes)]
