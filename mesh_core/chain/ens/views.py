"""What is told of names and of the chain: the newest view of each, told when it changes and now and then when it does not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from mesh_core.chain.ens.schema import ChainView, NameView

TOLD_AGAIN_MS = 30_000.0
"""A view that has not changed is told again after so long: how old it is, is shown."""

Tell = Callable[[str, msgspec.Struct], None]
"""Takes the kind of a view, `chain` or `ens`, and the view."""


class Views:
    """All views, by name and by who claims it."""

    def __init__(self, chain: ChainView, tell: Tell) -> None:
        self.chain = chain
        self.names: dict[tuple[str, str], NameView] = {}
        self._tell = tell
        self._told_ms: dict[tuple[str, str], float] = {}
        self._chain_told_ms = -TOLD_AGAIN_MS

    def set_chain(self, chain: ChainView) -> None:
        """The chain as it is now."""
        same = replace(chain, checked_ms=0.0) == replace(self.chain, checked_ms=0.0)
        self.chain = chain
        if not same or chain.checked_ms - self._chain_told_ms >= TOLD_AGAIN_MS:
            self._chain_told_ms = chain.checked_ms
            self._tell("chain", chain)

    def set_name(self, view: NameView) -> None:
        """A name as it is now."""
        key = view.name, view.peer
        before = self.names.get(key)
        self.names[key] = view
        fresh = before is not None and view.checked_ms - self._told_ms[key] < TOLD_AGAIN_MS
        if fresh and _without_time(before) == _without_time(view):
            return
        self._told_ms[key] = view.checked_ms
        self._tell("ens", view)

    def keep_only(self, keys: set[tuple[str, str]]) -> None:
        """Nobody claims the others any more."""
        for key in self.names.keys() - keys:
            view = self.names.pop(key)
            del self._told_ms[key]
            self._tell(
                "ens", replace(view, state="withdrawn", verified=False, why="nobody claims it any more")
            )


def _without_time(view: NameView | None) -> NameView | None:
    return view and replace(view, checked_ms=0.0, block=0)
