"""The actions on a simulated mesh: the same words for who is meant, carried out under its virtual clock."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Literal

from whisper_tui.actions import targets
from whisper_tui.errors import ActionError
from whisper_tui.model.selectors import NotFound, find_job
from whisper_tui.model.state import State
from whisper_tui.sources.simulation import SimulatedMesh
from whisper_tui.supervisor.schema import GONE, WORKING, Outcome


class SimulatedActions:
    """Acts on `mesh` in the name of `by`. `picture` is what its events have told: labels and holders are looked up there.

    Every method raises ActionError with one line when the action is refused.
    """

    def __init__(
        self, mesh: SimulatedMesh, picture: Callable[[], State], by: str, rng: random.Random
    ) -> None:
        self._mesh = mesh
        self._picture = picture
        self._by = by
        self._rng = rng

    async def submit(self, text: str, max_price_micro: int | None = None) -> str:
        """Ask a question as the operator; its label."""
        return self._mesh.submit(text, max_price_micro=max_price_micro)

    async def cancel(self, job: str) -> str:
        """Ask that one of the operator's jobs (label or id) end as cancelled; its id."""
        try:
            found = find_job(self._picture(), job).job
        except NotFound as error:
            raise ActionError(str(error)) from error
        self._mesh.cancel(found)
        return found

    async def kill(self, names: Sequence[str], only: Literal["provider", "axl"] | None = None) -> Outcome:
        """Both processes of each end at once."""
        if only is not None:
            raise ActionError(f"a simulated participant dies whole: its {only} cannot be killed alone")
        return self._mesh.kill(await self._resolve(names, lambda states: not states <= GONE), by=self._by)

    async def pause(self, names: Sequence[str]) -> Outcome:
        """Both processes of each stand still."""
        return self._mesh.pause(await self._resolve(names, lambda states: states <= WORKING), by=self._by)

    async def revive(self, names: Sequence[str]) -> Outcome:
        """Start again what is gone, wake what stands still."""
        fits = await self._resolve(names, lambda states: not states <= WORKING)
        return self._mesh.revive(fits, by=self._by)

    async def partition(self, a: Sequence[str], b: Sequence[str]) -> Outcome:
        """Cut side `b` off; whoever is not named is on side `a`."""
        await self._resolve(a, lambda _: True)
        return self._mesh.partition(await self._resolve(b, lambda _: True), by=self._by)

    async def heal(self) -> Outcome:
        """End the partition."""
        return self._mesh.heal(by=self._by)

    async def add(self) -> Outcome:
        """One more provider."""
        return self._mesh.add(by=self._by)

    async def _resolve(self, words: Sequence[str], fits: Callable[[set[str]], bool]) -> list[str]:
        states: dict[str, set[str]] = {}
        for view in self._mesh.processes():
            states.setdefault(view.name, set()).add(view.state)
        candidates = [name for name, found in states.items() if fits(found)]

        async def picture() -> State:
            return self._picture()

        return await targets.resolve(words, self._mesh.plan, candidates, picture, self._rng)
