"""The report of a run: one JSON object. A figure that does not apply is null, never zero."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from mesh_core.api.schema import Counters
from whisper_tui import __version__
from whisper_tui.errors import BadInput
from whisper_tui.model.inert import inert_json
from whisper_tui.model.state import Incident, State
from whisper_tui.script.assertions import Check
from whisper_tui.script.load_report import LoadReport
from whisper_tui.script.schema import Clock, Kind

STDOUT = "-"

Outcome: TypeAlias = Literal["passed", "failed", "timed out", "skipped", "not reached"]


class StepReport(Struct, frozen=True):
    """One step. `outcome`: passed, failed, timed out, skipped (its `when` did not hold) or not reached."""

    number: int
    line: int
    kind: Kind
    about: str
    outcome: Outcome
    took_ms: float | None
    did: str
    checks: list[Check]


class IncidentReport(Struct, frozen=True):
    """One disturbance: `killed` by name, and after how many milliseconds the last node had reached each stage."""

    action: str
    killed: list[str]
    suspected_ms: float | None
    confirmed_ms: float | None
    reclaimed_ms: float | None
    finished_ms: float | None
    settled_ms: float | None
    converged_ms: float | None


class PassageReport(Struct, frozen=True):
    """A passage that an answer cites."""

    shard: int
    source: str
    text: str


class AnswerReport(Struct, frozen=True):
    """The answer to one question, as its submitter opened it."""

    query: str
    label: str
    text: str
    backend: str
    passages: list[PassageReport]
    notes: list[str]


class Failure(Struct, frozen=True):
    """Why a run did not pass: the step (null when it was none), what the mesh looked like, what came before, and what
    the console showed, or would have shown."""

    step: int | None
    message: str
    mesh: list[str]
    events: list[str]
    screen: list[str]


class Report(Struct, frozen=True):
    """Everything about one run. `counters` are what the survivors' stores prove after its end, null when there
    are none, and `jobs_open` what they leave to be done; `backend` is what wrote the answers."""

    name: str
    source: str
    clock: Clock
    passed: bool
    steps: list[StepReport]
    counters: Counters | None
    incidents: list[IncidentReport]
    backend: str | None
    versions: dict[str, str]
    seed: str
    variables: dict[str, str]
    took_ms: float
    answers: list[AnswerReport]
    failure: Failure | None
    jobs_open: int | None
    load: LoadReport | None


def versions() -> dict[str, str]:
    """What ran."""
    return {
        "whisper": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def incident_report(incident: Incident) -> IncidentReport:
    """An incident, stage by stage, to the tenth of a millisecond."""

    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 1)

    return IncidentReport(
        incident.action,
        list(incident.killed),
        rounded(incident.suspected_ms),
        rounded(incident.confirmed_ms),
        rounded(incident.reclaimed_ms),
        rounded(incident.finished_ms),
        rounded(incident.settled_ms),
        rounded(incident.converged_ms),
    )


def answer_reports(state: State) -> list[AnswerReport]:
    """Every answer, oldest first."""
    queries = sorted((entry.view for entry in state.queries.values()), key=lambda view: view.submitted_ms)
    return [
        AnswerReport(
            query.text,
            query.label,
            query.answer.text,
            query.answer.backend,
            [PassageReport(one.shard, one.source, one.text) for one in query.answer.passages],
            list(query.answer.notes),
        )
        for query in queries
        if query.answer is not None
    ]


def encoded(report: Report) -> bytes:
    """The report as indented JSON; it may go to a terminal, and answers are other programs' words."""
    return inert_json(msgspec.json.format(msgspec.json.encode(report), indent=2).decode()).encode() + b"\n"


def check_target(target: str | None) -> None:
    """BadInput now when a report could not be written there later."""
    if target is None or target == STDOUT:
        return
    folder = Path(target).absolute().parent
    if not folder.is_dir():
        raise BadInput(f"the report cannot be written to {target}: {folder} is no folder")
    if Path(target).is_dir() or not os.access(target if Path(target).exists() else folder, os.W_OK):
        raise BadInput(f"the report cannot be written to {target}: not writable")


def write(content: bytes, target: str) -> None:
    """Write a report to a file, or to standard output for `-`. BadInput when that is impossible."""
    try:
        if target == STDOUT:
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            Path(target).write_bytes(content)
    except OSError as error:
        raise BadInput(f"the report cannot be written to {target}: {error.strerror}") from error
