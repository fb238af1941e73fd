"""What a member's names are worth: what the registrar found of them, else only that it claims one."""

from __future__ import annotations

from collections.abc import Sequence

from mesh_core.chain.ens.schema import NameView
from mesh_core.chain.ens.spelling import other_spelling
from whisper_tui.model.inert import inert
from whisper_tui.model.state import State

NAME_CHARS = 80


def names_of(state: State, peer: str) -> Sequence[NameView]:
    """The names of a peer that the registrar has looked at: the one it claims first."""
    entry = state.members.get(peer)
    claimed = entry.view.ens_name if entry else ""
    found = [view for (_, of), view in state.ens.items() if of == peer]
    return sorted(found, key=lambda view: (view.name != claimed, view.name))


def other_names(state: State) -> Sequence[NameView]:
    """Names that were looked at, of peers that are no members."""
    return [view for (_, peer), view in state.ens.items() if peer not in state.members]


def spelled(name: str) -> str:
    """A name for people, inert: in ASCII too where that is another spelling, since it may look like another name."""
    other = other_spelling(name)
    return f"{inert(name, NAME_CHARS)} ({inert(other, NAME_CHARS)})" if other else inert(name, NAME_CHARS)


def binding(view: NameView) -> str:
    """Whether it is verified, else why not; inert."""
    return "verified" if view.verified else f"unverified: {inert(view.why, 200)}"
