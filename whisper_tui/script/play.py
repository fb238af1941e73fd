"""Playing a script: its steps one after the other on a mesh of its own, and the report of what came of them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from random import Random

import msgspec

from mesh_core.api.reports import Audit
from whisper_tui.errors import ActionError, TimedOut, UserError
from whisper_tui.model.numbers import counted
from whisper_tui.model.state import State, initial_state
from whisper_tui.script import captures, keys, looking
from whisper_tui.script.assertions import Check, describe, judge, shown
from whisper_tui.script.audit import audit
from whisper_tui.script.looking import View
from whisper_tui.script.mesh import Mesh, running
from whisper_tui.script.progress import Progress, event_lines, mesh_lines
from whisper_tui.script.reading import SEED
from whisper_tui.script.report import (
    Failure,
    Outcome,
    Report,
    StepReport,
    answer_reports,
    incident_report,
    versions,
)
from whisper_tui.script.schema import OF_THE_CONSOLE, Condition, Script, Step
from whisper_tui.script.screen import Filming, Screen, opened
from whisper_tui.script.variables import fill
from whisper_tui.script.verbs import VERBS
from whisper_tui.settings import TRUE_WORDS, Settings
from whisper_tui.sources.relay import Relay
from whisper_tui.supervisor.prepare import Wishes
from whisper_tui.supervisor.rundir import RunDir

PASSED, FAILED = 0, 1


class StepFailed(UserError):
    """A step did not do or find what it should; `checks` were looked at."""

    def __init__(self, message: str, checks: Sequence[Check] = (), exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.checks = list(checks)
        self.exit_code = exit_code


class Play:
    """One run of `script` in `run`. `report` may be asked for at any time."""

    def __init__(
        self,
        script: Script,
        run: RunDir,
        wishes: Wishes,
        settings: Settings,
        seed: str,
        progress: Progress,
        filming: Filming,
    ) -> None:
        self._script = script
        self._run = run
        self._wishes = wishes
        self._settings = settings
        self._seed = seed
        self._progress = progress
        self._filming = filming
        self._relay = Relay() if script.needs_the_console or filming.needs_the_console else None
        self._screen: Screen | None = None
        self._shown: list[str] = []
        self._rng = Random(seed)  # noqa: S311 - a run is repeated with its seed, nothing secret comes of it
        self._variables: dict[str, str] = {**script.variables, SEED: seed}
        self._began = time.monotonic()
        self._deadline = 0.0
        self._steps: list[StepReport] = []
        self._state: State = initial_state()
        self._audit: Audit | None = None
        self._failure: Failure | None = None

    async def play(self) -> int:
        """Run it from beginning to end; the exit code. The mesh has ended when this returns, however it does."""
        self._deadline = asyncio.get_running_loop().time() + self._script.timeout_s
        code = PASSED
        live: list[str] = []
        gone: list[str] = []
        self._progress.say(f"starting {counted(self._wishes.count or 0, 'provider')} and the operator …")
        try:
            async with running(
                self._run,
                self._wishes,
                self._settings,
                self._rng,
                self._progress.say,
                self._progress.told,
                self._relay.give if self._relay is not None else lambda _: None,
            ) as mesh:
                self._progress.say("they are up")
                try:
                    code = await self._play_before_eyes(mesh)
                finally:
                    self._state = mesh.picture.state
                    live, gone = mesh.participants()
                    self._progress.say("ending the mesh, and reading its stores …")
            self._audit = await audit(self._run, live, gone)
        except UserError as error:
            self._failure = self._failure or self._described(None, error.message)
            return code or error.exit_code
        return code or self._judge_audit(self._audit)

    def interrupted(self, by: str) -> None:
        """Somebody ended the run."""
        self._failure = self._failure or self._described(None, f"interrupted by {by}")

    def _judge_audit(self, found: Audit) -> int:
        """No script passes on a mesh that settled a job twice, whatever it expects."""
        if found.counters.jobs_settled_twice == 0:
            return PASSED
        self._failure = self._described(None, f"{found.counters.jobs_settled_twice} jobs settled twice")
        return FAILED

    # ------------------------------------------------------------------------------------------- steps

    async def _play_before_eyes(self, mesh: Mesh) -> int:
        """Play the steps, with a console if there is to be one."""
        if self._relay is None:
            return await self._play_steps(mesh)
        async with opened(self._script, self._filming, mesh, self._relay) as self._screen:
            code = await self._play_steps(mesh)
            await self._screen.settle()
            return code

    async def _play_steps(self, mesh: Mesh) -> int:
        for step in self._script.steps:
            began = time.monotonic()
            about = self._about(step)
            try:
                did, checks = await self._within(step, mesh)
            except UserError as error:
                self._state = mesh.picture.state
                self._shown = self._screen.lines() if self._screen is not None else []
                checks = error.checks if isinstance(error, StepFailed) else []
                timed_out = error.exit_code == TimedOut.exit_code
                self._note(step, about, "timed out" if timed_out else "failed", began, "", checks)
                self._failure = self._described(step.number, f"step {step.number}, {about}: {error.message}")
                return error.exit_code
            skipped = did is None
            self._note(step, about, "skipped" if skipped else "passed", began, did or "", checks)
        return PASSED

    async def _within(self, step: Step, mesh: Mesh) -> tuple[str | None, list[Check]]:
        """Play one step within its own time and that of the whole script."""
        loop = asyncio.get_running_loop()
        own = loop.time() + step.within_s
        try:
            async with asyncio.timeout_at(min(own, self._deadline)):
                return await self._play_step(step, mesh)
        except TimeoutError:
            limit = step.within_s if own <= self._deadline else self._script.timeout_s
            whose = "" if own <= self._deadline else ", the time-out of the script"
            checks = self._look(mesh, self._conditions(step.conditions)) if step.kind == "wait" else []
            unmet = "; ".join(check.text for check in checks if not check.passed)
            message = f"not within {limit:g} s{whose}" + (f": {unmet}" if unmet else "")
            raise StepFailed(message, checks, TimedOut.exit_code) from None

    async def _play_step(self, step: Step, mesh: Mesh) -> tuple[str | None, list[Check]]:
        """What was done (None: it was skipped) and what was looked at."""
        when = await self._look_closely(mesh, self._conditions(step.when))
        if not all(check.passed for check in when):
            return None, []
        did, checks = "", list[Check]()
        if step.kind == "do":
            did = await self._do(step, mesh)
        elif step.kind in OF_THE_CONSOLE:
            did = await self._operate(step)
        elif step.kind == "wait":
            checks = await self._wait(self._conditions(step.conditions), mesh)
        elif step.kind == "expect":
            checks = await self._expect(self._conditions(step.conditions), mesh)
        for name, path in step.save.items():
            did = f"{did}, " * bool(did) + f"{name} = {await self._save(name, path, mesh)}"
        return did, checks

    async def _do(self, step: Step, mesh: Mesh) -> str:
        verb = VERBS[step.action]
        try:
            filled = fill(msgspec.to_builtins(step.args), self._variables)
            verb.check(filled)
            args = msgspec.convert(filled, verb.args)
        except ValueError as error:
            raise ActionError(f"{step.action}: {error}") from error
        return await verb.perform(mesh.stage, args)

    async def _operate(self, step: Step) -> str:
        """Press keys of the console, or keep a picture of it."""
        assert self._screen is not None, "a script that needs a console has one"
        try:
            if step.kind == "capture":
                captures.check(name := str(fill(step.file, self._variables)))
                await self._screen.capture(name)
                return f"kept {name}"
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

    async def _wait(self, conditions: Sequence[Condition], mesh: Mesh) -> list[Check]:
        await mesh.picture.until(lambda _: all(check.passed for check in self._look(mesh, conditions)))
        return self._look(mesh, conditions)

    async def _expect(self, conditions: Sequence[Condition], mesh: Mesh) -> list[Check]:
        found = None
        if any(looking.needs_audit(condition.path) for condition in conditions):
            found = await audit(self._run, *mesh.participants())
        checks = await self._look_closely(mesh, conditions, found)
        unmet = [check.text for check in checks if not check.passed]
        if unmet:
            raise StepFailed("expected " + "; expected ".join(unmet), checks)
        return checks

    async def _save(self, name: str, path: str, mesh: Mesh) -> str:
        """Keep a value once it is there."""
        path = fill(path, self._variables)
        await mesh.picture.until(lambda _: looking.read(self._view(mesh), path) is not None)
        value = self._variables[name] = shown(looking.read(self._view(mesh), path))
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

    async def _look_closely(
        self, mesh: Mesh, conditions: Sequence[Condition], found: Audit | None = None
    ) -> list[Check]:
        """Look when the console shows all that is known."""
        if self._screen is not None and any(condition.is_about_the_screen for condition in conditions):
            await self._screen.settle()
        return self._look(mesh, conditions, found)

    def _look(self, mesh: Mesh, conditions: Sequence[Condition], found: Audit | None = None) -> list[Check]:
        view = self._view(mesh, found)
        if self._screen is not None and any(condition.is_about_the_screen for condition in conditions):
            view = msgspec.structs.replace(view, screen=self._screen.text())
        return [judge(condition, looking.read(view, condition.path)) for condition in conditions]

    def _view(self, mesh: Mesh, found: Audit | None = None) -> View:
        backend = mesh.plan.backend
        installed = bool(backend.ollama_url or backend.openai_url or backend.llama_cpp_url)
        demanded = os.environ.get("CI", "").lower() in TRUE_WORDS
        return View(
            mesh.picture.state,
            model_expected=not mesh.plan.light and (installed or demanded),
            model_starts=bool(backend.llama_cpp_url),
            audit=found,
        )

    # -------------------------------------------------------------------------------------- reporting

    def _about(self, step: Step) -> str:
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

    def _note(
        self, step: Step, about: str, outcome: Outcome, began: float, did: str, checks: list[Check]
    ) -> None:
        took_ms = round((time.monotonic() - began) * 1000, 1)
        noted = StepReport(step.number, step.line, step.kind, about, outcome, took_ms, did, checks)
        self._steps.append(noted)
        self._progress.step(noted, len(self._script.steps))

    def _described(self, step: int | None, message: str) -> Failure:
        return Failure(step, message, mesh_lines(self._state), event_lines(self._state), self._shown)

    def report(self) -> Report:
        """The report of all that has happened so far."""
        state = self._state
        answers = answer_reports(state)
        return Report(
            name=self._script.name,
            source=self._script.source,
            clock="real",
            passed=self._failure is None and len(self._steps) == len(self._script.steps),
            steps=[*self._steps, *self._not_reached()],
            counters=self._audit.counters if self._audit else None,
            incidents=[incident_report(incident) for incident in state.incidents],
            backend=", ".join(dict.fromkeys(answer.backend for answer in answers)) or None,
            versions=versions(),
            seed=self._seed,
            variables=_without_seed(self._variables),
            took_ms=round((time.monotonic() - self._began) * 1000, 1),
            answers=answers,
            failure=self._failure,
            jobs_open=self._audit.open if self._audit else None,
        )

    def _not_reached(self) -> list[StepReport]:
        return [
            StepReport(
                step.number,
                step.line,
                step.kind,
                step.about or step.action or step.kind,
                "not reached",
                None,
                "",
                [],
            )
            for step in self._script.steps[len(self._steps) :]
        ]


def _without_seed(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name != SEED}
