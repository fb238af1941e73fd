"""Many questions at once."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from whisper_tui.errors import ActionError
from whisper_tui.model.state import QUERIES_KEPT
from whisper_tui.script.doing import Stage

ASKED_AT_ONCE = 16
"""Questions on their way to the operator's node at one time; more would only wait in its socket."""


class Load(Struct, forbid_unknown_fields=True):
    """`questions`: how many; `query`: what is asked, with its number."""

    questions: str
    query: str


def count_of(text: str) -> int:
    """The number of questions in `text`. ValueError when it is none, or more than are kept of a run."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= QUERIES_KEPT):
        raise ValueError(f"expected 1…{QUERIES_KEPT}, not {text!r}")
    return int(text)


async def load(stage: Stage, args: Load) -> str:
    """Ask all of them as quickly as the operator's node takes them; done when it shows them. They are answered later."""
    slots = asyncio.Semaphore(ASKED_AT_ONCE)
    began = stage.clock.now()

    async def ask(number: int) -> str:
        async with slots:
            return await stage.actions.submit(f"{args.query} ({number})")

    count = count_of(args.questions)
    asking = [asyncio.create_task(ask(number)) for number in range(1, count + 1)]
    try:
        labels = await asyncio.gather(*asking)
    except ActionError as refusal:
        raise ActionError(f"a question of {count} was refused: {refusal.message}") from refusal
    finally:
        for one in asking:
            one.cancel()
    awaited = set(labels)
    await stage.picture.until(lambda state: awaited <= {entry.view.label for entry in state.queries.values()})
    return f"asked {count} questions in {stage.clock.now() - began:.2f} s"
