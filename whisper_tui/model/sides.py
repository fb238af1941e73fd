"""The sides of a partition: who can still reach whom, as far as participants say that they are cut off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whisper_tui.model.state import State


def cut_from(state: State, a: str, b: str) -> bool:
    """Whether one of the two says that a partition keeps it from the other."""
    return _says(state, a, b) or _says(state, b, a)


def _says(state: State, observer: str, other: str) -> bool:
    known = state.observers.get(observer)
    return known is not None and known.node is not None and other in known.node.partitioned_from


def sides_of(state: State, peers: Sequence[str]) -> Mapping[str, int]:
    """The side that each of `peers` is on; side 0 is that of the operator's node. Empty while nobody is cut off."""
    hidden = {
        peer: frozenset(known.node.partitioned_from)
        for peer, known in state.observers.items()
        if known.node is not None and known.node.partitioned_from
    }
    if not hidden:
        return {}
    left = dict.fromkeys(sorted(peers, key=lambda peer: peer != state.primary))
    found: dict[str, int] = {}
    number = 0
    while left:
        waiting = [next(iter(left))]
        del left[waiting[0]]
        while waiting:
            here = waiting.pop()
            found[here] = number
            from_here = hidden.get(here, NOBODY)
            near = [peer for peer in left if peer not in from_here and here not in hidden.get(peer, NOBODY)]
            waiting += near
            for peer in near:
                del left[peer]
        number += 1
    return found if number > 1 else {}


NOBODY: frozenset[str] = frozenset()
