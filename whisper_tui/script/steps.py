"""Playing the steps of a script, each within its time: what was done, and what was looked at."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mesh_core.api.reports import Audit
from whisper_tui.errors import ActionError, TimedOut, UserError
from whisper_tui.script import captures, keys, looking
from whisper_tui.script.assertions import Check, describe, judge, shown
from whisper_tui.script.doing import Stage
from whisper_tui.script.ground import Ground
from whisper_tui.script.looking import View
from whisper_tui.script.schema import OF_THE_CONSOLE, Condition, Step
from whisper_tui.script.screen import Screen
from whisper_tui.script.variables import fill
from whisper_tui.script.verbs import VERBS

FAILED = 1


class StepFailed(UserError):
    """A step did not do or find what it should; `checks` were looked at."""

    def __init__(self, message: str, checks: Sequence[Check] = (), exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.checks = list(checks)
        self.exit_code = exit_code


class Player:
    """Plays steps on `stage`, and on `screen` if there is a console. `variables` grow by what steps save.

    `timeout_s` is the time of all steps together, from now on.
    """

    def __init__(
        self, ground: Ground, stage: Stage, screen: Screen | None, variables: dict[str, str], timeout_s: float
    ) -> None:
        self._ground = ground
        self._stage = stage
        self._screen = screen
        self._variables = variables
        self._timeout_s = timeout_s
        self._deadline = stage.clock.now() + timeout_s

    def about(self, step: Step) -> str:
        """What a step is about, in its author's words or in its own."""
        if step.about:
            return str(fill(step.about, self._variables))
        if step.kind == "do":
            return step.action
        if step.kind == "save":
            return f"save {', '.join(step.save)}"
        if step.kind in OF_THE_CONSOLE:
            return step.kind
        return f"{step.kind} " + " and ".join(map(describe, self._conditions(step.conditions)))

    async def play(self, step: Step) -> tuple[str | None, list[Check]]:
        """Play one step within its own time and that of the whole script: what was done (None: it was skipped) and what was
        looked at. UserError when it does not pass."""
        clock = self._stage.clock
        own = clock.now() + step.within_s
        try:
            async with clock.limit(min(own, self._deadline)):
                return await self._play_step(step)
        except TimeoutError:
            limit = step.within_s if own <= self._deadline else self._timeout_s
            whose = "" if own <= self._deadline else ", the time-out of the script"
            checks = self._look(self._conditions(step.conditions)) if step.kind == "wait" else []
            unmet = "; ".join(check.text for check in checks if not check.passed)
            message = f"not within {limit:g} s{whose}" + (f": {unmet}" if unmet else "")
            raise StepFailed(message, checks, TimedOut.exit_code) from None

    async def _play_step(self, step: Step) -> tuple[str | None, list[Check]]:
        """What was done (None: it was skipped) and what was looked at."""
        when = await self._look_closely(self._conditions(step.when))
        if not all(check.passed for check in when):
            return None, []
        did, checks = "", list[Check]()
        if step.kind == "do":
            did = await self._do(step)
        elif step.kind in OF_THE_CONSOLE:
            did = await self._operate(step)
        elif step.kind == "wait":
            checks = await self._wait(self._conditions(step.conditions))
        elif step.kind == "expect":
            checks = await self._expect(self._conditions(step.conditions))
        for name, path in step.save.items():
            did = f"{did}, " * bool(did) + f"{name} = {await self._save(name, path)}"
        return did, checks

    async def _do(self, step: Step) -> str:
        verb = VERBS[step.action]
        try:
            filled = fill(msgspec.to_builtins(step.args), self._variables)
            verb.check(filled)
            args = msgspec.convert(filled, verb.args)
        except ValueError as error:
            raise ActionError(f"{step.action}: {error}") from error
        return await verb.perform(self._stage, args)

    async def _operate(self, step: Step) -> str:
        """Press keys of the console, or keep a picture of it."""
        assert self._screen is not None, "a script that needs a console has one"
        try:
            if step.kind == "capture":
                captures.check(name := str(fill(step.file, self._variables)))
                kept = await self._screen.capture(name)
                return f"kept {name}" if kept else f"{name} is not kept, no --captures says where"
            if step.kind == "type":
                text = str(fill(step.text, self._variables))
                await self._screen.type(text)
                return f"typed {text}"
            pressed = tuple(fill(step.keys, self._variables))
            for key in pressed:
                keys.check(key)
            await self._screen.press(pressed)
        except ValueError as error:
            raise ActionError(f"{step.kind}: {error}") from error
        return f"pressed {' '.join(pressed)}"

    async def _wait(self, conditions: Sequence[Condition]) -> list[Check]:
        await self._stage.picture.until(lambda _: all(check.passed for check in self._look(conditions)))
        return self._look(conditions)

    async def _expect(self, conditions: Sequence[Condition]) -> list[Check]:
        found = None
        if any(looking.needs_audit(condition.path) for condition in conditions):
            found = await self._ground.audit()
        checks = await self._look_closely(conditions, found)
        unmet = [check.text for check in checks if not check.passed]
        if unmet:
            raise StepFailed("expected " + "; expected ".join(unmet), checks)
        return checks

    async def _save(self, name: str, path: str) -> str:
        """Keep a value once it is there."""
        path = fill(path, self._variables)
        await self._stage.picture.until(lambda _: looking.read(self._view(), path) is not None)
        value = self._variables[name] = shown(looking.read(self._view(), path))
        return value

    # ---------------------------------------------------------------------------------------- looking

    def _conditions(self, conditions: Sequence[Condition]) -> list[Condition]:
        return [
            Condition(
                fill(condition.path, self._variables),
                condition.operator,
                fill(condition.expected, self._variables),
            )
            for condition in conditions
        ]

    async def _look_closely(self, conditions: Sequence[Condition], found: Audit | None = None) -> list[Check]:
        """Look when the console shows all that is known."""
        if self._screen is not None and any(condition.is_about_the_screen for condition in conditions):
            await self._screen.settle()
        return self._look(conditions, found)

    def _look(self, conditions: Sequence[Condition], found: Audit | None = None) -> list[Check]:
        looks = self._screen is not None and any(condition.is_about_the_screen for condition in conditions)
        view = self._view(found, self._screen.text() if self._screen is not None and looks else None)
        return [judge(condition, looking.read(view, condition.path)) for condition in conditions]

    def _view(self, found: Audit | None = None, screen: str | None = None) -> View:
        view = self._ground.view(self._stage)
        return msgspec.structs.replace(view, audit=found, screen=screen)
