"""Playing a script: its steps one after the other on a ground of its own, and the report of what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from mesh_core.api.reports import Audit
from whisper_tui.errors import TimedOut, UserError
from whisper_tui.model.state import State, initial_state
from whisper_tui.model.views.base import Frame
from whisper_tui.model.views.still import still
from whisper_tui.script.assertions import Check
from whisper_tui.script.doing import Stage
from whisper_tui.script.ground import Ground
from whisper_tui.script.load_report import report_of
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
from whisper_tui.script.schema import CLOCKS, Script, Step
from whisper_tui.script.screen import Filming, Screen, opened
from whisper_tui.script.steps import FAILED, Player, StepFailed
from whisper_tui.sources.relay import Relay

PASSED = 0


class Play:
    """One run of `script` on `ground`. `report` may be asked for at any time."""

    def __init__(
        self, script: Script, ground: Ground, seed: str, progress: Progress, filming: Filming
    ) -> None:
        self._script = script
        self._ground = ground
        self._seed = seed
        self._progress = progress
        self._filming = filming
        self._rng = Random(seed)  # noqa: S311 - a run is repeated with its seed, nothing secret comes of it
        self._variables: dict[str, str] = {**script.variables, SEED: seed}
        self._began = ground.clock.now()
        self._steps: list[StepReport] = []
        self._state: State = initial_state()
        self._shown: list[str] = []
        self._audit: Audit | None = None
        self._failure: Failure | None = None

    async def play(self) -> int:
        """Run it from beginning to end; the exit code. What was started has ended when this returns, however it does."""
        code = PASSED
        wanted = self._script.needs_the_console or self._filming.needs_the_console
        relay = Relay() if wanted else None
        try:
            async with self._ground.entered(
                self._rng, self._progress, relay.give if relay is not None else lambda _: None
            ) as stage:
                try:
                    code = await self._play_before_eyes(stage, relay)
                finally:
                    self._state = stage.picture.state
            self._audit = await self._ground.audit()
        except UserError as error:
            self._failure = self._failure or self._described(None, error.message)
            return code or error.exit_code
        return code or self._judge_audit()

    def interrupted(self, by: str) -> None:
        """Somebody ended the run."""
        self._failure = self._failure or self._described(None, f"interrupted by {by}")

    def _judge_audit(self) -> int:
        """No script passes on a mesh that settled a job twice, whatever it expects."""
        if self._audit is None or self._audit.counters.jobs_settled_twice == 0:
            return PASSED
        twice = self._audit.counters.jobs_settled_twice
        self._failure = self._described(None, f"{twice} jobs settled twice")
        return FAILED

    # ------------------------------------------------------------------------------------------- steps

    async def _play_before_eyes(self, stage: Stage, relay: Relay | None) -> int:
        """Play the steps, with a console if there is to be one."""
        if relay is None:
            return await self._play_steps(stage, None)
        async with opened(self._script, self._filming, stage, relay) as screen:
            code = await self._play_steps(stage, screen)
            await screen.settle()
            return code

    async def _play_steps(self, stage: Stage, screen: Screen | None) -> int:
        player = Player(self._ground, stage, screen, self._variables, self._script.timeout_s)
        for step in self._script.steps:
            began = self._ground.clock.now()
            about = player.about(step)
            try:
                did, checks = await player.play(step)
            except UserError as error:
                self._state = stage.picture.state
                self._shown = screen.lines() if screen is not None else []
                checks = error.checks if isinstance(error, StepFailed) else []
                timed_out = error.exit_code == TimedOut.exit_code
                self._note(step, about, "timed out" if timed_out else "failed", began, "", checks)
                self._failure = self._described(step.number, f"step {step.number}, {about}: {error.message}")
                return error.exit_code
            skipped = did is None
            self._note(step, about, "skipped" if skipped else "passed", began, did or "", checks)
        return PASSED

    # -------------------------------------------------------------------------------------- reporting

    def _note(
        self, step: Step, about: str, outcome: Outcome, began: float, did: str, checks: list[Check]
    ) -> None:
        took_ms = round((self._ground.clock.now() - began) * 1000, 1)
        noted = StepReport(step.number, step.line, step.kind, about, outcome, took_ms, did, checks)
        self._steps.append(noted)
        self._progress.step(noted, len(self._script.steps))

    def _described(self, step: int | None, message: str) -> Failure:
        """A failure, with what an operator would see: the console's screen if there is one, else the overview as text."""
        shown = self._shown or still(Frame(self._state, self._state.now_ms))
        return Failure(step, message, mesh_lines(self._state), event_lines(self._state), shown)

    def report(self) -> Report:
        """The report of all that has happened so far."""
        state = self._state
        answers = answer_reports(state)
        return Report(
            name=self._script.name,
            source=self._script.source,
            clock=CLOCKS[self._script.source],
            passed=self._failure is None and len(self._steps) == len(self._script.steps),
            steps=[*self._steps, *self._not_reached()],
            counters=self._audit.counters if self._audit else None,
            incidents=[incident_report(incident) for incident in state.incidents],
            backend=", ".join(dict.fromkeys(answer.backend for answer in answers)) or None,
            versions=versions(),
            seed=self._seed,
            variables=_without_seed(self._variables),
            took_ms=round((self._ground.clock.now() - self._began) * 1000, 1),
            answers=answers,
            failure=self._failure,
            jobs_open=self._audit.open if self._audit else None,
            load=report_of(state),
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
