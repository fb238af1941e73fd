"""Who is meant by the names people give: `node3`, `3`, a peer id, `holder:q1.2`, `random`, `all`."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence

from whisper_tui.errors import ActionError
from whisper_tui.model.selectors import NotFound, find_node
from whisper_tui.model.state import State
from whisper_tui.supervisor.plan import Plan

RANDOM = "random"
ALL = "all"


async def resolve(
    words: Sequence[str],
    plan: Plan,
    candidates: Sequence[str],
    picture: Callable[[], Awaitable[State]],
    rng: random.Random,
) -> list[str]:
    """Names of participants, each once, in the order given; ActionError for a word that means nobody.

    `candidates` are those the action makes sense for: `random` picks a provider among them that was not
    named otherwise, `all` means every one of them. `picture` is asked for only when names do not suffice.
    """
    names: dict[str, None] = {}
    for word in words:
        if word == ALL:
            names |= dict.fromkeys(candidates)
        elif word != RANDOM:
            names[_seated(word, plan) or await _seen(word, plan, picture)] = None
    for _ in range(list(words).count(RANDOM)):
        providers = {seat.name for seat in plan.participants if seat.role == "provider"}
        free = [name for name in candidates if name in providers and name not in names]
        if not free:
            raise ActionError("random: no provider is left to choose from")
        names[rng.choice(free)] = None
    if words and not names:
        raise ActionError(f"{words[0]}: there is nobody to do this to")
    return list(names)


def _seated(word: str, plan: Plan) -> str:
    """The participant called so, or numbered so; empty when none is."""
    names = [seat.name for seat in plan.participants]
    return next((name for name in (word, f"node{word}") if name in names), "")


async def _seen(word: str, plan: Plan, picture: Callable[[], Awaitable[State]]) -> str:
    """The participant that the mesh says is meant: a job's holder, a peer id."""
    try:
        node = find_node(await picture(), word)
    except NotFound as error:
        raise ActionError(str(error)) from error
    for seat in plan.participants:
        if seat.peer == node.peer:
            return seat.name
    raise ActionError(f"{node.name} does not run on this machine")
