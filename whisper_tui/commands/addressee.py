"""Whom a question is for: a name becomes the peer id that a control API takes."""

from __future__ import annotations

import re

from msgspec.structs import replace

from whisper_tui.actions.terms import Terms
from whisper_tui.errors import BadInput
from whisper_tui.model.selectors import NotFound
from whisper_tui.reach import Reach

_PEER = re.compile("[0-9a-f]{64}")


async def addressed(reach: Reach, terms: Terms) -> Terms:
    """`terms` with the peer id of whoever they name; BadInput for a name that means nobody, or is not verified."""
    if terms.to is None or _PEER.fullmatch(terms.to):
        return terms
    try:
        return replace(terms, to=await reach.peer(terms.to))
    except NotFound as error:
        raise BadInput(
            f"--to {terms.to}: {error}", "whisper-tui ens ls shows names, and what they are worth"
        ) from error


def check_peer(terms: Terms) -> None:
    """BadInput unless `terms` name nobody or a peer id: at a control API elsewhere no chain is known."""
    if terms.to is not None and not _PEER.fullmatch(terms.to):
        raise BadInput(f"--to {terms.to}: with --control expected a peer id of 64 hex digits")
