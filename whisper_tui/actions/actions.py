"""The actions. Each resolves who is meant, is refused when it must be, and is written down either way."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeVar

import msgspec

from mesh_core.api.client import ControlError
from mesh_core.config import limit
from whisper_tui.actions import action_log, targets
from whisper_tui.actions.terms import Terms
from whisper_tui.errors import ActionError, UserError
from whisper_tui.reach import Reach
from whisper_tui.supervisor.command_line import command_line
from whisper_tui.supervisor.launch import until_released
from whisper_tui.supervisor.rundir import RunDir
from whisper_tui.supervisor.schema import GONE, WORKING, Outcome, Status

T = TypeVar("T")

TEXT_CHARS_MAX = limit("question_chars_max")


class Submission(msgspec.Struct, frozen=True):
    """A question that was taken: its id, its label, the ids of its jobs, and `accepted` or `pending`."""

    query: str
    label: str
    jobs: list[str]
    state: str


class Actions:
    """Acts on the mesh in `run` in the name of `by`; with `read_only` every action is refused.

    Every method raises ActionError with one line when the action is refused, MeshUnreachable when there is
    nobody to ask.
    """

    def __init__(
        self, run: RunDir, by: str, *, read_only: bool = False, rng: random.Random | None = None
    ) -> None:
        self.run = run
        self.by = by
        self.read_only = read_only
        self.reach = Reach(run)
        self._rng = rng or random.Random()  # noqa: S311 - chooses victims, keeps no secret

    # ---------------------------------------------------------------------------------------------- work

    async def submit(self, text: str, max_price_micro: int | None = None) -> str:
        """Ask a question as the operator; returns its label (`q1`)."""
        return (await self.ask(text, Terms(max_price_micro=max_price_micro))).label

    async def ask(self, text: str, terms: Terms) -> Submission:
        """Ask a question as the operator. `accepted` means durable at a quorum of its committees."""
        args: dict[str, object] = {"text": text, **terms.args()}

        async def work() -> Submission:
            if not text.strip() or len(text) > TEXT_CHARS_MAX:
                raise ActionError(f"a question has 1 to {TEXT_CHARS_MAX} characters")
            return msgspec.convert(await self._operator_command("submit", **args), Submission)

        return await self._logged("submit", args, command_line("submit", text, **terms.flags()), work)

    async def cancel(self, job: str) -> str:
        """Ask that one of the operator's jobs (label or id) end as cancelled; returns its id."""

        async def work() -> str:
            return str((await self._operator_command("cancel", job=job))["job"])

        return await self._logged("cancel", {"job": job}, command_line("cancel", job), work)

    # ------------------------------------------------------------------------------------------ processes

    async def kill(self, names: Sequence[str], only: Literal["provider", "axl"] | None = None) -> Outcome:
        """SIGKILL provider and AXL node of each, or `only` one of the two."""
        resolved = await self._resolved("kill", names, lambda states: not states <= GONE)
        return await self._supervised(
            "kill", command_line("kill", *resolved, only=only), names=resolved, only=only
        )

    async def pause(self, names: Sequence[str]) -> Outcome:
        """SIGSTOP both processes of each."""
        resolved = await self._resolved("pause", names, lambda states: states <= WORKING)
        return await self._supervised("pause", command_line("pause", *resolved), names=resolved)

    async def revive(self, names: Sequence[str]) -> Outcome:
        """Start again what is gone with the same key and store, wake what is paused."""
        resolved = await self._resolved("revive", names, lambda states: not states <= WORKING)
        return await self._supervised("revive", command_line("revive", *resolved), names=resolved)

    async def add(self) -> Outcome:
        """One more provider."""
        return await self._supervised("add", command_line("add"))

    async def partition(self, a: Sequence[str], b: Sequence[str]) -> Outcome:
        """Cut side `b` off from side `a`; whoever is not named is on side `a`."""
        side_a = await self._resolved("partition", a, lambda _: True)
        side_b = await self._resolved("partition", b, lambda _: True)
        return await self._supervised("partition", command_line("partition", *side_b), a=side_a, b=side_b)

    async def heal(self) -> Outcome:
        """End the partition."""
        return await self._supervised("heal", command_line("heal"))

    async def down(self) -> Outcome:
        """End the whole mesh; returns when nothing of it runs any more."""
        outcome = await self._supervised("down", command_line("down"))
        await until_released(self.run)
        return outcome

    # -------------------------------------------------------------------------------------------- helpers

    async def _resolved(
        self, action: str, words: Sequence[str], fits: Callable[[set[str]], bool]
    ) -> list[str]:
        """The same for an action, which is written down where nobody is meant."""
        try:
            return await self._resolve(words, fits)
        except UserError as error:
            self._write_down(action, {"names": list(words)}, command_line(action, *words), error.message)
            raise

    async def _resolve(self, words: Sequence[str], fits: Callable[[set[str]], bool]) -> list[str]:
        """Names of those meant by `words`; `fits` tells by the states of its processes who is a candidate."""
        status = await self.reach.status()
        candidates = [name for name, states in _states(status).items() if fits(states)]
        return await targets.resolve(words, status.plan, candidates, self.reach.picture, self._rng)

    async def _supervised(self, action: str, command: str, **args: Any) -> Outcome:
        return await self._logged(
            action, args, command, lambda: self.reach.supervisor.command(action, by=self.by, **args)
        )

    async def _operator_command(self, name: str, **args: Any) -> dict[str, Any]:
        try:
            return await self.reach.ask_operator(lambda control: control.command(name, **args))
        except ControlError as error:
            raise ActionError(str(error)) from error

    async def _logged(
        self, action: str, args: dict[str, object], command: str, work: Callable[[], Awaitable[T]]
    ) -> T:
        """Do it unless only reading is allowed, and write down what came of it."""
        try:
            if self.read_only:
                raise ActionError("read-only: nothing was done")
            result = await work()
        except UserError as error:
            self._write_down(action, args, command, error.message)
            raise
        except BaseException as error:  # given up while it was under way: it may have been done
            self._write_down(action, args, command, f"broken off: {type(error).__name__}")
            raise
        self._write_down(action, args, command, "done")
        return result

    def _write_down(self, action: str, args: dict[str, object], command: str, outcome: str) -> None:
        with suppress(OSError):  # a full disk keeps nobody from acting
            action_log.append(self.run.action_log, self.by, action, args, command, outcome)


def _states(status: Status) -> dict[str, set[str]]:
    """States of the processes of each participant."""
    states: dict[str, set[str]] = {seat.name: set() for seat in status.plan.participants}
    for view in status.processes:
        if view.name in states:
            states[view.name].add(view.state)
    return states
